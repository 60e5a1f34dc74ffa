"""Who pays for what: the totals are the bill to the last digit, whatever was measured and however it is shared."""

import csv
import io
import math
from decimal import Decimal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipway.cost.allocation import NOBODY, Charge, Owner, Sharing, charges, reconciled, report
from shipway.cost.focus import COLUMNS, billed, focus_csv, missing, rows
from shipway.cost.money import Rule
from shipway.cost.prices import DEFAULT, PriceList
from shipway.cost.usage import Performance, Requested, UsageRow, measured, performance
from shipway.model.errors import BadInput

PRICES = PriceList("USD", {("cpu", "on-demand"): Decimal(1), ("memory", "on-demand"): Decimal("0.5")}, "the test")
DAY = 86_400.0
GIB = 2.0**30


def row(
    at: float = 3600.0, app: str = "shop", release: str = "v1", cpu: float = 1.0, requests: int = 100, **more: float
) -> UsageRow:
    return UsageRow(at, app, release, cpu, more.get("memory", GIB), requests, more.get("seconds", 3600.0))


def charge(app: str, cost: str, **more: str) -> Charge:
    owner = Owner(app, **{key: value for key, value in more.items() if key != "currency"})
    return Charge(owner, 0.0, 3600.0, more.get("currency", "USD"), {"cpu": Decimal(cost)})


def summed(found: tuple[Charge, ...]) -> Decimal:
    return sum((one.total for one in found), Decimal(0))


NUMBERS = st.floats(0, 1e4) | st.sampled_from([-1.0, math.nan, math.inf])
ROWS = st.lists(
    st.builds(
        UsageRow,
        at=st.floats(0, 3 * DAY) | st.just(math.nan),
        app=st.sampled_from("abc"),
        release=st.sampled_from(["v1", "v2"]),
        cpu=NUMBERS,
        memory=NUMBERS.map(lambda value: value * 2**20),
        requests=st.integers(-1, 1000),
        seconds=NUMBERS,
    ),
    max_size=15,
)
AMOUNTS = st.decimals(0, 10**6, places=2)


@given(ROWS, st.none() | AMOUNTS, AMOUNTS, st.sampled_from(["even", "proportional", "custom"]))
def test_the_totals_are_the_bill_whatever_was_measured(
    found: list[UsageRow], bill: Decimal | None, shared: Decimal, rule: Rule
) -> None:
    own = charges(measured(found), DEFAULT, {("a", "v1"): Requested(2.0, GIB)})
    done = reconciled(own, bill, shared, Sharing(rule, {"a": 1, "b": 2.5, "c": 0.1}))
    expected = sum((one.own for one in own), Decimal(0)) + shared if bill is None else bill
    assert summed(done) == expected
    for by in ("app", "release", "team"):
        assert sum((one.total for one in report(done, by)), Decimal(0)) == expected
    if done:
        written = list(rows(done, "acme"))
        assert billed(written) == expected


def test_the_more_of_what_was_requested_and_what_was_used() -> None:
    usage = measured([row(cpu=0.2, memory=2 * GIB)])
    (found,) = charges(usage, PRICES, {("shop", "v1"): Requested(0.5, GIB)})
    assert found.parts == {"cpu": Decimal("0.5"), "memory": Decimal(1)}
    assert found.quantities == {"cpu": Decimal("0.5"), "memory": Decimal(2)}
    assert (found.start, found.end, found.requests) == (0.0, 3600.0, 100)
    (used,) = charges(usage, PRICES, {})
    assert used.parts["cpu"] == Decimal("0.2")


def test_every_day_is_a_charge_of_its_own() -> None:
    found = charges(measured([row(DAY - 1), row(DAY + 3600), row(DAY + 7200)]), PRICES, {})
    assert [(one.start, one.end) for one in found] == [(DAY - 3601, DAY - 1), (DAY, DAY + 7200)]


def test_shared_and_idle_by_rule_and_a_discount_in_proportion() -> None:
    own = [charge("a", "1"), charge("b", "3"), charge("b", "0", release="v2")]
    even = reconciled(own, Decimal(10), Decimal(2), Sharing("even"))
    assert [one.parts for one in report(even, "app")] == [
        {"cpu": 1, "shared": 1, "idle": 2},
        {"cpu": 3, "shared": 1, "idle": 2},
    ]
    proportional = report(reconciled(own, Decimal(10), Decimal(2)), "app")
    assert [one.total for one in proportional] == [Decimal("2.5"), Decimal("7.5")]
    custom = report(reconciled(own, Decimal(10), Decimal(2), Sharing("custom", {"a": 1})), "app")
    assert [one.total for one in custom] == [7, 3]
    less = report(reconciled(own, Decimal(2)), "app")
    assert [one.parts["adjustment"] for one in less] == [Decimal("-0.5"), Decimal("-1.5")]
    with pytest.raises(BadInput, match="no application that ran has a weight"):
        reconciled(own, Decimal(10), sharing=Sharing("custom", {"c": 1}))


def test_what_was_given_to_nobody_is_still_paid_for() -> None:
    (found,) = reconciled((), Decimal(7), Decimal(2), currency="EUR")
    assert (found.owner.app, found.currency, found.total) == (NOBODY, "EUR", 7)
    assert reconciled(()) == ()


def test_a_mixture_of_currencies_is_refused() -> None:
    mixed = (charge("a", "1"), charge("b", "1", currency="EUR"))
    with pytest.raises(BadInput, match="EUR and USD"):
        reconciled(mixed)
    with pytest.raises(BadInput, match="EUR and USD"):
        report(mixed, "app")
    with pytest.raises(BadInput, match="GBP and USD"):
        reconciled((charge("a", "1"),), Decimal(1), currency="GBP")


def test_a_missing_price_is_unknown_and_not_nothing() -> None:
    found = charges(measured([row()]), PriceList("USD", {("cpu", "on-demand"): Decimal(1)}, "half"), {})
    assert found[0].unknown == ("no price for memory in half",)
    (line,) = report(found, "release")
    assert (line.name, line.total, line.per_request) == ("shop v1", 1, None)
    assert "memory" not in line.parts
    # FOCUS allows no null in BilledCost: what is not known has no row, and is said beside the file.
    assert all(one["BilledCost"] for one in rows(found, "acme"))
    assert missing(found) == ("shop v1: no price for memory in half",)
    assert (found[0].estimate, line.estimate) == (None, None)


def test_a_canary_beside_the_live_release_requests_nothing_twice() -> None:
    requested = {("shop", name): Requested(4.0, 0.0, 4) for name in ("v1", "v2")}
    live = [row(at=3600.0, cpu=0.1), row(at=7200.0, cpu=0.1)]
    canary = row(at=7200.0, cpu=0.1, release="v2")
    # Nobody says how many instances ran: the request is kept once, and both share it while both run.
    found = charges(measured([*live, canary]), PRICES, requested)
    assert [one.quantities["cpu"] for one in found] == [4 + 2, 2]
    # They do: three of four run the live release, one the canary.
    counted = [msgspec.structs.replace(one, instances=3) for one in live]
    found = charges(measured([*counted, msgspec.structs.replace(canary, instances=1)]), PRICES, requested)
    assert [one.quantities["cpu"] for one in found] == [3 + 3, 1]


@given(st.lists(st.tuples(st.sampled_from(["v1", "v2", "v3"]), st.integers(1, 30)), min_size=1, max_size=40))
def test_whatever_runs_beside_what_an_applications_request_is_charged_at_most_once(
    moments: list[tuple[str, int]],
) -> None:
    usage = measured([row(at=60.0 * at, release=name, cpu=0.0, memory=0.0, seconds=60.0) for name, at in moments])
    found = charges(usage, PRICES, {("shop", name): Requested(1.0, 0.0, 2) for name in ("v1", "v2", "v3")})
    minutes = len({at for _, at in moments})
    assert sum(one.quantities["cpu"] for one in found) == pytest.approx(Decimal(minutes) / 60, abs=Decimal("1e-6"))


def test_the_estimate_is_what_was_requested_alone() -> None:
    requested = {("shop", "v1"): Requested(1.0, float(2**30), 1)}
    (used,) = charges(measured([row(cpu=3.0, memory=0.0)]), PRICES, requested)
    assert used.estimate == PRICES.rate("cpu") + PRICES.rate("memory")
    (line,) = report([used], "app")
    assert (line.seconds, line.estimate) == (3600.0, used.estimate)
    assert line.month == line.total * 730


def test_cost_of_a_request_beside_how_it_was_served() -> None:
    found = charges(measured([row(), row(release="v2", requests=0)]), PRICES, {})
    one, two = report(found, "release", {"shop v1": Performance(0.25, 0.01)})
    assert (one.per_request, one.p95, one.error_rate) == (Decimal("0.015"), 0.25, 0.01)
    assert (two.requests, two.per_request, two.p95) == (0, None, None)
    (unread,) = report((charge("a", "1"),), "app")
    assert unread.requests is None


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        (row(cpu=1e308), "cpu is 1e+308"),
        (row(at=9e12), "at is 9000000000000.0"),
        (row(seconds=1e12), "seconds is 1000000000000.0"),
        (row(cpu=-1.0), "cpu is -1.0"),
        (row(cpu=math.nan), "cpu is nan"),
        (row(memory=math.inf), "memory is inf"),
        (row(requests=-5), "requests is -5"),
        (row(seconds=0.0), "seconds is 0.0"),
        (row(at=math.nan), "at is nan"),
    ],
)
def test_rows_that_cannot_be_are_left_out_and_named(bad: UsageRow, said: str) -> None:
    found = measured([bad, row(7200.0)])
    assert found.rows == (row(7200.0),)
    assert said in found.problems[0]


def test_duplicates_count_once_clocks_set_back_are_not_paid_twice_and_gaps_are_said() -> None:
    twice = measured([row(), row(cpu=9.0)])
    assert twice.rows == (row(),)
    assert "measured twice" in twice.problems[0]
    back = measured([row(3600.0), row(5400.0)])
    assert [one.seconds for one in back.rows] == [3600.0, 1800.0]
    gap = measured([row(10_000.0), row(3600.0), row(10_000.0, release="v2")])
    assert gap.gaps == {("shop", "v1"): 2800.0}
    assert measured([]).rows == ()


def test_how_releases_served_is_weighted_by_requests_and_unknown_where_nobody_looked() -> None:
    first, second = (
        UsageRow(at, "shop", "v1", 1.0, 0.0, requests, 60.0, failed, p95)
        for at, requests, failed, p95 in ((60.0, 300, 3, 0.1), (120.0, 100, 5, 0.5))
    )
    found = performance([first, second, row(release="v2"), row(release="v3", requests=0)])
    assert found["shop", "v1"] == (pytest.approx(0.2), 0.02)
    assert found["shop", "v2"] == found["shop", "v3"] == (None, None)
    more = msgspec.structs.replace(first, failed=301)
    assert "failed is 301" in measured([more]).problems[0]
    assert "p95 is -1.0" in measured([msgspec.structs.replace(first, p95=-1.0)]).problems[0]


def test_focus_columns() -> None:
    owner = Owner("shop", "v1", "storefront", "prod", "eu")
    one = Charge(owner, 0.0, 3600.0, "EUR", {"cpu": Decimal("1.5"), "idle": Decimal("0.25")}, {"cpu": Decimal(3)})
    found = list(csv.DictReader(io.StringIO(focus_csv([one], "acme"))))
    assert tuple(found[0]) == COLUMNS
    first, second = found
    assert {key: first[key] for key in ("BilledCost", "EffectiveCost", "BillingCurrency", "ConsumedUnit")} == {
        "BilledCost": "1.5",
        "EffectiveCost": "1.5",
        "BillingCurrency": "EUR",
        "ConsumedUnit": "vCPU-Hours",
    }
    assert (first["BillingPeriodStart"], first["BillingPeriodEnd"]) == ("1970-01-01T00:00:00Z", "1970-02-01T00:00:00Z")
    assert (first["ChargePeriodEnd"], first["ResourceId"]) == ("1970-01-01T01:00:00Z", "eu/prod/shop/v1")
    assert '"team": "storefront"' in first["Tags"]
    assert (second["ConsumedQuantity"], second["ChargeCategory"]) == ("", "Usage")
    assert '"part": "idle"' in second["Tags"]

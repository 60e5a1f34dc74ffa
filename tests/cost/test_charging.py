"""What charges are made from and come to: rows in files, idle machines by cluster, budgets that last or not."""

from decimal import Decimal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipway.cost.allocation import Charge, Owner, reconciled_by_cluster
from shipway.cost.budget import DAY, lasting
from shipway.cost.money import Unknown
from shipway.cost.usage import UsageRow, is_usage, rows_of
from shipway.model.errors import BadInput
from shipway.model.quantities import parse_money
from shipway.spec.reading import Source

NOVEMBER = 1793491200.0
ROW = msgspec.json.encode(UsageRow(NOVEMBER, "shop", "v1", 1.0, 2.0**30, 100, 60.0))


def charge(app: str, cluster: str, cost: int, days: float = 1.0) -> Charge:
    owner = Owner(app, "v1", cluster=cluster)
    return Charge(owner, NOVEMBER, NOVEMBER + days * DAY, "USD", {"cpu": Decimal(cost)})


@given(st.lists(st.tuples(st.sampled_from("ab"), st.sampled_from("xy"), st.integers(1, 100)), min_size=1))
def test_what_is_idle_on_a_cluster_is_paid_by_who_runs_there(given: list[tuple[str, str, int]]) -> None:
    idle = {"x": Decimal(10), "z": Decimal(7)}
    found = reconciled_by_cluster([charge(*one) for one in given], idle)
    for cluster in {cluster for _, cluster, _ in given}:
        own = sum(cost for _, where, cost in given if where == cluster)
        paid = sum((one.total for one in found if one.owner.cluster == cluster), Decimal(0))
        assert paid == own + idle.get(cluster, 0)
    assert sum((one.total for one in found), Decimal(0)) == sum(cost for *_, cost in given) + sum(idle.values())


def test_files_of_usage_are_known_by_their_rows_and_every_wrong_line_is_named() -> None:
    file = Source("use.jsonl", ROW + b"\n\n" + ROW + b"\n")
    assert is_usage(file)
    assert [row.release for row in rows_of(file)] == ["v1", "v1"]
    assert not is_usage(Source("allocation.json", '{"code": 200, "data": []}'))
    with pytest.raises(BadInput) as refused:
        rows_of(Source("use.jsonl", ROW + b'\n{"app": 1}\n\nno row'))
    assert [problem.line for problem in refused.value.problems] == [2, 4]


def test_a_budget_has_no_outlook_where_days_cannot_be_told_apart() -> None:
    month, at = parse_money("$300/month"), NOVEMBER + 9 * DAY
    whole = lasting("shop", month, [charge("shop", "x", 90, days=9)], at)
    assert isinstance(whole.budget.outlook, Unknown)
    assert "9.0 days are given in one" in whole.budget.outlook.reason
    with pytest.raises(BadInput):
        lasting("shop", parse_money("€300/month"), [charge("shop", "x", 90)], at)

"""Price catalogues: what is wrong is said at once with its line, and the nearest list with a price has the word."""

import re
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest

from shipway.cost.money import Unknown
from shipway.cost.prices import DEFAULT, hourly, monthly, price_book
from shipway.cost.usage import UsageRow
from shipway.model.errors import BadInput
from shipway.model.quantities import parse_money
from shipway.spec.platform import Prices
from shipway.spec.prices import parse_prices
from shipway.spec.reading import Source

DOCS = Path(__file__).resolve().parents[2] / "docs" / "cost.md"
EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
HEAD = "apiVersion: shipway.dev/v1alpha1\nkind: PriceCatalogue\nmetadata: {name: NAME}\nspec:\n"
SAID = "  source: https://example.com\n  date: 2026-11-01\n"


def catalogue(body: str, name: str = "acme") -> Source:
    lines = "".join(f"  {line}\n" for line in body.splitlines())
    return Source(f"{name}.yaml", HEAD.replace("NAME", name) + SAID + lines)


def test_everything_wrong_is_said_at_once_with_its_line() -> None:
    text = HEAD.replace("NAME", "acme") + (
        "  date: yesterday\n"  # 5
        "  cpu: {onDemand: $0.03/fortnight, spott: $1/hour, reserved: 0.02}\n"
        "  memory: -3\n"
        "  gpu: .nan\n"
        "  storage: $0.1\n"
        "  loadBalancer:\n"  # 10
        "  egress: $0.09/month\n"
    )
    found, problems = parse_prices([Source("prices.yaml", text)])
    assert found == []
    said = {(one.line, one.path): one.message for one in problems}
    assert sorted(line for line, _ in said) == [4, 5, 6, 6, 6, 7, 8, 9, 10, 11]
    assert "source" in said[4, "spec.source"]
    assert "a date such as 2026-11-01" in said[5, "spec.date"]
    assert "a price such as $0.03/hour or $25/month" in said[6, "spec.cpu.onDemand"]
    assert "fortnight" in said[6, "spec.cpu.onDemand"]
    assert "spot" in said[6, "spec.cpu.spott"]
    assert said[9, "spec.storage"].endswith('got "$0.1"')
    assert "a price such as $0.09" in said[11, "spec.egress"]


def test_two_currencies_in_one_catalogue() -> None:
    _, problems = parse_prices([catalogue("cpu: {onDemand: $0.03/hour, spot: €0.01/hour}\negress: £1")])
    assert [(one.line, one.code) for one in problems] == [(7, "currency-mix"), (8, "currency-mix")]
    assert "expected a price in USD like the first, got EUR" in problems[0].message


def test_two_catalogues_for_one_place() -> None:
    _, problems = parse_prices(
        [catalogue("regions: [eu]\ncpu: $1/hour", "a"), catalogue("regions: [eu]\ncpu: $2/hour", "b")]
    )
    assert [(one.file, one.line) for one in problems] == [("b.yaml", 7)]
    assert "a.yaml:1" in problems[0].message
    _, problems = parse_prices([catalogue("cpu: $1/hour", "a"), catalogue("cpu: $2/hour", "b")])
    assert "everywhere" in problems[0].message


def test_other_kinds_are_passed_over_and_broken_yaml_is_a_problem() -> None:
    assert parse_prices([Source("a.yaml", "kind: Platform\n")]) == ([], [])
    _, problems = parse_prices([Source("a.yaml", "kind: [PriceCatalogue\n")])
    assert len(problems) == 1


def test_the_cluster_goes_before_the_region_before_everywhere_before_the_platform() -> None:
    found, problems = parse_prices(
        [
            catalogue("clusters: [prod]\ncpu: $4/hour", "c"),
            catalogue("regions: [eu]\ncpu: $3/hour\nmemory: {onDemand: $2/hour, spot: $1/hour}", "r"),
            catalogue("storage: $73/month\nmemory: {reserved: $1/hour}", "e"),
        ]
    )
    assert problems == []
    book = price_book(found, Prices.model_validate({"cpu": "$730/month", "memory": "$1460/month"}))
    prod, eu, us = book.at("prod", "eu"), book.at("other", "eu"), book.at("x", "us")
    assert (prod.rate("cpu"), prod.rate("memory"), prod.rate("memory", "spot")) == (4, 2, 1)
    assert (eu.rate("cpu"), eu.rate("cpu", "spot"), eu.rate("storage")) == (3, 3, Decimal("0.1"))
    assert (us.rate("cpu"), us.rate("memory", "reserved")) == (1, 1)
    assert isinstance(us.rate("memory"), Unknown)
    assert ("memory", "reserved") not in eu.rates
    assert (prod.name, prod.source) == ("c or r or e or the Platform", "https://example.com")
    assert us.rate("gpu") == Unknown("no price for gpu in e or the Platform")


def test_a_list_of_another_currency_fills_no_hole_and_mixing_it_everywhere_is_refused() -> None:
    found, _ = parse_prices([catalogue("regions: [eu]\ncpu: €3/hour")])
    book = price_book(found, Prices.model_validate({"memory": "$1/hour"}))
    assert isinstance(book.at("", "eu").rate("memory"), Unknown)
    assert book.at("", "us").currency == "USD"
    everywhere, _ = parse_prices([catalogue("cpu: €3/hour")])
    with pytest.raises(BadInput, match="EUR and USD"):
        price_book(everywhere, Prices.model_validate({"memory": "$1/hour"}))


def test_without_any_prices_those_of_opencost_hold_and_the_example_says_the_same() -> None:
    assert price_book().at("any") is DEFAULT
    path = EXAMPLES / "prices" / "opencost.yaml"
    found, problems = parse_prices([Source(str(path), path.read_text())])
    assert problems == []
    assert price_book(found).at().rates == DEFAULT.rates
    assert isinstance(DEFAULT.rate("load balancer"), Unknown)


def test_the_documented_catalogue_and_row_of_usage_are_read() -> None:
    text = DOCS.read_text()
    found, problems = parse_prices([Source("docs", re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)[0])])
    assert problems == []
    assert len(price_book(found).at("", "eu-central-1").rates) == 8
    (line,) = re.findall(r"^    (\{.*\})$", text, re.MULTILINE)
    assert msgspec.json.decode(line, type=UsageRow).app == "shop"


def test_a_month_has_730_hours_and_a_price_without_a_period_is_no_rate() -> None:
    assert hourly(parse_money("$73/month")) == Decimal("0.1")
    assert monthly(parse_money("$12/day")) == 365
    assert monthly(parse_money("$300")) == 300
    with pytest.raises(BadInput, match=r"without a period: spec\.prices\.cpu"):
        price_book((), Prices.model_validate({"cpu": "$25"}))
    with pytest.raises(BadInput, match="prices of the Platform in EUR and USD"):
        price_book((), Prices.model_validate({"cpu": "$25/month", "memory": "€1/month"}))

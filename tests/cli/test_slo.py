"""``shipway slo``: what it prints, what it refuses, and what Prometheus files it makes."""

import json
from pathlib import Path

import pytest
import yaml

from shipway.engine.views import JourneyView, PromisesView, PromiseView
from shipway.render.slo.levels import BadEvents, ServiceLevel
from shipway.slo.budget import Unknown, judge
from shipway.slo.counters import Sample
from shipway.slo.journeys import Composite
from tests import conformance
from tests.cli.shell import Shell
from tests.cli.stub import AT, Stub
from tests.render.test_slo_sloth import require_equal

SHOP = """\
apiVersion: shipway.dev/v1alpha1
kind: Application
metadata: {name: shop}
spec:
  archetype: web-app
  image: shop:1
  slo: {availability: 99.9%}
  environments: {prod: {slo: {availability: 99.99%}}}
"""
PLATFORM = """\
apiVersion: shipway.dev/v1alpha1
kind: Platform
metadata: {name: acme}
spec: {journeys: {buy: {applications: [shop], objective: 99%}}, environments: {prod: {}}}
"""
SLOTH = """\
version: prometheus/v1
service: shop
slos:
  - name: up
    objective: 99.9
    sli:
      events:
        error_query: sum(rate(http_server_request_duration_seconds_count{job="shop", http_response_status_code=~"5.."}[{{.window}}]))
        total_query: sum(rate(http_server_request_duration_seconds_count{job="shop"}[{{.window}}]))
    alerting: {name: ShopUp}
  - name: queue
    objective: 95
    sli:
      raw: {error_ratio_query: "avg_over_time(late[{{.window}}])"}
    alerting: {name: ShopQueue, page_alert: {disable: true}}
"""
LEVEL = ServiceLevel(service="shop", name="availability", objective=99, indicator=BadEvents("", ""), alert="A")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "shop.yaml"
    path.write_text(SHOP)
    return path


def view(bad: int) -> PromisesView:
    samples = [Sample(AT - 3600 + 60 * i, bad * i, 100 * i) for i in range(61)]
    return PromisesView(applications=(PromiseView(app="shop", release="v2", statuses=(judge(LEVEL, [samples], AT),)),))


def test_status_says_how_much_of_the_window_was_measured(shipway: Shell, stub: Stub) -> None:
    stub.answers["GET", "/v1/slo"] = view(bad=2)
    result = shipway("slo", "status")
    (_, row, *_, sentence) = result.out.splitlines()
    assert row.split() == [
        "shop",
        "availability",
        "99",
        "%",
        "1h",
        "of",
        "30d",
        "6,000",
        "120",
        "-100.0",
        "%",
        "2",
        "2",
        "2",
        "exhausted",
    ]
    assert (
        sentence
        == "shop availability: exhausted: 120 of 6,000 failed where 60.0 may; burns at more than 1 times the rate it can sustain"
    )
    stub.answers["GET", "/v1/applications/shop/slo"] = view(bad=0)
    data = shipway("slo", "status", "shop", "--json").data
    assert data["applications"][0]["statuses"][0]["spending"]["remaining"] == 1
    stub.answers["GET", "/v1/slo"] = PromisesView(applications=())
    assert "Nothing is promised" in shipway("slo", "status").out


def test_status_of_journeys(shipway: Shell, stub: Stub) -> None:
    known = Composite(share=0.011, least=0.01, most=0.011, remaining=-0.1)
    ways = {"applications": ("shop", "till"), "objective": 0.99, "window": 86400.0}
    journeys = (
        JourneyView(name="buy", spending=known, **ways),  # type: ignore[arg-type]  # the words of both
        JourneyView(name="look", spending=Unknown("till is not live here"), **ways),  # type: ignore[arg-type]  # as above
    )
    stub.answers["GET", "/v1/slo"] = PromisesView(applications=(), journeys=journeys)
    out = " ".join(shipway("slo", "status").out.split())
    assert "journey buy: -10.0 % of the budget left; 1.100% of the journeys failed, between 1.000% and 1.100%" in out
    assert "journey look: unknown: till is not live here (through shop, till, 99 % over 1d)" in out
    assert shipway("slo", "status", "--json").data["journeys"][0]["spending"]["least"] == 0.01


def test_rules_of_an_application_and_a_journey(shipway: Shell, file: Path, tmp_path: Path) -> None:
    platform = tmp_path / "platform.yaml"
    platform.write_text(PLATFORM)
    result = shipway("slo", "rules", file, platform, "--env", "prod", "--label", "cluster=eu")
    assert (result.code, result.err) == (0, "")
    groups = yaml.safe_load(result.out)["groups"]
    assert [one["name"] for one in groups] == [
        "slo-shop-availability",
        "slo-shop-availability-period",
        "slo-buy-journey",
        "slo-buy-journey-period",
    ]
    labels = groups[0]["rules"][0]["labels"]
    assert labels == {"cluster": "eu", "environment": "prod", "slo": "availability", "slo_service": "shop"}
    assert any(rule["expr"] == "vector(0.9999)" for rule in groups[0]["rules"])


@pytest.mark.parametrize("name", ["getting-started", "k8s-getting-started", "openslo-getting-started"])
def test_rules_as_sloth_makes_them(shipway: Shell, name: str) -> None:
    folder = conformance.folder("sloth")
    result = shipway(
        "slo", "rules", "--compat", "sloth", "--label", "cmd=examplesgen.sh", folder / "in" / f"{name}.yml"
    )
    theirs = [one for one in yaml.safe_load_all((folder / "out" / f"{name}.yml").read_text()) if one]
    require_equal(list(yaml.safe_load_all(result.out)), theirs)


def test_every_file_of_ours_can_be_had_in_sloths_style(shipway: Shell, file: Path) -> None:
    groups = yaml.safe_load(shipway("slo", "rules", file, "--compat", "sloth").out)["groups"]
    assert groups[0]["name"] == "sloth-slo-sli-recordings-shop-availability"
    file.write_text(
        f"{SHOP}---\n{PLATFORM}".replace("spec: {journeys", "spec: {defaults: {slo: {calendar: month}}, journeys")
    )
    refused = shipway("slo", "rules", file, "--compat", "sloth").err
    assert "Sloth knows no calendar windows, which shop-availability" in refused


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--compat", "slothh"], "did you mean `sloth`"),
        (["--meters", "otel"], "expected opentelemetry or istio"),
        (["--label", "x"], "expected KEY=VALUE"),
        (["--window", "1h"], "three days"),
        (["--window", "soon"], "--window"),
    ],
)
def test_bad_options_are_refused(shipway: Shell, file: Path, words: list[str], says: str) -> None:
    result = shipway("slo", "rules", file, *words)
    assert result.code == 2
    assert says in result.err


def test_validate_and_import(shipway: Shell, tmp_path: Path) -> None:
    sloth = tmp_path / "sloth.yaml"
    sloth.write_text(SLOTH)
    assert shipway("slo", "validate", sloth, "--json").data["serviceLevels"] == ["shop-up", "shop-queue"]
    made = shipway("slo", "import", sloth)
    first, second = yaml.safe_load_all(made.out)
    assert first == {"slo": {"availability": "99.9%"}}
    assert "Application shop,\n# where the Platform says `slo: {window: 30d}` under `spec.defaults`." in made.out
    file = tmp_path / "shop.yaml"
    file.write_text(SHOP.replace("{availability: 99.9%}", str(first["slo"])))
    assert shipway("validate", file).code == 0
    ours = tmp_path / "levels.yaml"
    ours.write_text(made.out.partition("---\n")[2])
    assert shipway("slo", "validate", ours).out == "valid: shop-queue\n"
    assert second["kind"] == "ServiceLevels"
    sloth.write_text(SLOTH.replace("objective: 99.9", "objective: 999"))
    bad = shipway("slo", "validate", sloth)
    assert bad.code == 2
    assert f"{sloth}:5:16 error slos[0].objective" in bad.err
    assert shipway("slo", "import", sloth, "--json").error["problems"][0]["line"] == 5


def test_the_files_are_checked_together(shipway: Shell, file: Path, tmp_path: Path) -> None:
    platform = tmp_path / "platform.yaml"
    platform.write_text(PLATFORM.replace("[shop]", "[shop, payment]"))
    result = shipway("slo", "rules", file, platform)
    assert result.code == 2
    assert "payment" in result.err
    assert json.loads(shipway("slo", "validate", tmp_path / "absent.yaml", "--json").out)["error"]["exit_code"] == 2

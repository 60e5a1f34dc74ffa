"""``shipway cost``: what it prints and what it refuses, on an organisation and on files of others."""

import csv
import io
import json
import shutil
import subprocess
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from shipway.cost.usage import UsageRow
from shipway.facts.charging import completed
from shipway.facts.served import Served
from shipway.insight.series import Absent
from tests.cli.shell import Shell
from tests.cost.test_opencost import allocation

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "platform"
PLATFORM = """\
apiVersion: shipway.dev/v1alpha1
kind: Platform
metadata: {name: acme}
spec:
  environments: {dev: {}, prod: {clusters: {prod-eu: eu, prod-us: us}}}
  prices: {cpu: $73/month, memory: $7.30/month}
"""
SHOP = """\
apiVersion: shipway.dev/v1alpha1
kind: Application
metadata: {name: shop, team: front}
spec:
  archetype: api-service
  image: shop:1
  resources: {cpu: "1", memory: 1Gi}
  scale: {min: 2, max: 4}
  budget: $400/month
"""
CATALOGUE = """\
apiVersion: shipway.dev/v1alpha1
kind: PriceCatalogue
metadata: {name: us}
spec:
  source: https://example.com
  date: 2026-11-01
  regions: [us]
  cpu: {onDemand: $0.2/hour, spot: $0.05/hour}
  memory: $0.01/hour
"""


@pytest.fixture
def acme(tmp_path: Path) -> Path:
    directory = tmp_path / "acme"
    (directory / "prices").mkdir(parents=True)
    (directory / "platform.yaml").write_text(PLATFORM)
    (directory / "shop.yaml").write_text(SHOP)
    (directory / "prices" / "us.yaml").write_text(CATALOGUE)
    return directory


def rows(*changes: dict[str, Any]) -> str:
    row = {"at": 3600.0, "app": "shop", "release": "v1", "cpu": 0.5, "memory": 0.0, "requests": 1000, "seconds": 3600.0}
    return "".join(json.dumps(row | change) + "\n" for change in changes)


@pytest.fixture
def usage(tmp_path: Path) -> Path:
    path = tmp_path / "usage.jsonl"
    path.write_text(rows({}, {"release": "v2", "cpu": 1.5}, {"app": "search", "requests": 0}))
    return path


@pytest.fixture
def opencost(tmp_path: Path) -> Path:
    """Twenty days of November, 0.062174 each and as much idle."""
    path = tmp_path / "allocation.json"
    sets = []
    for day in range(1, 21):
        times = {"start": f"2026-11-{day:02}T00:00:00Z", "end": f"2026-11-{day + 1:02}T00:00:00Z"}
        idle = allocation("cluster-one/__idle__", properties={"cluster": "cluster-one"}, **times)
        sets.append(allocation("shop", **times) | idle)
    path.write_text(json.dumps({"code": 200, "data": sets}))
    return path


def test_estimate_of_an_organisation(shipway: Shell, acme: Path) -> None:
    found = shipway("cost", "estimate", "--platform", acme, "--env", "prod", "--json").data
    assert [(one["cluster"], one["monthly"]["low"], one["monthly"]["high"]) for one in found["estimates"]] == [
        ("prod-eu", "160.600000000", "321.200000000"),
        ("prod-us", "306.600000000", "613.200000000"),
    ]
    assert found["monthly"]["high"] == "934.400000000"
    (budget,) = found["budgets"]
    assert budget["facts"] == {"currency": "USD", "monthly": 467.2, "highest": 934.4, "budget": 400.0}
    assert budget["state"] == "exceeds"
    text = shipway("cost", "estimate", "--platform", acme, "--env", "prod").out
    assert "$160.60 to $321.20" in text
    assert "Together $467.20 to $934.40 a month." in text
    assert "Prices: us or the Platform, https://example.com, 2026-11-01." in text


def test_the_example_is_priced_whole(shipway: Shell) -> None:
    found = shipway("cost", "estimate", "--platform", EXAMPLE, "--json").data
    assert found["monthly"]["unknown"] == []
    job = next(one for one in found["estimates"] if (one["application"], one["environment"]) == ("settlement", "prod"))
    cpu = next(line for line in job["lines"] if line["resource"] == "cpu")
    assert 0 < Decimal(cpu["low"]) < Decimal("0.02")  # 20 minutes of a day
    assert {one["state"] for one in found["budgets"]} == {"within"}
    assert any("fargate" in one["prices"] for one in found["estimates"] if one["cluster"] == "prod-us")


def test_estimate_against_another_directory_and_a_revision(shipway: Shell, acme: Path, tmp_path: Path) -> None:
    git = ["git", "-C", str(acme), "-c", "user.name=a", "-c", "user.email=a@example.com"]
    subprocess.run([*git[:3], "init", "-q"], check=True)
    subprocess.run([*git, "add", "."], check=True)
    subprocess.run([*git, "commit", "-qm", "first"], check=True)
    old = shutil.copytree(acme, tmp_path / "old", ignore=shutil.ignore_patterns(".git"))
    (acme / "shop.yaml").write_text(SHOP.replace("min: 2", "min: 3"))
    words = ("cost", "estimate", "shop", "--platform", acme, "--env", "prod", "--against")
    for against in (old, "HEAD"):
        changes = shipway(*words, against, "--json").data["changes"]
        assert [(one["cluster"], one["low"], one["high"]) for one in changes] == [
            ("prod-eu", "80.300000000", "0E-9"),
            ("prod-us", "153.300000000", "0E-9"),
        ]
    assert "+$80.30 to $0.00" in shipway(*words, "HEAD").out
    (acme / "new.yaml").write_text(SHOP.replace("name: shop", "name: new"))
    assert shipway(*words, "HEAD", "--json").code == 0
    result = shipway(*words, "nothing", "--json")
    assert "nothing is neither a directory nor a revision" in result.error["message"]
    assert shipway(*words, "--output=x", "--json").code == 2


def test_a_new_application_has_no_cost_before(shipway: Shell, acme: Path, tmp_path: Path) -> None:
    old = shutil.copytree(acme, tmp_path / "old")
    (acme / "new.yaml").write_text(SHOP.replace("name: shop", "name: new"))
    words = ("cost", "estimate", "new", "--platform", acme, "--env", "dev", "--against", old)
    (change,) = shipway(*words, "--json").data["changes"]
    assert change["before"] is None
    assert "$160.60 to $321.20" in shipway(*words).out


def test_estimate_with_advice_and_what_is_unknown(shipway: Shell, acme: Path) -> None:
    (acme / "nightly.yaml").write_text(
        SHOP.replace("shop", "nightly")
        .replace("api-service", "scheduled-job")
        .replace("  scale: {min: 2, max: 4}\n", "")
        + '  schedule: "0 3 * * *"\n'
    )
    result = shipway("cost", "estimate", "--platform", acme, "--env", "prod", "--advise")
    assert result.code == 0, result.err
    assert "Together at least $467.20 a month." in result.out
    assert "Unknown: CronJob/nightly runs for a time that nobody has declared." in result.out
    (line,) = [
        line for line in result.out.splitlines() if "nightly" in line and "prod-eu" in line and "unknown" in line
    ][:1]
    assert "$0" not in line
    assert "no spot price for cpu in the Platform" in result.out
    found = shipway("cost", "estimate", "--platform", acme, "--env", "prod", "--json").data
    assert (found["monthly"]["low"], found["monthly"]["high"]) == ("467.200000000", None)
    nightly = next(one for one in found["estimates"] if one["application"] == "nightly")
    assert (nightly["hourly"]["low"], nightly["hourly"]["high"]) == (None, None)


def test_a_mixture_of_currencies_is_an_error_and_one_cluster_alone_is_not(shipway: Shell, acme: Path) -> None:
    (acme / "prices" / "us.yaml").write_text(CATALOGUE.replace("$", "€"))
    result = shipway("cost", "estimate", "--platform", acme, "--env", "prod", "--json")
    assert result.code == 2
    assert result.error["message"] == "amounts in EUR and USD cannot be added"
    assert shipway("cost", "estimate", "--platform", acme, "--env", "dev").code == 0


def test_a_catalogue_that_is_wrong_is_refused_with_its_lines(shipway: Shell, acme: Path, tmp_path: Path) -> None:
    path = tmp_path / "wrong.yaml"
    path.write_text(CATALOGUE.replace("$0.2/hour", "-1").replace("$0.01/hour", "0.01 dollars"))
    result = shipway("cost", "estimate", "--platform", acme, "--prices", path)
    assert result.code == 2
    assert f"{path}:8:" in result.err
    assert f"{path}:9:" in result.err


def test_validate_knows_catalogues(shipway: Shell, acme: Path) -> None:
    path = acme / "prices" / "us.yaml"
    assert shipway("validate", path).out == "valid: prices us\n"
    path.write_text(CATALOGUE.replace("$0.01/hour", "1"))
    result = shipway("validate", path, "--json")
    assert [(one["line"], one["path"]) for one in result.error["problems"]] == [(9, "spec.memory")]
    path.write_text("kind: [\n")
    assert len(shipway("validate", path, "--json").error["problems"]) == 1


def test_actual_of_usage_adds_up_to_the_bill(shipway: Shell, usage: Path, acme: Path) -> None:
    words = ("cost", "actual", usage, "--platform", acme, "--env", "dev", "--bill", "$10", "--shared", "$1")
    found = shipway(*words, "--json").data
    assert Decimal(found["total"]) == 10
    assert sum(Decimal(row["total"]) for row in found["rows"]) == 10
    shop = {row["name"]: row for row in found["rows"]}["shop v1"]
    assert Decimal(shop["parts"]["cpu"]) == Decimal("0.1")  # one of two cores requested, half of one used
    assert shop["requests"] == 1000
    both = [row for row in found["rows"] if row["name"].startswith("shop")]
    assert sum(Decimal(row["estimate"]) for row in both) == Decimal("0.22")  # the request of both counts once
    assert Decimal(both[1]["parts"]["cpu"]) == Decimal("0.15")
    text = shipway(*words, "--share", "even").out
    assert "idle" in text
    assert "Together $10.00." in text


def test_cost_of_a_request_beside_p95_and_errors_and_how_they_go_together(shipway: Shell, tmp_path: Path) -> None:
    path = tmp_path / "usage.jsonl"
    releases = [(f"v{n}", float(n), 0.1 * n, 5 - n) for n in range(1, 6)]
    path.write_text(
        rows(*({"release": name, "cpu": cpu, "p95": p95, "failed": failed} for name, cpu, p95, failed in releases))
    )
    found = shipway("cost", "report", path, "--by", "release", "--json").data
    assert (found["rows"][0]["p95"], found["rows"][0]["error_rate"]) == (0.1, 0.004)
    assert found["correlations"]["p95"]["value"] == pytest.approx(1.0)
    assert found["correlations"]["errorRate"]["value"] == pytest.approx(-1.0)
    text = shipway("cost", "report", path, "--by", "release").out
    assert "100 ms" in text
    assert "0.4 %" in text
    assert "Cost of a request against P95, over releases: correlation +1.00" in text
    path.write_text(rows({"p95": 0.1}, {"release": "v2", "p95": 0.2}))
    assert "unknown, 2 releases with both figures" in shipway("cost", "report", path, "--by", "release").out


def test_report_by_team_as_table_csv_and_focus(shipway: Shell, usage: Path, acme: Path) -> None:
    words = ("cost", "report", usage, "--platform", acme, "--by", "team", "--bill", "$3")
    assert [line.split()[0] for line in shipway(*words).out.splitlines()[1:3]] == ["(none)", "front"]
    found = list(csv.DictReader(io.StringIO(shipway(*words, "--format", "csv").out)))
    assert sum(Decimal(row["total"]) for row in found) == 3
    focus = list(csv.DictReader(io.StringIO(shipway(*words, "--format", "focus").out)))
    assert sum(Decimal(row["BilledCost"]) for row in focus) == 3
    assert {row["BillingAccountId"] for row in focus} == {"acme"}


def test_opencost_in_and_its_idle_cost_shared_out(shipway: Shell, opencost: Path) -> None:
    found = shipway("cost", "report", opencost, "--by", "app", "--json").data
    (row,) = found["rows"]
    assert (row["name"], row["currency"], row["requests"]) == ("shop", "USD", None)
    assert Decimal(row["total"]) == 40 * Decimal("0.062174")
    assert Decimal(row["parts"]["idle"]) == 20 * Decimal("0.062174")


def test_forecast_of_a_budget_and_of_those_of_the_organisation(shipway: Shell, opencost: Path, acme: Path) -> None:
    words = ("cost", "forecast", opencost)
    (found,) = shipway(*words, "--budget", "$3/month", "--json").data["budgets"]
    assert found["budget"]["state"] == "will exceed"
    assert found["budget"]["spent"] == pytest.approx(40 * 0.062174)
    assert "2026-11-25" in shipway(*words, "--budget", "$3/month").out
    (shop,) = shipway(*words, "--platform", acme, "--json").data["budgets"]
    assert (shop["name"], shop["budget"]["state"]) == ("shop", "within")
    assert shipway(*words, "--json").error["message"] == "there is no budget to compare with"
    euros = shipway(*words, "--budget", "€3/month", "--json")
    assert "EUR and USD" in euros.error["message"]


def test_two_days_are_too_few_to_say(shipway: Shell, usage: Path) -> None:
    result = shipway("cost", "forecast", usage, "--budget", "$30/month")
    assert "unknown" in result.out
    assert "0 whole days are measured: at least 3 are needed" in result.out


def test_costs_of_many_days_in_one_tell_nothing_about_days(shipway: Shell, tmp_path: Path) -> None:
    path = tmp_path / "allocation.json"
    week = allocation("shop", start="2026-11-01T00:00:00Z", end="2026-11-08T00:00:00Z")
    path.write_text(json.dumps({"data": [week]}))
    out = shipway("cost", "forecast", path, "--budget", "$3/month").out
    assert "costs of 7.0 days are given in one: ask OpenCost with `step=1d`" in out


def test_a_missing_price_leaves_a_budget_without_an_outlook(shipway: Shell, acme: Path, tmp_path: Path) -> None:
    (acme / "platform.yaml").write_text(PLATFORM.replace(", memory: $7.30/month", ""))
    path = tmp_path / "usage.jsonl"
    path.write_text(rows(*({"at": 86_400.0 * day, "seconds": 86_400.0} for day in range(1, 6))))
    words = ("cost", "forecast", path, "--platform", acme, "--budget", "$300/month")
    (found,) = shipway(*words, "--json").data["budgets"]
    assert (found["budget"]["state"], found["unknown"]) == ("unknown", ["no price for memory in the Platform"])
    assert "at least $6.00" in shipway(*words).out
    text = shipway("cost", "report", path, "--platform", acme).out
    assert "at least $6.00" in text
    assert "Unknown: no price for memory in the Platform." in text


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--by", "moon"), "expected one of team, app, env, release for --by, got `moon`"),
        (("--format", "pdf"), "expected one of table, csv, focus for --format"),
        (("--share", "mine"), "expected one of even, proportional, custom for --share"),
        (("--bill", "3"), "--bill: expected an amount"),
        (("--share", "custom", "--weight", "shop=-1"), "expected --weight APP=N"),
        (("--share", "custom", "--weight", "shop"), "expected --weight APP=N"),
        (("--share", "custom", "--weight", "x=1", "--bill", "$9"), "no application that ran has a weight"),
        (("--bill", "€10"), "amounts in EUR and USD cannot be added"),
    ],
)
def test_options_that_make_no_sense(shipway: Shell, usage: Path, words: tuple[str, ...], said: str) -> None:
    result = shipway("cost", "report", usage, *words, "--json")
    assert result.code == 2
    assert said in result.error["message"]


def test_rows_that_cannot_be_read_are_named_and_bad_values_left_out(shipway: Shell, tmp_path: Path) -> None:
    path = tmp_path / "usage.jsonl"
    path.write_text(rows({}, {"cpu": -1.0, "at": 7200.0}) + '{"app": 3}\nnonsense\n')
    result = shipway("cost", "actual", path)
    assert result.code == 2
    assert f"{path}:3:" in result.err
    assert f"{path}:4:" in result.err
    path.write_text(rows({}, {"cpu": -1.0, "at": 7200.0}, {"at": 90_000.0}))
    text = shipway("cost", "actual", path).out
    assert "cpu is -1.0; the row is left out" in text
    assert "82800 s were not measured" in text


def test_nothing_that_can_be_charged_is_unknown_and_no_amount(shipway: Shell, tmp_path: Path) -> None:
    path = tmp_path / "usage.jsonl"
    path.write_text(rows({"cpu": 1e308}))
    out = shipway("cost", "actual", path).out
    assert "Unknown: nothing could be charged." in out
    assert "0.00" not in out


def test_names_never_steer_the_terminal(shipway: Shell, tmp_path: Path) -> None:
    path = tmp_path / "usage.jsonl"
    path.write_text(rows({"app": "\x1b[31mred"}))
    for verb in ("actual", "report"):
        assert "\x1b" not in shipway("cost", verb, path).out


def test_a_file_that_is_neither(shipway: Shell, tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    path.write_text("{}")
    assert "expected an answer of OpenCost" in shipway("cost", "actual", path, "--json").error["message"]
    assert shipway("cost", "actual", tmp_path / "none").code == 2


@pytest.mark.parametrize(
    ("text", "line", "said"), [("", 1, "got an empty file"), ('{"code": 200,\n "data": x}', 2, "malformed")]
)
def test_a_file_that_is_no_json_is_named_with_its_line(
    shipway: Shell, tmp_path: Path, text: str, line: int, said: str
) -> None:
    path = tmp_path / "x.json"
    path.write_text(text)
    (problem,) = shipway("cost", "actual", path, "--json").error["problems"]
    assert problem["line"] == line
    assert said in problem["message"]


def test_a_sum_with_an_unknown_part_says_at_least_and_a_bill_does_not(shipway: Shell, usage: Path, acme: Path) -> None:
    (acme / "platform.yaml").write_text(PLATFORM.replace(", memory: $7.30/month", ""))
    (acme / "prices" / "us.yaml").unlink()
    usage.write_text(rows({"memory": 2.0**30}))
    words = ("cost", "actual", usage, "--platform", acme, "--env", "prod")
    assert "Together at least $" in shipway(*words).out
    assert "Together $10.00." in shipway(*words, "--bill", "$10").out


def test_requests_that_no_sample_saw_are_counted_where_the_proxy_did() -> None:
    rows = [
        UsageRow(at, "shop", release, 0.1, 1e6, requests, 10.0)
        for at, release, requests in ((110.0, "v1", 50), (120.0, "v2", 0))
    ]
    nothing = Absent("nobody asked")
    counted = {
        ("shop", "v1"): Served(70, nothing, nothing, since=50.0),  # began before samples were kept
        ("shop", "v2"): Served(34, nothing, nothing, since=112.0),
        ("shop", "v3"): Served(9, nothing, nothing, since=115.0),
    }
    assert [one.requests for one in completed(rows, counted)] == [50, 34]

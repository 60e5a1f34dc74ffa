"""Sizing, forecasts and costs of what was recorded, and of tables; and the reasons when there is too little."""

import math
from contextlib import closing
from pathlib import Path

import msgspec
import pytest

from shipway.cli.controlling.samples import Sample
from shipway.cli.controlling.usages import UsageFiles
from shipway.cli.home import JOURNAL
from shipway.cli.insight import advising, learning, released
from shipway.cli.insight.advising import History, Moment
from shipway.cli.insight.released import Now
from shipway.cli.recalling import cards
from shipway.cli.recalling.records import records
from shipway.engine.loop import STREAM
from shipway.engine.ports import Append
from shipway.insight.sizing.usage import Usage
from shipway.journal.sqlite import SqliteJournal
from shipway.model.quantities import parse_money
from shipway.rollout.codec import encode
from shipway.rollout.events import ReleaseRequested
from shipway.spec import Source, parse_documents
from shipway.spec.application import API_VERSION
from shipway.testing.recordings import APP, Version, record
from tests.cli.shell import Shell

MIB = 2.0**20
BEGIN = 1_790_000_000.0


def daily(at: float) -> float:
    return 10 + 5 * math.sin(2 * math.pi * at / 86400)


def table(path: Path, days: float, step: float = 300.0) -> Path:
    """A load that follows the day."""
    lines = ["at,cpu,memory,requests"]
    for number in range(round(days * 86400 / step)):
        at = BEGIN + number * step
        lines.append(f"{at:.0f},{daily(at) / 10:.4f},{200 * MIB:.0f},{daily(at):.4f}")
    path.write_text("\n".join(lines))
    return path


def keep(home: Path, count: int, step: float = 10.0) -> None:
    """Two releases side by side, three instances."""
    each = ((0.2, 100 * MIB), (0.4, 120 * MIB))
    both = [
        Sample(BEGIN + n * step, "storefront", release, cpu, 1e8, 100, 0, step, pods)
        for n in range(count)
        for release, cpu, pods in (("v1", 0.6, each), ("v2", 0.1, ((0.1, 90 * MIB),)))
    ]
    UsageFiles(home).append(both)


def test_releases_side_by_side_are_one_application(home: Path) -> None:
    keep(home, 3)
    (history,) = advising.recorded(home, None)
    assert [one.requests for one in history.moments] == [20.0] * 3
    assert history.moments[0].each == ((0.2, 100 * MIB), (0.4, 120 * MIB), (0.1, 90 * MIB))


def test_the_grid_has_mean_cpu_and_peak_memory_and_gaps() -> None:
    moments = [Moment(0, ((1.0, 5.0),), 0), Moment(10, ((2.0, 9.0), (4.0, 1.0)), 0), Moment(120, ((3.0, 7.0),), 0)]
    usage = advising._usage(History("shop", tuple(moments), 60.0), Now())
    assert isinstance(usage, Usage)
    assert usage.cpu.shape == (2, 3)
    assert usage.cpu[0].tolist()[::2] == [1.5, 3.0]
    assert usage.memory[0].tolist()[::2] == [9.0, 7.0]
    assert math.isnan(usage.cpu[0][1])


def test_three_recommenders_side_by_side_from_a_table(shipway: Shell, tmp_path: Path) -> None:
    file = table(tmp_path / "shop.csv", 8)
    (one,) = shipway("rightsize", "--csv", file, "--json").data["applications"]
    assert [advice["recommender"] for advice in one["advice"]] == ["vpa", "krr", "shipway"]
    for advice in one["advice"]:
        assert 0.9 < advice["recommendation"]["cpu_request"] < 2
        assert advice["recommendation"]["memory_request"] >= 200 * MIB
        assert advice["cpu_saved"] is None
    out = shipway("rightsize", "--csv", file).out
    assert all(name in out for name in ("vpa", "krr", "shipway", "8 d"))


def test_what_may_go_wrong_is_stated(shipway: Shell, tmp_path: Path) -> None:
    file = tmp_path / "bursts.csv"
    rows = [f"{BEGIN + n * 300:.0f},{3 if n % 5 == 0 else 1},{100 * MIB:.0f}" for n in range(2000)]
    file.write_text("\n".join(["at,cpu,memory", *rows]))

    def ours(*options: str) -> float:
        (one,) = shipway("rightsize", "--csv", file, *options, "--json").data["applications"]
        return float(one["advice"][-1]["recommendation"]["cpu_request"])

    assert (ours(), ours("--throttled", "40%", "--killed", "20%")) == (3, 1)
    assert "more than 0%" in shipway("rightsize", "--csv", file, "--throttled", "0%", "--json").error["message"]
    assert "--killed" in shipway("rightsize", "--csv", file, "--killed", "rarely", "--json").error["message"]


def remembered(scale: str, environment: str = "") -> str:
    """What a release remembers of an application with one core and a half."""
    said = "{name: storefront, team: web}\nspec:\n  archetype: web-app\n  image: r.example.com/a:1\n"
    said += f"  resources: {{cpu: 1500m, memory: 1Gi}}\n  budget: $90/month\n  {scale}\n"
    (one,) = parse_documents(
        [Source("a.yaml", f"apiVersion: {API_VERSION}\nkind: Application\nmetadata: {said}")]
    ).applications
    document = {"application": one.document(), "environment": environment, "origins": {}}
    return msgspec.json.encode(document).decode()


@pytest.mark.parametrize(
    ("scale", "scaled_on", "instances", "carries"),
    [
        ("replicas: 3", (), 3, None),
        ("scale: {min: 2, max: 4}", ("cpu",), 2, None),
        ("scale: {max: 4, signal: memory 75%}", ("memory",), 1, None),
        ("scale: {max: 4, signal: requests}", (), 1, None),
        ("scale: {max: 4, signal: requests 50/s}", (), 1, 50.0),
    ],
)
def test_what_a_release_asks_for_is_read_from_what_it_remembers(
    scale: str, scaled_on: tuple[str, ...], instances: int, carries: float | None
) -> None:
    budget = parse_money("$90/month")
    expected = Now(1.5, 2.0**30, frozenset(scaled_on), instances, carries, budget)
    assert released.asked(remembered(scale)) == expected
    assert released.asked(remembered(scale).replace("1500m", "much")) == Now()


def test_what_is_saved_is_told_from_what_the_live_release_requests(shipway: Shell, home: Path) -> None:
    document = remembered("scale: {max: 4, signal: cpu 60%}", environment="prod")
    events = [
        msgspec.structs.replace(one, document=document) if isinstance(one, ReleaseRequested) else one
        for one in record([Version("1")])
    ]
    with closing(SqliteJournal.open(home / JOURNAL)) as journal:
        appends = [Append(f"{STREAM}{APP}", i, e.at, type(e).__name__, encode(e)) for i, e in enumerate(events)]
        journal.append(appends)
    with records(home) as opened:
        assert released.now(opened, APP) == released.asked(document)
        assert released.now(opened, "nobody") == Now()
    keep(home, 400, step=60.0)
    (one,) = shipway("rightsize", APP, "--json").data["applications"]
    ours = one["advice"][-1]
    assert ours["cpu_saved"] == 0  # a scaler divides by it
    assert ours["memory_saved"] > 500 * MIB
    for by, name in (("team", "web"), ("env", "prod")):
        assert name in [row["name"] for row in shipway("cost", "report", "--by", by, "--json").data["rows"]]


def test_too_little_is_said_and_not_guessed(shipway: Shell, home: Path) -> None:
    keep(home, 5)
    (one,) = shipway("rightsize", "--json").data["applications"]
    assert [bool(advice["absent"]) for advice in one["advice"]] == [False, True, True]
    assert all(one["absent"] for one in shipway("forecast", "--json").data["outlooks"])
    assert "needed" in shipway("forecast").out


def test_a_day_that_repeats_is_forecast(shipway: Shell, tmp_path: Path) -> None:
    file = table(tmp_path / "shop.csv", 15)
    soon, later = shipway("forecast", "--csv", file, "--json").data["outlooks"]
    assert (soon["ahead"], len(soon["mean"]), later["ahead"], len(later["mean"])) == (900, 3, 604800, 168)
    for number, value in enumerate(soon["mean"]):
        assert value == pytest.approx(daily(soon["start"] + number * 300), rel=0.1)
    assert max(later["mean"]) == pytest.approx(15, rel=0.15)
    assert "7 d" in shipway("forecast", "--csv", file).out


@pytest.mark.parametrize("step", [3600.0, 7200.0])
def test_samples_that_are_far_apart_say_nothing_about_minutes(tmp_path: Path, step: float) -> None:
    history = advising.imported(table(tmp_path / "shop.csv", 15, step), ("requests",))
    soon, later = advising.outlooks(history)
    assert "apart" in soon.absent
    assert len(later.mean) == 604800 / step


@pytest.mark.parametrize(
    ("text", "problems"),
    [
        ("at,cpu\n", 1),
        ("at,cpu,memory\nsoon,1,2\n5,-1,nan\n", 3),
        ("at,cpu,memory\n1e300,1,1\n", 1),
        ("at,cpu,memory\n" + "1795219200000,1,1Gi\n" * 30, 22),
        ("at,cpu,memory\n", 0),
        ("at,cpu,memory\n5,1,1\n5,1,1\n", 0),
        ("at,cpu,memory\n5,,\n6,,\n", 0),
        ("at,cpu,memory\n5,1,1\n5.001,1,1\n5.002,1,1\n9e9,1,1\n", 0),
    ],
)
def test_bad_tables_are_refused_and_empty_ones_give_a_reason(
    shipway: Shell, tmp_path: Path, text: str, problems: int
) -> None:
    file = tmp_path / "bad.csv"
    file.write_text(text)
    result = shipway("rightsize", "--csv", file, "--json")
    if problems:
        assert len(result.error["problems"]) == problems
    else:
        assert all(advice["absent"] for advice in result.data["applications"][0]["advice"])


def test_costs_of_what_was_recorded(shipway: Shell, home: Path) -> None:
    for verb in ("actual", "report", "forecast"):
        assert "no use was recorded" in shipway("cost", verb, "--json").error["message"]
    assert "no use was recorded" in shipway("rightsize", "--json").error["message"]
    keep(home, 360)
    found = shipway("cost", "actual", "--json").data
    assert [row["requests"] for row in found["rows"]] == [36000, 36000]
    assert float(found["total"]) > 0
    assert "storefront v1" in shipway("cost", "report", "--by", "release").out


def test_costs_with_an_organisation_that_runs_on_this_machine_alone(shipway: Shell, home: Path, tmp_path: Path) -> None:
    keep(home, 360)
    head = "apiVersion: shipway.dev/v1alpha1\nkind: "
    (tmp_path / "platform.yaml").write_text(
        f"{head}Platform\nmetadata: {{name: acme}}\nspec: {{environments: {{prod: {{}}}}, prices: {{cpu: $73/month}}}}\n"
    )
    (tmp_path / "shop.yaml").write_text(
        f"{head}Application\nmetadata: {{name: {APP}, team: web}}\nspec: {{archetype: api-service, command: [true]}}\n"
    )
    found = shipway("cost", "report", "--by", "team", "--platform", tmp_path, "--env", "prod", "--json").data
    assert "web" in [row["name"] for row in found["rows"]]
    assert "`image` is required" in shipway("cost", "estimate", "--platform", tmp_path).err


def test_a_run_without_a_sample_teaches_what_it_can(home: Path) -> None:
    with closing(SqliteJournal.open(home / JOURNAL)), records(home) as journal:
        known = learning.learn(home, journal, [], BEGIN)
    assert (known.scorecard.groups, known.cost.rows, known.sizes) == ((), (), ())
    assert all(section.absent and not section.rows for section in cards.sections(known))


def test_names_that_are_not_there(shipway: Shell, home: Path, tmp_path: Path) -> None:
    keep(home, 3)
    assert "storefront" in shipway("rightsize", "storefrnt", "--json").error["message"]
    file = table(tmp_path / "shop.csv", 1)
    assert shipway("forecast", "shop", "--csv", file).code == 2

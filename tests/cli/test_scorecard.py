"""What dora says beside the four measures, from a home where four releases ran, and from files of forges."""

import json
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
import pytest

from shipway.analysis.readings import ArmReading
from shipway.cost.usage import UsageRow
from shipway.engine.loop import STREAM
from shipway.engine.ports import Append
from shipway.engine.promises import Count
from shipway.engine.timeline import timelines
from shipway.facts.counters import CounterFiles
from shipway.facts.home import JOURNAL
from shipway.facts.samples import Sample
from shipway.facts.usages import UsageFiles
from shipway.journal.sqlite import SqliteJournal
from shipway.model.commits import Commit, NoCommit, Provenance
from shipway.model.ids import ReleaseId
from shipway.rollout.codec import encode
from shipway.rollout.events import Event, ReleaseRequested
from shipway.testing.recordings import APP, shop
from tests.cli.shell import Shell
from tests.facts.test_commits import Repository

DAYS = 36_500
DOCUMENT = {
    "application": {
        "apiVersion": "shipway.dev/v1alpha1",
        "kind": "Application",
        "metadata": {"name": APP, "team": "web"},
        "spec": {"archetype": "api-service", "command": ["serve"], "slo": {"availability": "99%"}},
    },
    "origins": {},
}


def journalled(home: Path, commits: list[Provenance]) -> list[Event]:
    """The demo's four releases, with commits."""
    left = iter(commits)
    document = json.dumps(DOCUMENT)
    events = [
        msgspec.structs.replace(one, commit=next(left, None), document=document)
        if isinstance(one, ReleaseRequested)
        else one
        for one in shop()
    ]
    with closing(SqliteJournal.open(home / JOURNAL)) as journal:
        stream = f"{STREAM}{APP}"
        journal.append([Append(stream, i, e.at, type(e).__name__, encode(e)) for i, e in enumerate(events)])
    return events


def dora(shipway: Shell, *words: object) -> Any:
    return shipway("dora", "--days", DAYS, "--json", *words).data


def test_lead_time_runs_from_the_commits_to_the_end_of_the_rollout(shipway: Shell, home: Path) -> None:
    begin = shop()[0].at
    first = Commit(sha="a" * 40, authored_at=begin - 3600, brought=(begin - 3600, begin - 7200))
    events = journalled(home, [first, Commit(sha="b" * 40, authored_at=begin)])
    ended = timelines(events, APP)[0].ended_at
    assert ended is not None
    (group,) = dora(shipway)["groups"]
    lead = group["now"]["lead_time"]
    assert (lead["count"], lead["mean"]) == (2, pytest.approx(ended - begin + 5400))
    assert "lead time 1.5 h median of 2 (1.3 h p25" in " ".join(shipway("dora", "--days", DAYS).out.split())


@pytest.mark.parametrize(
    ("commit", "says"),
    [
        (None, "its commit was not kept"),
        (NoCommit("git is not installed"), "git is not installed"),
        (Commit(sha="c" * 40), "nobody said when its commit was written"),
        (Commit(sha="c" * 40, authored_at=5.0), "no release brought a commit"),
    ],
)
def test_what_is_unknown_has_its_reason(shipway: Shell, home: Path, commit: Provenance | None, says: str) -> None:
    journalled(home, [commit] * 4 if commit else [])
    found = dora(shipway)
    (group,), (scores,) = found["groups"], found["scores"]
    assert (group["now"]["lead_time"], group["now"]["level"]) == (None, "")
    assert group["now"]["absent"]["lead_time"] == says
    assert "4 deployments in" in group["now"]["absent"]["level"]
    assert "a level needs 10 over 14 days" in group["now"]["absent"]["level"]
    assert "no use was recorded here" in scores["cost_per_deployment"]["reason"]
    assert f"lead time unknown: {says}" in shipway("dora", "--days", DAYS).out


def test_the_cost_of_a_deployment_is_that_of_its_processes_while_it_rolled_out(shipway: Shell, home: Path) -> None:
    events = journalled(home, [])
    spans = [(one.release, one.started_at, one.ended_at or 0.0) for one in timelines(events, APP)]
    files = UsageFiles(home)
    for release, begin, end in spans[:3]:
        # Twice a sample over the whole of it, one core; and one from long after, which is not the rollout's.
        middle = (begin + end) / 2
        files.append([Sample(at, APP, release, 1.0, 0.0, 0, 0, (end - begin) / 2) for at in (middle, end)])
        files.append([Sample(end + 3600, APP, release, 1.0, 0.0, 0, 0, 10.0)])
    cost = dora(shipway)["scores"][0]["cost_per_deployment"]
    assert cost["deployments"] == 3, "of the fourth nothing was measured"
    hours = sum(end - begin for _, begin, end in spans[:3]) / 3 / 3600
    hour = home / "hour.jsonl"
    hour.write_bytes(msgspec.json.encode(UsageRow(1e9, APP, "v1", 1.0, 0.0, 0, 3600.0)))
    assert cost["amount"] == pytest.approx(
        float(shipway("cost", "actual", hour, "--json").data["total"]) * hours, rel=1e-4
    )


def test_promises_are_counted_from_the_journal_and_the_counters(shipway: Shell, home: Path) -> None:
    events = journalled(home, [])
    at = events[-1].at
    assert dora(shipway)["scores"][0]["promises"]["reason"].startswith(f"{APP} availability: nothing was measured")
    import time

    now = time.time()
    v2 = ReleaseId("v2")
    CounterFiles(home).append(APP, [Count(now - 60 + n, v2, ArmReading(1000 + 100 * n, 0)) for n in (0, 50)])
    assert at < now
    assert dora(shipway)["scores"][0]["promises"] == {"kept": 1, "known": 1, "unknown": 0}
    CounterFiles(home).append(APP, [Count(now - 5, v2, ArmReading(6100, 4000))])
    assert dora(shipway)["scores"][0]["promises"] == {"kept": 0, "known": 1, "unknown": 0}
    assert "0 of 1 promises kept" in shipway("dora", "--days", DAYS).out


def test_a_risk_is_told_from_the_releases_own_commit_and_budget(shipway: Shell, home: Path) -> None:
    large = Commit(
        sha="b" * 40,
        author="Ada",
        lines_added=4000,
        lines_deleted=900,
        files=60,
        dependencies=("go.mod",),
        config_only=False,
    )
    small = Commit(sha="c" * 40, author="Bob", lines_added=1, lines_deleted=1, files=1, config_only=True)
    events = journalled(home, [Commit(sha="a" * 40), large, small])
    begin = events[0].at
    counts = [Count(begin + n, ReleaseId("v1"), ArmReading(1000 * (n + 1), 400 * (n > 5))) for n in range(10)]
    CounterFiles(home).append(APP, counts)
    first, second, third = (shipway("risk", name, "--json").data for name in ("v1", f"{APP}@v2", f"{APP}-3"))
    assert first["change"]["lines"] is None
    assert (second["change"]["lines"], second["change"]["files"], second["change"]["dependencies"]) == (4900, 60, True)
    assert (second["change"]["author"], third["change"]["config_only"]) == ("Ada", True)
    assert second["risk"]["probability"] > 2 * first["risk"]["probability"]
    assert third["risk"]["probability"] < second["risk"]["probability"]
    assert [one["text"] for one in second["risk"]["reasons"]][:2] == ["large change", "many files"]
    assert second["change"]["budget_left"] < -0.5, "400 of some thousands failed where 1 % may"
    out = " ".join(shipway("risk", "v2").out.split())
    assert "Told from: 4,900 lines in 60 files, dependencies change" in out
    assert "unknown: size" in shipway("risk", "v1").out


def test_a_release_that_several_applications_have_must_be_told_apart(shipway: Shell, home: Path) -> None:
    journalled(home, [])
    with closing(SqliteJournal.open(home / JOURNAL)) as journal:
        for name in ("till", "cart"):
            stream = f"{STREAM}{name}"
            journal.append([Append(stream, i, e.at, type(e).__name__, encode(e)) for i, e in enumerate(shop())])
    error = shipway("risk", "v2", "--json").error
    assert "3 applications have a release v2" in error["message"]
    assert "till@v2" in error["hint"]
    assert shipway("risk", "cart@v2").code == 0
    assert [shipway("risk", name).code for name in ("v9", "cart@v9", "nobody@v2", "@", "")] == [2] * 5


def test_the_risk_of_a_file_is_told_from_its_work_tree(shipway: Shell, home: Path, tmp_path: Path) -> None:
    repository = Repository(tmp_path / "code")
    sha = repository.commit(shop__app_yaml=json.dumps(DOCUMENT["application"]), shop__main_py="1\n")
    journalled(home, [Commit(sha="a" * 40), Commit(sha=sha, author="Ada")])  # the second is live
    repository.commit(shop__main_py="2\n" * 3000, shop__go_mod="x")
    found = shipway("risk", tmp_path / "code/shop/app.yaml", "--json").data
    assert (found["change"]["lines"], found["change"]["files"], found["change"]["author"]) == (3002, 2, "Ada L")
    assert found["change"]["dependencies"]
    assert "large change" in [one["text"] for one in found["risk"]["reasons"]]


PLATFORM = (
    "apiVersion: shipway.dev/v1alpha1\nkind: Platform\nmetadata: {name: acme}\nspec: {environments: {prod: {}}}\n"
)
OTHER = (
    "apiVersion: shipway.dev/v1alpha1\nkind: Application\nmetadata: {name: NAME, team: web}\n"
    "spec: {archetype: api-service, image: 'shop:1'}\n"
)


def test_a_trend_beside_the_time_before(shipway: Shell, tmp_path: Path) -> None:
    import time

    now, lines = time.time(), ["id,application,team,environment,started_at,finished_at,result,committed_at"]
    for n in range(8):
        end = now - 86_400 * (2 + 7 * n)
        result = "failed" if n == 5 else "success"
        lines.append(f"{n},shop,web,prod,{end - 60},{end},{result},{end - (3600 if n < 4 else 7200)}")
    file = tmp_path / "d.csv"
    file.write_text("\n".join(lines))
    out = " ".join(shipway("dora", "--csv", file).out.split())
    assert "lead time 1 h median of 4 (1 h p25, 1 h p75, 1 h p90), 2 h the time before" in out
    assert "0% of changes failed, 25% the time before" in out
    assert "by week, oldest first: 1, 1, 1 (1 failed), 1, 1, 1, 1, 1" in out
    weeks = shipway("dora", "--csv", file, "--json").data["scores"][0]["weeks"]
    assert [(one["deployments"], one["failures"]) for one in weeks] == [(1, 0), (1, 0), (1, 1), *[(1, 0)] * 5]


def test_adoption_is_told_of_an_organisation(shipway: Shell, home: Path, tmp_path: Path) -> None:
    journalled(home, [])
    assert dora(shipway)["adoption"] == {"deployed": 1, "known": 1, "of": "on record here"}
    names = ("storefront", "till", "mail", "search")
    (tmp_path / "all.yaml").write_text(PLATFORM + "".join("---\n" + OTHER.replace("NAME", name) for name in names))
    found = dora(shipway, "--platform", tmp_path)["adoption"]
    assert (found["deployed"], found["known"]) == (1, 4)


@pytest.fixture
def forge(tmp_path: Path) -> Path:
    api = "https://api.github.com/repos/acme/shop"
    times = [f"2026-11-{day:02}T12:00:00Z" for day in range(1, 21)]
    commits = [
        {"sha": f"c{n}", "commit": {"author": {"date": at}}, "parents": [{"sha": f"c{n - 1}"}] if n else []}
        for n, at in enumerate(times)
    ]
    deployments = [
        {"id": n, "sha": f"c{n}", "environment": "production", "created_at": at.replace("12:", "17:"), "repository_url": api}
        for n, at in enumerate(times)
    ]  # fmt: skip
    statuses = [
        {"state": "success", "created_at": at.replace("12:00", "18:30"), "deployment_url": f"{api}/deployments/{n}"}
        for n, at in enumerate(times)
    ]
    folder = tmp_path / "shop"
    folder.mkdir()
    # As `gh api --paginate` writes pages: one list after the other; and as `--slurp` does: a list of lists.
    (folder / "commits.json").write_text(json.dumps(commits[:9]) + json.dumps(commits[9:]))
    (folder / "deployments.json").write_text(json.dumps([deployments[:5], deployments[5:]]))
    (folder / "statuses.json").write_text("\n".join(map(json.dumps, statuses)))
    opened = {"created_at": times[7].replace("12:", "08:"), "merged_at": times[7], "merge_commit_sha": "c7"}
    (folder / "pulls.json").write_text(
        json.dumps([{"number": 7, "user": {"login": "ada"}, "head": {"sha": "x"}, **opened}])
    )
    return folder


def test_files_of_a_forge_give_all_of_it_with_a_level(shipway: Shell, forge: Path) -> None:
    found = dora(shipway, "--from", f"github:{forge}")
    (group,) = found["groups"]
    now = group["now"]
    assert (group["name"], now["deployments"], now["lead_time"]["median"]) == ("shop", 20, 6.5 * 3600)
    assert "level" not in now["absent"]
    assert now["level"] in {"elite", "high", "medium", "low"}
    assert "no use of these deployments was recorded" in found["scores"][0]["cost_per_deployment"]["reason"]
    assert (found["requests"]["merged"], found["requests"]["total"]["median"]) == (1, 10.5 * 3600)
    out = shipway("dora", "--from", f"github:{forge}", "--days", DAYS).out
    assert (
        "1 merged requests: 10 h in all (median); coding unknown, pickup unknown, review unknown, deploy 6.5 h." in out
    )
    one = ["--from", f"github:{forge / 'deployments.json'}", "--from", f"github:{forge / 'statuses.json'}"]
    assert dora(shipway, *one)["groups"][0]["now"]["lead_time"] is None
    assert dora(shipway, "--from", f"github:{forge}", "--env", "staging")["groups"] == []
    assert dora(shipway, "other", "--from", f"github:{forge}")["groups"] == []


@pytest.mark.parametrize(
    ("data", "line"),
    [(b"[{}", 1), (b"[1, 2]", 1), (b'{"a":\n\n nan', 3), (b"\xff\xfe", 1), (b"[[[[[{}]]]]]", 1), (b"[" * 100_000, 1)],
)
def test_files_that_are_no_answers(shipway: Shell, tmp_path: Path, data: bytes, line: int) -> None:
    (tmp_path / "bad.json").write_bytes(data)
    error = shipway("dora", "--from", f"gitlab:{tmp_path / 'bad.json'}", "--json").error
    assert (error["exit_code"], error["problems"][0]["line"]) == (2, line)


@pytest.mark.parametrize("source", ["gitea:x.json", "github", "github:", "github:nowhere.json"])
def test_sources_that_are_none(shipway: Shell, source: str) -> None:
    assert shipway("dora", "--from", source).code == 2


def test_what_a_terminal_would_obey_is_not_printed(shipway: Shell, tmp_path: Path) -> None:
    evil = "\x1b]0;owned\x07\u202eshop"
    file = tmp_path / "evil.csv"
    file.write_text(
        "id,application,team,environment,started_at,finished_at,result,committed_at\n"
        f"1,{evil},w,prod,2026-11-02T10:00:00Z,2026-11-02T10:05:00Z,success,\n"
    )
    out = shipway("dora", "--csv", file, "--days", DAYS).out
    assert "shop" in out
    assert not any(sign in out for sign in ("\x1b", "\x07", "\u202e"))

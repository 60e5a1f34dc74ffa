"""Delivery statistics, risk and maturity: from a journal of four real releases, from tables, and from files alone."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from shipway.engine.loop import STREAM
from shipway.engine.ports import Append
from shipway.engine.timeline import timelines
from shipway.facts import deliveries, surveying
from shipway.facts.home import JOURNAL
from shipway.insight.delivery import Recorded
from shipway.insight.maturity import assess
from shipway.journal.sqlite import SqliteJournal
from shipway.model.errors import BadInput
from shipway.rollout.codec import encode
from shipway.rollout.events import AbortRequested, Event, ReleaseRequested
from shipway.testing.recordings import APP, FAILING, Version, record, shop
from tests.cli.shell import Shell
from tests.facts.test_commits import Repository

HEADER = "id,application,team,environment,started_at,finished_at,result,committed_at\n"
GOOD = "1,shop,web,prod,2026-11-02T10:00:00Z,2026-11-02T10:05:00Z,success,2026-11-02T08:05:00Z;2026-11-02T09:05:00Z\n"


@pytest.fixture(scope="module")
def events() -> list[Event]:
    return shop()


@pytest.fixture
def kept(home: Path, events: list[Event]) -> Iterator[None]:
    stream = f"{STREAM}{APP}"
    with closing(SqliteJournal.open(home / JOURNAL)) as journal:
        journal.append([Append(stream, i, e.at, type(e).__name__, encode(e)) for i, e in enumerate(events)])
        yield


def test_a_rollout_is_a_deployment_that_is_known_to_be_bad_when_it_turns_back(events: list[Event]) -> None:
    found = [deliveries.deployment(one, "web") for one in timelines(events, APP)]
    assert [one.result for one in found] == ["success", "success", "rolled back", "rolled back"]
    assert [one.detected_at is None for one in found] == [True, True, False, False]
    for one in found[2:]:
        assert one.detected_at is not None
        assert one.started_at < one.detected_at < one.finished_at


def test_what_a_person_aborted_has_failed() -> None:
    events = record([Version("1"), Version("2", FAILING, then=((1.5, AbortRequested(at=0, by="ada")),))])
    one = timelines(events, APP)[-1]
    assert one.verdict == "aborted"
    assert deliveries.deployment(one).result == "failed"


def test_statistics_of_the_journal_count_back_from_now(shipway: Shell, kept: None, events: list[Event]) -> None:
    days = 36_500
    (group,) = shipway("dora", APP, "--days", days, "--json").data["groups"]
    assert (group["name"], group["now"]["deployments"], group["now"]["successes"]) == (APP, 4, 2)
    assert (group["now"]["change_failure"]["part"], group["now"]["lead_time"]) == (2, None)
    assert "2 of 4 deployments failed" in shipway("dora", "--days", days).out
    assert shipway("dora", "--by", "environment", "--days", days, "--json").data["groups"][0]["name"] == "local"


@pytest.mark.parametrize("words", [["--by", "planet"], ["--days", "0"], ["--days", "nan"], ["nobody"]])
def test_questions_that_make_no_sense(shipway: Shell, kept: None, words: list[str]) -> None:
    assert shipway("dora", *words, "--json").error["exit_code"] == 2


def test_a_table_is_enough(shipway: Shell, tmp_path: Path) -> None:
    file = tmp_path / "deployments.csv"
    file.write_text(HEADER + GOOD + "2,shop,web,prod,1793700000,1793703600,failed,\n")
    (group,) = shipway("dora", "--csv", file, "--by", "team", "--days", 36_500, "--json").data["groups"]
    assert (group["name"], group["now"]["deployments"], group["now"]["lead_time"]["median"]) == ("web", 2, 5400)
    assert group["now"]["restore"]["median"] == 3600
    assert shipway("dora", "other", "--csv", file, "--json").data["groups"] == []


def test_a_bad_table_says_everything_at_once(tmp_path: Path) -> None:
    file = tmp_path / "bad.csv"
    rows = ("1,shop,,,soon,2026-11-02,success,", "3,,,,2026-11-03,2026-11-02,fine,then", "3,shop,,,-5,7,failed,")
    file.write_text(HEADER + GOOD + "\n".join(rows))
    with pytest.raises(BadInput) as caught:
        deliveries.imported(file)
    found = [(one.line, one.path) for one in caught.value.problems]
    assert found == [
        (3, "id"),
        (3, "started_at"),
        (4, "application"),
        (4, "committed_at"),
        (4, "finished_at"),
        (4, "result"),
        (5, "id"),
        (5, "started_at"),
    ]


@pytest.mark.parametrize("data", [b"", b"id,application\n1,shop\n", b"\xff\xfe\x00", b'id,"appl\n'])
def test_what_is_no_such_table(shipway: Shell, tmp_path: Path, data: bytes) -> None:
    file = tmp_path / "bad.csv"
    file.write_bytes(data)
    assert shipway("dora", "--csv", file).code == 2


def test_the_risk_of_a_release_is_what_was_known_before_it(shipway: Shell, kept: None) -> None:
    first, last = (shipway("risk", f"{APP}-{n}", "--json").data["risk"] for n in (1, 4))
    assert (first["releases"], last["releases"]) == (0, 3)
    assert last["probability"] > first["probability"]
    assert "the release before failed" in [one["text"] for one in last["reasons"]]
    out = shipway("risk", APP).out
    assert "likely to be rolled back" in out
    assert "Fitted on 3 releases" in out


def test_the_risk_of_a_file_is_a_prior_without_history(shipway: Shell, tmp_path: Path) -> None:
    shipway("init", tmp_path / "hello")
    found = shipway("risk", tmp_path / "hello" / "application.yaml", "--json").data
    assert (found["application"], found["risk"]["releases"]) == ("hello", 0)
    assert found["risk"]["low"] < found["risk"]["probability"] < found["risk"]["high"]
    assert shipway("risk", tmp_path / "nothing.yaml").code == 2
    (tmp_path / "bad.yaml").write_text("kind: Application\n")
    assert shipway("risk", tmp_path / "bad.yaml").code == 2


def test_only_the_same_image_is_a_change_of_configuration_alone() -> None:
    same, other = '{"application":{"spec":{"image":"shop:1"}}}', '{"application":{"spec":{"image":"shop:2"}}}'
    assert deliveries._is_same_image(same, same)
    assert not deliveries._is_same_image(same, other)
    assert not deliveries._is_same_image("{}", "{}")
    assert not deliveries._is_same_image("not json", same)


def test_the_team_is_that_of_the_last_release_that_names_one(home: Path, shipway: Shell) -> None:
    import msgspec

    from shipway.cli.recalling.records import records

    events = [
        msgspec.structs.replace(one, document='{"application":{"metadata":{"name":"storefront","team":"web"}}}')
        if isinstance(one, ReleaseRequested)
        else one
        for one in record([Version("1")])
    ]
    with closing(SqliteJournal.open(home / JOURNAL)) as journal:
        appends = [Append(f"{STREAM}{APP}", i, e.at, type(e).__name__, encode(e)) for i, e in enumerate(events)]
        journal.append(appends)
    with records(home) as opened:
        assert [one.team for one in deliveries.recorded(opened).deployments] == ["web"]


def repository(root: Path) -> None:
    (root / ".git").mkdir()
    (root / ".github" / "workflows").mkdir(parents=True)
    (root / ".github/workflows/ci.yml").write_text(
        "jobs: {a: {steps: [{run: ruff check}, {run: pytest}, {run: trivy}]}}"
    )
    environments = "{dev: {clusters: {a: eu-1}}, prod: {clusters: {b: eu-1, c: us-1}}}"
    (root / "platform.yaml").write_text(
        "apiVersion: shipway.dev/v1alpha1\nkind: Platform\nmetadata: {name: acme}\n"
        f"spec: {{environments: {environments}}}\n"
    )
    (root / "shop.yaml").write_text(
        "apiVersion: shipway.dev/v1alpha1\nkind: Application\nmetadata: {name: shop, team: web}\nspec:\n  archetype: api-service\n"
        "  image: ghcr.io/acme/shop:1.0\n  budget: $300/month\n  slo: {availability: 99.9%}\n  delivery: canary\n"
    )
    (root / "broken.yaml").write_text("a: [")
    (root / "argo.yaml").write_text("apiVersion: argoproj.io/v1alpha1\nkind: Application\n")


def test_maturity_is_answered_from_the_files(tmp_path: Path) -> None:
    repository(tmp_path)
    found = surveying.facts(tmp_path, None, 0)
    assert (found.version_control, found.pipeline, found.gitops, found.catalog) == (True, True, True, False)
    assert found.pipeline_gates == {"lint", "test", "scan"}
    assert (found.applications, found.with_slo, found.canary, found.budgeted, found.autoscaled) == (1, 1, 1, 1, 0)
    assert (found.environments, found.clusters, found.regions) == (2, 3, 2)
    assert found.delivery is None


def test_maturity_looks_for_reviews_flags_infrastructure_and_drills(tmp_path: Path) -> None:
    at = 1_793_620_800.0  # 2026-11-02
    bare = surveying.facts(tmp_path, None, at)
    assert (bare.reviewed, bare.flags, bare.infrastructure, bare.dependencies_watched) == ("", False, False, False)
    assert bare.restore_drills == ()
    repository(tmp_path)
    for name, text in {
        "CODEOWNERS": "* @acme/web",
        ".github/dependabot.yml": "version: 2",
        "main.tf": "",
        "flags.yaml": "kind: FeatureFlag\napiVersion: core.openfeature.dev/v1beta1\n",
        "drills/2026-10-05-orders.md": "went well",
        "drills/2024-10-05-orders.md": "long ago",
        "drills/2027-01-05-orders.md": "not yet",
        "drills/2026-13-45.md": "never",
        "restore.yaml": "apiVersion: velero.io/v1\nkind: Restore\n",
    }.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    found = surveying.facts(tmp_path, None, at)
    assert found.reviewed == "CODEOWNERS names who reviews"
    assert (found.flags, found.infrastructure, found.dependencies_watched) == (True, True, True)
    assert found.restore_drills == ("drills/2026-10-05-orders.md", "restore.yaml")


def test_merged_requests_are_reviews(tmp_path: Path) -> None:
    code = Repository(tmp_path / "code")
    code.commit(a_txt="1")
    assert surveying.facts(code.root, None, 0).reviewed == ""
    code.git("commit", "-q", "--allow-empty", "-m", "Merge branch 'x' into 'main'\n\nSee merge request acme/shop!7")
    code.git("commit", "-q", "--allow-empty", "-m", "Sell more (#12)")
    code.git("commit", "-q", "--allow-empty", "-m", "Merge branch 'mine'")
    assert surveying.facts(code.root, None, 0).reviewed == "2 merged requests among the last commits"


def test_maturity_counts_the_last_weeks_of_the_journal(
    shipway: Shell, kept: None, events: list[Event], tmp_path: Path
) -> None:
    repository(tmp_path)
    past = Recorded(tuple(deliveries.deployment(one) for one in timelines(events, APP)))
    found = surveying.facts(tmp_path, past, events[-1].at)
    assert found.delivery is not None
    assert (found.delivery.deployments, found.rolled_back_by_itself) == (4, 2)
    assert assess(found).level >= 1
    assert surveying.facts(tmp_path, past, events[-1].at + 90 * 86400).delivery is None


def test_maturity_as_people_read_it(shipway: Shell, tmp_path: Path) -> None:
    repository(tmp_path)
    assert shipway("maturity", tmp_path, "--json").data["level"] == 0
    assert "For level 1: deployments are automatic" in shipway("maturity", tmp_path).out
    assert shipway("maturity", tmp_path / "nowhere").code == 2

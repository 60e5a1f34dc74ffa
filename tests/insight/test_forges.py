"""Answers of GitHub and GitLab, shaped as their REST documentation has them, become deployments with exact lead times."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipway.insight.delivery import statistics
from shipway.insight.forges import github, gitlab
from shipway.insight.forges.answers import Item
from shipway.insight.forges.history import Imported, imported

LABELS = frozenset({"incident"})
API = "https://api.github.com/repos/acme/shop"


def at(day: int, hour: int = 12) -> str:
    return f"2026-11-{day:02}T{hour:02}:00:00Z"


def seconds(day: int, hour: int = 12) -> float:
    return 1793620800.0 + (day - 2) * 86400 + (hour - 12) * 3600


def commit(sha: str, day: int, *parents: str) -> dict[str, Any]:
    author = {"name": "Ada", "date": at(day)}
    return {"sha": sha, "commit": {"author": author, "committer": author}, "parents": [{"sha": one} for one in parents]}


def deployment(number: int, sha: str, day: int, environment: str = "production") -> dict[str, Any]:
    return {
        "id": number,
        "sha": sha,
        "environment": environment,
        "created_at": at(day),
        "statuses_url": f"{API}/deployments/{number}/statuses",
        "repository_url": API,
        "production_environment": environment == "production",
    }


def status(number: int, state: str, day: int, hour: int = 13) -> dict[str, Any]:
    url = f"{API}/deployments/{number}"
    return {"id": day, "state": state, "created_at": at(day, hour), "deployment_url": url, "repository_url": API}


def pull(number: int, merge: str, head: str, opened: int, merged: int | None) -> dict[str, Any]:
    return {
        "number": number,
        "user": {"login": "ada"},
        "created_at": at(opened),
        "merged_at": at(merged) if merged else None,
        "merge_commit_sha": merge,
        "head": {"sha": head},
        "base": {"sha": "a"},
        "labels": [],
    }


def github_history(*items: dict[str, Any], every: bool = False) -> Imported:
    forge, problems = github.read([Item("f.json", f"[{n}]", one) for n, one in enumerate(items)], LABELS)
    assert problems == []
    return imported(forge, every)


#    a ── b ──── m ── s          b2 is on a branch merged by m; s squashes request 8
#     └─ b2 ───┘
COMMITS = (commit("a", 2), commit("b", 3, "a"), commit("b2", 4, "a"), commit("m", 6, "b", "b2"), commit("s", 9, "m"))


def test_a_deployment_of_github_brings_the_commits_since_the_last_good_one() -> None:
    found = github_history(
        *COMMITS,
        deployment(1, "a", 2),
        status(1, "in_progress", 2, 12),
        status(1, "success", 2),
        status(1, "inactive", 7),
        deployment(2, "b", 5),
        status(2, "failure", 5),
        deployment(3, "m", 7),
        status(3, "success", 7),
        deployment(4, "s", 10),
        deployment(9, "s", 10, "preview-8"),
        pull(8, "s", "gone", 8, 9),
    )
    first, second, third = found.deployments
    assert [one.application for one in found.deployments] == ["shop"] * 3
    assert (first.result, first.finished_at, first.committed_at) == ("success", seconds(2, 13), (seconds(2),))
    assert (second.result, second.detected_at, second.committed_at) == ("failed", seconds(5, 13), (seconds(3),))
    assert sorted(third.committed_at) == [seconds(3), seconds(4), seconds(6)]
    assert found.notes == (
        "deployments to preview-8 are not to production and are left out",
        "1 deployments have not ended, or their end is not in the files (for GitHub: export their statuses)",
    )


def test_a_squashed_commit_began_at_the_latest_when_its_request_was_opened() -> None:
    items = [*COMMITS, deployment(1, "m", 7), status(1, "success", 7), deployment(2, "s", 10), status(2, "success", 10)]
    assert github_history(*items).deployments[1].committed_at == (seconds(9),)
    assert github_history(*items, pull(8, "s", "gone", 8, 9)).deployments[1].committed_at == (seconds(8),)


def test_lead_times_of_requests_part_by_part() -> None:
    review = {"id": 3, "user": {"login": "bob"}, "created_at": at(5, 18), "pull_request_url": f"{API}/pulls/7"}
    (lead,) = github_history(
        *COMMITS,
        deployment(0, "a", 2),
        status(0, "success", 2),
        deployment(1, "m", 7),
        status(1, "success", 7),
        pull(7, "m", "b2", 5, 6),
        pull(6, "", "x", 5, None),
        review,
    ).leads
    assert (lead.coding, lead.pickup, lead.review, lead.deploy) == (24 * 60, 6 * 60, 18 * 60, 25 * 60)
    assert (lead.total, lead.deployment, lead.first_commit) == ((24 + 24 + 25) * 60, "1", "b2")


def test_pages_that_overlap_count_once() -> None:
    page = [deployment(1, "a", 2), status(1, "success", 2), *COMMITS, pull(7, "m", "b2", 5, 6)]
    issue = {"number": 5, "url": f"{API}/issues/5", "labels": [{"name": "incident"}], "created_at": at(3)}
    once, twice = github_history(*page, issue), github_history(*page, issue, *page, issue)
    assert once == twice


def test_clocks_that_disagree_make_no_negative_time() -> None:
    found = github_history(commit("a", 9), deployment(1, "a", 5), status(1, "success", 4))
    (one,) = found.deployments
    assert one.started_at == one.finished_at == seconds(4, 13)
    statistic = statistics(found.deployments, (), seconds(1), seconds(20))
    assert (statistic.lead_time, statistic.absent["lead_time"]) == (
        None,
        "its commits are dated after their deployments: a clock was wrong",
    )


def test_incidents_are_labelled_issues_and_no_pull_requests() -> None:
    issue = {
        "number": 5,
        "url": f"{API}/issues/5",
        "labels": [{"name": "Incident"}],
        "created_at": at(3),
        "closed_at": None,
    }
    other = {**issue, "number": 6, "labels": [{"name": "bug"}]}
    (found,) = github_history(issue, other, {**issue, "pull_request": {}}).incidents
    assert (found.id, found.application, found.opened_at, found.resolved_at) == ("5", "shop", seconds(3), None)


def test_releases_stand_in_where_there_are_no_deployments() -> None:
    def release(tag: str, day: int, **more: object) -> dict[str, Any]:
        values = {"tag_name": tag, "url": f"{API}/releases/1", "target_commitish": "main", "created_at": at(1)}
        return {**values, "published_at": at(day), **more}

    tag = {"name": "v2", "commit": {"sha": "m"}, "zipball_url": ""}
    known = [*COMMITS, release("v1", 3, target_commitish="a" * 40), release("v2", 8), tag]
    one, two = github_history(*known).deployments
    assert (one.environment, one.no_commits) == ("release", "the commits of its deployments are not in the files")
    assert (two.id, two.finished_at, two.committed_at) == ("v2", seconds(8), (seconds(6),))
    assert len(github_history(*known, deployment(1, "a", 2), status(1, "success", 2)).deployments) == 1
    draft = release("v3", 9, prerelease=True)
    assert [one.id for one in github_history(*known, draft).deployments] == ["v1", "v2"]


PROJECT = "https://gitlab.example.org/group/sub/shop"


def gitlab_deployment(number: int, sha: str, day: int, **more: object) -> dict[str, Any]:
    return {
        "id": number,
        "iid": number,
        "sha": sha,
        "status": "success",
        "created_at": at(day),
        "updated_at": at(day, 15),
        "environment": {"name": "eu/main", "tier": "production"},
        "deployable": {"finished_at": at(day, 13), "commit": {"web_url": f"{PROJECT}/-/commit/{sha}"}},
        **more,
    }


def test_gitlab() -> None:
    def written(sha: str, day: int, *parents: str) -> dict[str, Any]:
        return {"id": sha, "short_id": sha, "authored_date": at(day), "parent_ids": list(parents)}

    merge = {
        "iid": 4,
        "author": {"username": "ada"},
        "created_at": at(3),
        "merged_at": at(6),
        "merge_commit_sha": "m",
        "squash_commit_sha": None,
        "sha": "b2",
        "target_branch": "main",
        "labels": [],
    }
    issues = [
        {"iid": 1, "issue_type": "incident", "labels": [], "created_at": at(7), "closed_at": at(8), "web_url": f"{PROJECT}/-/issues/1"},
        {"iid": 2, "issue_type": "issue", "labels": ["Incident"], "created_at": at(7), "web_url": f"{PROJECT}/-/issues/2"},
        {"iid": 3, "issue_type": "issue", "labels": ["bug"], "created_at": at(7), "web_url": f"{PROJECT}/-/issues/3"},
    ]  # fmt: skip
    items = [
        *(written(one["sha"], int(one["commit"]["author"]["date"][8:10]), *(p["sha"] for p in one["parents"])) for one in COMMITS),
        gitlab_deployment(1, "a", 2),
        gitlab_deployment(2, "m", 7, deployable=None, finished_at=at(7, 16)),
        gitlab_deployment(3, "s", 9, status="failed", deployable=None),
        gitlab_deployment(4, "s", 9, status="running"),
        gitlab_deployment(5, "s", 9, environment={"name": "review/x", "tier": "development"}),
        merge,
        *issues,
    ]  # fmt: skip
    forge, problems = gitlab.read([Item("f", "", one) for one in items], LABELS)
    found = imported(forge, every_environment=False)
    assert problems == []
    assert [(one.id, one.application, one.result) for one in found.deployments] == [
        ("1", "shop", "success"),
        ("2", "shop", "success"),
        ("3", "shop", "failed"),
    ]
    assert [one.finished_at for one in found.deployments] == [seconds(2, 13), seconds(7, 16), seconds(9, 15)]
    assert sorted(found.deployments[1].committed_at) == [seconds(3), seconds(4), seconds(6)]
    assert [one.id for one in found.incidents] == ["1", "2"]
    assert (found.leads[0].deploy, found.leads[0].coding) == (28 * 60, None), "committed after the request was opened"
    every = imported(forge, every_environment=True)
    assert {one.environment for one in every.deployments} == {"eu/main", "review/x"}


@pytest.mark.parametrize(
    ("data", "path"),
    [
        ({**deployment(1, "a", 2), "created_at": "yesterday"}, "[0].created_at"),
        ({**deployment(1, "a", 2), "created_at": None}, "[0].created_at"),
        ({**deployment(1, "a", 2), "sha": {}}, "[0].sha"),
        ({**commit("a", 2), "commit": []}, "[0].commit"),
        ({**commit("a", 2), "parents": 7}, "[0].parents"),
        ({**status(1, "success", 2), "created_at": 7}, "[0].created_at"),
    ],
)
def test_a_value_that_cannot_be_is_named(data: dict[str, Any], path: str) -> None:
    _, (found,) = github.read([Item("f.json", "[0]", data)], LABELS)
    assert (found.file, found.path) == ("f.json", path)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5), lambda one: st.lists(one, max_size=2), max_leaves=3
)


@given(
    st.data(),
    st.sampled_from([deployment(1, "a", 2), commit("a", 2), pull(1, "a", "b", 2, 3), gitlab_deployment(1, "a", 2)]),
)
def test_nonsense_in_any_field_is_a_problem_and_never_an_exception(data: st.DataObject, good: dict[str, Any]) -> None:
    broken = {**good, data.draw(st.sampled_from(sorted(good))): data.draw(json_values)}
    for read in (github.read, gitlab.read):
        forge, _ = read([Item("f", "", broken)], LABELS)
        imported(forge, every_environment=True)

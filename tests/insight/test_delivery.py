"""Delivery statistics count each deployment once, and lead times are those of the field's reference, to the minute."""

import csv
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipway.insight.delivery import DAY, Deployment, Distribution, Incident, Share, grouped, statistics
from shipway.insight.lead import LeadTime, PullRequest, Shipped, lead_times
from tests.conformance import folder

NOW = 1_700_000_000.0
WEEK = 7 * DAY


def deployment(ago: float, *, took: float = 60, result: str = "success", **more: object) -> Deployment:
    fields = {"id": f"d{ago:g}", "application": "shop", "started_at": NOW - ago - took, "finished_at": NOW - ago}
    return Deployment(**{**fields, "result": result, **more})  # type: ignore[arg-type]  # the tests' own words


def test_the_four_measures() -> None:
    records = [
        deployment(day * DAY + 3600, committed_at=(NOW - day * DAY - 3600 * 5,), result="success") for day in range(28)
    ]
    records.append(deployment(1000, took=30, result="rolled back", detected_at=NOW - 1010))
    found = statistics(records, [], NOW - 4 * WEEK, NOW)
    assert (found.deployments, found.successes, found.per_day, found.days_per_week) == (29, 28, 1.0, 7)
    assert found.lead_time == Distribution(28, *[4 * 3600.0] * 5)
    assert found.change_failure is not None
    assert (found.change_failure.part, found.change_failure.whole) == (1, 29)
    assert found.restore == Distribution(1, *[30.0] * 5)
    assert found.detect == Distribution(1, *[20.0] * 5)
    assert found.level == "elite"


def test_an_incident_counts_once_and_only_in_its_window() -> None:
    incidents = [
        Incident(id=f"i{n}", application="shop", opened_at=NOW - 5 * DAY + n, resolved_at=NOW - 5 * DAY + n + 600)
        for n in range(3)
    ]
    records = [deployment(5 * DAY + 100), deployment(9 * DAY)]
    found = statistics(records, incidents, NOW - WEEK * 2, NOW)
    assert found.change_failure is not None
    assert (found.change_failure.part, found.change_failure.whole) == (1, 2)
    assert found.restore == Distribution(3, *[600.0] * 5)
    late = [Incident(id="late", application="shop", opened_at=NOW - 2 * DAY)]
    assert statistics(records, late, NOW - WEEK * 2, NOW).change_failure == Share.of(0, 2)
    elsewhere = [Incident(id="else", application="other", opened_at=NOW - 5 * DAY)]
    assert statistics(records, elsewhere, NOW - WEEK * 2, NOW).change_failure == Share.of(0, 2)


def test_nothing_is_nothing() -> None:
    found = statistics([], [], NOW - DAY, NOW)
    assert (found.deployments, found.per_day, found.lead_time, found.change_failure, found.level) == (
        0,
        0,
        None,
        None,
        "",
    )
    with pytest.raises(ValueError, match="must end after"):
        statistics([], [], NOW, NOW)


@given(
    st.lists(
        st.tuples(st.floats(0, 30 * DAY), st.floats(-DAY, DAY), st.sampled_from(["success", "failed", "rolled back"])),
        max_size=30,
    ),
    st.lists(st.floats(0, 30 * DAY), max_size=30),
)
def test_rates_are_rates(past: list[tuple[float, float, str]], opened: list[float]) -> None:
    records = [
        deployment(ago, took=took, result=result, id=str(n), committed_at=(NOW - ago - took,))
        for n, (ago, took, result) in enumerate(past)
    ]
    incidents = [Incident(id=str(n), application="shop", opened_at=NOW - ago) for n, ago in enumerate(opened)]
    found = statistics(records, incidents, NOW - 31 * DAY, NOW + 1)
    assert found.deployments == len(records)
    assert 0 <= found.days_per_week <= 7
    if found.change_failure:
        assert 0 <= found.change_failure.low <= found.change_failure.rate <= found.change_failure.high <= 1
    for one in (found.lead_time, found.restore):
        assert one is None or 0 <= one.p25 <= one.median <= one.p75 <= one.p90


def test_groups_are_in_order() -> None:
    records = [deployment(3, team="b"), deployment(2, team="a"), deployment(1, team="b")]
    assert {name: len(group) for name, group in grouped(records, lambda one: one.team).items()} == {"a": 1, "b": 2}


def seconds(text: str) -> float:
    date, _, time = text.replace("T", " ").removesuffix("+00:00").partition(" ")
    year, month, day = map(int, date.split("-"))
    hour, minute, second = time.split(":")
    moment = datetime(year, month, day, int(hour), int(minute), tzinfo=UTC)
    return moment.timestamp() + float(second)


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_lead_times_of_the_reference() -> None:
    data = folder("devlake-dora") / "change_lead_time"
    scopes = {
        row["row_id"]
        for row in rows(data / "project_mapping.csv")
        if (row["project_name"], row["table"]) == ("project1", "cicd_scopes")
    }
    commits = rows(data / "cicd_deployment_commits.csv")
    shas = {row["id"]: row["commit_sha"] for row in commits}
    brought = {}
    for row in rows(data / "commits_diffs.csv"):
        brought.setdefault((row["old_commit_sha"], row["new_commit_sha"]), set()).add(row["commit_sha"])
    deployments = [
        Shipped(
            id=row["id"],
            finished_at=seconds(row["finished_date"]),
            commits=frozenset(brought.get((shas[row["prev_success_deployment_commit_id"]], row["commit_sha"]), ())),
        )
        for row in commits
        if row["result"] == "SUCCESS"
        and row["environment"] == "PRODUCTION"
        and row["cicd_scope_id"] in scopes
        and row["prev_success_deployment_commit_id"]
    ]
    requests = [
        PullRequest(
            id=row["id"],
            author=row["author_id"],
            created_at=seconds(row["created_date"]),
            merged_at=seconds(row["merged_date"]) if row["merged_date"] else None,
            merge_commit=row["merge_commit_sha"],
            commits=tuple(
                (seconds(one["commit_authored_date"]), one["commit_sha"])
                for one in rows(data / "pull_request_commits.csv")
                if one["pull_request_id"] == row["id"]
            ),
            comments=tuple(
                (seconds(one["created_date"]), one["id"], one["account_id"])
                for one in rows(data / "pull_request_comments.csv")
                if one["pull_request_id"] == row["id"]
            ),
        )
        for row in rows(data / "pull_requests.csv")
    ]

    def minutes(text: str) -> int | None:
        return int(text) if text else None

    expected = [
        LeadTime(
            id=row["id"],
            first_commit=row["first_commit_sha"],
            first_review=row["first_review_id"],
            deployment=row["deployment_commit_id"],
            coding=minutes(row["pr_coding_time"]),
            pickup=minutes(row["pr_pickup_time"]),
            review=minutes(row["pr_review_time"]),
            deploy=minutes(row["pr_deploy_time"]),
            total=minutes(row["pr_cycle_time"]),
        )
        for row in rows(data / "project_pr_metrics.csv")
    ]
    assert lead_times(requests, deployments) == expected

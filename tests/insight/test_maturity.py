"""A level is reached when everything up to it holds; what is missing for the next is named; unknown is not yes."""

from typing import get_args

import msgspec

from shipway.insight.delivery import DAY, Deployment, statistics
from shipway.insight.maturity import CRITERIA, LEVELS, Area, Facts, assess

DELIVERED = statistics(
    [Deployment(id=str(n), application="shop", started_at=n * DAY, finished_at=n * DAY + 60) for n in range(1, 28)],
    [],
    0,
    28 * DAY,
)
ALL = Facts(
    version_control=True,
    reviewed="CODEOWNERS names who reviews",
    flags=True,
    pipeline=True,
    pipeline_gates=frozenset({"lint", "test", "coverage", "scan", "sign", "plan", "parallel"}),
    dependencies_watched=True,
    infrastructure=True,
    signatures=True,
    applications=10,
    with_team=10,
    with_health=10,
    with_slo=9,
    canary=10,
    journeys=1,
    autoscaled=8,
    budgeted=10,
    with_dependencies=4,
    environments=3,
    clusters=4,
    regions=3,
    policies=18,
    policies_denying=5,
    gitops=True,
    catalog=True,
    delivery=DELIVERED,
    rolled_back_by_itself=2,
    restore_drills=("drills/2026-10-05-orders.md",),
)


def test_nothing_is_level_zero_and_says_how_to_begin() -> None:
    found = assess(Facts())
    assert (found.level, found.name) == (0, "not yet automated")
    assert found.next[0] == "version control: put the applications under version control"
    assert len(found.answers) == len(CRITERIA)


def test_everything_is_the_top() -> None:
    found = assess(ALL)
    assert (found.level, found.name, found.next) == (5, LEVELS[-1], ())


def test_one_gap_below_holds_everything_back() -> None:
    found = assess(msgspec.structs.replace(ALL, with_slo=7))
    assert found.level == 2
    assert found.next == ("objectives: say in `slo` what users are promised",)
    objectives = next(one for one in found.answers if one.name == "objectives")
    assert (objectives.holds, objectives.evidence) == (False, "7 of 10 applications have an SLO")


def test_unknown_is_not_yes() -> None:
    found = assess(msgspec.structs.replace(ALL, catalog=None))
    assert found.level == 3
    assert next(one for one in found.answers if one.name == "self-service catalogue").holds is None


def test_every_level_has_criteria_and_advice() -> None:
    assert {one.level for one in CRITERIA} == set(range(1, len(LEVELS) + 1))
    assert all(one.missing for one in CRITERIA)
    for level in range(1, len(LEVELS) + 1):
        assert {one.area for one in CRITERIA if one.level == level} == set(get_args(Area)), (
            "every level asks of every area"
        )


def test_what_was_not_found_is_without_evidence() -> None:
    answers = {one.name: one for one in assess(Facts()).answers}
    assert answers["recovery is practised"].evidence == "no evidence of a restore in the last year"
    assert (answers["changes are reviewed"].holds, answers["recovery is practised"].holds) == (None, False)
    assert answers["few changes fail"].holds is None
    one = statistics([Deployment(id="1", application="shop", started_at=0, finished_at=60)], [], 0, DAY)
    few = next(a for a in assess(msgspec.structs.replace(ALL, delivery=one)).answers if a.name == "few changes fail")
    assert (few.holds, few.evidence) == (None, "1 deployments; 10 are needed")

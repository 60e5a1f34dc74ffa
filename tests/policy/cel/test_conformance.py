"""The public conformance cases: the bars, and the name and cause of each failure."""

from collections import Counter

import pytest

from shipway.testing.conformance import Case
from shipway.testing.conformance.cel import run
from tests.conformance import folder

BARS = {"cel-spec/core": 0.995, "cel-spec/ext": 0.995, "kubernetes": 1.0}


@pytest.fixture(scope="module")
def cases() -> list[Case]:
    return run(folder("cel"))


@pytest.mark.parametrize("suite", BARS)
def test_the_bar_is_met(cases: list[Case], suite: str) -> None:
    mine = [case for case in cases if case.suite.startswith(suite)]
    failures = [f"{case.suite} {case.name}: {case.cause}" for case in mine if not case.passed]
    assert mine, "the data holds no case of this suite"
    assert len(failures) <= len(mine) * (1 - BARS[suite]), "\n".join(failures)


def test_every_failure_has_a_cause_and_no_pass_has_one(cases: list[Case]) -> None:
    assert all(bool(case.cause) is not case.passed for case in cases)
    assert Counter(case.suite.split("/")[0] for case in cases).keys() == {"cel-spec", "kubernetes"}

"""Kyverno's own policy library with its CLI tests, held to the bar."""

import pytest

from shipway.testing.conformance import kyverno
from tests.conformance import folder

BAR = 0.99
MISNAMED = "enforce-ambient-mode-namespace/check-ambient-mode-enabled"
"""The library's test asks for a rule that its policy spells differently (``check-amblient-…``)."""


@pytest.mark.timeout(300)
def test_the_policy_library_gives_the_verdicts_that_kyverno_gives() -> None:
    cases = kyverno.run(folder("kyverno-policies"))
    failed = [f"{case.name}: {case.cause}" for case in cases if not case.passed and MISNAMED not in case.name]
    assert sum(case.passed for case in cases) / len(cases) >= BAR, failed
    assert failed == []

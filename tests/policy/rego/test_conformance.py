"""The Gatekeeper library: every assertion of every suite with both engines, every unit test of its Rego."""

from collections import Counter

import pytest

from shipway.testing.conformance.rego import run
from tests import conformance


def test_gatekeeper_library() -> None:
    cases = run(conformance.folder("gatekeeper-library"))
    assert [(case.name, case.cause) for case in cases if not case.passed] == []
    counted = Counter(case.suite for case in cases)
    assert set(counted) == {"gatekeeper-library/rego", "gatekeeper-library/cel", "gatekeeper-library/unit"}
    assert min(counted.values()) > 80


def test_a_broken_builtin_shows(monkeypatch: pytest.MonkeyPatch) -> None:
    """The suites tell engines apart: with one builtin wrong they fail."""
    import msgspec

    from shipway.policy.rego import library

    wrong = msgspec.structs.replace(library.BUILTINS["startswith"], function=lambda *_: True)
    monkeypatch.setitem(library.BUILTINS, "startswith", wrong)  # type: ignore[arg-type]  # a dict, read-only by type
    assert any(not case.passed for case in run(conformance.folder("gatekeeper-library") / "library"))

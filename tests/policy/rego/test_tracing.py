"""What a result was derived from: the record changes no result, and names nothing that is not in the input."""

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings

from shipway.policy.rego import blame
from shipway.policy.rego.blame import Blaming, choose
from shipway.policy.rego.faults import EvaluationError
from shipway.policy.rego.module import Compiled, load
from shipway.policy.rego.runtime import dig
from shipway.policy.rego.tracing import OBJECT, Read, Traced
from shipway.policy.rego.values import UNDEFINED, Value, plain, to_json
from shipway.policy.rules import Path
from shipway.testing.conformance.rego import run
from tests import conformance
from tests.policy.rego.modules import GIVEN, RULE


def _json(value: Value) -> Any:
    return value if value is UNDEFINED else to_json(value)


@settings(max_examples=150, deadline=None, derandomize=True)
@given(RULE)
def test_the_record_changes_no_result(rule: str) -> None:
    compiled, data = load({"t.rego": f"package t\nimport rego.v1\n{rule}\n"}), plain(GIVEN)
    traced = Traced(compiled, lambda group: group.kind == "set")
    try:
        expected = compiled.value(("t", "p"), data, {}, 0.0)
    except EvaluationError:
        with pytest.raises(EvaluationError):
            traced.derived(("t", "p"), data, {}, 0.0, roots={OBJECT: data})
        return
    found, reads = traced.derived(("t", "p"), data, {}, 0.0, roots={OBJECT: data})
    assert _json(found) == _json(expected)
    for element in expected if expected is not UNDEFINED and hasattr(expected, "__iter__") else [expected]:
        path = choose(reads(element), data, "some message")
        assert not path or dig(data, path[:-1]) is not UNDEFINED or dig(data, path[:1]) is UNDEFINED


def test_gatekeeper_library(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every violation of its suites is derived once more to the same, and every place is one of the object or beside it."""
    pointed: list[Path] = []
    original = Blaming.blame

    def checked(
        self: Blaming, path: Sequence[str], input_: Value, data: Value, at: float, **roots: Value
    ) -> blame.Blame:
        compiled: Compiled = self._compiled  # what is compared with
        traced = self._traced  # as above
        assert traced is not None
        found, _ = traced.derived(path, input_, data, at, roots={OBJECT: roots["about"]})
        assert _json(found) == _json(compiled.value(path, input_, data, at))
        made = original(self, path, input_, data, at, **roots)

        def noted(element: Value, message: str) -> tuple[Path, str]:
            where, allowed = made(element, message)
            pointed.append(where)
            return where, allowed

        return noted

    monkeypatch.setattr(Blaming, "blame", checked)
    run(conformance.folder("gatekeeper-library") / "library" / "pod-security-policy")
    assert len(pointed) > 40
    assert sum(len(path) > 1 for path in pointed) > 0.95 * len(pointed)


def _read(*path: str | int, kind: Any = "read", root: str = OBJECT) -> Read:
    return Read(root, path, kind)


POD = {
    "metadata": {"name": "web"},
    "spec": {"a": 7, "b": "x", "containers": [{"name": "c", "image": "i:1", "port": 80}]},
}
ITEM = ("spec", "containers", 0)


@pytest.mark.parametrize(
    ("reads", "message", "path"),
    [
        ([], "", ()),
        ([_read("spec", "a")], "", ("spec", "a")),
        ([_read("spec"), _read("spec", "a")], "", ("spec", "a")),
        ([_read("metadata", "name"), _read("spec", "a")], "", ("spec", "a")),
        ([_read("metadata", "name")], "", ("metadata", "name")),
        ([_read("spec", "a"), _read("spec", "b")], "", ("spec",)),
        ([_read("spec", "a"), _read("spec", "b")], "a is too high", ("spec", "a")),
        ([_read("spec", "a"), _read("spec", "b")], "expected less than 7", ("spec", "a")),
        ([_read("spec", "a"), _read("spec", "b")], "expected less than 70, or ax", ("spec",)),
        ([_read("spec", "a"), _read("metadata", "labels", "x")], "", ()),
        ([_read("spec", "a"), _read(*ITEM, "image"), _read(*ITEM, kind="turn")], "", (*ITEM, "image")),
        ([_read("spec", "a"), _read(*ITEM, "image"), _read(*ITEM, kind="around")], "", (*ITEM, "image")),
        ([_read("spec", "a"), _read(*ITEM, kind="turn")], "", ("spec", "a")),
        ([_read(*ITEM, kind="turn"), _read(*ITEM, "port", kind="why")], "", (*ITEM, "port")),
        ([_read(*ITEM, kind="turn"), _read(*ITEM, "port", kind="why"), _read(*ITEM, "image", kind="why")], "", ITEM),
        ([_read("spec", "a", root="parameters")], "", ()),
        ([_read("spec", "b"), _read("spec", "a", kind="beside")], "the field a", ("spec", "a")),
        ([_read("spec", "b"), _read("spec", "a", kind="beside")], "a and b", ("spec", "b")),
        ([_read("spec", "c"), _read("spec", "a", kind="beside")], "a needs another", ("spec", "c")),
    ],
)  # fmt: skip
def test_of_several_values_the_one_that_is_meant_or_what_they_share(
    reads: list[Read], message: str, path: Path
) -> None:
    assert choose(tuple(reads), POD, message) == path


def test_a_rule_too_intricate_for_the_record_is_judged_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shipway.policy.rego.tracing.STEPS", 10)
    rule = 'package main\nimport rego.v1\ndeny contains "x" if { some i in numbers.range(1, 100); i == input.n }'
    compiled = load({"t.rego": rule})
    told = Blaming(compiled).blame(("main", "deny"), {"n": 7}, {}, 0.0, about={"n": 7})
    assert told("x", "x") == ((), "")

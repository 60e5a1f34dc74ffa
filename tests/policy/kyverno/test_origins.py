"""Where values of JMESPath come from: the walk has the values that an evaluation has, and they stand where it says."""

from collections.abc import Iterator
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from shipway.policy.kyverno.context import Context
from shipway.policy.kyverno.faults import RuleFault
from shipway.policy.kyverno.origins import Origin, placed, trace
from shipway.policy.rules import Path, Request
from tests.policy.kyverno.policies import POD

FIELDS = st.sampled_from(
    ["spec", "metadata", "labels", "containers", "name", "image", "ports", "none", '"app"', "resources"]
)
STEPS = st.one_of(
    FIELDS.map(".{}".format),
    st.sampled_from(["[]", "[*]", "[0]", "[-1]", "[5]", "[:1]", ".*", " | [0]", " | length(@)", ".keys(@)"]),
    FIELDS.map("[?{}]".format),
    st.builds("[?{}=='{}']".format, FIELDS, st.sampled_from(["web", "side", "nginx"])),
    st.builds(".[{}, {}][]".format, FIELDS, FIELDS),
    st.builds(" || {}".format, st.sampled_from(["''", "`0`", "request.object.kind"])),
    st.builds(".{{a: {}}}".format, FIELDS),
)
EXPRESSIONS = st.builds(
    "{}{}".format,
    st.sampled_from(
        ["request.object", "request.object.spec.containers", "request.object.metadata", "images", "request"]
    ),
    st.lists(STEPS, max_size=4).map("".join),
)


def _all(origin: Origin) -> Iterator[Origin]:
    yield origin
    for one in origin.items or ():
        yield from _all(one)


def _at(value: Any, path: Path) -> Any:
    for part in path:
        try:
            value = value[part]
        except (KeyError, IndexError, TypeError):
            return None
    return value


@settings(max_examples=200, deadline=None, derandomize=True)
@given(EXPRESSIONS)
def test_the_values_of_an_evaluation_where_they_stand(text: str) -> None:
    data = Context(Request(POD))
    try:
        expected = data.query(text)
    except RuleFault:
        return
    found = trace(text, data, -1)
    assert found.value == expected or found.path is None
    for one in _all(found):
        path = placed(one.path, data)
        if one.exact and path is not None and text.startswith("request.object"):
            there = _at(POD, path)
            assert there == one.value or ("||" in text and not there)  # a default stands for what is missing

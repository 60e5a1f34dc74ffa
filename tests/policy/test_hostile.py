"""Whatever a document holds, loading gives rules or problems, and judging gives outcomes; nothing is raised."""

import copy
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st

from shipway.cli.policing.policies import PACK, read_policies
from shipway.cli.policing.scanning import OVERLAP, PIECE, TELLING, scan, secret_in
from shipway.policy.evaluating import Evaluator
from shipway.policy.facts import outline, workloads
from shipway.policy.rules import Request
from tests.policy.samples import binding, deployment, loaded, vap

PACK_EVALUATOR = read_policies([]).evaluator("prod")
ODD = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-5, 99), st.text("ab*/", max_size=3), st.floats(allow_nan=False)),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["name", "spec", "kind", "a"]), inner, max_size=2),
    max_leaves=4,
)  # fmt: skip


def _paths(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(one for key, inner in inside for one in _paths(inner, (*path, key)))]


def _broken(draw: st.DrawFn, whole: dict[str, Any]) -> dict[str, Any]:
    """The document with some of its values exchanged for odd ones."""
    found = copy.deepcopy(whole)
    for _ in range(draw(st.integers(1, 3))):
        path = draw(st.sampled_from([path for path in _paths(found) if path]))
        parent: Any = found
        for part in path[:-1]:
            parent = parent[part]
        parent[path[-1]] = draw(ODD)
    return found


POLICY = vap(
    match={
        "excludeResourceRules": [{"apiGroups": ["x"], "apiVersions": ["*"], "operations": ["*"], "resources": ["y"]}],
        "namespaceSelector": {"matchExpressions": [{"key": "a", "operator": "In", "values": ["b"]}]},
        "objectSelector": {"matchLabels": {"team": "payments"}},
    },
    paramKind={"apiVersion": "v1", "kind": "ConfigMap"},
    matchConditions=[{"name": "c", "expression": "true"}],
    variables=[{"name": "v", "expression": "object.spec"}],
    validations=[{"expression": "variables.v.replicas < 3", "messageExpression": "'x'", "reason": "Invalid"}],
    auditAnnotations=[{"key": "k", "valueExpression": "'v'"}],
)
BOUND = binding(paramRef={"name": "x", "parameterNotFoundAction": "Deny"}, matchResources={"objectSelector": {}})
LIBRARY = [yaml.safe_load(file.read_text().split("\n---\n")[0]) for file in sorted(PACK.glob("*.yaml"))]


@st.composite
def policies(draw: st.DrawFn) -> list[dict[str, Any]]:
    return [
        _broken(draw, draw(st.sampled_from([POLICY, *LIBRARY]))),
        _broken(draw, BOUND) if draw(st.booleans()) else BOUND,
    ]


@st.composite
def objects(draw: st.DrawFn) -> dict[str, Any]:
    return _broken(draw, deployment())


@given(policies(), objects())
@settings(max_examples=150)
def test_broken_policies_and_objects_raise_nothing(documents: list[dict[str, Any]], value: dict[str, Any]) -> None:
    found = loaded(*(one for one in documents if one))
    Evaluator(found.rules).evaluate(Request(object=value))


@given(objects())
@settings(max_examples=150)
def test_the_pack_raises_nothing_and_passes_nothing_that_it_could_not_judge(value: dict[str, Any]) -> None:
    for finding in PACK_EVALUATOR.evaluate(Request(object=value)):
        assert finding.status in {"pass", "fail", "warn", "skip", "error"}
    scan(value)
    list(workloads([value, outline(value)]))


def test_a_deep_object_ends_as_an_outcome() -> None:
    value: Any = {}
    for _ in range(5_000):
        value = {"a": value}
    found = Evaluator(loaded(vap(validations=[{"expression": "object == object.a"}])).rules)
    (finding,) = found.evaluate(Request(object={**deployment(), "a": value}))
    assert finding.status in {"fail", "error"}


def test_a_number_without_end_is_judged_and_not_shown() -> None:
    value = deployment()
    value["spec"]["replicas"] = 10**6000
    (finding,) = Evaluator(loaded(vap(validations=[{"expression": "object.spec.replicas < 5"}])).rules).evaluate(
        Request(object=value)
    )
    assert finding.status in {"fail", "error"}
    assert len(finding.found) < 200


def test_work_without_end_is_cut_off() -> None:
    rows = "variables.l.all(a, variables.l.all(b, variables.l.all(c, variables.l.all(d, a + b + c + d >= 0))))"
    numbers = {"name": "l", "expression": f"[{', '.join(map(str, range(200)))}]"}
    (finding,) = Evaluator(loaded(vap(variables=[numbers], validations=[{"expression": rows}])).rules).evaluate(
        Request(object=deployment())
    )
    assert finding.status == "error"


@pytest.mark.parametrize("pattern", ["(a+)+$", "(a|aa)+$", "(.*a){20}$"])
def test_catastrophic_patterns_end(pattern: str) -> None:
    value = deployment(name="a" * 40 + "!")
    documents = vap(validations=[{"expression": f"object.metadata.name.matches('{pattern}')"}])
    found = loaded(documents)
    statuses = {one.status for one in Evaluator(found.rules).evaluate(Request(object=value))}
    assert found.problems or statuses <= {"fail", "error"}


def test_no_policy_reads_a_file_by_its_name(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("x")
    (problem, *_) = loaded(vap(validations=[{"expression": f"__import__('os').remove('{secret}')"}])).problems
    assert problem.code == "bad-expression"
    assert secret.exists()


@settings(max_examples=30)
@given(st.integers(0, 4_000), st.integers(0, 4_000))
@example((PIECE - OVERLAP) // 2, 0)
def test_a_secret_is_found_wherever_it_stands_in_a_long_line(before: int, after: int) -> None:
    assert secret_in("data", "x " * before + "AKIAIOSFODNN7ABCDEFG" + " x" * after)


def test_no_word_for_a_secret_is_passed_over() -> None:
    from detect_secrets.plugins.keyword import DENYLIST

    assert [word for word in DENYLIST if not any(part in word.replace("?", "") for part in TELLING)] == []
    assert secret_in("ApiKey", "Zq8vLm2x") == secret_in("db_pa\u017fsword", "Zq8vLm2x") == "Secret Keyword"
    assert (
        secret_in("\u017fecret", "Zq8vLm2x") == "Secret Keyword"
    )  # an s as it was written once, which re takes for one

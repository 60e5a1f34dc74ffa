"""Variables: where their values come from, how they are put in, and what happens without one."""

from typing import Any

import pytest

from shipway.policy.kyverno import images, variables
from shipway.policy.kyverno.faults import RuleFault, Unresolved
from tests.policy.kyverno.policies import POD, cluster_policy, judged, problems_of, rules_of


def value_of(
    text: str, context: list[dict[str, Any]] | None = None, value: dict[str, Any] = POD, **request: Any
) -> str:
    """What ``text`` becomes in the message of a rule, or the error."""
    body = {"message": text, "deny": {}}
    return judged(rules_of(cluster_policy(body, context=context or [])), value, **request).message


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{{ request.object.metadata.name }}", "web-1"),
        ("{{request.name}}/{{ request.namespace }}/{{ request.operation }}", "web-1/shop/CREATE"),
        ("{{ request.object.metadata.{{ 'labels' }}.app }}", "web"),
        ("{{ request.object.metadata.labels }}", '{"app":"web"}'),
        ("{{ length(request.object.spec.containers) }}", "2"),
        (r"\{{ request.name }}", "{{ request.name }}"),
        ("{{ images.containers.web.registry }} {{ images.containers.side.tag }}", "ghcr.io latest"),
        ("{{ images.containers.*.name | sort(@) }}", '["nginx","web"]'),
        ("{{ request.kind.kind }} {{ request.kind.version }}", "Pod v1"),
        ('{{ length(`{"a": {"b": 1}}`) }}', "1"),
    ],
)  # fmt: skip
def test_what_the_request_gives(text: str, expected: str) -> None:
    assert value_of(text) == expected


def test_the_service_account_is_taken_from_the_user_name() -> None:
    user = {"username": "system:serviceaccount:ci:bot", "roles": ["ci:dev"]}
    text = "{{ serviceAccountNamespace }}/{{ serviceAccountName }} {{ request.roles[0] }}"
    assert value_of(text, user_info=user) == "ci/bot ci:dev"
    assert value_of("<{{ serviceAccountName }}>", user_info={"username": "ann"}) == "<>"


CONFIG = {
    "apiVersion": "v1",
    "kind": "ConfigMap",
    "metadata": {"name": "web-cm", "namespace": "shop"},
    "data": {"k": "v"},
}


def test_entries_are_evaluated_when_needed_in_any_order() -> None:
    entries = [
        {"name": "late", "variable": {"jmesPath": "early.a"}},
        {"name": "early", "variable": {"value": {"a": "{{ request.name }}"}}},
        {"name": "never", "apiCall": {"urlPath": "/api/v1/nodes"}},
        {"name": "fallback", "variable": {"jmesPath": "request.object.nowhere", "default": "d"}},
    ]
    assert value_of("{{ late }} {{ fallback }}", entries) == "web-1 d"


@pytest.mark.parametrize(
    ("entry", "request_", "expected"),
    [
        (
            {"configMap": {"name": "{{ request.object.metadata.labels.app }}-cm", "namespace": "shop"}},
            {"inventory": [CONFIG]},
            "v",
        ),
        ({"apiCall": {"urlPath": "/api/v1/namespaces/shop/configmaps/web-cm"}}, {"inventory": [CONFIG]}, "v"),
        ({"apiCall": {"urlPath": "/api/v1/configmaps", "jmesPath": "items[0]"}}, {"inventory": [CONFIG]}, "v"),
        (
            {"apiCall": {"service": {"url": "http://x"}, "method": "POST"}},
            {
                "values": {
                    "apiCallResponses": [
                        {"url": "http://x", "method": "POST", "response": {"body": {"data": {"k": "v"}}}}
                    ]
                }
            },
            "v",
        ),
        (
            {"globalReference": {"name": "g.p"}},
            {
                "values": {
                    "globalContextEntries": [
                        {"name": "g", "data": [CONFIG], "projections": [{"name": "p", "path": "[0]"}]}
                    ]
                }
            },
            "v",
        ),
        (
            {"imageRegistry": {"reference": "nginx"}},
            {"values": {"images": [{"image": "nginx", "data": {"k": "v"}}]}},
            "v",
        ),
        ({"apiCall": {"urlPath": "/x"}}, {"values": {"variables": {"e.data.k": "v"}}}, "v"),
        ({"apiCall": {"urlPath": "/x", "default": {"data": {"k": "v"}}}}, {}, "v"),
    ],
)
def test_a_cluster_is_played_by_what_the_request_brings(
    entry: dict[str, Any], request_: dict[str, Any], expected: str
) -> None:
    assert value_of("{{ e.data.k }}", [{"name": "e", **entry}], **request_) == expected


@pytest.mark.parametrize(
    "entry",
    [
        {"configMap": {"name": "x", "namespace": "y"}},
        {"apiCall": {"urlPath": "/api/v1/pods"}},
        {"globalReference": {"name": "g"}},
        {"imageRegistry": {"reference": "nginx"}},
    ],
)
def test_data_that_is_not_given_is_an_error_even_in_a_condition(entry: dict[str, Any]) -> None:
    body = {"deny": {"conditions": {"any": [{"key": "{{ e.items }}", "operator": "Equals", "value": 1}]}}}
    found = judged(rules_of(cluster_policy(body, context=[{"name": "e", **entry}])), POD)
    assert found.status == "error"
    assert "is not given" in found.message or "is given" in found.message


def test_loops_see_their_element_and_its_index() -> None:
    loop = {
        "list": "request.object.spec.containers",
        "context": [{"name": "whole", "variable": {"value": "{{ elementIndex }}-{{ element.name }}"}}],
        "foreach": [{"list": "element.ports", "deny": {"conditions": {"any": [
            {"key": "{{ whole }} {{ element0.name }} {{ element1.containerPort }}", "operator": "Equals", "value": "1-side side 80"}]}}}],
    }  # fmt: skip
    rules = rules_of(cluster_policy({"message": "found", "foreach": [loop]}))
    assert judged(rules, POD).status == "fail"
    assert judged(rules, {**POD, "spec": {"containers": []}}).status == "skip"


def test_a_failing_element_has_its_path_and_an_error_hides_nothing() -> None:
    loop = {"list": "request.object.spec.containers", "pattern": {"image": "ghcr.io/*"}}
    assert judged(rules_of(cluster_policy({"foreach": [loop]})), POD).path == ("spec", "containers", 1, "image")
    odd = {
        "list": "request.object.spec.containers",
        "pattern": {"image": "{{ element.ports[0].name || element.resources.limits.memory }}"},
    }
    assert judged(rules_of(cluster_policy({"foreach": [odd]})), POD).status == "fail"


def test_substitution_alone() -> None:
    data = {"a": {"b": 1}, "t": "{{ a.b }}"}

    def query(text: str) -> Any:
        found = data
        for part in text.split("."):
            found = found.get(part) if isinstance(found, dict) else None  # type: ignore[assignment]  # any value
        return found

    assert variables.substitute({"{{ t }}x": ["{{ a }}", 1]}, query) == {"1x": [{"b": 1}, 1]}
    assert variables.substitute("{{- t }}!", query) == "{{ a.b }}!"
    assert variables.substitute("{{ nowhere }}", query, lenient=True) is None
    with pytest.raises(Unresolved):
        variables.substitute("x{{ nowhere }}", query)
    with pytest.raises(RuleFault):
        variables.refer({"a": "$(./../nowhere)"})


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("nginx", ("docker.io", "nginx", "latest", "")),
        ("nginx:1.2", ("docker.io", "nginx", "1.2", "")),
        ("ghcr.io/a/b/c:v1", ("ghcr.io", "a/b/c", "v1", "")),
        ("localhost/x", ("localhost", "x", "latest", "")),
        ("reg:5000/x:1", ("reg:5000", "x", "1", "")),
        ("a/b@sha256:" + "0" * 64, ("docker.io", "a/b", "", "sha256:" + "0" * 64)),
        ("a/b:1@sha256:" + "0" * 64, ("docker.io", "a/b", "1", "sha256:" + "0" * 64)),
    ],
)
def test_images_are_taken_apart(text: str, parts: tuple[str, str, str, str]) -> None:
    found = images.parse(text)
    assert found is not None
    assert (found.registry, found.path, found.tag, found.digest) == parts


@pytest.mark.parametrize("text", ["", ":", "a b", "/x", "x/", "a@b"])
def test_what_is_no_image(text: str) -> None:
    assert images.parse(text) is None


def test_a_mistyped_expression_is_found_at_load() -> None:
    assert "is no JMESPath" in problems_of(cluster_policy({"message": "{{ request. }}", "deny": {}}))[0]
    (unknown,) = problems_of(cluster_policy({"message": "{{ frob('a') }}", "deny": {}}))
    assert "calls frob(), which neither JMESPath nor Kyverno has" in unknown

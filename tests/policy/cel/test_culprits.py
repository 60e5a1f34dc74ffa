"""Where a person should look when an expression is false."""

from typing import Any

import pytest
from hypothesis import given, settings

from shipway.policy.cel import CelError, CelSyntaxError, Environment, compile_, culprit
from tests.policy.cel.expressions import BINDINGS, source

OBJECT: dict[str, Any] = {
    "metadata": {"name": "web", "labels": {"app": "web"}},
    "spec": {
        "replicas": 3,
        "containers": [
            {"name": "a", "image": "x:1", "ports": [{"hostPort": 0}]},
            {"name": "b", "image": "y:2", "securityContext": {"privileged": True}, "ports": [{}, {"hostPort": 80}]},
        ],
        "initContainers": [{"name": "i", "image": "z:1"}],
        "volumes": {"data": {"hostPath": "/"}},
    },
}
BOTH = "(object.spec.containers + object.spec.?initContainers.orValue([]))"


@pytest.mark.parametrize(
    ("expression", "path"),
    [
        ("object.spec.replicas <= 2", ("spec", "replicas")),
        ("2 >= object.spec.replicas", ("spec", "replicas")),
        ("object.spec.containers.all(c, c.image.endsWith(':1'))", ("spec", "containers", 1, "image")),
        ("!object.spec.containers.exists(c, c.image == 'y:2')", ("spec", "containers", 1, "image")),
        ("object.spec.containers.exists(c, c.name == 'q')", ("spec", "containers")),
        ("has(object.spec.strategy)", ("spec",)),
        ("!has(object.spec.replicas)", ("spec", "replicas")),
        ("has(object.metadata.labels.owner) && true", ("metadata", "labels")),
        ("'owner' in object.metadata.labels", ("metadata", "labels")),
        ("object.metadata.name in ['a', 'b']", ("metadata", "name")),
        ("['app', 'owner'].all(k, k in object.metadata.labels)", ("metadata", "labels")),
        ("true && object.spec.replicas < 9 && object.metadata.name == 'x'", ("metadata", "name")),
        (
            "object.spec.containers.all(c, !has(c.securityContext) || c.securityContext.privileged == false)",
            ("spec", "containers", 1, "securityContext", "privileged"),
        ),
        ("object.spec.containers.all(c, has(c.securityContext))", ("spec", "containers", 0)),
        (
            "object.spec.containers.all(c, c.?ports.orValue([]).all(p, p.?hostPort.orValue(0) == 0))",
            ("spec", "containers", 1, "ports", 1, "hostPort"),
        ),
        (f"{BOTH}.all(c, c.image == 'z:1' || c.image != 'y:2')", ("spec", "containers", 1, "image")),
        (f"{BOTH}.all(c, c.name != 'i')", ("spec", "initContainers", 0, "name")),
        ("size(object.spec.containers.filter(c, c.image.endsWith(':2'))) == 0", ("spec", "containers", 1)),
        ("object.spec.containers.map(c, c.image).all(i, i.endsWith(':1'))", ("spec", "containers", 1, "image")),
        ("object.spec.containers.filter(c, c.name == 'b').all(c, c.image == '')", ("spec", "containers", 1, "image")),
        ("object.spec.volumes.all(name, name == 'x')", ("spec", "volumes", "data")),
        ("object.spec.volumes.all(name, v, v.hostPath != '/')", ("spec", "volumes", "data", "hostPath")),
        ("object.spec.containers.all(i, c, i == 0)", ("spec", "containers", 1)),
        ("object.spec.containers[1].image == ''", ("spec", "containers", 1, "image")),
        ("cel.bind(n, object.metadata.name, n == 'x')", ("metadata", "name")),
        ("object.spec.replicas > 1 ? object.metadata.name == 'x' : true", ("metadata", "name")),
        ("object.spec.nothing == 1", ("spec",)),
        ("variables.images.all(i, i.endsWith(':1'))", ("spec", "containers", 1, "image")),
        ("variables.replicas < 3", ("spec", "replicas")),
        ("params.limit > 5", ()),
        ("false", ()),
    ],
)
def test_the_value_that_made_it_false(expression: str, path: tuple[str | int, ...]) -> None:
    definitions = {
        "variables.images": compile_("object.spec.containers.map(c, c.image)"),
        "variables.replicas": compile_("object.spec.replicas"),
    }
    values = {name.split(".")[1]: program.evaluate({"object": OBJECT}) for name, program in definitions.items()}
    bindings = {"object": OBJECT, "params": {"limit": 5}, "variables": values}
    assert culprit(compile_(expression), bindings, definitions=definitions) == path


@settings(max_examples=60, deadline=None)
@given(source("bool", 2), BINDINGS)
def test_any_expression_has_a_path_that_exists(expression: str, bindings: dict[str, Any]) -> None:
    try:
        program = compile_(expression, Environment(variables=["i", "s", "l", "m", "v"]))
        program.evaluate(bindings)
    except (CelError, CelSyntaxError):
        return
    value: Any = bindings["m"]
    for key in culprit(program, bindings, root="m"):
        value = value[key]

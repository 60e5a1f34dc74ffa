"""Which value is to blame when a CEL expression is false."""

import pytest

from tests.policy.samples import judged, vap

SPEC = ("spec", "template", "spec", "containers")


@pytest.mark.parametrize(
    ("expression", "path"),
    [
        ("object.spec.replicas <= 5", ("spec", "replicas")),
        ("5 >= object.spec.replicas", ("spec", "replicas")),
        ("has(object.spec.paused)", ("spec", "paused")),
        ("!has(object.spec.replicas)", ("spec", "replicas")),
        ("object.spec.?paused.orValue(false)", ("spec", "paused")),
        ("object.kind == 'Deployment' && object.spec.replicas < 3", ("spec", "replicas")),
        ("object.kind == 'Pod' || object.spec.replicas < 3", ("spec", "replicas")),
        ("!(object.kind == 'Deployment' && object.spec.replicas > 3)", ("spec", "replicas")),
        ("object.kind == 'Pod' ? true : object.spec.replicas < 3", ("spec", "replicas")),
        ("variables.all.all(c, !c.image.endsWith(':latest'))", (*SPEC, 1, "image")),
        ("variables.all.all(c, c.image.contains('/') || c.name == 'web')", (*SPEC, 1, "name")),
        ("!variables.all.exists(c, c.image.endsWith(':latest'))", (*SPEC, 1, "image")),
        ("variables.all.exists(c, c.name == 'db')", SPEC),
        ("variables.all.filter(c, c.name != 'web').all(c, has(c.resources))", (*SPEC, 1, "resources")),
        ("([] + variables.all).all(c, c.image == 'web:1')", (*SPEC, 1, "image")),
        ("variables.all.map(c, c.image).all(i, i == 'web:1')", (*SPEC, 1, "image")),
        ("variables.all.all(i, c, i == 0 || c.image == 'web:1')", (*SPEC, 1, "image")),
        ("object.metadata.labels.all(k, v, v == 'search')", ("metadata", "labels", "team")),
        ("variables.all[1].image == 'x'", (*SPEC, 1, "image")),
        ("variables.all.all(c, variables.all.all(d, d.image == c.image))", (*SPEC, 1, "image")),
        ("object.metadata.labels.all(k, k.startsWith('x'))", ("metadata", "labels", "team")),
        ("object.metadata.labels['team'] == 'search'", ("metadata", "labels", "team")),
        ("cel.bind(n, object.spec.replicas, n < 3)", ("spec", "replicas")),
        ("size(variables.all) == 1", SPEC),
        ("variables.all.all(c, ['web', 'nginx'].exists(i, c.image.startsWith(i)))", (*SPEC, 1, "image")),
        ("variables.all.all(c, c.image.split(':')[1] != 'latest')", (*SPEC, 1, "image")),
        ("variables.all.all(c, c.image.split(':').all(p, p != 'latest'))", (*SPEC, 1, "image")),
        ("variables.all.filter(c, c.name == 'proxy')[0].image == 'web:1'", SPEC),
        ("(has(object.spec.none) ? [] : variables.all).all(c, c.image == 'web:1')", (*SPEC, 1, "image")),
        ("(variables.all + object.spec.?none.orValue([])).all(c, c.image == 'web:1')", (*SPEC, 1, "image")),
        ("object.metadata.?labels.orValue({}).?owner.orValue('') != ''", ("metadata", "labels", "owner")),
        ("false", ()),
    ],
)
def test_the_value_that_decided(expression: str, path: tuple[str | int, ...]) -> None:
    variables = [{"name": "all", "expression": "object.spec.template.spec.containers"}]
    (finding,) = judged(vap(variables=variables, validations=[{"expression": expression}]))
    assert finding.status == "fail"
    assert finding.path == path

"""A release with what it is rendered to: findings point to the line of the Application that a value comes from."""

from shipway.cli.policies import read_policies
from shipway.policy.releases import Release, by_provenance, judge
from shipway.policy.rules import Place
from shipway.spec.policies import Merged
from tests.policy.samples import deployment

POLICIES = read_policies([])
PLACES = {
    "metadata.name": Place("shop.yaml", 3, 12),
    "spec.replicas": Place("shop.yaml", 9, 13),
    "spec.template.spec.containers[0].name": Place(),
    "spec.template.spec.containers[0].image": Place("shop.yaml", 6, 10),
    "spec.template.spec.containers[1].image": Place("platform.yaml", 20, 5),
}


def test_findings_about_rendered_objects_point_to_their_origin() -> None:
    value = deployment()
    value["spec"]["replicas"] = 99
    application = {
        "apiVersion": "shipway.dev/v1alpha1",
        "kind": "Application",
        "metadata": {"name": "shop"},
        "spec": {},
    }
    release = Release(document=application, objects=[(value, by_provenance(PLACES))])
    findings = judge(release, POLICIES.evaluator(), Merged())
    places = {(one.rule, one.place.file, one.place.line) for one in findings if one.status in ("fail", "warn")}
    assert ("limit-replicas", "shop.yaml", 9) in places
    assert ("disallow-latest-tag", "platform.yaml", 20) in places
    assert ("require-network-policy", "shop.yaml", 3) in places
    assert ("require-probes", "shop.yaml", 6) in places  # missing: beside what is there


def test_a_place_for_every_path() -> None:
    locate = by_provenance(PLACES)
    assert locate(("spec", "template")) == Place("shop.yaml", 6, 10)
    assert locate(("status",)) == Place("shop.yaml", 3, 12)
    assert by_provenance({})(("a", 0)) == Place()

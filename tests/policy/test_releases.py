"""A release with what it is rendered to: findings point to the line of the Application that a value comes from."""

from typing import Any

import pytest

from shipway.facts.policies import policies_of, read_policies
from shipway.policy.findings import Finding, Subject
from shipway.policy.releases import UNASKED, Release, by_provenance, causes, delivery, judge, once
from shipway.policy.rules import Place
from shipway.spec import Source, parse_documents
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


def found(kind: str = "Application", line: int = 7, **more: Any) -> Finding:
    given: dict[str, Any] = {"rule": "r", "status": "fail", "action": "deny", "message": "no"}
    return Finding(subject=Subject("", kind, "", "shop"), place=Place("shop.yaml", line, 3), **{**given, **more})


EXCEPTED = {"status": "skip", "exception": "e"}


@pytest.mark.parametrize(
    ("findings", "kept"),
    [
        ([found(), found("Deployment")], ["Application"]),
        ([found(), found("Deployment", line=3)], ["Application"]),
        ([found(), found("Deployment", line=3, message="another image")], ["Application", "Deployment"]),
        ([found(), found("Deployment", rule="other")], ["Application", "Deployment"]),
        ([found(), found("Deployment", **EXCEPTED)], ["Deployment"]),
        ([found(**EXCEPTED), found("Deployment")], ["Deployment"]),
        ([found(**EXCEPTED), found("Deployment", **EXCEPTED)], ["Deployment"]),
        ([found(), found("Deployment", **EXCEPTED), found("Job")], ["Application", "Deployment"]),
        ([found(status="pass"), found("Deployment", status="pass")], ["Application", "Deployment"]),
        ([found(), found("Deployment", facts={"kind": "Workload"})], ["Application"]),
    ],
)
def test_one_finding_for_each_cause_and_the_verdict_of_admission(findings: list[Finding], kept: list[str]) -> None:
    found = causes(findings)
    assert [one.subject.kind for one in found] == kept
    rendered = [one for one in findings if one.subject.kind not in ("Application", "")]
    assert any(one.refuses for one in found) == any(one.refuses for one in rendered)


def test_one_line_in_several_objects_is_one_finding_that_names_them() -> None:
    (one,) = causes([found("Deployment"), found("Job"), found("CronJob"), found("Job")])
    assert (one.subject.kind, one.also) == ("Deployment", ("Job shop", "CronJob shop"))


def test_the_same_in_several_environments_is_said_once() -> None:
    (one,) = once([found(environment="dev"), found(environment="prod"), found(environment="prod")])
    assert one.environment == "dev, prod"
    assert len(once([found(), found(action="warn")])) == 2


SHOP = """\
apiVersion: shipway.dev/v1alpha1
kind: Application
metadata: {name: shop}
spec: {archetype: api-service, image: "shop:1", budget: €73/month}
"""


def known(**given: Any) -> dict[str, Any]:
    (declared,) = parse_documents([Source("shop.yaml", SHOP)]).declared
    release = Release(document=declared.data, declared=declared, **given)
    return dict(delivery(release, Merged())["spec"])


def test_what_is_not_known_is_absent_and_has_a_reason() -> None:
    spec = known(unknown={"traffic": "nothing is live"})
    assert "traffic" not in spec
    assert "errorBudget" not in spec
    assert spec["unknown"]["traffic"] == "nothing is live"
    assert spec["unknown"]["errorBudget"] == UNASKED
    assert set(spec["unknown"]) == {"traffic", "errorBudget", "cost.monthly"}
    assert "traffic" not in known(known={"traffic": {"requestsPerSecond": 0}}, unknown={"traffic": "x"})["unknown"]


def test_a_budget_counts_in_the_currency_of_the_prices_only() -> None:
    assert known(known={"cost": {"monthly": 70.0}})["cost"] == {"monthly": 70.0, "budget": 73.0, "currency": "EUR"}
    other = known(known={"cost": {"monthly": 70.0, "currency": "USD"}})
    assert "budget" not in other["cost"]
    assert "currency" in other["unknown"]["cost.budget"]


COST = """\
apiVersion: kyverno.io/v1
kind: ClusterPolicy
metadata: {name: kyverno}
spec:
  validationFailureAction: Enforce
  rules:
    - name: cheap
      match: {any: [{resources: {kinds: [facts.shipway.dev/v1/Delivery]}}]}
      validate: {message: dear, pattern: {spec: {cost: {monthly: "<10"}}}}
---
apiVersion: policies.kyverno.io/v1
kind: ValidatingPolicy
metadata: {name: validating}
spec:
  validationActions: [Deny]
  matchConstraints:
    resourceRules:
      - {apiGroups: [facts.shipway.dev], apiVersions: [v1], operations: [CREATE], resources: [deliveries]}
  validations: [{expression: object.spec.cost.monthly < 10.0}]
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: {name: native}
spec:
  matchConstraints:
    resourceRules: [{apiGroups: [facts.shipway.dev], apiVersions: ["*"], operations: ["*"], resources: ["*"]}]
  validations: [{expression: "!has(object.spec.cost) || object.spec.cost.monthly < 10.0"}]
---
apiVersion: templates.gatekeeper.sh/v1
kind: ConstraintTemplate
metadata: {name: k8scost}
spec:
  crd: {spec: {names: {kind: K8sCost}}}
  targets:
    - target: admission.k8s.gatekeeper.sh
      rego: |
        package k8scost
        violation[{"msg": "dear"}] { input.review.object.spec.cost.monthly > 10 }
---
apiVersion: constraints.gatekeeper.sh/v1beta1
kind: K8sCost
metadata: {name: cheap}
spec: {match: {kinds: [{apiGroups: [facts.shipway.dev], kinds: ["*"]}]}}
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: {name: everything}
spec:
  matchConstraints:
    resourceRules: [{apiGroups: ["*"], apiVersions: ["*"], operations: ["*"], resources: ["*"]}]
  validations: [{expression: "false"}]
"""
REGO = """\
package main
import rego.v1
deny contains "dear" if { input.kind == "Delivery"; input.spec.cost.monthly > 10 }
"""


def test_every_language_rules_over_facts_and_only_where_it_speaks_of_them() -> None:
    policies = policies_of([Source("p.yaml", COST), Source("p.rego", REGO)], pack=False)
    assert policies.problems == ()
    (declared,) = parse_documents([Source("shop.yaml", SHOP)]).declared
    release = Release(document=declared.data, declared=declared, known={"cost": {"monthly": 70.0}})
    found = judge(release, policies.evaluator(), Merged(), passes=False)
    assert sorted(one.rule for one in found if one.refuses) == [
        "K8sCost/cheap",
        "kyverno/cheap",
        "main/deny",
        "native",
        "validating",
    ]
    assert {(one.place.line, one.subject.kind) for one in found} == {(4, "Delivery")}

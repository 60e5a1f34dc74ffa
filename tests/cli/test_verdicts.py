"""One thing, one verdict: ``plan``, ``policy check``, ``deploy`` and the admission webhook come to the same about it."""

import asyncio
import shutil
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml

from shipway.cli import wiring
from shipway.engine.gating import PolicyGate
from shipway.engine.service import DeployRequest, SourceFile
from shipway.facts.policies import PolicyDirectory, read_policies
from shipway.model.errors import Denied
from shipway.policy.facts import Around
from shipway.policy.scanning import scan
from shipway.web.admission.reviewing import review
from tests.cli.shell import Shell
from tests.engine.desk import Desk, desk
from tests.policy.samples import vap

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "platform"
PLATFORM = """\
apiVersion: shipway.dev/v1alpha1
kind: Platform
metadata: {name: acme}
spec:
  environments: {dev: {}, prod: {clusters: {prod-eu: eu-west-1, prod-us: us-east-1}}}
  prices: {cpu: $25/month, memory: $3/month, storage: $0.10/month}
"""
APPLICATION = """\
apiVersion: shipway.dev/v1alpha1
kind: Application
metadata: {name: shop, team: sales}
spec:
  archetype: api-service
  image: registry.example.com/shop:1@sha256:DIGEST
  command: [serve]
  visibility: private
  health: /healthz
  resources: {cpu: 500m, memory: 1Gi}
  budget: $80/month
  replicas: 2
MORE"""
FINE = APPLICATION.replace("DIGEST", "0123456789abcdef" * 4)
SLOW = vap(
    "slow-start",
    validations=[{"expression": "object.spec.template.spec.containers.all(c, c.startupProbe.periodSeconds >= 20)"}],
)
CALM = vap("calm", validations=[{"expression": "object.spec.replicas <= 3", "message": "at most 3"}])
TEMPLATE = """\
apiVersion: templates.gatekeeper.sh/v1
kind: ConstraintTemplate
metadata: {name: k8saccount}
spec:
  crd: {spec: {names: {kind: K8sAccount}}}
  targets:
    - target: admission.k8s.gatekeeper.sh
      rego: |
        package k8saccount
        violation[{"msg": msg}] {
          name := input.review.object.spec.template.spec.serviceAccountName
          accounts := data.inventory.namespace[input.review.object.metadata.namespace]["v1"].ServiceAccount
          not accounts[name]
          msg := sprintf("there is no service account %v", [name])
        }
---
apiVersion: constraints.gatekeeper.sh/v1beta1
kind: K8sAccount
metadata: {name: known}
spec: {match: {kinds: [{apiGroups: [apps], kinds: [Deployment]}]}}
"""
EVERYTHING = yaml.safe_load("""\
apiVersion: constraints.gatekeeper.sh/v1beta1
kind: K8sTeam
metadata: {name: everything}
""")
TEAM = """\
apiVersion: templates.gatekeeper.sh/v1
kind: ConstraintTemplate
metadata: {name: k8steam}
spec:
  crd: {spec: {names: {kind: K8sTeam}}}
  targets:
    - target: admission.k8s.gatekeeper.sh
      rego: |
        package k8steam
        violation[{"msg": "no team"}] { not input.review.object.metadata.labels["shipway.dev/team"] }
"""


def _set(**spec: Any) -> str:
    made = {"apiVersion": "shipway.dev/v1alpha1", "kind": "PolicySet", "metadata": {"name": "acme"}, "spec": spec}
    return yaml.safe_dump(made)


EXCEPTION = {"owner": "sales", "reason": "Being moved.", "ticket": "OPS-1"}
DENY = {"default": "deny"}

CASES: dict[str, tuple[str, list[str], set[str], set[str]]] = {
    # name: application, policies, rules that refuse, those of them that no admission can know of
    "a tag without a digest": (
        APPLICATION.replace("@sha256:DIGEST", ""), [], {"require-image-digest"}, set(),
    ),
    "a rule about pods": (FINE, [yaml.safe_dump(SLOW)], {"slow-start"}, set()),
    "more than the budget": (FINE.replace("$80", "$40"), [], {"cost-within-budget"}, {"cost-within-budget"}),
    "a rule that warns": (
        FINE, [yaml.safe_dump(SLOW), _set(enforce=[{"rules": ["slow-start"], "action": "warn"}])], set(), set(),
    ),
    "an exception for a tag": (
        APPLICATION.replace("@sha256:DIGEST", ""),
        [_set(default="deny", exceptions=[
            {**EXCEPTION, "name": "tag", "rules": ["require-image-digest"], "subjects": [{"kind": "Deployment"}], "expires": "2099-01-01"},
        ])],
        set(), set(),
    ),
    "an exception for something else": (
        APPLICATION.replace("@sha256:DIGEST", ""),
        [_set(default="deny", exceptions=[
            {**EXCEPTION, "name": "tag", "rules": ["require-image-digest"], "subjects": [{"kind": "Application"}], "expires": "2099-01-01"},
        ])],
        {"require-image-digest"}, set(),
    ),
    "a freeze": (
        FINE, [_set(default="deny", freezes=[{"name": "Stocktaking", "from": "2026-01-01", "until": "2099-01-01"}])],
        {"change-window"}, {"change-window"},
    ),
    "what keeps every rule, some of them about every object": (FINE, [yaml.safe_dump(CALM), TEMPLATE, f"{TEAM}---\n{yaml.safe_dump(EVERYTHING)}"], set(), set()),
    "the same where something has no team": (
        FINE.replace(", team: sales", ""), [f"{TEAM}---\n{yaml.safe_dump(EVERYTHING)}"], {"K8sTeam/everything"}, set(),
    ),
    "a secret in plain text": (
        FINE.replace("MORE", "  env: {DB_PASSWORD: hunter2isgreat}\n"), [], {"disallow-plain-secrets"}, set(),
    ),
}  # fmt: skip


class Place:
    """Files of one organisation."""

    def __init__(self, root: Path, application: str, policies: list[str]) -> None:
        self.before, self.after = root / "before", root / "after"
        for one in (self.before, self.after):
            (one / "policies").mkdir(parents=True)
            (one / "platform.yaml").write_text(PLATFORM)
        for number, text in enumerate(policies):
            (self.after / "policies" / f"{number}.yaml").write_text(text)
        self.file = self.after / "shop.yaml"
        self.file.write_text(application.replace("MORE", ""))


@pytest.fixture(params=CASES)
def case(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Place, set[str], set[str]]:
    application, policies, refuses, untold = CASES[request.param]
    return Place(tmp_path, application, policies), refuses, untold


def _refusing(findings: list[dict[str, Any]]) -> set[str]:
    refused = [one for one in findings if one["status"] in ("fail", "error") and one["action"] == "deny"]
    causes = [(one["rule"], one["place"]["line"], one["message"]) for one in refused]
    assert len(causes) == len(set(causes)), "one finding for each cause"
    assert all(one["place"]["line"] and one["place"]["column"] for one in refused)
    return {one["rule"] for one in refused}


def _deployed(place: Place, *sets: str) -> set[str]:
    platform, book = wiring.read_platform(place.after)

    async def scenario() -> None:
        made: Desk = await desk(platform)
        made.service._gate = PolicyGate(PolicyDirectory(place.after / "policies").read, scan)
        made.service._book = book
        files = (SourceFile("shop.yaml", place.file.read_text()),)
        asked = DeployRequest(files=files, directory="/srv", environment="prod", by="ann", sets=sets)
        await made.service.learn(asked)
        made.service.deploy(asked)

    try:
        asyncio.run(scenario())
    except Denied as error:
        return {one.code for one in error.problems}
    return set()


def _admitted(shipway: Shell, place: Place, *, told: bool = True) -> tuple[set[str], dict[str, str]]:
    """Rules that refuse any of the rendered objects, and what the answers note."""
    files = shipway("render", "--platform", place.after, "--env", "prod", "--json").data
    objects = [one for file in files for one in yaml.safe_load_all(file["content"]) if one]
    evaluator = read_policies([place.after / "policies"]).evaluator("prod")
    around = Around(objects) if told else None
    refused: set[str] = set()
    notes: dict[str, str] = {}
    for one in objects:
        if "shop" not in (one["metadata"].get("namespace"), one["metadata"]["name"]):
            continue  # what the cluster has for all applications
        request = {"uid": "1", "operation": "CREATE", "object": one}
        body = msgspec.json.encode({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request})
        answer = review(body, evaluator, 1.0, scan, around)
        refused |= {each.rule for each in answer.findings if each.refuses}
        notes |= msgspec.json.decode(answer.body)["response"].get("auditAnnotations", {})
        assert answer.allowed == (not any(each.refuses for each in answer.findings))
    return refused, notes


def test_one_verdict_in_all_of_them(shipway: Shell, case: tuple[Place, set[str], set[str]]) -> None:
    place, refuses, untold = case
    plan = shipway("plan", "--platform", place.after, "--against", place.before, "--env", "prod", "--json")
    assert _refusing(plan.data["findings"]) == refuses
    assert (plan.code, plan.data["refused"]) == (1 if refuses else 2, bool(refuses))
    check = shipway("policy", "check", place.file, "--platform", place.after, "--env", "prod", "--json")
    assert _refusing(check.data["findings"]) == refuses
    assert check.code == bool(refuses)
    assert _deployed(place) == refuses
    refused, notes = _admitted(shipway, place)
    assert refused == refuses - untold
    assert all("`deploy` judge" in notes[f"{rule}.skipped"] for rule in untold)


def test_without_an_inventory_admission_says_what_it_skips(shipway: Shell, tmp_path: Path) -> None:
    place = Place(tmp_path, FINE, [TEMPLATE])
    refused, notes = _admitted(shipway, place, told=False)
    assert refused == set()
    assert "--inventory" in notes["require-pod-disruption-budget.skipped"]
    assert "nobody has said here what else there is" in notes["K8sAccount.known.skipped"]
    assert not [key for key in _admitted(shipway, place)[1] if "budget.skipped" in key and "disruption" in key]


@pytest.mark.parametrize(("budget", "refused"), [("$28/month", False), ("$27/month", True)])
def test_the_example_organisation_is_held_to_its_budgets(
    shipway: Shell, tmp_path: Path, budget: str, refused: bool
) -> None:
    """The cart costs 30.40 a month in both clusters of prod, and 1.1 times its budget is 30.80 or 29.70."""
    shutil.copytree(EXAMPLE, tmp_path / "before")
    shutil.copytree(EXAMPLE, tmp_path / "after")
    place = Place.__new__(Place)
    place.before, place.after = tmp_path / "before", tmp_path / "after"
    place.file = place.after / "applications" / "cart.yaml"
    place.file.write_text(f"{place.file.read_text()}  budget: {budget}\n")
    rules = {"cost-within-budget"} if refused else set()
    edited = place.file.read_text().replace("max: 6", "max: 7")
    place.file.write_text(edited)
    plan = shipway("plan", "--platform", place.after, "--against", place.before, "--env", "prod", "--json").data
    check = shipway("policy", "check", place.file, "--platform", place.after, "--env", "prod", "--json").data
    assert _refusing(plan["findings"]) == _refusing(check["findings"]) == rules
    assert _deployed(place, "spec.command=[serve]") == rules
    assert plan["risks"][0]["application"] == "cart"
    assert plan["policy"]["passed"] > 20
    for one in plan["findings"] if refused else ():
        assert one["facts"]["spec"]["cost"]["monthly"] == 30.4
        assert one["place"]["line"] == len(edited.splitlines())

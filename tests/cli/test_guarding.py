"""The organisation's policies in its clusters: in every format, valid, and those that ``plan`` judges by."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from shipway.facts.organisations import load
from shipway.facts.policies import policies_for
from shipway.policy.guarding import admission
from shipway.render.compiling import Compiled, compile_organisation
from shipway.render.formats import FORMATS, layout
from shipway.spec.organisation import Organisation
from tests.cli.shell import Shell
from tests.render.schemas import catalogue, problems

PLATFORM = """
apiVersion: shipway.dev/v1alpha1
kind: Platform
metadata: {name: acme}
spec:
  environments: {dev: {}, prod: {}}
  components:
    admission: %s
    registries: [registry.example.com/]
    gitops: {repository: "https://github.com/acme/deployments.git"}
"""
APPLICATION = """
apiVersion: shipway.dev/v1alpha1
kind: Application
metadata: {name: cart, team: shop}
spec: {archetype: api-service, image: "registry.example.com/cart:3"}
"""
OWN = """
apiVersion: shipway.dev/v1alpha1
kind: PolicySet
metadata: {name: acme}
spec: {enforce: [{rules: ["*"], environments: {dev: warn, prod: deny}}, {rules: [limit-replicas], action: "off"}]}
---
apiVersion: policies.kyverno.io/v1
kind: ValidatingPolicy
metadata: {name: own}
spec:
  validationActions: [Deny]
  matchConstraints:
    resourceRules: [{apiGroups: [""], apiVersions: [v1], operations: [CREATE], resources: [services]}]
  validations: [{expression: "object.spec.type != 'NodePort'", message: no node ports}]
"""


def organisation(directory: Path, form: str) -> Organisation:
    (directory / "platform.yaml").write_text(PLATFORM % form)
    (directory / "cart.yaml").write_text(APPLICATION)
    (directory / "policies").mkdir(exist_ok=True)
    (directory / "policies" / "own.yaml").write_text(OWN)
    return load(directory)


def everything(directory: Path, form: str) -> Iterator[Compiled]:
    known = organisation(directory, form)
    ready = admission(known, policies_for(known, directory))
    for environment in known.environments:
        yield from compile_organisation(known, environment, admission=ready)


def shared(directory: Path, form: str) -> dict[str, dict[tuple[str, str], dict[str, Any]]]:
    return {
        one.environment: {(each.identity[1], each.identity[3]): each.object for each in one.objects}
        for one in everything(directory, form)
        if not one.application
    }


@pytest.mark.parametrize("form", ["native", "kyverno"])
def test_policies_of_clusters_are_what_their_api_accepts(form: str, tmp_path: Path) -> None:
    found = shared(tmp_path, form)
    assert {name for _, name in found["prod"]} > {"run-as-non-root", "require-image-digest"}
    assert not {key: wrong for one in found.values() for key in one if (wrong := problems(one[key], catalogue()))}


def test_each_environment_enforces_what_it_says(tmp_path: Path) -> None:
    found = shared(tmp_path, "native")
    key = ("ValidatingAdmissionPolicyBinding", "run-as-non-root")
    assert found["dev"][key]["spec"]["validationActions"] == ["Warn"]
    assert found["prod"][key]["spec"]["validationActions"] == ["Deny"]
    assert not [name for one in found.values() for _, name in one if name == "limit-replicas"]
    (parameters,) = (one for (kind, _), one in found["prod"].items() if kind == "ConfigMap")
    assert parameters["data"]["allowed-registries"].split(",") == ["registry.example.com", "ghcr.io/cloudnative-pg"]


def test_what_is_in_the_clusters_own_words_is_taken_over_as_long_as_nobody_decides_otherwise(tmp_path: Path) -> None:
    found = shared(tmp_path, "kyverno")
    assert ("ValidatingPolicy", "own") in found["prod"]
    assert ("ValidatingPolicy", "own") not in found["dev"]  # there it only warns, and its text says deny
    assert ("ValidatingPolicy", "run-as-non-root") in found["dev"]


@pytest.mark.parametrize("name", [name for name in FORMATS if name != "backstage"])
def test_every_format_has_them(name: str, tmp_path: Path) -> None:
    compiled = list(everything(tmp_path, "native"))
    files = dict(layout(name)(load(tmp_path), compiled))
    objects = [one for path, text in files.items() if path.endswith(".yaml") for one in yaml.safe_load_all(text)]
    assert {"ValidatingAdmissionPolicy", "Service"} <= {one["kind"] for one in objects}
    if name == "argocd":
        (project,) = (one["spec"] for one in objects if one.get("metadata", {}).get("name") == "acme.shared")
        apps = [one for one in objects if one["kind"] == "Application" and one["spec"]["project"] == "acme.shared"]
        assert {(one["name"], one["namespace"]) for one in project["destinations"]} >= {
            (one["spec"]["destination"]["name"], one["spec"]["destination"]["namespace"]) for one in apps
        }


def test_one_application_comes_alone(shipway: Shell, tmp_path: Path) -> None:
    organisation(tmp_path, "native")
    alone = shipway("render", "cart", "--platform", tmp_path)
    assert "kind: Deployment" in alone.out
    assert "AdmissionPolicy" not in alone.out
    assert "AdmissionPolicy" not in shipway("render", "--platform", tmp_path, "--no-pack").out
    assert "name: run-as-non-root" in shipway("render", "--platform", tmp_path).out


def test_a_change_of_a_policy_is_planned(shipway: Shell, tmp_path: Path) -> None:
    for name in ("old", "new"):
        (tmp_path / name).mkdir()
        organisation(tmp_path / name, "native")
    ask = ("plan", "--platform", tmp_path / "new", "--against", tmp_path / "old")
    assert (shipway(*ask).code, "No changes" in shipway(*ask).out) == (0, True)
    own = tmp_path / "new" / "policies" / "own.yaml"
    own.write_text(own.read_text().replace("dev: warn,", "dev: audit,"))
    found = shipway(*ask)
    assert found.code == 2
    assert "dev/dev (shared)" in found.out
    assert "validationActions" in found.out


def test_a_registry_that_the_platform_does_not_name_is_refused_everywhere(shipway: Shell, tmp_path: Path) -> None:
    for name in ("old", "new"):
        (tmp_path / name).mkdir()
        organisation(tmp_path / name, "native")
    here = tmp_path / "new"
    (here / "policies" / "own.yaml").unlink()
    application = here / "cart.yaml"
    application.write_text(APPLICATION.replace("registry.example.com", "elsewhere.example.com"))
    planned = shipway("plan", "--platform", here, "--against", tmp_path / "old")
    checked = shipway("policy", "check", application, "--platform", here, "--env", "prod")
    for found in (planned, checked):
        assert (found.code, "deny allowed-registries" in found.out) == (1, True), found.out + found.err

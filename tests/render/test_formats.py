"""Every object in every file of every format is what its API accepts, with the policies of the clusters among them."""

import copy
from collections import Counter
from functools import cache
from typing import Any

import pytest
import yaml

from shipway.facts.policies import policies_for
from shipway.policy.evaluating import Evaluator
from shipway.policy.guarding import admission
from shipway.policy.loading import load
from shipway.policy.rules import Document, Request
from shipway.render.compiling import Compiled, compile_organisation
from shipway.render.formats import FORMATS, layout
from shipway.render.gitops.kustomize import overlay
from shipway.spec.policies import Merged
from tests.render.gitops.building import build, by_identity
from tests.render.schemas import catalogue, problems
from tests.render.test_example import organisation
from tests.spec.test_organisation import EXAMPLE

_OTHERS = ("kustomize.config.k8s.io/", "backstage.io/")
"""Kustomize judges its own files (`test_kustomize`), Backstage's schema its entities (`test_catalog`)."""


@cache
def everything() -> tuple[Compiled, ...]:
    known = organisation()
    ready = admission(known, policies_for(known, EXAMPLE))
    return tuple(one for name in known.environments for one in compile_organisation(known, name, admission=ready))


@pytest.mark.parametrize("name", FORMATS)
def test_every_object_of_every_file_is_valid(name: str) -> None:
    known, seen = catalogue(), Counter[str]()
    for path, content in layout(name)(organisation(), everything()):
        for one in yaml.load_all(content, yaml.CSafeLoader) if path.endswith(".yaml") else ():
            if not one["apiVersion"].startswith(_OTHERS) and not _partial(path):
                seen[one["kind"]] += 1
                assert problems(one, known) == [], (path, one["kind"], one["metadata"])
    if name in {"yaml", "argo-rollouts", "flagger"}:
        assert seen["ValidatingAdmissionPolicy"] > 50
        assert seen["NetworkPolicy"] > 50


def _partial(path: str) -> bool:
    """What components and bases hold is only whole in an overlay."""
    return path.endswith("/objects.yaml")


def test_what_a_cluster_has_once_is_layered_too() -> None:
    files = dict(layout("kustomize")(organisation(), everything()))
    for one in everything():
        if not one.application:
            wanted = by_identity(each.object for each in one.objects)
            assert build(files, overlay("", one.environment, one.cluster)) == wanted


@pytest.mark.parametrize("environment", ["dev", "prod"])
def test_the_policies_of_a_cluster_admit_what_is_compiled_for_it_and_no_more(environment: str) -> None:
    """Judged as at admission: by the exported policies themselves, on the objects that come out beside them."""
    cluster = next(iter(organisation().clusters(environment)))
    here = [one for one in everything() if one.cluster == cluster]
    shared = [each.object for one in here if not one.application for each in one.objects]
    objects = [each.object for one in here if one.application for each in one.objects]
    namespaces = {one["metadata"]["name"]: one for one in objects if one["kind"] == "Namespace"}
    loaded = load([Document(one) for one in shared], {})
    assert loaded.problems == ()
    evaluator = Evaluator(loaded.rules, Merged(), environment)

    def refused(one: dict[str, Any]) -> list[str]:
        namespace = namespaces.get(one["metadata"].get("namespace", ""), {"kind": "Namespace", "metadata": {}})
        request = Request(one, inventory=shared, namespace_object=namespace)
        return [found.rule for found in evaluator.evaluate(request) if found.status in {"fail", "error"}]

    assert not {str(one["metadata"]): found for one in objects if (found := refused(one))}
    bad = copy.deepcopy(next(one for one in objects if one["kind"] == "Deployment"))
    pod = bad["spec"]["template"]["spec"]
    pod["containers"][0]["image"] = "elsewhere.example.com/shop:latest"
    assert {"allowed-registries", "disallow-latest-tag"} <= set(refused(bad))
    bad["metadata"]["namespace"] = "kube-system"  # not ours
    assert refused(bad) == []

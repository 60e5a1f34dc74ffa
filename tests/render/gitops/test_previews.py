"""A labelled pull request gets its application beside the real one, which neither sees nor feels it."""

import copy
import json
import shutil
import subprocess
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from shipway.render.compiling import Compiled
from shipway.render.formats import layout
from shipway.render.references import References
from shipway.render.traffic import Traffic
from shipway.render.truth import WORKLOADS, pod_of
from shipway.spec.organisation import Organisation
from tests.render import shop
from tests.render.gitops.building import by_identity
from tests.render.gitops.test_kustomize import compiled, kustomize, write
from tests.render.schemas import catalogue, problems
from tests.render.test_example import everything, organisation

Objects = dict[tuple[str, ...], dict[str, Any]]


@cache
def meshed() -> Organisation:
    platform = shop.PLATFORM.replace("  prices:", "    gitops: {repository: 'https://github.com/a/b'}\n  prices:", 1)
    return shop.organisation("istio", platform)


def files(known: Organisation, of: Sequence[Compiled]) -> dict[str, bytes]:
    return dict(layout("argocd")(known, of))


def sets(made: dict[str, bytes]) -> dict[str, Any]:
    found = yaml.load_all(made.get("argocd/applications/previews.yaml", b""), yaml.CSafeLoader)
    return {one["metadata"]["name"].removesuffix(".previews"): one for one in found}


def built(name: str, known: Organisation, of: Sequence[Compiled], directory: Path) -> Objects:
    """As Argo CD builds the Application of request 7: it sets the namespace in the directory's kustomization."""
    made = files(known, of)
    write(made, directory)
    source = sets(made)[name]["spec"]["template"]["spec"]["source"]
    at = directory / source["path"].removeprefix("rendered/")
    assert set(source["kustomize"]) == {"namespace"}
    namespace = source["kustomize"]["namespace"].replace("{{.number}}", "7")
    command = shutil.which("kustomize")
    if command is None:
        pytest.skip("`kustomize` is not on PATH")
    subprocess.run([command, "edit", "set", "namespace", namespace], cwd=at, check=True)
    return by_identity(kustomize(at))


def real(name: str, of: Sequence[Compiled]) -> Objects:
    return compiled(next(one for one in of if (one.environment, one.application) == ("dev", name)))


CASES = [("web", False), ("payment-service", False), ("search", False), ("checkout", False), ("checkout", True)]


def case(mesh: bool) -> tuple[Organisation, Sequence[Compiled]]:
    return (meshed(), shop.everything(meshed())) if mesh else (organisation(), everything())


def test_there_is_a_set_for_each_application_of_the_first_environment() -> None:
    found = sets(files(organisation(), everything()))
    assert set(found) == set(organisation().names("dev"))
    (generator,) = found["web"]["spec"]["generators"]
    assert generator["pullRequest"]["github"] == {"owner": "acme", "repo": "deployments", "labels": ["preview-web"]}
    template = found["web"]["spec"]["template"]
    assert template["spec"]["source"]["targetRevision"] == "{{.head_sha}}"
    # Deleted with the request, and everything that it made as well.
    assert template["metadata"]["finalizers"] == ["resources-finalizer.argocd.argoproj.io"]
    assert "syncPolicy" not in found["web"]["spec"]
    assert template["spec"]["destination"]["namespace"] == template["spec"]["source"]["kustomize"]["namespace"]


@pytest.mark.slow
@pytest.mark.parametrize(("name", "mesh"), CASES)
def test_a_preview_touches_nothing_of_the_real_one(tmp_path: Path, name: str, mesh: bool) -> None:
    known, of = case(mesh)
    found, there = built(name, known, of, tmp_path), real(name, of)
    assert not {key: wrong for key, one in found.items() if (wrong := problems(one, catalogue()))}
    assert {namespace or key for _, _, namespace, key in found} == {f"{name}-pr-7"}
    gone = {kind for _, kind, _, _ in there} - {kind for _, kind, _, _ in found}
    assert gone <= {
        *("PrometheusRule", "ConfigMap", "GrafanaDashboard", "Schedule", "ObjectStore", "ScheduledBackup"),
        *("HorizontalPodAutoscaler", "ScaledObject", "VerticalPodAutoscaler", "PodDisruptionBudget"),
    }
    said = json.dumps([*found.values()])
    assert f".{name}.svc" not in said
    assert '"plugins"' not in said
    for host in {host for one in there.values() for host in one.get("spec", {}).get("hostnames", ())}:
        assert f'"{host}"' not in said
        assert f'"{name}-pr-7.{host.partition(".")[2]}"' in said
    jobs = [one for one in found.values() if one["kind"] in {"ServiceMonitor", "PodMonitor"}]
    assert f'"replacement": "{name}"' not in json.dumps(jobs)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "mesh"), CASES)
def test_a_preview_and_what_it_calls_agree(tmp_path: Path, name: str, mesh: bool) -> None:
    known, of = case(mesh)
    found = built(name, known, of, tmp_path)
    cluster = [one for each in of if each.environment == "dev" for one in compiled(each).values()]
    objects = [*copy.deepcopy(cluster), *found.values()]
    pods = [(one, pod_of(one)) for one in objects if one["kind"] in WORKLOADS]
    assert list(Traffic(objects, pods).check(complete=True)) == []
    admitted = [wrong for wrong in References(objects, pods).check() if "-pr-" in wrong[0]]
    assert admitted == []


def test_whoever_is_called_admits_previews_where_there_are_some() -> None:
    for one in everything():
        said = json.dumps([each.object for each in one.objects if each.identity[1] == "NetworkPolicy"])
        called = bool(organisation().callers(one.application, one.environment))
        assert ("shipway.dev/preview-of" in said) == (called and one.environment == "dev")
    for one in shop.everything(meshed()):
        said = json.dumps([each.object for each in one.objects if each.identity[1] == "AuthorizationPolicy"])
        assert ('["checkout-pr-*"]' in said) == (
            one.application in {"inventory", "ranking"} and one.environment == "dev"
        )


@pytest.mark.parametrize(
    ("url", "generator"),
    [
        (
            "https://gitlab.example.com/a/b/c.git",
            {"gitlab": {"project": "a/b/c", "api": "https://gitlab.example.com", "pullRequestState": "opened"}},
        ),
        ("ssh://git@github.com/acme/all", {"github": {"owner": "acme", "repo": "all"}}),
        ("https://git.example.com/acme/all", None),
    ],
)
def test_the_address_says_how_requests_are_found(url: str, generator: dict[str, Any] | None) -> None:
    platform = shop.PLATFORM.replace("  prices:", f"    gitops: {{repository: '{url}'}}\n  prices:", 1)
    known = shop.organisation("istio", platform)
    made = files(known, shop.everything(known))
    assert bool(sets(made)) == (generator is not None)
    for one in sets(made).values():
        (found,) = one["spec"]["generators"]
        (kind,) = generator or {}
        assert found["pullRequest"][kind].items() >= (generator or {})[kind].items()
        assert not problems(one, catalogue())

"""What Argo CD and Flux are given: valid, pointing at what is there, allowed to do that and no more, in the order of calls."""

import fnmatch
from collections import Counter
from functools import cache
from typing import Any

import pytest
import yaml
from msgspec import structs

from shipway.model.errors import BadInput
from shipway.render.admission import KINDS
from shipway.render.compiling import Compiled
from shipway.render.formats import layout
from shipway.render.gitops.repository import waves
from shipway.spec.organisation import Organisation, read_organisation
from shipway.spec.reading import Source
from tests.render import shop
from tests.render.schemas import catalogue, problems
from tests.render.test_example import everything, organisation

URL = "https://github.com/acme/deployments.git"


@cache
def files(name: str) -> dict[str, bytes]:
    written = list(layout(name)(organisation(), everything()))
    assert len(dict(written)) == len(written)
    return dict(written)


def objects(name: str, kind: str = "", below: str = "") -> list[dict[str, Any]]:
    """The controller's own objects."""
    own = [content for path, content in files(name).items() if path.startswith(f"{name}/{below}")]
    return [one for content in own for one in yaml.load_all(content, yaml.CSafeLoader) if kind in {"", one["kind"]}]


def test_there_is_an_object_for_each_thing() -> None:
    known = organisation()
    teams = {declared.application.metadata.team for declared in known.declared.values()}
    assert Counter(one["kind"] for one in objects("argocd")) == {
        "AppProject": 1 + len(teams),
        "Application": 1 + len(everything()),
        "ApplicationSet": len(known.names("dev")),
    }
    clusters = sum(len(known.clusters(environment)) for environment in known.environments)
    assert Counter(one["kind"] for one in objects("flux")) == {
        "GitRepository": clusters,
        "Kustomization": len(everything()),
    }


@pytest.mark.parametrize("name", ["argocd", "flux"])
def test_every_object_is_what_its_api_accepts(name: str) -> None:
    known = catalogue()
    assert not {str(one["metadata"]): wrong for one in objects(name) if (wrong := problems(one, known))}


@pytest.mark.parametrize("name", ["argocd", "flux"])
def test_every_path_leads_to_an_overlay(name: str) -> None:
    paths = {one["spec"]["path"].removeprefix("./") for one in objects(name, "Kustomization")}
    paths |= {one["spec"]["source"]["path"] for one in objects(name, "Application", "applications/")}
    assert len(paths) == len(everything())
    assert {f"{path}/kustomization.yaml" for path in paths} <= {f"rendered/{path}" for path in files(name)}


@pytest.mark.parametrize("name", ["argocd", "flux"])
def test_what_a_cluster_has_once_is_applied_too(name: str) -> None:
    shared = structs.replace(everything()[0], application="")
    made = dict(layout(name)(organisation(), [shared]))
    written = b"---\n".join(content for path, content in made.items() if path.startswith(f"{name}/"))
    known = [one for one in yaml.load_all(written, yaml.CSafeLoader) if not problems(one, catalogue())]
    assert {one["metadata"]["name"] for one in known} & {"cluster.shared", "cluster.shared.dev-eu"}
    assert b"rendered/_shared/overlays/dev/dev-eu" in written


def test_the_order_of_the_first_sync_is_that_of_the_calls() -> None:
    order = waves(organisation())
    assert min(order.values()) == 0
    for declared in organisation().declared.values():
        for dependency in declared.application.spec.depends_on:
            if dependency.application:
                assert order[dependency.application] < order[declared.application.metadata.name]
    for one in objects("argocd", "Application", "applications/"):
        wave = one["metadata"]["annotations"]["argocd.argoproj.io/sync-wave"]
        assert int(wave) == order[one["spec"]["destination"]["namespace"]]


def test_flux_waits_for_what_is_called_and_is_there() -> None:
    for path, content in files("flux").items():
        if path.startswith("flux/"):
            _, *found = yaml.load_all(content, yaml.CSafeLoader)
            names = {one["metadata"]["name"] for one in found}
            before = {one["name"] for each in found for one in each["spec"].get("dependsOn", [])}
            assert before
            assert before <= names
            assert all(one["spec"]["wait"] for one in found)


def allowed(project: dict[str, Any], cluster: str, identity: tuple[str, str, str, str]) -> bool:
    version, kind, namespace, _ = identity
    spec = project["spec"]
    listed = spec["namespaceResourceWhitelist" if namespace else "clusterResourceWhitelist"]
    places = [one for one in spec["destinations"] if one["name"] == cluster]
    inside = not namespace or any(fnmatch.fnmatchcase(namespace, one["namespace"]) for one in places)
    return inside and {"group": version.rpartition("/")[0], "kind": kind} in listed


def test_a_project_allows_what_its_team_has_and_nothing_of_the_others() -> None:
    projects = {one["metadata"]["name"]: one for one in objects("argocd", "AppProject", "applications/")}
    of = {one["metadata"]["name"]: one["spec"]["project"] for one in objects("argocd", "Application", "applications/")}
    assert len(projects) > 2
    for one in everything():
        mine = of[f"{one.application}.{one.cluster}"]
        for each in one.objects:
            assert allowed(projects[mine], one.cluster, each.identity)
            others = [project for name, project in projects.items() if name != mine]
            assert not each.identity[2] or not any(allowed(other, one.cluster, each.identity) for other in others)
    for project in projects.values():
        assert project["spec"]["sourceRepos"] == [URL]
        written = [*project["spec"]["destinations"], *project["spec"]["namespaceResourceWhitelist"]]
        assert not [one for one in written if "*" in {one.get("name"), one.get("namespace"), one.get("kind")}]


@pytest.mark.parametrize("mesh", ["gateway-api", "istio"])
@pytest.mark.parametrize("others", ["", "    autoscaler: keda\n    admission: kyverno\n"])
def test_a_project_allows_what_could_be_there_as_well(mesh: str, others: str) -> None:
    """What a project does not allow is never removed: the last of its kind would stay when its file loses it."""
    known = shop.organisation(mesh, shop.PLATFORM.replace("mesh: %s\n", "mesh: %s\n" + others))
    written = {(bool(n), v.rpartition("/")[0], k) for one in shop.everything(known) for v, k, n, _ in identities(one)}
    shared = structs.replace(everything()[0], application="")
    team, cluster = (
        {
            (inside, each["group"], each["kind"])
            for inside, name in enumerate(("clusterResourceWhitelist", "namespaceResourceWhitelist"))
            for each in project["spec"][name]
        }
        for project in (objects("argocd", "AppProject", "applications/")[0], _projects(organisation(), [shared])[0])
    )
    assert written <= team
    assert {kind for _, _, kind in cluster} >= {kind for kinds in KINDS.values() for kind in kinds}


def identities(one: Compiled) -> list[tuple[str, str, str, str]]:
    return [each.identity for each in one.objects]


def _projects(known: Organisation, compiled: list[Compiled]) -> list[dict[str, Any]]:
    made = dict(layout("argocd")(known, compiled))
    return list(yaml.load_all(made["argocd/applications/projects.yaml"], yaml.CSafeLoader))


def test_a_team_does_not_become_the_project_that_argo_cd_brings() -> None:
    platform = shop.PLATFORM % f"istio\n    gitops: {{repository: {URL}}}"
    files = {"platform.yaml": platform, "applications.yaml": shop.APPLICATIONS.replace("team: stock", "team: default")}
    known, _ = read_organisation([Source(*file) for file in files.items()])
    assert known is not None
    names = {one["metadata"]["name"] for one in _projects(known, shop.everything(known))}
    assert names == {"acme.default", "payments", "unowned"}


def test_what_the_api_server_fills_in_is_no_difference() -> None:
    found = [*objects("argocd", "Application", "applications/")]
    found += [one["spec"]["template"] for one in objects("argocd", "ApplicationSet")]
    options = {one["metadata"]["annotations"]["argocd.argoproj.io/compare-options"] for one in found}
    assert options == {"ServerSideDiff=true"}


def test_the_root_applies_the_applications_and_is_not_among_them() -> None:
    project, root = objects("argocd", below="root")
    assert root["spec"]["project"] == project["metadata"]["name"]
    path = root["spec"]["source"]["path"].removeprefix("rendered/")
    kinds = {one["kind"] for one in objects("argocd", below="applications")}
    assert {one["kind"] for one in project["spec"]["namespaceResourceWhitelist"]} == kinds
    assert [name for name in files("argocd") if name.startswith("argocd/") and not name.startswith(f"{path}/")] == [
        "argocd/root.yaml"
    ]


@pytest.mark.parametrize("name", ["argocd", "flux"])
def test_without_a_repository_there_is_nothing_to_point_at(name: str) -> None:
    with pytest.raises(BadInput, match="which repository"):
        list(layout(name)(shop.organisation(), []))

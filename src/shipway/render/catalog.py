"""The organisation as Backstage knows it: a Domain, its Systems and Groups, and per application a Component, its API and Resources.

Called with every application of the organisation, since references must lead somewhere. Written beside the objects as
``catalog-info.yaml``; nothing here is applied to a cluster.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from shipway.render import techdocs
from shipway.render.compiling import Compiled
from shipway.render.formats import File, to_yaml
from shipway.spec.application import SERVING, Application, Archetype, Dependency
from shipway.spec.organisation import Organisation
from shipway.spec.platform import Platform

API_VERSION = "backstage.io/v1alpha1"
UNOWNED = "unowned"
"""Group of the applications that name no team; a Component must have an owner."""
_TYPES: Mapping[Archetype, str] = MappingProxyType(
    {
        "web-app": "website",
        "api-service": "service",
        "background-worker": "worker",
        "scheduled-job": "job",
        "ml-model": "model",
    }
)
_PART_OF = "shipway.dev/application"


def entities(platform: Platform, applications: Iterable[Application]) -> list[dict[str, Any]]:
    """Every entity once, in the order of kinds and then of names."""
    known = sorted(applications, key=lambda application: application.metadata.name)
    serving = {application.metadata.name for application in known if _api_type(application)}
    found = [*_organisation(platform, known)]
    for application in known:
        found += [_component(application, serving), *_apis(application), *_resources(application)]
    return found


def backstage(organisation: Organisation, compiled: Iterable[Compiled]) -> Iterator[File]:
    """``--format backstage``: a file for each application that was compiled, one for what they share, and one for all.

    An application is described as it is in the last environment that it was compiled for; its page shows all of them.
    """
    places: dict[str, dict[str, None]] = {}
    for one in compiled:
        if one.application:
            places.setdefault(one.application, {})[one.environment] = None
    environments = {name: tuple(found) for name, found in sorted(places.items())}
    found = [organisation.application(name, known[-1]) for name, known in environments.items()]
    shared: list[dict[str, Any]] = []
    files: dict[str, list[dict[str, Any]]] = {name: [] for name in environments}
    for entity in entities(organisation.platform, found):
        files.get(entity["metadata"].get("annotations", {}).get(_PART_OF, ""), shared).append(entity)
    targets = ["./organisation.yaml", *(f"./{name}/catalog-info.yaml" for name in files)]
    location = _entity("Location", organisation.platform.metadata.name, {"type": "file", "targets": targets})
    yield "catalog-info.yaml", to_yaml([location])
    yield "organisation.yaml", to_yaml(shared)
    for name, entities_ in files.items():
        yield f"{name}/catalog-info.yaml", to_yaml(entities_)
        yield f"{name}/mkdocs.yml", techdocs.site(name)
        yield f"{name}/docs/index.md", techdocs.page(organisation, name, environments[name])


def component_ref(name: str) -> str:
    """A full reference to a Component: short ones mean different kinds in different fields."""
    return f"component:default/{name}"


def resource_name(application: str, dependency: Dependency) -> str:
    """Name of a resource: what it is called, or its engine; of a PostgreSQL that of its Cluster (``databases``)."""
    engine = "db" if dependency.postgres else dependency.resource.engine if dependency.resource else ""
    return f"{application}-{dependency.name or engine}"[:63].rstrip("-")


def _organisation(platform: Platform, applications: Sequence[Application]) -> Iterator[dict[str, Any]]:
    domain = platform.metadata.name
    yield _entity("Domain", domain, {"owner": _group(_owner(applications))})
    for team in sorted({_team(application) for application in applications}):
        yield _entity("Group", team, {"type": "team", "children": []})
    for system in sorted({one.metadata.system for one in applications if one.metadata.system}):
        members = [application for application in applications if application.metadata.system == system]
        yield _entity("System", system, {"owner": _group(_owner(members)), "domain": f"domain:default/{domain}"})


def _owner(applications: Sequence[Application]) -> str:
    """The team with most of the applications; of equals the first by name."""
    teams = [_team(application) for application in applications] or [UNOWNED]
    return min(teams, key=lambda team: (-teams.count(team), team))


def _component(application: Application, serving: set[str]) -> dict[str, Any]:
    name, spec = application.metadata.name, application.spec
    called = [dependency.application for dependency in spec.depends_on if dependency.application]
    resources = [f"resource:default/{resource_name(name, one)}" for one in _owned(application)]
    said = {
        "type": _TYPES[spec.archetype],
        "lifecycle": "production",
        "owner": _group(_team(application)),
        "system": _system(application),
        "providesApis": [f"api:default/{name}"] if name in serving else [],
        "consumesApis": [f"api:default/{other}" for other in called if other in serving],
        "dependsOn": [*(component_ref(other) for other in called), *resources],
    }
    annotations = {
        "backstage.io/techdocs-ref": "dir:.",
        "backstage.io/kubernetes-label-selector": f"app.kubernetes.io/name={name}",
        _PART_OF: name,
        "grafana/dashboard-selector": f"tags @> '{name}'",
    }
    metadata = {"description": application.metadata.description, "annotations": annotations, "tags": [spec.archetype]}
    return _entity("Component", name, said, metadata)


def _apis(application: Application) -> Iterator[dict[str, Any]]:
    kind, name = _api_type(application), application.metadata.name
    if kind:
        said = {
            "type": kind,
            "lifecycle": "production",
            "owner": _group(_team(application)),
            "system": _system(application),
            "definition": _definition(application, kind),
        }
        yield _entity("API", name, said, {"annotations": {_PART_OF: name}})


def _api_type(application: Application) -> str:
    """Backstage's word for what is spoken; empty when it is nothing that has a definition."""
    if application.spec.archetype not in SERVING:
        return ""
    return {"http": "openapi", "grpc": "grpc"}.get(application.spec.protocol, "")


def _definition(application: Application, kind: str) -> str:
    """A definition that is valid and says what the application file says; a team replaces it with its own."""
    name, spec = application.metadata.name, application.spec
    if kind == "grpc":
        return f'syntax = "proto3";\n\npackage {name.replace("-", "_")};\n'
    servers = [{"url": f"https://{spec.host}" if spec.host else f"http://{name}:{spec.port}"}]
    info = {"title": name, "version": "1"} | (
        {"description": application.metadata.description} if application.metadata.description else {}
    )
    return json.dumps({"openapi": "3.1.0", "info": info, "servers": servers, "paths": {}}, indent=2)


def _owned(application: Application) -> list[Dependency]:
    return [one for one in application.spec.depends_on if one.resource]


def _resources(application: Application) -> Iterator[dict[str, Any]]:
    for dependency in _owned(application):
        said = {"type": dependency.kind, "owner": _group(_team(application)), "system": _system(application)}
        tags = [dependency.resource.engine] if dependency.resource else []
        name, annotations = application.metadata.name, {_PART_OF: application.metadata.name}
        yield _entity("Resource", resource_name(name, dependency), said, {"tags": tags, "annotations": annotations})


def _team(application: Application) -> str:
    return application.metadata.team or UNOWNED


def _group(team: str) -> str:
    return f"group:default/{team}"


def _system(application: Application) -> str | None:
    return f"system:default/{application.metadata.system}" if application.metadata.system else None


def _entity(kind: str, name: str, spec: Mapping[str, Any], metadata: Mapping[str, Any] = {}) -> dict[str, Any]:
    """Without what is empty, except the list of children, which a Group must have."""
    said = {key: value for key, value in spec.items() if value or key == "children"}
    about = {key: value for key, value in metadata.items() if value}
    return {"apiVersion": API_VERSION, "kind": kind, "metadata": {"name": name, **about}, "spec": said}

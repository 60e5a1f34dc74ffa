"""One application on one cluster to all of its objects. Called by ``cli`` and ``plan``; the only list of concerns.

A concern is a module with ``objects``; it yields nothing where it has nothing to say. Total and pure: what could be wrong
with the input was found when the organisation was read.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import msgspec

from shipway.render import (
    account,
    alerts,
    chaos,
    dashboards,
    databases,
    disruption,
    mesh,
    monitors,
    namespaces,
    network,
    rightsizing,
    routes,
    scaling,
    secrets,
    service,
    telemetry,
    workload,
)
from shipway.render.admission import policies
from shipway.render.context import Context, Place
from shipway.render.rendered import Rendered, rendered
from shipway.render.tracing import Draft
from shipway.spec.organisation import Organisation

Concern = Callable[[Context], Iterator[Draft]]

CONCERNS: tuple[Concern, ...] = (
    account.objects,
    workload.objects,
    service.objects,
    scaling.objects,
    rightsizing.objects,
    disruption.objects,
    network.objects,
    namespaces.objects,
    routes.objects,
    mesh.objects,
    secrets.objects,
    monitors.objects,
    alerts.objects,
    dashboards.objects,
    telemetry.objects,
    databases.objects,
    chaos.objects,
)
"""What an application is made into."""
Admission = Callable[[str], Sequence[Mapping[str, Any]]]
"""Name of an environment to its policies, ready for a cluster: what a cluster gets once for all of its applications."""


_FIRST = ("Namespace", "Instrumentation")
"""Settings of traces are read when a pod is made."""


class Compiled(msgspec.Struct, frozen=True):
    """Everything of one application on one cluster, or (``application`` empty) what its applications share."""

    environment: str
    cluster: str
    application: str
    objects: tuple[Rendered, ...]


def compile_application(context: Context) -> tuple[Rendered, ...]:
    """All objects of an application on a cluster, in canonical order: what others need to be there first, then by kind and name."""
    drafts = (draft for concern in CONCERNS for draft in concern(context))
    return _ordered(rendered(draft, context) for draft in drafts)


def compile_organisation(
    organisation: Organisation,
    environment: str,
    only: frozenset[str] | None = None,
    admission: Admission | None = None,
) -> Iterator[Compiled]:
    """Everything in an environment, cluster by cluster, one application at a time: keep what you need, no more.

    ``only`` limits it to some applications; what a cluster has once (``admission``) comes with all of them alone.
    """
    ready = admission(environment) if admission is not None and only is None else ()
    for cluster in organisation.clusters(environment):
        place = Place(organisation, environment, cluster)
        if shared := policies(place, ready):
            yield Compiled(environment, cluster, "", _ordered(iter(shared)))
        for context in place.applications():
            if only is None or context.name in only:
                yield Compiled(environment, cluster, context.name, compile_application(context))


def _ordered(objects: Iterator[Rendered]) -> tuple[Rendered, ...]:
    return tuple(sorted(objects, key=_place))


def _place(one: Rendered) -> tuple[int, str, str, str, str]:
    version, kind, namespace, name = one.identity
    return _FIRST.index(kind) if kind in _FIRST else len(_FIRST), kind, version, namespace, name

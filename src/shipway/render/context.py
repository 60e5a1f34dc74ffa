"""What a concern knows: one application (or none) in one environment on one cluster, and the organisation around it.

Made by :mod:`.compiling`, read by every concern. Answers questions about names, ports and neighbours in one place, so that
two concerns cannot disagree about them. No I/O.
"""

from collections.abc import Iterator, Mapping
from functools import cached_property

import msgspec
from msgspec.structs import replace

from shipway.render.signals import METERS
from shipway.render.slo.levels import ServiceLevel
from shipway.render.slo.promises import Meters, of_application, spoken
from shipway.render.tracing import Traced, derived, said
from shipway.spec import Application, Origin, Platform, Resolved
from shipway.spec.application import SERVING, Dependency, Spec
from shipway.spec.components import Components
from shipway.spec.cron import EVERY_RELEASE
from shipway.spec.organisation import Organisation
from shipway.spec.platform import CostProfile, Environment, MonitoringProfile, PlatformProfiles, SecurityProfile

MANAGER = "shipway"
HEALTH, METRICS = "health", "metrics"
"""Names of ports that mean something to us."""


class Place(msgspec.Struct, frozen=True, dict=True):
    """A cluster of an environment."""

    organisation: Organisation
    environment: str
    cluster: str

    @cached_property
    def platform(self) -> Platform:
        """The whole Platform document."""
        return self.organisation.platform

    @cached_property
    def components(self) -> Components:
        """What is installed in the clusters."""
        return self.platform.spec.components

    @property
    def settings(self) -> Environment:
        """What the Platform says of the environment."""
        return self.platform.spec.environments[self.environment]

    @property
    def region(self) -> str:
        """Region of the cluster; empty when the Platform says none."""
        return self.organisation.clusters(self.environment)[self.cluster]

    @cached_property
    def production(self) -> bool:
        """Whether customers depend on it."""
        return self.platform.is_production(self.environment)

    def applications(self) -> Iterator["Context"]:
        """Every application that runs here, in the order of names."""
        for name in self.organisation.names(self.environment):
            yield Context(self, self.organisation.resolved(name, self.environment))

    def neighbour(self, name: str) -> "Context":
        """Another application that runs here."""
        return Context(self, self.organisation.resolved(name, self.environment))

    def platform_origin(self, field: str) -> Origin:
        """Where the Platform says ``field`` (``spec.components.mesh``); line 0 when it leaves it to our default."""
        declared = self.organisation.declared_platform
        path = tuple(field.split("."))
        key, value, depth = declared.node.at(path)
        if depth < len(path):
            return Origin("default")
        return Origin.at("platform default", declared.file, key, value)

    def origin(self, field: str) -> Origin:
        """No application, so nothing that one could have said."""
        raise LookupError(f"{field} belongs to an application, and this object to none")


class Callee(msgspec.Struct, frozen=True):
    """An application that this one calls."""

    context: "Context"
    port: int
    port_name: str
    field: str
    """Path of the dependency: ``spec.dependsOn``."""


class Context(msgspec.Struct, frozen=True, dict=True):
    """One application on one cluster."""

    place: Place
    resolved: Resolved

    @cached_property
    def application(self) -> Application:
        """With nothing left to look up."""
        return self.resolved.application

    @cached_property
    def spec(self) -> Spec:
        """What the application is and needs, here."""
        return self.application.spec

    @cached_property
    def name(self) -> str:
        """Name of the application and of most of its objects."""
        name: str = self.application.metadata.name
        return name

    @property
    def namespace(self) -> str:
        """Every application has a namespace of its own, called like it: quotas, policies and rights end at its border."""
        return self.name

    @property
    def environment(self) -> str:
        """Name of the environment."""
        return self.place.environment

    @property
    def cluster(self) -> str:
        """Name of the cluster."""
        return self.place.cluster

    @property
    def production(self) -> bool:
        """Whether customers depend on it."""
        return self.place.production

    @cached_property
    def components(self) -> Components:
        """What is installed in the clusters."""
        return self.place.components

    @property
    def organisation(self) -> Organisation:
        """Everything around it."""
        return self.place.organisation

    @property
    def serving(self) -> bool:
        """Whether it answers requests."""
        return self.spec.archetype in SERVING

    @property
    def is_job(self) -> bool:
        """Whether it runs to an end."""
        return self.spec.archetype == "scheduled-job"

    @cached_property
    def cost(self) -> CostProfile:
        """The chosen cost profile, or one with our defaults."""
        return self._profiles.cost.get(self.spec.profiles.cost or "", CostProfile())

    @cached_property
    def monitoring(self) -> MonitoringProfile:
        """The chosen monitoring profile, or one with our defaults."""
        return self._profiles.monitoring.get(self.spec.profiles.monitoring or "", MonitoringProfile())

    @cached_property
    def security(self) -> SecurityProfile:
        """The chosen security level, or one with our defaults."""
        return self._profiles.security.get(self.spec.profiles.security or "", SecurityProfile())

    @property
    def _profiles(self) -> PlatformProfiles:
        return self.place.platform.spec.profiles

    @property
    def meshed(self) -> bool:
        """Whether pods get a proxy of the mesh beside them."""
        return self.components.mesh == "istio"

    @cached_property
    def ports(self) -> Mapping[str, int]:
        """Every port by name. The main one is called after the protocol; a worker has one only to be asked for its health."""
        main = {self.main_port: self.spec.port} if self.main_port else {}
        return {**main, **self.spec.ports}

    @cached_property
    def main_port(self) -> str:
        """Name of the main port; empty when it has none."""
        if self.serving:
            return self.spec.protocol
        return HEALTH if self.spec.health.path is not None and not self.is_job else ""

    @property
    def health_port(self) -> str | None:
        """Name of the port on which it is asked for its health; None when it cannot be asked."""
        return self.main_port or None

    @cached_property
    def metrics_port(self) -> str | None:
        """Name of the port that is scraped: the one called ``metrics``, else the main one of a service over HTTP."""
        if METRICS in self.spec.ports:
            return METRICS
        return self.main_port if self.serving and self.spec.protocol == "http" else None

    def port_field(self, name: str) -> str:
        """The field that says the number of a port."""
        if list(self.spec.listens) == ["http"]:  # one number, however it was written
            return "spec.port"
        return f"spec.port.{self.spec.main if name == self.main_port else name}"

    @property
    def address(self) -> str:
        """Name under which it is reached inside the cluster."""
        return f"{self.name}.{self.namespace}.svc"

    @property
    def workload(self) -> tuple[str, str]:
        """(apiVersion, kind) of what runs it. A Job's name carries a digest; the others are called like the application."""
        if self.is_job:
            return "batch/v1", "Job" if self.spec.schedule == EVERY_RELEASE else "CronJob"
        return "apps/v1", "StatefulSet" if self.spec.disk else "Deployment"

    @property
    def workload_reference(self) -> dict[str, object]:
        """What scalers point at."""
        version, kind = self.workload
        rule = "the archetype decides what runs it, and a lasting disk makes it a StatefulSet"
        disk = self.spec.disk
        fields = ("spec.archetype", f"spec.storage.{disk.path}") if disk else ("spec.archetype",)
        return {
            "apiVersion": derived(version, rule, *fields),
            "kind": derived(kind, rule, *fields),
            "name": said(self.name, "metadata.name"),
        }

    @property
    def headless_name(self) -> Traced:
        """The Service that gives the pods of a StatefulSet their names."""
        return derived(f"{self.name}-pods", "the application's name and what it finds", "metadata.name")

    @property
    def secret_name(self) -> str:
        """The Secret with every secret of the application; its keys are called like the environment variables."""
        return f"{self.name}-secrets"

    @property
    def storage_class(self) -> Traced | None:
        """Storage class of lasting disks; None for the cluster's own."""
        found = self.components.databases.storage_class
        return said(found, "platform.spec.components.databases.storageClass") if found else None

    def database_name(self, dependency: Dependency) -> str:
        """Name of the database cluster behind a dependency on ``postgres``."""
        return f"{self.name}-{dependency.name or 'db'}"

    def database_names(self) -> Iterator[str]:
        """Names of its PostgreSQL clusters, in the order of the file."""
        for dependency in self.resources("database"):
            if dependency.postgres:
                yield self.database_name(dependency)

    @property
    def meters(self) -> Meters:
        """What counts its requests: the mesh, or what it speaks."""
        return spoken(METERS[self.components.mesh], self.spec.protocol)

    @property
    def request_series(self) -> str:
        """PromQL selector of the counter of answered requests, as the SLO rules count them."""
        return self.meters.total.replace("{app}", self.name)

    @cached_property
    def promises(self) -> tuple[ServiceLevel, ...]:
        """Every promise of the application here; without alerts where the monitoring profile wants none."""
        runbooks = self.components.monitoring.runbooks
        found = of_application(
            self.application,
            METERS[self.components.mesh],
            metrics=self.place.platform.spec.metrics,
            runbook=f"{runbooks.rstrip('/')}/{{app}}#{{slo}}" if runbooks else "",
        )
        return found if self.monitoring.alerts else tuple(replace(level, page=None, ticket=None) for level in found)

    @cached_property
    def host(self) -> Traced | None:
        """Host name under which it is reached from outside, if it is."""
        found = self.place.platform.host_of(self.application, self.environment)
        if found is None or self.spec.host is not None:
            return said(found, "spec.host") if found else None
        rule = (
            "the application's name below the Platform's domain, with the environment between them outside production"
        )
        return derived(found, rule, "metadata.name", "platform.spec.components.ingress.domain")

    def callees(self) -> Iterator[Callee]:
        """Applications that it calls, in the order of the file."""
        for dependency in self.spec.depends_on:
            if dependency.application:
                other = self.place.neighbour(dependency.application)
                port = dependency.port or other.main_port
                yield Callee(other, other.ports[port], port, "spec.dependsOn")

    def callers(self) -> Iterator[tuple["Context", str]]:
        """(application, name of the port) of everything that calls it here, in the order of names."""
        for name, port in self.organisation.callers(self.name, self.environment):
            yield self.place.neighbour(name), port or self.main_port

    def resources(self, *kinds: str) -> Iterator[Dependency]:
        """Dependencies of these kinds (``database``, ``cache``, ``queue``, ``bucket``, ``host``), in the order of the file."""
        for dependency in self.spec.depends_on:
            if any(getattr(dependency, kind) is not None for kind in kinds):
                yield dependency

    def selector(self) -> dict[str, object]:
        """Labels that pods are found by; they never change during the life of an application."""
        return {"app.kubernetes.io/name": said(self.name, "metadata.name")}

    def labels(self, component: str = "") -> dict[str, object]:
        """Labels of every object: whose it is, for people, quotas and bills."""
        return {**self._labels, "app.kubernetes.io/component": component} if component else self._labels.copy()

    @cached_property
    def _labels(self) -> dict[str, object]:
        metadata = self.application.metadata
        return {
            **self.selector(),
            "app.kubernetes.io/component": said(self.spec.archetype, "spec.archetype"),
            "app.kubernetes.io/part-of": said(metadata.system, "metadata.system") if metadata.system else None,
            "app.kubernetes.io/managed-by": MANAGER,
            "shipway.dev/environment": derived(self.environment, "the environment it is compiled for"),
            "shipway.dev/team": said(metadata.team, "metadata.team") if metadata.team else None,
            "shipway.dev/data-class": said(self.spec.data_class, "spec.dataClass"),
            "shipway.dev/cost-profile": said(self.spec.profiles.cost, "spec.profiles.cost")
            if self.spec.profiles.cost
            else None,
        }

    def metadata(
        self, name: str = "", component: str = "", annotations: dict[str, object] | None = None
    ) -> dict[str, object]:
        """``metadata`` of an object in the application's namespace."""
        return {
            "name": name or said(self.name, "metadata.name"),
            "namespace": derived(self.namespace, "every application has a namespace called like it", "metadata.name"),
            "labels": self.labels(component),
            "annotations": annotations,
        }

    def origin(self, field: str) -> Origin:
        """Where ``field`` of the application was decided; of a map, where its first value was."""
        provenance = self.resolved.provenance
        if field in provenance:
            return provenance[field]
        inside = (found for path, found in provenance.items() if path.startswith((f"{field}.", f"{field}[")))
        return next(inside, Origin("default"))

    def platform_origin(self, field: str) -> Origin:
        """Where the Platform says ``field``."""
        return self.place.platform_origin(field)

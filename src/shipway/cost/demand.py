"""What Kubernetes objects ask for: cores, memory, GPUs, disks and load balancers, at the fewest and the most instances.

Called by :mod:`.estimate` with what ``render`` gives, or with any other manifests. Knows no price.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from types import MappingProxyType
from typing import Any, NamedTuple

import msgspec

from shipway.cost.money import Unknown, exact
from shipway.cost.prices import Purchase, Resource
from shipway.cost.schedule import runs_an_hour
from shipway.cost.usage import Requested
from shipway.model.quantities import QuantityError, parse_duration

Object = Mapping[str, Any]

GIB = Decimal(2**30)
SPOT = "shipway.dev/spot"
"""Label and taint of machines that can be taken away; a pod that tolerates it may run there."""
EXPECTED = "shipway.dev/expected-duration"
"""Annotation of a CronJob: how long a run usually takes."""
_NUMBER = re.compile(r"([+-]?\d{1,18}(?:\.\d{0,18})?|\.\d{1,18})([eE][+-]?\d{1,2})?(m|u|n|k|[KMGTPE]i?)?")
_SUFFIXES: Mapping[str, Decimal] = MappingProxyType(
    {
        **{unit: Decimal(1000) ** power for power, unit in enumerate(("", "k", "M", "G", "T", "P", "E"))},
        **{f"{unit}i": Decimal(1024) ** power for power, unit in enumerate("KMGTPE", 1)},
        **{unit: Decimal(1000) ** -power for power, unit in enumerate("mun", 1)},
    }
)
_SERVED = ("Deployment", "StatefulSet", "ReplicaSet", "Rollout")
_SCALERS: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "HorizontalPodAutoscaler": ("minReplicas", "maxReplicas"),
        "ScaledObject": ("minReplicaCount", "maxReplicaCount"),
    }
)
_MOST = 100
"""Instances to which KEDA scales when nobody says it."""


class Instances(NamedTuple):
    """How many there are; the same number twice without a scaler."""

    low: int
    high: int


class Demand(msgspec.Struct, frozen=True):
    """So much of one resource, for one workload."""

    workload: str
    """``Deployment/cart``."""
    resource: Resource
    each: Decimal | Unknown
    """Of one instance: cores, GiB, GPUs, load balancers."""
    instances: Instances
    purchase: Purchase = "on-demand"


def quantity(text: object) -> Decimal:
    """The number that Kubernetes reads: ``250m`` is 0.25, ``1Gi`` is 1073741824.

    Raises:
        ValueError: no such quantity, or a negative one.
    """
    match = _NUMBER.fullmatch(str(text))
    if isinstance(text, bool) or match is None or match[1].startswith("-"):
        raise ValueError(f'expected a quantity such as 250m or 1Gi, got "{text}"')
    return Decimal(match[1] + (match[2] or "")) * _SUFFIXES[match[3] or ""]


def demands(objects: Iterable[Object]) -> Iterator[Demand]:
    """Everything that costs money by the hour, workload by workload."""
    found = list(objects)
    scaled = dict(_scaled(found))
    for one in found:
        kind, spec = str(one.get("kind")), _map(one.get("spec"))
        called = f"{kind}/{_map(one.get('metadata')).get('name', '')}"
        if kind in _SERVED:
            instances = scaled.get(called) or _fixed(spec.get("replicas"))
            yield from _pods(called, _map(spec.get("template")), instances)
            yield from _claims(called, spec, instances)
        elif kind == "DaemonSet":
            yield Demand(called, "cpu", Unknown(f"{called} runs on every machine, and nobody says how many"), ONE)
        elif kind in {"Job", "CronJob"}:
            yield from _job(called, one, spec)
        elif kind == "Cluster" and "cnpg" in str(one.get("apiVersion")):
            yield from _database(called, spec)
        elif kind == "PersistentVolumeClaim":
            yield Demand(called, "storage", _amount(_requested(spec).get("storage"), called, "storage", GIB), ONE)
        elif kind == "Service" and spec.get("type") == "LoadBalancer":
            yield Demand(called, "load balancer", Decimal(1), ONE)


ONE = Instances(1, 1)


def _scaled(objects: Iterable[Object]) -> Iterator[tuple[str, Instances]]:
    for one in objects:
        if one.get("kind") in _SCALERS:
            spec = _map(one.get("spec"))
            target = _map(spec.get("scaleTargetRef"))
            fewest, most = _SCALERS[str(one["kind"])]
            default = (1, 1) if fewest == "minReplicas" else (0, _MOST)
            low, high = _count(spec.get(fewest), default[0]), _count(spec.get(most), default[1])
            yield f"{target.get('kind', 'Deployment')}/{target.get('name')}", Instances(low, max(low, high))


def _fixed(replicas: object) -> Instances:
    return Instances(_count(replicas, 1), _count(replicas, 1))


def _count(value: object, default: int) -> int:
    """What Kubernetes takes for a number that is not there, or is none."""
    return value if isinstance(value, int) and value >= 0 else default


def _pods(called: str, template: Object, instances: Instances) -> Iterator[Demand]:
    pod = _map(template.get("spec"))
    purchase: Purchase = "spot" if _may_be_taken_away(pod) else "on-demand"
    for resource, name, unit in (("cpu", "cpu", Decimal(1)), ("memory", "memory", GIB)):
        yield Demand(
            called, "cpu" if resource == "cpu" else "memory", _of_pod(pod, called, name, unit), instances, purchase
        )
    gpus = [name for one in _list(pod.get("containers")) for name in _requested(one) if name.endswith("/gpu")]
    for name in dict.fromkeys(gpus):
        yield Demand(called, "gpu", _of_pod(pod, called, name, Decimal(1), Decimal(0)), instances, purchase)


def _of_pod(pod: Object, called: str, name: str, unit: Decimal, absent: Decimal | None = None) -> Decimal | Unknown:
    """What the scheduler keeps free for a pod: its containers together, or one that runs before them if that is more."""
    before, together = Decimal(0), Decimal(0)
    for one in [*_list(pod.get("containers")), *_list(pod.get("initContainers"))]:
        value = _requested(one).get(name)
        found = (
            absent
            if value is None and absent is not None
            else _amount(value, f"{called} {one.get('name')}", name, unit)
        )
        if isinstance(found, Unknown):
            return found
        starts = one in _list(pod.get("initContainers")) and one.get("restartPolicy") != "Always"
        before, together = (max(before, found), together) if starts else (before, together + found)
    return max(before, together)


def _requested(one: Object) -> Mapping[str, Any]:
    """Requests of a container or claim; a limit stands for the request that is not there, as in Kubernetes."""
    resources = _map(one.get("resources"))
    return {**_map(resources.get("limits")), **_map(resources.get("requests"))}


def _amount(value: object, of: str, name: str, unit: Decimal) -> Decimal | Unknown:
    if value is None:
        return Unknown(f"{of} requests no {name}")
    try:
        return quantity(value) / unit
    except ValueError as error:
        return Unknown(f"{of}: {name}: {error}")


def _job(called: str, one: Object, spec: Object) -> Iterator[Demand]:
    """By the share of time in which a run of a CronJob is usual; how often there are releases, nobody knows."""
    share = _share(called, one, spec)
    job = _map(_map(spec.get("jobTemplate")).get("spec"))
    if isinstance(share, Unknown):
        yield Demand(called, "cpu", share, ONE)
        return
    for demand in _pods(called, _map(job.get("template")), _fixed(job.get("parallelism"))):
        each = demand.each if isinstance(demand.each, Unknown) else demand.each * share
        yield msgspec.structs.replace(demand, each=each)


def _share(called: str, one: Object, spec: Object) -> Decimal | Unknown:
    if one.get("kind") == "Job":
        return Unknown(f"{called} runs once with every release, and nobody knows how often that is")
    told = _map(_map(one.get("metadata")).get("annotations")).get(EXPECTED)
    if told is None:
        return Unknown(f"{called} runs for a time that nobody has declared")
    try:
        hours = exact(parse_duration(str(told))) / 3600
        runs = runs_an_hour(str(spec.get("schedule")))
    except (ValueError, QuantityError) as error:
        return Unknown(f"{called} runs nobody knows when: {error}")
    share = runs * hours
    return min(share, Decimal(1)) if spec.get("concurrencyPolicy") in {"Forbid", "Replace"} else share


def _claims(called: str, spec: Object, instances: Instances) -> Iterator[Demand]:
    for claim in _list(spec.get("volumeClaimTemplates")):
        size = _requested(_map(claim.get("spec"))).get("storage")
        yield Demand(called, "storage", _amount(size, called, "storage", GIB), instances)


def _database(called: str, spec: Object) -> Iterator[Demand]:
    """CloudNativePG: every instance is a pod with a disk of its own."""
    instances, requested = _fixed(spec.get("instances")), _requested(spec)
    yield Demand(called, "cpu", _amount(requested.get("cpu"), called, "cpu", Decimal(1)), instances)
    yield Demand(called, "memory", _amount(requested.get("memory"), called, "memory", GIB), instances)
    yield Demand(called, "storage", _amount(_map(spec.get("storage")).get("size"), called, "storage", GIB), instances)


def _may_be_taken_away(pod: Object) -> bool:
    return any(one.get("key") == SPOT for one in _list(pod.get("tolerations")))


def _map(value: object) -> Object:
    return value if isinstance(value, Mapping) else {}


def _list(value: object) -> list[Object]:
    return [one for one in value if isinstance(one, Mapping)] if isinstance(value, list | tuple) else []


def requested_by(objects: Sequence[Mapping[str, Any]]) -> Requested:
    """Of the application's own instances, without its databases: those are no processes of the release."""
    size = {"cpu": 0.0, "memory": 0.0}
    instances = 0
    for one in demands(objects):
        if one.resource in size and isinstance(one.each, Decimal) and not one.workload.startswith("Cluster/"):
            size[one.resource] += float(one.each) * one.instances.low
            instances = max(instances, one.instances.low)
    return Requested(size["cpu"], size["memory"] * 2**30, instances)

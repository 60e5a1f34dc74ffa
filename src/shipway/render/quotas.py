"""Whether all that may run fits into the quota of its namespace. Used by :mod:`.truth`; looks at objects alone.

At most as many instances as a scaler may want and a release adds, and every instance of the databases. What a vertical
scaler sets is not known, so a quota must not bound it.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from math import ceil
from typing import Any

from shipway.model.quantities import parse_cpu, parse_memory

Object = Mapping[str, Any]
Found = tuple[str, str]
"""(code, message)"""
_PARSERS: Mapping[str, Callable[[str], float]] = {"cpu": parse_cpu, "memory": parse_memory}


def short(
    quota: Object, running: Sequence[tuple[Object, int]], databases: Sequence[Object], sized: set[str]
) -> Iterator[Found]:
    """What ``quota`` has too little of. ``running`` are pods, each with the most instances of its workload."""
    hard = quota["spec"]["hard"]
    pods = [(pod["spec"]["containers"], count) for pod, count in running]
    pods += [([one["spec"]], int(one["spec"]["instances"])) for one in databases]
    wanted: dict[str, float] = {"pods": sum(count for _, count in pods)}
    for kind, parse in _PARSERS.items():
        if f"requests.{kind}" in hard and kind in sized:
            yield "quota", f"it bounds requests.{kind}, which a VerticalPodAutoscaler sets"
        each = [
            (count, container["resources"]["requests"][kind]) for containers, count in pods for container in containers
        ]
        wanted[f"requests.{kind}"] = sum(count * parse(amount) for count, amount in each)
    for name, amount in wanted.items():
        parse = _PARSERS.get(name.removeprefix("requests."), float)
        if name in hard and parse(hard[name]) < round(amount, 6):
            yield "quota", f"it has {hard[name]} of {name}, and what may run needs {amount:g}"


def most(workload: Object, scaled: int | None) -> int:
    """Most instances at once: what its scaler may want or its number says, and those of the next release beside them."""
    spec = workload["spec"]
    if workload["kind"] in {"CronJob", "Job"}:
        return int((spec["jobTemplate"]["spec"] if "jobTemplate" in spec else spec).get("parallelism", 1))
    count = int(spec.get("replicas", 1)) if scaled is None else scaled
    surge = str((spec.get("strategy") or {}).get("rollingUpdate", {}).get("maxSurge", "0"))
    return count + (ceil(count * float(surge.removesuffix("%")) / 100) if surge.endswith("%") else int(surge))

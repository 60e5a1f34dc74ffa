"""CPU and memory of one instance. Used by :mod:`.pods` and :mod:`.rightsizing`; makes no object itself."""

from collections.abc import Mapping
from math import ceil
from types import MappingProxyType
from typing import NamedTuple

from shipway.render.context import Context
from shipway.render.tracing import Traced, derived, said

MIB = 2**20
CPU_BURST = 2
"""A limit of so many times the request: a burst is served, a runaway loop does not starve the machine."""


class Size(NamedTuple):
    """One instance."""

    cpu: float
    """Cores."""
    memory: int
    """Bytes."""


STARTING: Mapping[str, Size] = MappingProxyType(
    {
        "web-app": Size(0.1, 256 * MIB),
        "api-service": Size(0.1, 256 * MIB),
        "background-worker": Size(0.1, 256 * MIB),
        "scheduled-job": Size(0.1, 256 * MIB),
        "ml-model": Size(1.0, 2048 * MIB),
    }
)
"""Where automatic sizing starts, before anything was measured; a Platform says better by ``archetypes``."""


def cpu(context: Context) -> float:
    """Cores that one instance asks for, after the environment's factor, in whole thousandths."""
    resources = context.spec.resources
    wanted = STARTING[context.spec.archetype].cpu if resources.cpu is None else resources.cpu
    return ceil(round(wanted * resources.factor * 1000, 6)) / 1000


def memory(context: Context) -> int:
    """Bytes that one instance gets, after the environment's factor, in whole MiB."""
    resources = context.spec.resources
    wanted = STARTING[context.spec.archetype].memory if resources.memory is None else resources.memory
    return ceil(round(wanted * resources.factor / MIB, 6)) * MIB


def requests(context: Context) -> dict[str, Traced]:
    """``requests`` of the container."""
    return {
        "cpu": _amount(context, millicores(cpu(context)), "cpu"),
        "memory": _amount(context, mebibytes(memory(context)), "memory"),
    }


def limits(context: Context) -> dict[str, Traced]:
    """``limits`` of the container. Memory that was given cannot be taken back, so its limit is what was asked for."""
    rule = f"{CPU_BURST} times the request: a burst is served, a runaway loop does not starve the machine"
    burst = derived(millicores(cpu(context) * CPU_BURST), rule, *_fields(context, "cpu"))
    rule = "as much as is requested: memory that was given cannot be taken back"
    return {"cpu": burst, "memory": derived(mebibytes(memory(context)), rule, *_fields(context, "memory"))}


def millicores(cores: float) -> str:
    """Kubernetes' canonical text: ``2``, ``250m``."""
    thousandths = round(cores * 1000)
    return f"{thousandths}m" if thousandths % 1000 else str(thousandths // 1000)


def mebibytes(size: int) -> str:
    """Kubernetes' canonical text: the largest binary unit without a remainder, from MiB upwards."""
    whole = size // MIB
    return f"{whole // 1024}Gi" if whole % 1024 == 0 and whole else f"{whole}Mi"


def _amount(context: Context, text: str, kind: str) -> Traced:
    factor, fields = context.spec.resources.factor, _fields(context, kind)
    if getattr(context.spec.resources, kind) is None:
        return derived(text, "automatic: where sizing starts for the archetype, before anything was measured", *fields)
    return said(text, fields[0]) if factor == 1 else derived(text, f"{factor:g} times what is asked for", *fields)


def _fields(context: Context, kind: str) -> tuple[str, str]:
    """What decides an amount."""
    automatic = getattr(context.spec.resources, kind) is None
    return "spec.archetype" if automatic else f"spec.resources.{kind}", "spec.resources.factor"

"""Deployment, StatefulSet, CronJob or Job: what runs, by archetype. The pod itself is in :mod:`.pods`."""

import hashlib
from collections.abc import Iterator
from math import ceil
from typing import Any

import msgspec

from shipway.model.quantities import format_duration
from shipway.render import versions
from shipway.render.context import Context
from shipway.render.pods import template
from shipway.render.sizes import mebibytes
from shipway.render.tracing import Draft, derived, plain, said
from shipway.spec.cron import EVERY_RELEASE

_RULE = "workloads are replaced without a gap, and their pods are hardened"
_EXPECTED = "shipway.dev/expected-duration"
"""Read by :mod:`shipway.cost.demand`."""
SCALED_BY = "shipway.dev/scaled-by"
"""Read by the policy ``require-two-replicas``."""
_KEPT = 86_400
"""Seconds for which a finished run of a schedule can be looked at."""
_NOT_ITS_FAULT = {"rules": [{"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]}]}
"""A run whose machine was emptied or taken away starts again and is no failed attempt."""


def objects(context: Context) -> Iterator[Draft]:
    """Exactly one workload."""
    if context.is_job:
        yield Draft(_job(context) if context.spec.schedule == EVERY_RELEASE else _cron_job(context), _RULE)
    else:
        yield Draft(_stateful_set(context) if context.spec.disk else _deployment(context), _RULE)


def _deployment(context: Context) -> dict[str, Any]:
    spec = {
        "replicas": _replicas(context),
        "revisionHistoryLimit": 5,
        "progressDeadlineSeconds": derived(
            max(600, 2 * ceil(context.spec.health.startup)),
            "ten minutes, or twice the time to start where that is longer",
            "spec.health.startup",
        ),
        "selector": {"matchLabels": context.selector()},
        "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": "25%", "maxUnavailable": 0}},
        "template": template(context),
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": _metadata(context, _scaled(context)),
        "spec": spec,
    }


def _stateful_set(context: Context) -> dict[str, Any]:
    spec = {
        "replicas": _replicas(context),
        "revisionHistoryLimit": 5,
        "serviceName": context.headless_name,
        "podManagementPolicy": "Parallel",
        "selector": {"matchLabels": context.selector()},
        "updateStrategy": {"type": "RollingUpdate"},
        "persistentVolumeClaimRetentionPolicy": {"whenDeleted": "Retain", "whenScaled": "Retain"},
        "template": template(context),
        "volumeClaimTemplates": [_claim(context)],
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "StatefulSet",
        "metadata": _metadata(context, _scaled(context)),
        "spec": spec,
    }


def _scaled(context: Context) -> dict[str, object] | None:
    """Says that the number of instances is a scaler's: to an admission policy, one that nobody wrote is 1."""
    if context.spec.scale is None:
        return None
    kind = "ScaledObject" if context.components.autoscaler == "keda" else "HorizontalPodAutoscaler"
    return {SCALED_BY: derived(kind, "what changes the number of instances", "spec.scale")}


def _metadata(context: Context, annotations: dict[str, object] | None = None) -> dict[str, Any]:
    return {**context.metadata(annotations=annotations), "labels": {**context.labels(), **versions.labels(context)}}


def _claim(context: Context) -> dict[str, Any]:
    disk = context.spec.disk
    assert disk is not None
    wanted = said(mebibytes(disk.size), f"spec.storage.{disk.path}")
    spec = {
        "accessModes": ["ReadWriteOnce"],
        "storageClassName": context.storage_class,
        "resources": {"requests": {"storage": wanted}},
    }
    return {"metadata": {"name": "data", "labels": context.selector()}, "spec": spec}


def _replicas(context: Context) -> Any:
    """The fixed number; None beside a scaler, which would otherwise be undone by every apply."""
    if context.spec.scale is not None:
        return None
    return said(context.application.replicas, "spec.replicas")


def _cron_job(context: Context) -> dict[str, Any]:
    spec = {
        "schedule": said(context.spec.schedule, "spec.schedule"),
        "timeZone": "Etc/UTC",
        "concurrencyPolicy": "Forbid",
        "startingDeadlineSeconds": 300,
        "successfulJobsHistoryLimit": 3,
        "failedJobsHistoryLimit": 3,
        "jobTemplate": {"metadata": {"labels": _metadata(context)["labels"]}, "spec": _job_spec(context)},
    }
    usual = context.spec.expected_duration
    told: dict[str, object] | None = (
        None if usual is None else {_EXPECTED: said(format_duration(usual), "spec.schedule")}
    )
    return {"apiVersion": "batch/v1", "kind": "CronJob", "metadata": _metadata(context, told), "spec": spec}


def _job(context: Context) -> dict[str, Any]:
    """A Job cannot be changed, so that a changed one gets another name: the same input always gives the same.

    It stays when it is done. If the cluster removed it, whoever applies the same files again would run it again.
    """
    spec = _job_spec(context)
    content = msgspec.json.encode(plain(spec), order="sorted")
    name = f"{context.name}-{hashlib.sha256(content).hexdigest()[:8]}"
    named = derived(name, "a Job cannot be changed, so its name carries a digest of its content", "metadata.name")
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": {**_metadata(context), "name": named}, "spec": spec}


def _job_spec(context: Context) -> dict[str, Any]:
    replicas = context.spec.replicas
    return {
        "backoffLimit": 2,
        "podFailurePolicy": _NOT_ITS_FAULT,
        "parallelism": said(replicas, "spec.replicas") if replicas is not None else None,
        "ttlSecondsAfterFinished": None if context.spec.schedule == EVERY_RELEASE else _KEPT,
        "template": template(context, restart="Never"),
    }

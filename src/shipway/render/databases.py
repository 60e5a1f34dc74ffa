"""PostgreSQL: a CloudNativePG Cluster for each ``database: postgres``, its backups and its metrics.

The operator makes a Secret ``<cluster>-app`` with the address and password, which the pods read. Backups go through the
Barman Cloud plugin, since the operator's own object store is deprecated from 1.26 on; they take the rights of the pod's
cloud identity, so that no key is stored. Other engines are shared services of the organisation and not run from here.
"""

from collections.abc import Iterator
from typing import Any

from shipway.model.quantities import format_memory
from shipway.render.context import Context
from shipway.render.keeping import kept
from shipway.render.monitors import labels
from shipway.render.sizes import MIB, Size, mebibytes, millicores
from shipway.render.tracing import Draft, derived, said
from shipway.spec.application import Dependency

PLUGIN = "barman-cloud.cloudnative-pg.io"
IMAGE = "ghcr.io/cloudnative-pg/postgresql:17"
"""The major version; the operator's catalogue decides nothing behind our back, and an upgrade is a change that is seen."""
INSTANCE = Size(0.25, 512 * MIB)
"""What an instance of a small service's database asks for. Its memory is also the limit: no memory of PostgreSQL's can be
taken back without ending it."""
ARCHIVER, ARCHIVER_LIMIT = Size(0.05, 128 * MIB), Size(0.5, 512 * MIB)
"""What the plugin's side-car asks for and may take: little for the log, more for an hour at night. Without a word it would
get what the namespace gives to those who say nothing."""
BACKUP_SCHEDULE = "0 0 2 * * *"
"""Six fields, seconds first: 02:00 UTC."""

_DATABASES = "platform.spec.components.databases"
_RUN_FOR = "every application has databases of its own"


def objects(context: Context) -> Iterator[Draft]:
    """Everything for each PostgreSQL that the application says it needs."""
    for dependency in clusters(context):
        name = context.database_name(dependency)
        yield _draft(context, "postgresql.cnpg.io/v1", "Cluster", name, _cluster(context, dependency, name))
        yield _monitor(context, name)
        if context.components.databases.backups is not None:
            yield _draft(context, "barmancloud.cnpg.io/v1", "ObjectStore", name, _object_store(context))
            yield _draft(context, "postgresql.cnpg.io/v1", "ScheduledBackup", name, _scheduled_backup(name))


def clusters(context: Context) -> Iterator[Dependency]:
    """The dependencies that become a Cluster."""
    return (one for one in context.resources("database") if one.postgres)


def _draft(context: Context, version: str, kind: str, name: str, spec: dict[str, Any]) -> Draft:
    metadata = context.metadata(name, "database", kept(context))
    return Draft({"apiVersion": version, "kind": kind, "metadata": metadata, "spec": spec}, _RUN_FOR)


def _cluster(context: Context, dependency: Dependency, name: str) -> dict[str, Any]:
    several = context.production and context.components.databases.instances > 1
    database = derived(context.name.replace("-", "_"), "called like the application", "metadata.name")
    return {
        "instances": _instances(context),
        "imageName": IMAGE,
        "bootstrap": {"initdb": {"database": database, "owner": database, "dataChecksums": True}},
        "storage": _storage(context, dependency),
        "resources": _resources(),
        "postgresql": {"parameters": {"shared_buffers": "128MB", "log_min_duration_statement": "1000"}},
        "enableSuperuserAccess": False,
        "enablePDB": several,  # a budget of one instance would stop every drain of its machine
        "primaryUpdateStrategy": "unsupervised",
        "primaryUpdateMethod": "switchover" if several else "restart",
        "affinity": {
            "enablePodAntiAffinity": True,
            "podAntiAffinityType": "preferred",
            "topologyKey": "topology.kubernetes.io/zone",
        },
        "inheritedMetadata": {"labels": _pod_labels(context)},
        "plugins": _plugins(context, name),
    }


def _pod_labels(context: Context) -> dict[str, object]:
    """Without the name, by which the application's own Service and policies would find the database's pods.

    No side-car either: PostgreSQL and its operator encrypt and authenticate by themselves, and jobs of theirs must end.
    """
    labels = {key: value for key, value in context.labels("database").items() if key != "app.kubernetes.io/name"}
    outside = derived("false", "PostgreSQL encrypts by itself", "platform.spec.components.mesh")
    return {**labels, "sidecar.istio.io/inject": outside} if context.meshed else labels


def instance(context: Context) -> Size:
    """What a pod of a database asks for."""
    if context.components.databases.backups is None:
        return INSTANCE
    return Size(INSTANCE.cpu + ARCHIVER.cpu, INSTANCE.memory + ARCHIVER.memory)


def _resources() -> dict[str, dict[str, str]]:
    return {"requests": _amounts(INSTANCE), "limits": _amounts(Size(4 * INSTANCE.cpu, INSTANCE.memory))}


def _amounts(size: Size) -> dict[str, str]:
    return {"cpu": millicores(size.cpu), "memory": mebibytes(size.memory)}


def _instances(context: Context) -> object:
    if context.production:
        return said(context.components.databases.instances, f"{_DATABASES}.instances")
    return derived(1, "one instance outside production", "platform.spec.environments")


def _storage(context: Context, dependency: Dependency) -> dict[str, object]:
    databases = context.components.databases
    key = dependency.resource.key if dependency.resource else ""
    own = context.spec.storage.get(key)
    size = (
        said(format_memory(own), f"spec.storage.{key}")
        if own is not None
        else said(format_memory(databases.storage), f"{_DATABASES}.storage")
    )
    return {"size": size, "storageClass": context.storage_class}


def _plugins(context: Context, name: str) -> list[dict[str, Any]] | None:
    if context.components.databases.backups is None:
        return None
    return [{"name": PLUGIN, "isWALArchiver": True, "parameters": {"barmanObjectName": name}}]


def _object_store(context: Context) -> dict[str, Any]:
    databases = context.components.databases
    bucket = databases.backups or ""
    path = f"{bucket.rstrip('/')}/{context.environment}/{context.cluster}/{context.name}"
    rule = "below the Platform's bucket by environment, cluster and application"
    days = max(1, round(databases.retention / 86400))
    return {
        "configuration": {
            "destinationPath": derived(path, rule, f"{_DATABASES}.backups", "metadata.name"),
            **_identity(bucket),
            "wal": {"compression": "gzip"},
        },
        "retentionPolicy": derived(f"{days}d", "in whole days", f"{_DATABASES}.retention"),
        "instanceSidecarConfiguration": {
            "resources": {"requests": _amounts(ARCHIVER), "limits": _amounts(ARCHIVER_LIMIT)}
        },
    }


def _identity(bucket: str) -> dict[str, dict[str, bool]]:
    """By the pod's own identity in the cloud that the bucket's address names."""
    if bucket.startswith("gs://"):
        return {"googleCredentials": {"gkeEnvironment": True}}
    if bucket.startswith("https://"):
        return {"azureCredentials": {"inheritFromAzureAD": True}}
    return {"s3Credentials": {"inheritFromIAMRole": True}}


def _scheduled_backup(name: str) -> dict[str, Any]:
    return {
        "schedule": BACKUP_SCHEDULE,
        "cluster": {"name": name},
        "method": "plugin",
        "pluginConfiguration": {"name": PLUGIN},
        "backupOwnerReference": "self",
        "immediate": True,
    }


def _monitor(context: Context, name: str) -> Draft:
    where = {"port": "metrics", "path": "/metrics", "interval": "30s", "scrapeTimeout": "10s"}
    spec = {"selector": {"matchLabels": {"cnpg.io/cluster": name}}, "podMetricsEndpoints": [where]}
    metadata = {**context.metadata(name, "database"), "labels": labels(context)}
    tree = {"apiVersion": "monitoring.coreos.com/v1", "kind": "PodMonitor", "metadata": metadata, "spec": spec}
    return Draft(tree, _RUN_FOR)

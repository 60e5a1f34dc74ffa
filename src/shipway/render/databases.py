"""PostgreSQL: a CloudNativePG Cluster per ``database: postgres`` dependency, its backups and its metrics.

The operator makes a Secret ``<cluster>-app``, which the pods read. Backups go through the Barman Cloud plugin: the
operator's own object store is deprecated since 1.26. Other engines are not run here; ``NOT_RUN`` says what becomes of them.
"""

from typing import Any

BACKUP_SCHEDULE = "0 0 2 * * *"
"""Six fields, seconds first; 02:00 UTC."""
PLUGIN = "barman-cloud.cloudnative-pg.io"
IMAGE = "ghcr.io/cloudnative-pg/postgresql:17"


def cluster(
    *, instances: int, storage: dict[str, Any], database: str, labels: dict[str, str], archive: str
) -> dict[str, Any]:
    """``spec`` of the Cluster."""
    spec: dict[str, Any] = {
        "instances": instances,
        "imageName": IMAGE,
        "bootstrap": {"initdb": {"database": database, "owner": database, "dataChecksums": True}},
        "storage": storage,
        "resources": {"requests": {"cpu": "250m", "memory": "512Mi"}, "limits": {"cpu": "1", "memory": "512Mi"}},
        "postgresql": {"parameters": {"shared_buffers": "128MB", "log_min_duration_statement": "1000"}},
        "enableSuperuserAccess": False,
        "enablePDB": instances > 1,
        "primaryUpdateStrategy": "unsupervised",
        "primaryUpdateMethod": "switchover" if instances > 1 else "restart",
        "inheritedMetadata": {"labels": labels},
        "affinity": {
            "enablePodAntiAffinity": True,
            "podAntiAffinityType": "required" if instances > 1 else "preferred",
            "topologyKey": "topology.kubernetes.io/zone",
        },
    }
    return spec

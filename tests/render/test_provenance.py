"""Where a value came from, by the paths that people write: ports and disks by name, and what only the Platform says."""

from pathlib import Path

import pytest

from shipway.cli.compiling.reasons import chains
from shipway.render.rendered import Reason
from shipway.spec import Source, parse_documents, resolve
from tests.render.test_example import everything
from tests.render.test_workloads import objects
from tests.spec.test_organisation import example

EXAMPLE = Path(__file__).parents[2] / "examples" / "platform"
CONTAINER = "spec.template.spec.containers[0]"
CLAIM = "spec.volumeClaimTemplates[0].spec.resources.requests.storage"
TWO = "port: {http: 9000, metrics: 9090}"
WORKER = "archetype: background-worker, health: /up, port: {health: 8081, metrics: 9090}"


def written(reason: Reason) -> tuple[Reason, ...]:
    """What somebody wrote of it."""
    return reason.because if reason.kind == "derived" else (reason,)


@pytest.mark.parametrize(
    ("spec", "kind", "leaf", "field"),
    [
        ("port: 9000", "Service", "spec.ports[0].port", "spec.port"),
        ("port: {http: 9000}", "Service", "spec.ports[0].port", "spec.port"),
        (TWO, "Service", "spec.ports[0].port", "spec.port.http"),
        (TWO, "Service", "spec.ports[0].appProtocol", "spec.port.http"),
        (TWO, "Deployment", f"{CONTAINER}.ports[1].containerPort", "spec.port.metrics"),
        (TWO, "Deployment", f"{CONTAINER}.env[0].value", "spec.port.http"),
        (TWO, "ServiceMonitor", "spec.endpoints[0].port", "spec.port.metrics"),
        (TWO, "NetworkPolicy/shop", "spec.ingress[0].ports[0].port", "spec.port.metrics"),
        ("port: {grpc: 9000}", "Deployment", f"{CONTAINER}.livenessProbe.grpc.port", "spec.port.grpc"),
        ("port: {grpc: 9000}, host: a.example.com", "GRPCRoute", "kind", "spec.port.grpc"),
        (WORKER, "Deployment", f"{CONTAINER}.ports[0].containerPort", "spec.port.health"),
        ("storage: 5Gi", "StatefulSet", CLAIM, "spec.storage./data"),
        ("storage: {/var/lib/search: 5Gi}", "StatefulSet", CLAIM, "spec.storage./var/lib/search"),
        ("storage: {/srv/app.d/v1.2: 5Gi}", "StatefulSet", CLAIM, "spec.storage./srv/app.d/v1.2"),
        (f"storage: {{/{'long' * 20}: 5Gi}}", "StatefulSet", CLAIM, f"spec.storage./{'long' * 20}"),
        (
            "storage: {/var/lib/search: 5Gi}",
            "StatefulSet",
            f"{CONTAINER}.volumeMounts[1].mountPath",
            "spec.storage./var/lib/search",
        ),
        (
            "dependsOn: [{database: postgres/orders}], storage: {orders: 50Gi}",
            "Cluster",
            "spec.storage.size",
            "spec.storage.orders",
        ),
        (
            "dependsOn: [{database: postgres}], storage: {postgres: 20Gi}",
            "Cluster",
            "spec.storage.size",
            "spec.storage.postgres",
        ),
        (
            "scale: {min: 1, max: 2, signal: requests 25/s}",
            "HorizontalPodAutoscaler",
            "spec.metrics[0].pods.target.averageValue",
            "spec.scale.signal",
        ),
        (
            'archetype: scheduled-job, schedule: "0 3 * * * for 20m"',
            "CronJob",
            'metadata.annotations["shipway.dev/expected-duration"]',
            "spec.schedule",
        ),
    ],
)
def test_a_leaf_leads_to_the_line_of_the_file(spec: str, kind: str, leaf: str, field: str) -> None:
    spec = spec if "archetype" in spec else f"archetype: api-service, {spec}"
    (cause,) = written(objects(spec)[kind].provenance[leaf])
    assert (cause.kind, cause.field, cause.file, cause.line) == ("application", field, "all.yaml", 14)


def test_a_database_without_a_word_has_the_disk_that_the_platform_says() -> None:
    spec = "archetype: api-service, dependsOn: [{database: postgres}]"
    assert str(objects(spec)["Cluster"].provenance["spec.storage.size"]) == (
        "default: platform.spec.components.databases.storage"
    )
    said = objects(spec, components="databases: {storage: 7Gi}")["Cluster"]
    assert str(said.provenance["spec.storage.size"]).startswith(
        "platform: platform.spec.components.databases.storage ("
    )


@pytest.mark.parametrize(
    ("place", "leaf", "kind", "field", "line"),
    [
        ("prod/payment-service", f"{CONTAINER}.readinessProbe.periodSeconds", "profile", "spec.health.interval", "interval: 5s"),
        ("prod/payment-service", f"{CONTAINER}.startupProbe.failureThreshold", "archetype", "spec.health.startup", "startup: 2m"),
        ("prod/payment-service", f"{CONTAINER}.readinessProbe.failureThreshold", "default", "spec.health.failures", ""),
        ("staging/checkout", f"{CONTAINER}.resources.requests.cpu", "environment default", "spec.resources.factor", "factor: 0.8"),
    ],
)  # fmt: skip
def test_what_only_the_platform_says_leads_to_its_line(place: str, leaf: str, kind: str, field: str, line: str) -> None:
    compiled = next(one for one in everything() if f"{one.environment}/{one.application}" == place)
    deployment = next(each for each in compiled.objects if each.identity[1] == "Deployment")
    found = {(cause.kind, cause.field): cause for cause in written(deployment.provenance[leaf])}
    cause = found[kind, field]
    lines = next(bytes(source.text).decode().splitlines() for source in example() if source.file == "platform.yaml")
    assert line in (lines[cause.line - 1] if cause.line else "")
    assert bool(cause.line) == bool(line)


@pytest.mark.parametrize(
    ("app", "environment", "field", "found"),
    [
        ("search", "prod", "spec.storage", {"spec.storage./var/lib/search": ("environment override", "application")}),
        ("search", "prod", "spec.storage./var/lib/search", {"spec.storage./var/lib/search": ("environment override", "application")}),
        ("checkout", "prod", "spec.storage.orders", {"spec.storage.orders": ("application",)}),
        ("catalogue", "prod", "spec.port", {"spec.port.http": ("application",), "spec.port.metrics": ("application",)}),
        ("cart", "prod", "spec.port", {"spec.port": ("default",)}),
        ("cart", "prod", "spec.scale.signal", {"spec.scale.signal": ("application",)}),
        ("settlement", "staging", "spec.schedule", {"spec.schedule": ("environment override", "application")}),
        ("cart", "staging", "spec.chaos", {"spec.chaos": ("environment default",)}),
        ("web", "dev", "spec.resources.factor", {"spec.resources.factor": ("environment default",)}),
        ("web", "prod", "spec.delivery.affinity", {"spec.delivery.affinity": ("archetype",)}),
        ("ledger", "prod", "spec.delivery.alpha", {"spec.delivery.alpha": ("profile",)}),
    ],
)  # fmt: skip
def test_a_chain_begins_with_who_decides(
    app: str, environment: str, field: str, found: dict[str, tuple[str, ...]]
) -> None:
    known = chains(EXAMPLE, app, environment, field)
    assert {chain.field: tuple(link.kind for link in chain.links) for chain in known} == found
    assert all(chain.value is not None for chain in known)


def test_the_path_of_a_disk_may_have_dots(tmp_path: Path) -> None:
    head = "apiVersion: shipway.dev/v1alpha1\n"
    platform = "kind: Platform\nmetadata: {name: acme}\nspec: {environments: {prod: {}}}\n---\n"
    spec = '{archetype: api-service, image: "registry.example.com/shop:1", storage: {/srv/app.d: 5Gi}}'
    text = f"{head}{platform}{head}kind: Application\nmetadata: {{name: shop}}\nspec: {spec}\n"
    (tmp_path / "all.yaml").write_text(text)
    (chain,) = chains(tmp_path, "shop", "prod", "spec.storage")
    assert (chain.field, chain.value) == ("spec.storage./srv/app.d", "5Gi")
    assert [(link.kind, link.value, link.line) for link in chain.links] == [("application", "5Gi", 9)]
    parsed = parse_documents([Source("all.yaml", text, sets=("storage./srv/app.d=9Gi",))])
    set_ = resolve(parsed.declared[0], parsed.declared_platform, "prod")
    assert set_.application.spec.storage == {"/srv/app.d": 9 * 2**30}
    assert set_.provenance["spec.storage./srv/app.d"].kind == "command line"

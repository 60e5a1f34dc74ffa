"""What runs, how large, how many and who may talk to it: each rule in one small organisation."""

from typing import Any

import promql_parser
import pytest

from shipway.render.compiling import compile_application
from shipway.render.context import Place
from shipway.render.rendered import Rendered
from shipway.render.sizes import MIB, mebibytes, millicores
from shipway.spec.organisation import read_organisation
from shipway.spec.reading import Source

PLATFORM = """
apiVersion: shipway.dev/v1alpha1
kind: Platform
metadata: {{name: acme}}
spec:
  environments: {{dev: {{}}, prod: {{}}}}
  defaults: {{{defaults}}}
  profiles: {{cost: {{careful: {{rightsizing: "off"}}, spotty: {{spot: true, rightsizing: auto}}}}, security: {{strict: {{network: strict}}}}}}
  components: {{{components}}}
"""
APPLICATION = """
apiVersion: shipway.dev/v1alpha1
kind: Application
metadata: {{name: {name}}}
spec: {{image: "registry.example.com/shop:1", {spec}}}
"""
TMP = "/tmp"  # noqa: S108  # the path inside a container
STRICT = "network: {egress: [203.0.113.0/24]}"


def objects(spec: str, *, components: str = "", environment: str = "prod", defaults: str = "") -> dict[str, Rendered]:
    """Objects of one application (beside one to call) by kind; of several of a kind, by kind and name."""
    texts = [
        PLATFORM.format(components=components, defaults=defaults),
        APPLICATION.format(name="shop", spec=spec),
        APPLICATION.format(name="stock", spec="archetype: api-service, port: {grpc: 9000, admin: 9001}"),
    ]
    organisation, problems = read_organisation([Source("all.yaml", "---".join(texts))])
    assert not problems, problems
    assert organisation is not None
    found = compile_application(Place(organisation, environment, environment).neighbour("shop"))
    return {each.identity[1]: each for each in found} | {
        f"{each.identity[1]}/{each.identity[3]}": each for each in found
    }


def of(found: dict[str, Rendered], kind: str) -> Any:
    return found[kind].object["spec"]


def container(found: dict[str, Rendered], kind: str = "Deployment") -> Any:
    return of(found, kind)["template"]["spec"]["containers"][0]


@pytest.mark.parametrize(
    ("spec", "kind"),
    [
        ("archetype: web-app", "Deployment"),
        ("archetype: ml-model", "Deployment"),
        ("archetype: background-worker", "Deployment"),
        ("archetype: api-service, storage: 1Gi", "StatefulSet"),
        ('archetype: scheduled-job, schedule: "0 3 * * *"', "CronJob"),
        ("archetype: scheduled-job, schedule: release", "Job"),
    ],
)
def test_the_archetype_decides_what_runs(spec: str, kind: str) -> None:
    found = objects(spec)
    assert {"Deployment", "StatefulSet", "CronJob", "Job"} & set(found) == {kind}
    assert ("Service" in found) == ("worker" not in spec and "job" not in spec)


def test_a_changed_job_gets_another_name() -> None:
    job = "archetype: scheduled-job, schedule: release"
    name = objects(job)["Job"].identity[3]
    assert name == objects(job)["Job"].identity[3]
    assert name != objects(f"{job}, env: {{A: b}}")["Job"].identity[3]


def test_a_job_of_a_release_stays_so_that_nobody_who_applies_it_again_runs_it_again() -> None:
    assert "ttlSecondsAfterFinished" not in of(objects("archetype: scheduled-job, schedule: release"), "Job")
    runs = of(objects("archetype: scheduled-job, schedule: 0 3 * * *"), "CronJob")["jobTemplate"]["spec"]
    assert runs["ttlSecondsAfterFinished"] == 86_400


def test_a_run_whose_machine_goes_away_has_not_failed() -> None:
    runs = of(objects("archetype: scheduled-job, schedule: 0 3 * * *"), "CronJob")["jobTemplate"]["spec"]
    (rule,) = runs["podFailurePolicy"]["rules"]
    assert (rule["action"], rule["onPodConditions"][0]["type"]) == ("Ignore", "DisruptionTarget")
    assert runs["template"]["spec"]["restartPolicy"] == "Never", "the API takes the policy with no other"


def test_replicas_or_a_scaler_and_never_both() -> None:
    fixed = objects("archetype: api-service, replicas: 3")
    assert of(fixed, "Deployment")["replicas"] == 3
    assert not {"HorizontalPodAutoscaler", "ScaledObject"} & set(fixed)
    for autoscaler, kind in (("hpa", "HorizontalPodAutoscaler"), ("keda", "ScaledObject")):
        scaled = objects("archetype: api-service, scale: {min: 2, max: 9}", components=f"autoscaler: {autoscaler}")
        assert "replicas" not in of(scaled, "Deployment")
        assert {"HorizontalPodAutoscaler", "ScaledObject"} & set(scaled) == {kind}
        # Without it the policy on two replicas would refuse the 1 that the API server fills in.
        assert scaled["Deployment"].object["metadata"]["annotations"] == {"shipway.dev/scaled-by": kind}


@pytest.mark.parametrize(
    ("signal", "metric"),
    [
        (
            "cpu",
            {
                "type": "Resource",
                "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 70}},
            },
        ),
        (
            "memory 75%",
            {
                "type": "Resource",
                "resource": {"name": "memory", "target": {"type": "Utilization", "averageUtilization": 75}},
            },
        ),
        (
            "requests 25/s",
            {
                "type": "Pods",
                "pods": {
                    "metric": {"name": "http_requests_per_second"},
                    "target": {"type": "AverageValue", "averageValue": "25"},
                },
            },
        ),
    ],
)
def test_the_scaler_follows_the_signal(signal: str, metric: dict[str, Any]) -> None:
    found = objects(f"archetype: api-service, scale: {{min: 1, max: 2, signal: {signal}}}")
    assert of(found, "HorizontalPodAutoscaler")["metrics"] == [metric]


def test_a_queue_scales_to_nothing_with_keda() -> None:
    spec = "archetype: background-worker, dependsOn: [{queue: nats}], scale: {min: 0, max: 5, signal: queue}"
    found = objects(spec, components="autoscaler: keda")
    trigger = of(found, "ScaledObject")["triggers"][0]
    assert (of(found, "ScaledObject")["minReplicaCount"], trigger["type"], trigger["metadata"]["threshold"]) == (
        0,
        "prometheus",
        "100",
    )
    assert "PodDisruptionBudget" not in found


@pytest.mark.parametrize(
    ("signal", "threshold"),
    [
        ("cpu 60%", {"value": "60"}),
        ("requests 12.5/s", {"threshold": "12.5"}),
        ("queue 200", {"threshold": "200"}),
        ("queue", {"threshold": "100"}),
    ],
)
def test_keda_is_told_what_one_instance_carries(signal: str, threshold: dict[str, str]) -> None:
    spec = f"archetype: api-service, dependsOn: [{{queue: nats}}], scale: {{min: 1, max: 5, signal: {signal}}}"
    trigger = of(objects(spec, components="autoscaler: keda"), "ScaledObject")["triggers"][0]
    assert threshold.items() <= trigger["metadata"].items()


@pytest.mark.parametrize(
    ("port", "mesh", "counted", "failed"),
    [
        ("http", "gateway-api", "http_server_request_duration_seconds_count", 'http_response_status_code=~"5.."'),
        ("grpc", "gateway-api", "rpc_server_call_duration_seconds_count", 'rpc_response_status_code=~"UNKNOWN|'),
        ("http", "istio", "istio_requests_total", ' response_code=~"5.."'),
        ("grpc", "istio", "istio_requests_total", 'grpc_response_status=~"2|4|12|13|14|15"'),
    ],
)
def test_requests_are_counted_by_what_is_spoken(port: str, mesh: str, counted: str, failed: str) -> None:
    spec = f"archetype: api-service, port: {{{port}: 9000}}, slo: {{availability: 99%}}, scale: {{max: 3, signal: requests}}"
    found = objects(spec, components=f"autoscaler: keda, mesh: {mesh}")
    (trigger,) = of(found, "ScaledObject")["triggers"]
    assert counted in trigger["metadata"]["query"]
    for kind in ("PrometheusRule", "ConfigMap"):
        text = str(found[kind].object).replace("\\", "")
        assert counted in text
        assert failed in text


@pytest.mark.parametrize(
    ("monitoring", "address"),
    [
        ("{}", "http://prometheus-operated.monitoring.svc:9090"),
        ("{namespace: watch}", "http://prometheus-operated.watch.svc:9090"),
        ("{namespace: watch, server: 'http://thanos.watch.svc:9090'}", "http://thanos.watch.svc:9090"),
    ],
)
def test_prometheus_is_asked_where_it_runs(monitoring: str, address: str) -> None:
    spec = "archetype: api-service, scale: {max: 3, signal: requests}"
    found = objects(spec, components=f"autoscaler: keda, monitoring: {monitoring}")
    assert of(found, "ScaledObject")["triggers"][0]["metadata"]["serverAddress"] == address


def test_nothing_counts_requests_in_bare_tcp() -> None:
    found = objects("archetype: api-service, port: {tcp: 9000}, slo: {availability: 99%}")
    assert "PrometheusRule" not in found
    assert "Requests" not in found["ConfigMap"].object["data"]["shop.json"]


@pytest.mark.parametrize(
    ("queue", "metric", "labels"),
    [
        ("{queue: rabbitmq}", "rabbitmq_queue_messages_ready", {"queue": "shop"}),
        ("{queue: rabbitmq/orders}", "rabbitmq_queue_messages_ready", {"queue": "orders"}),
        ("{queue: kafka/orders}", "kafka_consumergroup_lag", {"consumergroup": "shop", "topic": "orders"}),
        ("{queue: nats}", "jetstream_consumer_num_pending", {"stream_name": "shop", "consumer_name": "shop"}),
    ],
)
def test_a_queue_is_measured_by_the_exporter_of_its_engine(queue: str, metric: str, labels: dict[str, str]) -> None:
    spec = f"archetype: background-worker, dependsOn: [{queue}], scale: {{min: 1, max: 5, signal: queue}}"
    (external,) = of(objects(spec), "HorizontalPodAutoscaler")["metrics"]
    assert external["external"]["metric"] == {"name": metric, "selector": {"matchLabels": labels}}
    found = objects(spec, components="autoscaler: keda")
    query = of(found, "ScaledObject")["triggers"][0]["metadata"]["query"]
    matchers = ", ".join(f'{key}="{value}"' for key, value in labels.items())
    assert query == f"sum({metric}{{{matchers}}})"
    promql_parser.parse(query)
    named = [one["value"] for one in container(found)["env"] if one["name"].endswith("QUEUE_NAME")]
    assert set(named) <= set(labels.values())
    assert named


def test_several_queues_are_counted_together() -> None:
    queues = "[{queue: rabbitmq/a}, {queue: kafka}]"
    spec = f"archetype: background-worker, dependsOn: {queues}, scale: {{min: 1, max: 5, signal: queue}}"
    assert len(of(objects(spec), "HorizontalPodAutoscaler")["metrics"]) == 2
    query = of(objects(spec, components="autoscaler: keda"), "ScaledObject")["triggers"][0]["metadata"]["query"]
    assert query.startswith('sum(rabbitmq_queue_messages_ready{queue="a"} or kafka_consumergroup_lag{')
    promql_parser.parse(query)


def test_sizes_follow_the_factor_and_automatic_ones_are_set_from_use() -> None:
    half = objects("archetype: api-service, resources: {cpu: 250m, memory: 300Mi}", defaults="resources: {factor: 0.5}")
    assert container(half)["resources"] == {
        "requests": {"cpu": "125m", "memory": "150Mi"},
        "limits": {"cpu": "250m", "memory": "150Mi"},
    }
    assert of(half, "VerticalPodAutoscaler")["updatePolicy"] == {"updateMode": "Off"}
    automatic = objects("archetype: api-service, resources: auto, scale: {min: 1, max: 2}")
    assert of(automatic, "VerticalPodAutoscaler")["updatePolicy"] == {"updateMode": "Recreate"}
    assert of(automatic, "VerticalPodAutoscaler")["resourcePolicy"]["containerPolicies"][0]["controlledResources"] == [
        "memory"
    ]
    assert "VerticalPodAutoscaler" not in objects("archetype: api-service, profiles: {cost: careful}")
    for nightly in ("resources: auto", "profiles: {cost: spotty}"):  # a run is not ended to be sized anew
        job = objects(f"archetype: scheduled-job, schedule: 0 3 * * *, {nightly}")
        assert of(job, "VerticalPodAutoscaler")["updatePolicy"] == {"updateMode": "Initial"}


@pytest.mark.parametrize(
    ("spec", "bounded"),
    [
        ("resources: auto", set()),
        ("resources: {cpu: 250m}", {"requests.cpu"}),
        ("resources: auto, scale: {min: 1, max: 2, signal: memory}", {"requests.memory"}),
        ("resources: auto, profiles: {cost: careful}", {"requests.cpu", "requests.memory"}),
        ("resources: {cpu: 250m, memory: 1Gi}, profiles: {cost: spotty}", set()),
    ],
)
def test_a_quota_does_not_bound_what_is_set_from_measured_use(spec: str, bounded: set[str]) -> None:
    hard = of(objects(f"archetype: api-service, {spec}"), "ResourceQuota")["hard"]
    assert {key for key in hard if key.startswith("requests.")} == bounded


def test_the_side_car_keeps_its_size() -> None:
    found = objects("archetype: api-service, resources: auto", components="mesh: istio")
    own, others = of(found, "VerticalPodAutoscaler")["resourcePolicy"]["containerPolicies"]
    assert (own["containerName"], others) == ("shop", {"containerName": "*", "mode": "Off"})


def test_amounts_are_written_as_kubernetes_writes_them() -> None:
    assert [millicores(cores) for cores in (0.1, 1, 1.5, 2.001)] == ["100m", "1", "1500m", "2001m"]
    assert [mebibytes(size * MIB) for size in (1, 1024, 1536, 20480)] == ["1Mi", "1Gi", "1536Mi", "20Gi"]


def test_pods_are_hardened() -> None:
    pod = of(objects("archetype: api-service"), "Deployment")["template"]["spec"]
    assert pod["automountServiceAccountToken"] is False
    assert (pod["securityContext"]["runAsNonRoot"], pod["securityContext"]["seccompProfile"]) == (
        True,
        {"type": "RuntimeDefault"},
    )
    assert pod["containers"][0]["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "privileged": False,
        "readOnlyRootFilesystem": True,
    }
    assert {"name": "tmp", "mountPath": TMP} in pod["containers"][0]["volumeMounts"]
    assert pod["terminationGracePeriodSeconds"] > pod["containers"][0]["lifecycle"]["preStop"]["sleep"]["seconds"]


def test_a_low_port_needs_no_rights_and_a_large_disk_no_minutes() -> None:
    (low,) = of(objects("archetype: api-service, port: {http: 80, admin: 8081}"), "Deployment")["template"]["spec"][
        "securityContext"
    ]["sysctls"]
    assert low == {"name": "net.ipv4.ip_unprivileged_port_start", "value": "0"}
    usual = of(objects("archetype: api-service"), "Deployment")["template"]["spec"]["securityContext"]
    assert not {"sysctls", "fsGroupChangePolicy"} & usual.keys()
    disk = of(objects("archetype: api-service, storage: 1Ti"), "StatefulSet")["template"]["spec"]["securityContext"]
    assert disk["fsGroupChangePolicy"] == "OnRootMismatch"


@pytest.mark.parametrize("autoscaler", ["hpa", "keda"])
def test_in_the_mesh_the_scaler_looks_at_the_application_alone(autoscaler: str) -> None:
    found = objects(
        "archetype: api-service, scale: {max: 3, signal: cpu 60%}", components=f"mesh: istio, autoscaler: {autoscaler}"
    )
    if autoscaler == "keda":
        assert of(found, "ScaledObject")["triggers"][0]["metadata"] == {"value": "60", "containerName": "shop"}
    else:
        (metric,) = of(found, "HorizontalPodAutoscaler")["metrics"]
        assert metric["containerResource"]["container"] == "shop"
        assert metric["containerResource"]["target"] == {"type": "Utilization", "averageUtilization": 60}


def test_whoever_is_called_ends_when_nobody_calls_it_any_more() -> None:
    texts = [
        PLATFORM.format(components="", defaults=""),
        APPLICATION.format(name="reader", spec="archetype: background-worker, port: {tcp: 5000}"),
        APPLICATION.format(name="caller", spec='archetype: background-worker, dependsOn: ["reader:tcp"]'),
    ]
    organisation, _ = read_organisation([Source("all.yaml", "---".join(texts))])
    assert organisation is not None
    place = Place(organisation, "prod", "prod")
    for name, seconds, called in (("reader", 40, True), ("caller", 30, False)):
        (deployment,) = (
            each.object for each in compile_application(place.neighbour(name)) if each.identity[1] == "Deployment"
        )
        pod = deployment["spec"]["template"]["spec"]
        assert pod["terminationGracePeriodSeconds"] == seconds
        assert ("lifecycle" in pod["containers"][0]) is called


def test_only_production_is_spread_and_kept_up() -> None:
    spec = "archetype: api-service, replicas: 2"
    assert "topologySpreadConstraints" in of(objects(spec), "Deployment")["template"]["spec"]
    assert "topologySpreadConstraints" not in of(objects(spec, environment="dev"), "Deployment")["template"]["spec"]
    assert of(objects(spec), "PodDisruptionBudget")["maxUnavailable"] == 1
    assert "PodDisruptionBudget" not in objects("archetype: api-service")


def test_machines_that_can_be_taken_away_are_wished_for_and_not_needed() -> None:
    pod = of(objects("archetype: api-service, profiles: {cost: spotty}"), "Deployment")["template"]["spec"]
    assert pod["tolerations"][0]["key"] == "shipway.dev/spot"
    assert list(pod["affinity"]["nodeAffinity"]) == ["preferredDuringSchedulingIgnoredDuringExecution"]


@pytest.mark.parametrize(
    ("spec", "question"),
    [
        ("archetype: api-service, health: /up", {"httpGet": {"path": "/up", "port": "http", "scheme": "HTTP"}}),
        ("archetype: api-service", {"tcpSocket": {"port": "http"}}),
        ("archetype: api-service, port: {grpc: 9000}", {"grpc": {"port": 9000}}),
        ("archetype: background-worker, health: /up", {"httpGet": {"path": "/up", "port": "health", "scheme": "HTTP"}}),
        (
            "archetype: background-worker, health: /up, port: {health: 8081, metrics: 9090}",
            {"httpGet": {"path": "/up", "port": "health", "scheme": "HTTP"}},
        ),
        ("archetype: background-worker", None),
    ],
)
def test_health_is_asked_as_the_application_says(spec: str, question: dict[str, Any] | None) -> None:
    found = container(objects(spec))
    for name in ("startupProbe", "readinessProbe", "livenessProbe"):
        asked = {key: value for key, value in found.get(name, {}).items() if isinstance(value, dict)}
        assert asked == (question or {})


def test_ports_are_opened_under_their_names() -> None:
    def opened(spec: str) -> dict[str, int]:
        return {port["name"]: port["port"] for port in of(objects(spec), "Service")["ports"]}

    assert opened("archetype: api-service") == {"http": 8080}
    assert opened("archetype: api-service, port: {metrics: 9090, http: 9000}") == {"http": 9000, "metrics": 9090}
    assert opened("archetype: api-service, port: {tcp: 5432, grpc: 9000}") == {"grpc": 9000, "tcp": 5432}
    assert opened("archetype: background-worker, health: /up, port: {health: 8081, metrics: 9090}") == {
        "health": 8081,
        "metrics": 9090,
    }
    assert opened("archetype: background-worker, port: {metrics: 9090}") == {"metrics": 9090}


@pytest.mark.parametrize(
    ("storage", "path", "size"),
    [("10Gi", "/data", "10Gi"), ("{/var/lib/search: 1500Mi}", "/var/lib/search", "1500Mi")],
)
def test_a_disk_is_found_where_it_is_declared(storage: str, path: str, size: str) -> None:
    found = objects(f"archetype: api-service, storage: {storage}")
    assert {"name": "data", "mountPath": path} in container(found, "StatefulSet")["volumeMounts"]
    (claim,) = of(found, "StatefulSet")["volumeClaimTemplates"]
    assert claim["spec"]["resources"] == {"requests": {"storage": size}}


def test_databases_have_disks_by_their_names_and_make_nothing_lasting_of_a_pod() -> None:
    databases = "[{database: postgres}, {database: postgres/orders}, {database: postgres/stock}]"
    found = objects(f"archetype: api-service, dependsOn: {databases}, storage: {{postgres: 20Gi, orders: 50Gi}}")
    sizes = {name: of(found, f"Cluster/shop-{name}")["storage"]["size"] for name in ("db", "orders", "stock")}
    assert sizes == {"db": "20Gi", "orders": "50Gi", "stock": "10Gi"}
    assert "Deployment" in found
    assert container(found)["volumeMounts"] == [{"name": "tmp", "mountPath": TMP}]


def test_a_job_says_how_long_it_usually_takes() -> None:
    told = objects('archetype: scheduled-job, schedule: "30 2 * * * for 20m"')["CronJob"].object
    assert told["spec"]["schedule"] == "30 2 * * *"
    assert told["metadata"]["annotations"] == {"shipway.dev/expected-duration": "20m"}
    assert (
        "annotations" not in objects('archetype: scheduled-job, schedule: "30 2 * * *"')["CronJob"].object["metadata"]
    )


def test_a_container_is_told_what_a_local_process_is() -> None:
    found = container(
        objects(
            'archetype: api-service, command: [run, "{port}", "{instance}"], dependsOn: [stock, {database: postgres}, {cache: redis}, {bucket: s3}]'
        )
    )
    env = {each["name"]: each.get("value") or each["valueFrom"] for each in found["env"]}
    assert found["command"] == ["run", "8080", "$(INSTANCE)"]
    assert env["PORT"] == "8080"
    assert env["STOCK_ADDRESS"] == "stock.stock.svc:9000"
    by_name = container(objects("archetype: api-service, dependsOn: [stock:admin]"))["env"]
    assert {"name": "STOCK_ADMIN_ADDRESS", "value": "stock.stock.svc:9001"} in by_name
    assert env["CACHE_URL"] == "redis://redis.data.svc:6379"
    assert env["BUCKET"] == "acme-prod-shop-files"
    assert env["DATABASE_URL"] == {"secretKeyRef": {"name": "shop-db-app", "key": "uri"}}
    assert list(env) == sorted(env)


def test_what_the_application_says_wins_over_what_is_found_for_it() -> None:
    found = container(objects("archetype: api-service, dependsOn: [stock], env: {STOCK_ADDRESS: elsewhere}"))
    assert {"name": "STOCK_ADDRESS", "value": "elsewhere"} in found["env"]


def test_outside_is_what_is_not_ours_or_what_the_platform_lists() -> None:
    spec = "archetype: api-service, dependsOn: [api.example.com]"
    wide = str(of(objects(spec), "NetworkPolicy/shop")["egress"])
    assert "0.0.0.0/0" in wide
    assert "169.254.0.0/16" in wide
    narrow = str(
        of(objects(f"{spec}, profiles: {{security: strict}}", components=STRICT), "NetworkPolicy/shop")["egress"]
    )
    assert "0.0.0.0/0" not in narrow
    assert "203.0.113.0/24" in narrow
    assert "443" not in str(of(objects("archetype: api-service"), "NetworkPolicy/shop")["egress"])


@pytest.mark.parametrize(
    ("endpoint", "namespace", "ports"),
    [
        ("http://otel.tracing.svc:4317", "tracing", [4317, 4318]),
        ("http://otel.tracing.svc.cluster.local:55681/v1", "tracing", [4317, 4318, 55681]),
        ("http://otel.tracing:4318", "tracing", [4317, 4318]),
        ("https://otel.acme.example.com", "observability", [4317, 4318]),
        ("otel:what", "observability", [4317, 4318]),
        ("http://[otel", "observability", [4317, 4318]),
    ],
)
def test_traces_go_out_to_where_the_collector_is(endpoint: str, namespace: str, ports: list[int]) -> None:
    found = objects("archetype: api-service", components=f"tracing: {{endpoint: '{endpoint}'}}")
    rule = of(found, "NetworkPolicy/shop")["egress"][-1]
    assert [port["port"] for port in rule["ports"]] == ports
    (peer,) = rule["to"]
    assert peer["namespaceSelector"]["matchLabels"] == {"kubernetes.io/metadata.name": namespace}


def test_what_is_strict_reaches_nothing_outside_that_the_platform_does_not_list() -> None:
    """A rule without a peer would mean everybody."""
    spec = "archetype: api-service, dependsOn: [api.example.com], profiles: {security: strict}"
    rules = of(objects(spec), "NetworkPolicy/shop")["egress"]
    assert [port["port"] for rule in rules for port in rule["ports"]] == [53, 53]
    assert all(rule["to"] for rule in rules)


def test_a_leaf_says_who_said_it_and_why() -> None:
    found = objects("archetype: api-service, replicas: 3, resources: {cpu: 250m}", components="pullSecret: registry")
    reasons = found["Deployment"].provenance
    assert str(reasons["spec.replicas"]).startswith("application: spec.replicas (all.yaml:")
    assert str(reasons["spec.template.spec.imagePullSecrets[0].name"]).startswith(
        "platform: platform.spec.components.pullSecret (all.yaml:9"
    )
    limit = reasons["spec.template.spec.containers[0].resources.limits.cpu"]
    assert str(limit).startswith("derived: 2 times the request")
    assert [(cause.kind, cause.field) for cause in limit.because] == [
        ("application", "spec.resources.cpu"),
        ("default", "spec.resources.factor"),
    ]
    assert reasons["spec.template.spec.containers[0].imagePullPolicy"].kind == "house rule"
    assert 'metadata.labels["app.kubernetes.io/name"]' in reasons

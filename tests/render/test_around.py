"""The objects around a workload: each is what its API accepts, every leaf says why, and the ends of each line agree."""

import json
import re
from typing import Any

import promql_parser
import pytest

from shipway.render.compiling import compile_application
from shipway.render.context import Place
from shipway.render.rendered import Rendered, leaves, path_text
from shipway.spec.organisation import read_organisation
from shipway.spec.reading import Source
from tests.render.schemas import catalogue, problems
from tests.render.shop import APPLICATIONS, PLATFORM, compiled, contexts, one, organisation

MESHES = ("gateway-api", "istio")
NAMES = ("checkout", "inventory", "mailer", "nightly", "ranking")


def everything(mesh: str) -> list[Rendered]:
    return [
        found
        for environment in ("dev", "prod")
        for context in contexts(mesh, environment).values()
        for found in compile_application(context)
    ]


@pytest.mark.parametrize("mesh", MESHES)
def test_every_object_is_what_its_api_accepts(mesh: str) -> None:
    known = catalogue()
    wrong = {each.identity: found for each in everything(mesh) if (found := problems(each.object, known))}
    assert not wrong


@pytest.mark.parametrize("mesh", MESHES)
def test_every_leaf_says_why(mesh: str) -> None:
    for each in everything(mesh):
        paths = {path_text(path) for path, *_ in leaves(each.draft.tree)}
        assert set(each.provenance) == paths
        assert all(str(reason) for reason in each.provenance.values())


def test_an_object_is_made_once() -> None:
    for mesh in MESHES:
        for name in NAMES:
            identities = [each.identity for each in compiled(name, mesh)]
            assert len(identities) == len(set(identities))


def test_no_secret_is_known_and_each_is_fetched() -> None:
    found = one(compiled("checkout"), "ExternalSecret").object
    assert [datum["secretKey"] for datum in found["spec"]["data"]] == ["SESSION_KEY", "STRIPE_KEY"]
    assert found["spec"]["data"][1]["remoteRef"]["key"] == "payments/stripe-key"
    assert not [each for each in compiled("checkout") if each.identity[1] == "Secret"]
    assert str(one(compiled("checkout"), "ExternalSecret").provenance["spec.data[1].remoteRef.key"]).startswith(
        "application: spec.secrets.STRIPE_KEY (applications.yaml:"
    )


def test_a_public_application_gets_a_route_with_everything_written_out() -> None:
    spec = one(compiled("checkout"), "HTTPRoute").object["spec"]
    assert spec["hostnames"] == ["checkout.apps.example.com"]
    assert spec["rules"][0]["backendRefs"] == [
        {"group": "", "kind": "Service", "name": "checkout", "port": 8080, "weight": 1}
    ]
    assert one(compiled("ranking"), "GRPCRoute").object["spec"]["hostnames"] == ["ranking.example.com"]
    assert not [each for each in compiled("inventory") if each.identity[1].endswith("Route")]


def test_the_host_of_what_is_not_public_is_behind_a_gateway_of_its_own() -> None:
    known = organisation(platform=PLATFORM.replace("ingress: {", "ingress: {internal: inside, "))
    place = Place(known, "prod", "prod-eu")
    parents = {
        name: one(compile_application(place.neighbour(name)), "ListenerSet").object["spec"]["parentRef"]["name"]
        for name in ("checkout", "ranking")
    }
    assert parents == {"checkout": "public", "ranking": "inside"}
    assert one(compiled("ranking"), "ListenerSet").object["spec"]["parentRef"]["name"] == "public"


def test_a_host_has_a_certificate_and_a_listener_that_shows_it() -> None:
    objects = compiled("checkout")
    (listener,) = one(objects, "ListenerSet").object["spec"]["listeners"]
    certificate = one(objects, "Certificate").object["spec"]
    assert certificate["dnsNames"] == [listener["hostname"]] == ["checkout.apps.example.com"]
    assert listener["tls"]["certificateRefs"][0]["name"] == certificate["secretName"]
    (parent,) = one(objects, "HTTPRoute").object["spec"]["parentRefs"]
    assert (parent["kind"], parent["name"]) == ("ListenerSet", one(objects, "ListenerSet").identity[3])


def test_the_mesh_lets_in_whoever_depends_on_it_and_the_gateway_and_nobody_else() -> None:
    rules = one(compiled("checkout", "istio"), "AuthorizationPolicy").object["spec"]["rules"]
    allowed = [(str(rule["from"][0]["source"]), rule["to"][0]["operation"]["ports"]) for rule in rules]
    assert allowed == [
        ("{'principals': ['cluster.local/ns/mailer/sa/mailer']}", ["8081"]),
        ("{'principals': ['cluster.local/ns/nightly/sa/nightly']}", ["8080"]),
        ("{'namespaces': ['ingress']}", ["8080"]),
    ]
    assert "rules" not in one(compiled("mailer", "istio"), "AuthorizationPolicy").object["spec"]


def test_inside_the_mesh_nobody_speaks_in_the_clear() -> None:
    objects = compiled("checkout", "istio")
    assert one(objects, "PeerAuthentication").object["spec"]["mtls"] == {"mode": "STRICT"}
    policy = one(objects, "DestinationRule").object["spec"]["trafficPolicy"]
    assert policy["tls"] == {"mode": "ISTIO_MUTUAL"}
    assert {"connectionPool", "outlierDetection"} <= policy.keys()
    assert not [each for each in compiled("checkout") if "istio.io" in each.identity[0]]


def test_a_job_is_in_the_mesh_and_nobody_calls_it() -> None:
    kinds = {each.identity[1] for each in compiled("nightly", "istio") if "istio.io" in each.identity[0]}
    assert kinds == {"PeerAuthentication", "AuthorizationPolicy"}


def test_monitors_scrape_the_service_or_the_side_car() -> None:
    (endpoint,) = one(compiled("checkout"), "ServiceMonitor").object["spec"]["endpoints"]
    assert (endpoint["port"], endpoint["path"]) == ("metrics", "/metrics")
    (worker,) = one(compiled("mailer"), "ServiceMonitor").object["spec"]["endpoints"]
    assert (worker["interval"], worker["scrapeTimeout"]) == ("5s", "5s")
    (merged,) = one(compiled("checkout", "istio"), "PodMonitor", "checkout").object["spec"]["podMetricsEndpoints"]
    assert merged["port"] == "http-envoy-prom", "the only port that the side-car declares, so the only target there is"
    address = next(rule for rule in merged["relabelings"] if rule["targetLabel"] == "__address__")
    assert (address["sourceLabels"], address["replacement"]) == (["__address__"], "$1:15020")
    for found in ("10.0.0.7:15090", "[fd00::7]:15090"):
        assert re.fullmatch(address["regex"], found)
    assert not [each for each in compiled("nightly") if each.identity[1].endswith("Monitor")]


def test_rules_are_found_by_prometheus_and_parse() -> None:
    found = one(compiled("checkout"), "PrometheusRule").object
    assert found["metadata"]["labels"]["release"] == "prometheus"
    rules = [rule for group in found["spec"]["groups"] for rule in group["rules"]]
    assert all(promql_parser.parse(rule["expr"]) is not None for rule in rules)
    own = str(one(compiled("ranking"), "PrometheusRule").object["spec"])
    assert 'ranked_total{app="ranking",late="no"}[5m]' in own
    alerts = [rule for rule in rules if "alert" in rule]
    assert {rule["annotations"]["runbook_url"] for rule in alerts} == {
        f"https://runbooks.example.com/checkout#{slo}" for slo in ("availability", "latency-200ms", "latency-1s")
    }


@pytest.mark.parametrize("mesh", MESHES)
def test_a_dashboard_loads_and_its_queries_parse(mesh: str) -> None:
    for name in ("checkout", "nightly"):
        data = one(compiled(name, mesh), "ConfigMap").object["data"]
        board = json.loads(data[f"{name}.json"])
        panels = [panel for panel in board["panels"] if panel["type"] != "row"]
        queries = [target["expr"] for panel in panels for target in panel["targets"]]
        assert all(promql_parser.parse(query.replace("$__rate_interval", "5m")) is not None for query in queries)
        assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"])
        assert not _overlapping([panel["gridPos"] for panel in board["panels"]])
        assert {row["title"] for row in board["panels"] if row["type"] == "row"} == (
            {"Promises", "Requests", "Saturation"} if name == "checkout" else {"Saturation"}
        )


def _overlapping(places: list[dict[str, int]]) -> bool:
    cells = [(x, y) for p in places for x in range(p["x"], p["x"] + p["w"]) for y in range(p["y"], p["y"] + p["h"])]
    return len(cells) != len(set(cells)) or any(p["x"] + p["w"] > 24 for p in places)


def test_a_profile_switches_alerts_and_dashboard_off() -> None:
    assert not [each for each in compiled("mailer") if each.identity[1] in {"ConfigMap", "PrometheusRule"}]


def test_the_settings_of_traces_are_there_before_the_pods_that_take_them() -> None:
    objects = compiled("checkout")
    assert [each.identity[1] for each in objects[:2]] == ["Namespace", "Instrumentation"]
    waves = [each.object["metadata"].get("annotations", {}).get("argocd.argoproj.io/sync-wave") for each in objects]
    assert waves == ["-1", "-1", *[None] * (len(objects) - 2)]


def test_a_database_has_backups_and_lets_in_its_application_only() -> None:
    objects = compiled("checkout")
    cluster = one(objects, "Cluster").object["spec"]
    assert (cluster["instances"], cluster["storage"]["size"], cluster["enablePDB"]) == (3, "20Gi", True)
    assert "app.kubernetes.io/name" not in cluster["inheritedMetadata"]["labels"]
    meshed = one(compiled("checkout", "istio"), "Cluster").object["spec"]["inheritedMetadata"]["labels"]
    assert meshed["sidecar.istio.io/inject"] == "false"
    backup = one(objects, "ScheduledBackup").object["spec"]
    assert backup["cluster"]["name"] == one(objects, "Cluster").identity[3]
    store = one(objects, "ObjectStore").object
    assert cluster["plugins"][0]["parameters"]["barmanObjectName"] == store["metadata"]["name"]
    assert store["spec"] == {
        "configuration": {
            "destinationPath": "s3://acme-backups/prod/prod-eu/checkout",
            "s3Credentials": {"inheritFromIAMRole": True},
            "wal": {"compression": "gzip"},
        },
        "retentionPolicy": "30d",
        "instanceSidecarConfiguration": {
            "resources": {
                "requests": {"cpu": "50m", "memory": "128Mi"},
                "limits": {"cpu": "500m", "memory": "512Mi"},
            }
        },
    }
    policy = one(objects, "NetworkPolicy", "checkout-db").object["spec"]
    assert policy["ingress"][0]["from"] == [{"podSelector": {"matchLabels": {"app.kubernetes.io/name": "checkout"}}}]
    dev = one(compiled("checkout", environment="dev"), "Cluster").object["spec"]
    assert (dev["instances"], dev["enablePDB"]) == (1, False)


@pytest.mark.parametrize(
    ("bucket", "asked"),
    [
        ("s3://acme-backups", [("169.254.170.23/32", 80)]),
        ("gs://acme-backups", [("169.254.169.252/32", 988), ("169.254.169.254/32", 80)]),
        ("https://acme.blob.core.windows.net/backups", []),
    ],
)
def test_backups_may_ask_the_machine_for_their_identity(bucket: str, asked: list[tuple[str, int]]) -> None:
    place = Place(organisation(platform=PLATFORM.replace("s3://acme-backups", bucket)), "prod", "prod-eu")
    egress = one(compile_application(place.neighbour("checkout")), "NetworkPolicy", "checkout-db").object["spec"][
        "egress"
    ]
    alone = [(rule["to"][0].get("ipBlock", {}).get("cidr", ""), rule["ports"][0]["port"]) for rule in egress]
    assert [each for each in alone if each[0].startswith("169.254.")] == asked


def test_a_database_stays_when_no_file_names_it_any_more() -> None:
    told = "  components:\n    gitops: {repository: 'https://github.com/acme/deployments.git'}\n"
    place = Place(organisation(platform=PLATFORM.replace("  components:\n", told)), "prod", "prod-eu")
    objects = compile_application(place.neighbour("checkout"))
    kept = {
        each.identity[1:]
        for each in objects
        if "annotations" in each.object["metadata"] and "Prune=false" in str(each.object)
    }
    kinds = ("Cluster", "NetworkPolicy", "ObjectStore", "ScheduledBackup")
    assert kept == {(kind, "checkout", "checkout-db") for kind in kinds}
    assert "annotations" not in one(compiled("checkout"), "Cluster").object["metadata"]


def test_faults_are_made_where_they_are_asked_for() -> None:
    found = {
        each.identity[3]: each.object["spec"]
        for each in compiled("checkout", environment="dev")
        if each.identity[1] == "Schedule"
    }
    assert {name: spec["type"] for name, spec in found.items()} == {
        "checkout-instance-loss": "PodChaos",
        "checkout-network-delay": "NetworkChaos",
        "checkout-network-loss": "NetworkChaos",
        "checkout-cpu-stress": "StressChaos",
    }
    one_pod = {
        "mode": "one",
        "selector": {"namespaces": ["checkout"], "labelSelectors": {"app.kubernetes.io/name": "checkout"}},
    }
    assert found["checkout-instance-loss"] == {
        "type": "PodChaos",
        "schedule": "0 10 * * 1-5",
        "concurrencyPolicy": "Forbid",
        "historyLimit": 5,
        "startingDeadlineSeconds": 300,
        "podChaos": {**one_pod, "action": "pod-kill", "gracePeriod": 0},
    }
    loss = {"action": "loss", "direction": "to", "loss": {"loss": "10", "correlation": "50"}, "duration": "300s"}
    assert found["checkout-network-loss"]["networkChaos"] == {**one_pod, **loss}
    stress = {"stressors": {"cpu": {"workers": 1, "load": 80}}, "duration": "300s"}
    assert found["checkout-cpu-stress"]["stressChaos"] == {**one_pod, **stress}
    assert not [each for each in compiled("checkout") if each.identity[1] == "Schedule"]
    assert [each for each in compiled("mailer", environment="dev") if each.identity[1] == "Schedule"]
    assert not [each for each in compiled("nightly", environment="dev") if each.identity[1] == "Schedule"]
    why = one(compiled("checkout", environment="dev"), "Schedule", "checkout-cpu-stress").provenance["spec.type"]
    (cause,) = why.because
    assert (cause.kind, cause.field, cause.file) == ("environment default", "spec.chaos", "platform.yaml")


def test_a_namespace_is_bounded() -> None:
    objects = compiled("checkout", "istio")
    labels = one(objects, "Namespace").object["metadata"]["labels"]
    assert labels["pod-security.kubernetes.io/enforce"] == "restricted"
    assert labels["istio-injection"] == "enabled"
    hard: dict[str, Any] = one(objects, "ResourceQuota").object["spec"]["hard"]
    assert hard["pods"] == "25"  # two releases of ten, three of the database, two to spare
    assert hard["services.loadbalancers"] == "0"
    assert (hard["requests.cpu"], hard["requests.memory"]) == ("14100m", "16000Mi")  # with a side-car in its own pods
    assert labels["policy.sigstore.dev/include"] == "true"


def test_a_promise_about_what_nothing_measures_is_refused_with_its_line() -> None:
    told = "slo: {availability: 99%, objectives: {cartAbandonmnt: 99%, cartAbandonment: 9%}}"
    applications = APPLICATIONS.replace("slo: {availability: 99%}", told)
    sources = [Source("platform.yaml", PLATFORM % "istio"), Source("applications.yaml", applications)]
    _, problems_ = read_organisation(sources)
    line = 1 + next(number for number, text in enumerate(applications.splitlines()) if told in text)
    assert [(problem.line, problem.code) for problem in problems_] == [(line, "unknown-metric"), (line, "unmeasured")]

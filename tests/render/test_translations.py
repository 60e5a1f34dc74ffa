"""Argo Rollouts and Flagger mean what the delivery section says, or say where they cannot."""

import re
from typing import Any

import promql_parser
import pytest

from shipway.render import argo, flagger, translations
from shipway.render.compiling import compile_organisation
from shipway.render.formats import layout
from shipway.render.rendered import Rendered, leaves, path_text
from shipway.spec.organisation import read_organisation
from shipway.spec.reading import Source
from tests.render.schemas import catalogue, problems
from tests.render.shop import compiled, one, organisation

NAMES = ("checkout", "inventory", "mailer", "nightly", "ranking")
CASES = [(mesh, name) for mesh in ("gateway-api", "istio") for name in NAMES]


def kinds(objects: tuple[Rendered, ...]) -> list[str]:
    return [each.identity[1] for each in objects]


@pytest.mark.parametrize(("mesh", "name"), CASES)
def test_what_comes_out_is_what_its_api_accepts_and_says_why(mesh: str, name: str) -> None:
    known = catalogue()
    for translate in (argo.argo_rollouts, flagger.flagger):
        objects = translate(compiled(name, mesh))
        assert len({each.identity for each in objects}) == len(objects)
        for each in objects:
            assert not problems(each.object, known)
            assert set(each.provenance) == {path_text(path) for path, *_ in leaves(each.draft.tree)}


@pytest.mark.parametrize("mesh", ["gateway-api", "istio"])
def test_every_query_parses(mesh: str) -> None:
    rollout = argo.argo_rollouts(compiled("checkout", mesh))
    templates = [each.object["spec"] for each in rollout if each.identity[1] == "AnalysisTemplate"]
    queries = [metric["provider"]["prometheus"]["query"] for spec in templates for metric in spec["metrics"]]
    canary = flagger.flagger(compiled("checkout", mesh))
    queries += [each.object["spec"]["query"] for each in canary if each.identity[1] == "MetricTemplate"]
    assert len(queries) == 21
    for query in queries:
        filled = re.sub(r"{{[^}]*(hash)[^}]*}}", "abc", query)
        assert promql_parser.parse(re.sub(r"{{[^}]*}}", "5m", filled)) is not None


# -- Argo Rollouts


def strategy(name: str, mesh: str = "gateway-api") -> dict[str, Any]:
    found: dict[str, Any] = one(argo.argo_rollouts(compiled(name, mesh)), "Rollout").object["spec"]["strategy"][
        "canary"
    ]
    return found


def test_argo_keeps_weights_times_approvals_and_the_least_number_of_requests() -> None:
    steps = [next(iter(step.items())) for step in strategy("checkout")["steps"]]
    assert [(kind, said) for kind, said in steps if kind != "analysis"] == [
        ("setWeight", 5),
        ("pause", {"duration": "300s"}),
        ("pause", {}),
        ("setWeight", 25),
        ("pause", {"duration": "600s"}),
        ("setWeight", 50),
        ("pause", {"duration": "900s"}),
    ]
    arguments = {argument["name"]: argument.get("value") for argument in steps[2][1]["args"]}
    # Ten times `for` at most, of which `for` has passed: 2700 s of measurements every 30 s.
    assert arguments == {"canary-hash": None, "least": "50", "window": "3000s", "patience": "90"}


def test_argo_replaces_the_deployment_and_what_refers_to_it() -> None:
    objects = argo.argo_rollouts(compiled("checkout"))
    assert "Deployment" not in kinds(objects)
    rollout, before = one(objects, "Rollout").object["spec"], one(compiled("checkout"), "Deployment").object["spec"]
    assert (rollout["selector"], rollout["template"]) == (before["selector"], before["template"])
    for each in objects:
        target = each.object.get("spec", {}).get("scaleTargetRef") or each.object.get("spec", {}).get("targetRef")
        assert target is None or (target["kind"], target["apiVersion"]) == ("Rollout", "argoproj.io/v1alpha1")
    names = {template["templateName"] for template in strategy("checkout")["analysis"]["templates"]}
    assert names < {each.identity[3] for each in objects if each.identity[1] == "AnalysisTemplate"}


def test_argo_splits_what_routes_requests_between_services_that_exist() -> None:
    objects = argo.argo_rollouts(compiled("checkout", "istio"))
    services = {each.identity[3] for each in objects if each.identity[1] == "Service"}
    assert services == {"checkout", "checkout-stable", "checkout-canary"}
    (rule,) = one(objects, "HTTPRoute").object["spec"]["rules"]
    assert [(to["name"], to["weight"]) for to in rule["backendRefs"]] == [
        ("checkout-stable", 100),
        ("checkout-canary", 0),
    ]
    route = next(route for route in one(objects, "VirtualService").object["spec"]["http"] if route["name"] == "primary")
    hosts = {to["destination"]["host"]: to["destination"]["port"] for to in route["route"]}
    assert hosts == {f"checkout-{side}.checkout.svc.cluster.local": {"number": 8080} for side in ("stable", "canary")}
    assert hosts.keys() < {each.object["spec"]["host"] for each in objects if each.identity[1] == "DestinationRule"}
    router = strategy("checkout", "istio")["trafficRouting"]
    others = [{"port": 8081}, {"port": 9090}]
    assert router["istio"] == {"virtualServices": [{"name": "checkout", "routes": ["primary"], "tcpRoutes": others}]}
    assert router["plugins"] == {"argoproj-labs/gatewayAPI": {"httpRoute": "checkout", "namespace": "checkout"}}


def test_argo_scrapes_no_pod_twice() -> None:
    objects = argo.argo_rollouts(compiled("checkout"))
    wanted = one(objects, "ServiceMonitor").object["spec"]["selector"]["matchLabels"].items()
    found = [
        each
        for each in objects
        if each.identity[1] == "Service" and wanted <= each.object["metadata"]["labels"].items()
    ]
    assert len(found) == 1


def test_argo_waits_for_a_person_where_the_rollback_is_manual() -> None:
    (metric,) = one(argo.argo_rollouts(compiled("ranking")), "AnalysisTemplate", "ranking-judgement").object["spec"][
        "metrics"
    ]
    assert (metric["failureCondition"], metric["inconclusiveLimit"]) == ("false", argo.FAILED_MEASUREMENTS)
    assert "failureLimit" not in metric
    (first, *_) = [step["analysis"]["args"] for step in strategy("ranking")["steps"] if "analysis" in step]
    assert {"name": "patience", "value": str(argo.NEVER)} in first


def test_argo_lets_a_header_choose_in_the_mesh() -> None:
    first = strategy("ranking", "istio")["steps"][0]
    assert first == {
        "setHeaderRoute": {"name": "match", "match": [{"headerName": "x-canary", "headerValue": {"exact": "always"}}]}
    }
    assert "setHeaderRoute" not in strategy("ranking")["steps"][0]


# -- Flagger


def canary(name: str, mesh: str = "gateway-api") -> dict[str, Any]:
    found: dict[str, Any] = one(flagger.flagger(compiled(name, mesh)), "Canary").object["spec"]
    return found


def test_flagger_keeps_the_weights_and_never_goes_faster_than_is_said() -> None:
    analysis = canary("checkout")["analysis"]
    assert (analysis["stepWeights"], analysis["maxWeight"]) == ([5, 25, 50], 50)
    assert (analysis["interval"], analysis["threshold"]) == ("900s", 1)
    assert canary("ranking", "istio")["analysis"]["threshold"] == argo.NEVER
    assert canary("ranking", "istio")["analysis"]["sessionAffinity"] == {"cookieName": "shipway-affinity"}


def test_flagger_looks_at_templates_that_exist() -> None:
    objects = flagger.flagger(compiled("checkout"))
    named = {metric["templateRef"]["name"] for metric in canary("checkout")["analysis"]["metrics"]}
    assert named == {each.identity[3] for each in objects if each.identity[1] == "MetricTemplate"}
    limits = [metric["thresholdRange"] for metric in canary("checkout")["analysis"]["metrics"]]
    assert limits[3:] == [
        {"max": 0.001},
        {"max": 0.005},
        {"max": 0.2},
        {"max": 0.002},
        {"max": 0.1},
        {"min": 1.0},
        {"max": 0.2},
    ]


def test_flagger_makes_services_and_routes_itself() -> None:
    assert not {"Service", "HTTPRoute"} & set(kinds(flagger.flagger(compiled("checkout"))))
    assert not {"Service", "VirtualService"} & set(kinds(flagger.flagger(compiled("inventory", "istio"))))
    service = canary("checkout")["service"]
    assert (service["hosts"], service["gatewayRefs"][0]["name"]) == (["checkout.apps.example.com"], "checkout")


def test_flagger_finds_the_live_release_by_its_second_name() -> None:
    objects = flagger.flagger(compiled("checkout", "istio"))
    both = [{"key": "app.kubernetes.io/name", "operator": "In", "values": ["checkout", "checkout-primary"]}]
    assert one(objects, "NetworkPolicy", "checkout").object["spec"]["podSelector"] == {"matchExpressions": both}
    database = one(objects, "NetworkPolicy", "checkout-db").object["spec"]
    assert database["ingress"][0]["from"] == [{"podSelector": {"matchExpressions": both}}]
    for kind in ("AuthorizationPolicy", "PeerAuthentication"):
        selectors = [each.object["spec"]["selector"]["matchLabels"] for each in objects if each.identity[1] == kind]
        assert selectors == [{"app.kubernetes.io/name": name} for name in both[0]["values"]]


def of(application: str, components: str = "{mesh: istio, autoscaler: keda}") -> dict[str, dict[str, Any]]:
    """What Flagger gets of one application with faults, by kind; the last of each."""
    platform = f"""
apiVersion: shipway.dev/v1alpha1
kind: Platform
metadata: {{name: acme}}
spec:
  environments: {{prod: {{clusters: {{prod-eu: eu-central-1}}, production: true}}}}
  components: {components}
  defaults: {{chaos: [instance-loss]}}
"""
    document = f"""
apiVersion: shipway.dev/v1alpha1
kind: Application
metadata: {{name: sum}}
spec: {{archetype: api-service, image: "registry.example.com/sum:1", {application}}}
"""
    known, faults = read_organisation([Source("platform.yaml", platform), Source("sum.yaml", document)])
    assert known is not None, faults
    found = next(one for one in compile_organisation(known, "prod") if one.application)
    return {each.identity[1]: each.object for each in flagger.flagger(found.objects)}


def test_flagger_scales_the_live_release_by_the_requests_of_all() -> None:
    """By itself it would ask for those of ``sum-primary``, which no metric knows, and even rename the function."""
    found = of("scale: {min: 2, max: 6, signal: requests 50/s}")
    (trigger,) = found["ScaledObject"]["spec"]["triggers"]
    asked = found["Canary"]["spec"]["autoscalerRef"]["primaryScalerQueries"]
    assert asked == {trigger["name"]: trigger["metadata"]["query"]}
    assert "primaryScalerQueries" not in of("scale: {min: 2, max: 6, signal: cpu}")["Canary"]["spec"]["autoscalerRef"]


def test_flagger_keeps_a_fixed_number_of_instances() -> None:
    found = of("replicas: 5")
    assert found["Canary"]["spec"]["autoscalerRef"] == {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "name": "sum",
    }
    spec = found["HorizontalPodAutoscaler"]["spec"]
    assert (spec["minReplicas"], spec["maxReplicas"], spec["scaleTargetRef"]["name"]) == (5, 5, "sum")
    assert found["Deployment"]["metadata"]["annotations"] == {"shipway.dev/scaled-by": "Canary"}
    assert "replicas" not in found["Deployment"]["spec"]
    assert "HorizontalPodAutoscaler" not in of("replicas: 1")
    assert "autoscalerRef" not in of("replicas: 1")["Canary"]["spec"]


def test_flagger_waits_as_long_as_the_deployment_and_strikes_the_live_release() -> None:
    found = of("replicas: 2")
    assert found["Canary"]["spec"]["progressDeadlineSeconds"] == found["Deployment"]["spec"]["progressDeadlineSeconds"]
    struck = found["Schedule"]["spec"]["podChaos"]["selector"]["labelSelectors"]
    assert struck == {"app.kubernetes.io/name": "sum-primary"}


@pytest.mark.parametrize("name", ["inventory", "mailer", "nightly"])
def test_flagger_leaves_alone_what_nothing_splits(name: str) -> None:
    before = [each.object for each in compiled(name) if each.identity[1] != "NetworkPolicy"]
    assert [each.object for each in flagger.flagger(compiled(name)) if each.identity[1] != "NetworkPolicy"] == before


def test_flagger_lets_callers_through_to_either_release() -> None:
    egress = one(flagger.flagger(compiled("nightly")), "NetworkPolicy", "nightly").object["spec"]["egress"]
    selectors = [peer["podSelector"] for rule in egress for peer in rule["to"] if "podSelector" in peer]
    values = ["checkout", "checkout-primary"]
    assert {"matchExpressions": [{"key": "app.kubernetes.io/name", "operator": "In", "values": values}]} in selectors


# -- what they cannot say


def test_what_is_lost_is_said() -> None:
    said = " ".join(argo.notes(compiled("ranking")))
    assert all(word in said for word in ("alpha", "supersede", "match", "affinity", "gateway"))
    said = " ".join(argo.notes(compiled("checkout")))
    assert all(word in said for word in ("approval", "cartAbandonment", "selectors"))
    assert "selectors" not in " ".join(argo.notes(compiled("inventory")))
    said = " ".join(flagger.notes(compiled("checkout")))
    assert all(
        word in said for word in ("every step lasts 900s", "answers 900s after", "approval", "minRequests", "keep")
    )
    assert any("HTTPRoute alone" in note for note in flagger.notes(compiled("ranking", "istio")))
    assert flagger.notes(compiled("inventory"))[0].startswith("nothing splits requests")
    assert not argo.notes(compiled("nightly"))
    assert not flagger.notes(compiled("nightly"))


@pytest.mark.parametrize(("form", "kind"), [("argo-rollouts", "Rollout"), ("flagger", "Canary")])
def test_the_formats_write_the_translation_and_what_is_lost(form: str, kind: str) -> None:
    known = organisation()
    plain = dict(layout("yaml")(known, compile_organisation(known, "prod")))
    files = dict(layout(form)(known, compile_organisation(known, "prod")))
    notes = files.pop(translations.NOTES).decode()
    assert files.keys() == plain.keys()
    assert f"kind: {kind}\n" in files["prod/prod-eu/checkout.yaml"].decode()
    assert "## checkout" in notes
    assert "## nightly" not in notes

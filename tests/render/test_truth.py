"""Objects that contradict each other are found. Each test breaks what the compiler made, in one place."""

from collections.abc import Callable
from copy import deepcopy
from typing import Any

import msgspec
import pytest

from shipway.render.compiling import Compiled, compile_organisation
from shipway.render.truth import contradictions
from shipway.spec.organisation import read_organisation
from tests.spec.test_organisation import example

Objects = dict[str, Any]
"""``namespace/Kind/name`` to object."""
Break = Callable[[Objects], object]


def broken(change: Break, *, complete: bool = True) -> list[str]:
    """What is found in production of the example after a change, as ``subject [code]``."""
    organisation, _ = read_organisation(example())
    assert organisation is not None
    compiled = [one for one in compile_organisation(organisation, "prod") if one.cluster == "prod-eu"]
    objects: Objects = {}
    for one in compiled:
        for each in one.objects:
            _, kind, namespace, name = each.identity
            objects[f"{namespace}/{kind}/{name}"] = deepcopy(each.object)
    change(objects)
    rest = tuple(msgspec.structs.replace(compiled[0].objects[0], object=each) for each in objects.values())
    found = contradictions([Compiled("prod", "prod-eu", "all", rest)], complete=complete)
    return [f"{each.subject} [{each.code}]" for each in found]


def spec(objects: Objects, name: str) -> Any:
    return objects[name]["spec"]


def container(objects: Objects, name: str) -> Any:
    return spec(objects, name)["template"]["spec"]["containers"][0]


def without_rule(objects: Objects, policy: str, direction: str, mark: str) -> None:
    rules = spec(objects, policy)[direction]
    rules[:] = [rule for rule in rules if mark not in str(rule)]


CASES: dict[str, tuple[Break, list[str]]] = {
    "nothing": (len, []),
    "a workload that does not find its pods": (
        lambda o: spec(o, "cart/Deployment/cart")["selector"].update(matchLabels={"app": "cart"}),
        ["cart/Deployment/cart [selector]"],
    ),
    "an account that is missing": (lambda o: o.pop("cart/ServiceAccount/cart"), ["cart/Deployment/cart [account]"]),
    "a StatefulSet without its Service": (
        lambda o: o.pop("search/Service/search-pods"),
        ["search/StatefulSet/search [service]"],
    ),
    "pods that are scraped by two Services": (
        lambda o: o["search/Service/search-pods"]["metadata"]["labels"].update({"app.kubernetes.io/name": "search"}),
        ["search/ServiceMonitor/search [twice]"],
    ),
    "a Service that finds nothing": (
        lambda o: spec(o, "cart/Service/cart")["selector"].update({"app.kubernetes.io/name": "card"}),
        ["cart/Service/cart [selector]", "cart/ServiceMonitor/cart [selector]"],
    ),
    "a Service that leads to a closed port": (
        lambda o: spec(o, "cart/Service/cart")["ports"][0].update(targetPort="htpp"),
        ["cart/Service/cart [port]"],
    ),
    "a probe of a closed port": (
        lambda o: container(o, "cart/Deployment/cart")["readinessProbe"]["httpGet"].update(port="health"),
        ["cart/Deployment/cart [port]"],
    ),
    "a scaler of nothing": (
        lambda o: spec(o, "cart/ScaledObject/cart")["scaleTargetRef"].update(kind="StatefulSet"),
        ["cart/ScaledObject/cart [target]", "cart/PodDisruptionBudget/cart [budget]"],
    ),
    "replicas beside a scaler": (
        lambda o: spec(o, "cart/Deployment/cart").update(replicas=3),
        ["cart/ScaledObject/cart [replicas]"],
    ),
    "bounds the wrong way round": (
        lambda o: spec(o, "cart/ScaledObject/cart").update(maxReplicaCount=1),
        ["cart/ScaledObject/cart [bounds]"],
    ),
    "two scalers of one signal": (
        lambda o: spec(o, "cart/VerticalPodAutoscaler/cart")["updatePolicy"].update(updateMode="Recreate"),
        ["cart/ResourceQuota/cart [quota]", "cart/VerticalPodAutoscaler/cart [scaler]"],
    ),
    "a budget that keeps all": (
        lambda o: spec(o, "cart/PodDisruptionBudget/cart").update(maxUnavailable=0),
        ["cart/PodDisruptionBudget/cart [budget]"],
    ),
    "a budget that lets all go": (
        lambda o: spec(o, "cart/PodDisruptionBudget/cart").update(maxUnavailable=2),
        ["cart/PodDisruptionBudget/cart [budget]"],
    ),
    "a budget above the scaler's minimum": (
        lambda o: (
            spec(o, "cart/PodDisruptionBudget/cart").pop("maxUnavailable"),
            spec(o, "cart/PodDisruptionBudget/cart").update(minAvailable=2),
        ),
        ["cart/PodDisruptionBudget/cart [budget]"],
    ),
    "a route to nowhere": (
        lambda o: spec(o, "web/HTTPRoute/web")["rules"][0]["backendRefs"][0].update(name="wed"),
        ["web/HTTPRoute/web [target]"],
    ),
    "a route to a closed port": (
        lambda o: spec(o, "web/HTTPRoute/web")["rules"][0]["backendRefs"][0].update(port=1),
        ["web/HTTPRoute/web [port]"],
    ),
    "a caller that is not let in": (
        lambda o: without_rule(o, "ledger/NetworkPolicy/ledger", "ingress", "'payment-service'"),
        ["payment-service/NetworkPolicy/payment-service [one-sided]"],
    ),
    "a caller that may not go out": (
        lambda o: without_rule(o, "payment-service/NetworkPolicy/payment-service", "egress", "'ledger'"),
        ["ledger/NetworkPolicy/ledger [one-sided]"],
    ),
    "a rule that means everybody": (
        lambda o: spec(o, "ledger/NetworkPolicy/ledger")["egress"][0].update(to=[]),
        ["ledger/NetworkPolicy/ledger [open]"],
    ),
    "a quota without room for a release": (
        lambda o: spec(o, "cart/ResourceQuota/cart")["hard"].update(pods="7"),  # six, and two more of the next release
        ["cart/ResourceQuota/cart [quota]"],
    ),
    "a quota without room for a database": (
        lambda o: spec(o, "payment-service/ResourceQuota/payment-service")["hard"].update({"requests.cpu": "7"}),
        ["payment-service/ResourceQuota/payment-service [quota]"],
    ),
    "a quota of what is sized from use": (
        lambda o: spec(o, "web/ResourceQuota/web")["hard"].update({"requests.memory": "100Gi"}),
        ["web/ResourceQuota/web [quota]"],
    ),
    "a probe that is shut out": (
        lambda o: spec(o, "cart/NetworkPolicy/cart")["ingress"][-1].update(ports=[{"protocol": "TCP", "port": 1}]),
        ["cart/Deployment/cart [probe]"],
    ),
    "a scraper that is shut out": (
        lambda o: without_rule(o, "cart/NetworkPolicy/cart", "ingress", "'monitoring'"),
        ["cart/ServiceMonitor/cart [scraper]"],
    ),
    "a monitor of a port that nobody opens": (
        lambda o: container(o, "catalogue/Deployment/catalogue").update(
            ports=[
                each for each in container(o, "catalogue/Deployment/catalogue")["ports"] if each["name"] != "metrics"
            ]
        ),
        ["catalogue/Service/catalogue [port]", "catalogue/ServiceMonitor/catalogue [port]"],
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_a_contradiction_is_found(case: str) -> None:
    change, expected = CASES[case]
    assert sorted(set(broken(change))) == sorted(expected)


def test_an_object_twice_is_found() -> None:
    organisation, _ = read_organisation(example())
    assert organisation is not None
    one = next(iter(compile_organisation(organisation, "dev")))
    twice = msgspec.structs.replace(one, objects=one.objects + one.objects[:1])
    assert [each.code for each in contradictions([twice], complete=False)] == ["duplicate"]


def test_a_contradiction_reads_like_a_sentence() -> None:
    organisation, _ = read_organisation(example())
    assert organisation is not None
    one = next(iter(compile_organisation(organisation, "dev")))
    (found,) = contradictions([msgspec.structs.replace(one, objects=one.objects + one.objects[:1])], complete=False)
    assert str(found) == "dev-eu: Namespace/cart: there is another object of this kind and name [duplicate]"

"""A compiled organisation agrees with itself; with anything taken away or bent, what no longer fits is named."""

from collections.abc import Callable
from copy import deepcopy
from typing import Any

import msgspec
import pytest

from shipway.render.compiling import Compiled, compile_organisation
from shipway.render.truth import contradictions
from tests.render.shop import organisation

Objects = dict[tuple[str, str, str], dict[str, Any]]


def compiled(mesh: str, environment: str = "prod") -> list[Compiled]:
    return list(compile_organisation(organisation(mesh), environment))


@pytest.mark.parametrize("environment", ["dev", "prod"])
@pytest.mark.parametrize("mesh", ["gateway-api", "istio"])
def test_everything_fits_together(mesh: str, environment: str) -> None:
    assert contradictions(compiled(mesh, environment)) == ()


def bent(change: Callable[[Objects], object], environment: str = "prod") -> set[tuple[str, str]]:
    """(subject, code) of what is found after ``change`` was made to the objects, by (namespace, kind, name)."""
    found = []
    for one in compiled("istio", environment):
        copies = [msgspec.structs.replace(each, object=deepcopy(each.object)) for each in one.objects]
        known = {(each.identity[2], each.identity[1], each.identity[3]): each.object for each in copies}
        if one.application == "checkout":
            change(known)
        kept = tuple(each for each in copies if any(each.object is left for left in known.values()))
        found.append(msgspec.structs.replace(one, objects=kept))
    return {(each.subject, each.code) for each in contradictions(found)}


def own(kind: str, name: str = "checkout") -> tuple[str, str, str]:
    return "checkout", kind, name


def _closed(found: Objects) -> None:
    found[own("AuthorizationPolicy")]["spec"]["rules"].pop(0)


def _opened(found: Objects) -> None:
    source = {"source": {"principals": ["cluster.local/ns/web/sa/web"]}}
    found[own("AuthorizationPolicy")]["spec"]["rules"].append(
        {"from": [source], "to": [{"operation": {"ports": ["8080"]}}]}
    )


def _other_key(found: Objects) -> None:
    found[own("ExternalSecret")]["spec"]["data"][0]["secretKey"] = "OTHER"


def _other_port(found: Objects) -> None:
    found[own("VirtualService")]["spec"]["http"][0]["route"][0]["destination"]["port"]["number"] = 1


def _other_host(found: Objects) -> None:
    found[own("DestinationRule")]["spec"]["host"] = "checkout.svc"


def _other_pods(found: Objects) -> None:
    schedule = found[own("Schedule", "checkout-cpu-stress")]["spec"]
    schedule["stressChaos"]["selector"]["labelSelectors"] = {"app.kubernetes.io/name": "web"}


@pytest.mark.parametrize(
    ("change", "subject", "code"),
    [
        (_closed, "AuthorizationPolicy/checkout", "one-sided"),
        (_opened, "AuthorizationPolicy/checkout", "one-sided"),
        (_other_key, "Deployment/checkout", "secret"),
        (_other_port, "VirtualService/checkout", "port"),
        (_other_host, "DestinationRule/checkout", "target"),
        (lambda found: found.pop(own("ExternalSecret")), "Deployment/checkout", "secret"),
        (lambda found: found.pop(own("ObjectStore", "checkout-db")), "Cluster/checkout-db", "target"),
        (lambda found: found.pop(own("Instrumentation")), "Deployment/checkout", "target"),
    ],
)
def test_what_no_longer_fits_is_named(change: Callable[[Objects], object], subject: str, code: str) -> None:
    assert (f"checkout/{subject}", code) in bent(change)


def test_a_fault_that_finds_no_pod_is_named() -> None:
    assert ("checkout/Schedule/checkout-cpu-stress", "selector") in bent(_other_pods, "dev")
    assert bent(lambda found: found.pop(own("Cluster", "checkout-db"))) == {
        ("checkout/Deployment/checkout", "secret"),
        ("checkout/ScheduledBackup/checkout-db", "target"),
    }

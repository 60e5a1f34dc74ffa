"""What objects ask for, and what that costs before it runs."""

from decimal import Decimal
from typing import Any

import pytest

from shipway.cost.advice import advice
from shipway.cost.demand import Instances, demands, quantity
from shipway.cost.estimate import Estimate, cost_facts, difference, estimate
from shipway.cost.money import Unknown
from shipway.cost.prices import DEFAULT, PriceList
from shipway.model.errors import BadInput
from shipway.model.quantities import parse_money
from tests.render.shop import compiled

PRICES = PriceList(
    "USD",
    {
        ("cpu", "on-demand"): Decimal("0.04"),
        ("cpu", "spot"): Decimal("0.01"),
        ("memory", "on-demand"): Decimal("0.004"),
        ("memory", "spot"): Decimal("0.001"),
        ("storage", "on-demand"): Decimal("0.0001"),
    },
    "the test",
)


def pod(cpu: str = "500m", memory: str = "1Gi", **more: Any) -> dict[str, Any]:
    container = {"name": "app", "resources": {"requests": {"cpu": cpu, "memory": memory}}}
    return {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [container], **more}}


def deployment(replicas: int | None = 2, **more: Any) -> dict[str, Any]:
    spec = {"replicas": replicas, "template": pod(**more)}
    return {"kind": "Deployment", "metadata": {"name": "web"}, "spec": {k: v for k, v in spec.items() if v is not None}}


def scaler(kind: str = "HorizontalPodAutoscaler", **spec: Any) -> dict[str, Any]:
    target = {"kind": "Deployment", "name": "web"}
    return {"kind": kind, "metadata": {"name": "web"}, "spec": {"scaleTargetRef": target, **spec}}


def priced(*objects: dict[str, Any], prices: PriceList = PRICES) -> Estimate:
    return estimate("web", "prod", "eu", objects, prices)


@pytest.mark.parametrize(
    ("text", "number"),
    [("250m", "0.25"), ("1Gi", str(2**30)), (2, "2"), (0.5, "0.5"), ("1e3", "1000"), ("100k", "100000"), (".5", "0.5")],
)
def test_quantities_of_kubernetes(text: object, number: str) -> None:
    assert quantity(text) == Decimal(number)


@pytest.mark.parametrize("text", ["", "1GB", "-1", "nan", "inf", "1 Gi", True, None, "1e999"])
def test_what_is_no_quantity(text: object) -> None:
    with pytest.raises(ValueError, match="expected a quantity"):
        quantity(text)


def test_requests_times_replicas_by_the_hour_and_by_the_month() -> None:
    found = priced(deployment(2))
    assert found.hourly.low == found.hourly.high == 2 * (Decimal("0.02") + Decimal("0.004"))
    assert found.monthly.low == Decimal("35.04")
    assert [(line.resource, line.low, line.unit) for line in found.lines] == [("cpu", 1, "core"), ("memory", 2, "GiB")]


@pytest.mark.parametrize(
    ("extra", "low", "high"),
    [
        (scaler(minReplicas=2, maxReplicas=10), 2, 10),
        (scaler(maxReplicas=10), 1, 10),
        (scaler("ScaledObject", minReplicaCount=3, maxReplicaCount=6), 3, 6),
        (scaler("ScaledObject"), 0, 100),
    ],
)
def test_a_scaler_makes_a_range(extra: dict[str, Any], low: int, high: int) -> None:
    found = priced(deployment(None), extra).hourly
    assert (found.low, found.high) == (low * Decimal("0.024"), high * Decimal("0.024"))


def test_spot_is_a_wish_so_the_dear_end_is_without_it() -> None:
    tolerant = deployment(1, tolerations=[{"key": "shipway.dev/spot", "operator": "Exists"}])
    found = priced(tolerant).hourly
    assert (found.low, found.high) == (Decimal("0.006"), Decimal("0.024"))


def test_containers_add_up_and_one_that_runs_before_them_counts_alone() -> None:
    one = deployment(1)
    inside = one["spec"]["template"]["spec"]
    inside["containers"].append({"name": "side", "resources": {"limits": {"cpu": "1", "memory": "0"}}})
    inside["initContainers"] = [
        {"name": "migrate", "resources": {"requests": {"cpu": "4", "memory": "0"}}},
        {"name": "proxy", "restartPolicy": "Always", "resources": {"requests": {"cpu": "250m", "memory": "0"}}},
    ]
    assert next(iter(demands([one]))).each == 4
    inside["initContainers"].pop(0)
    assert next(iter(demands([one]))).each == Decimal("1.75")


def test_disks_databases_gpus_and_load_balancers() -> None:
    claim = {"spec": {"resources": {"requests": {"storage": "10Gi"}}}}
    kept = {"kind": "StatefulSet", "metadata": {"name": "db"}, "spec": {"replicas": 3, "template": pod()}}
    kept["spec"]["volumeClaimTemplates"] = [claim]
    cluster = {
        "apiVersion": "postgresql.cnpg.io/v1",
        "kind": "Cluster",
        "metadata": {"name": "pg"},
        "spec": {"instances": 2, "storage": {"size": "20Gi"}, "resources": {"requests": {"cpu": "1", "memory": "2Gi"}}},
    }
    accelerated = deployment(1)
    resources = accelerated["spec"]["template"]["spec"]["containers"][0]["resources"]
    resources["limits"] = {"nvidia.com/gpu": 2}
    balancer = {"kind": "Service", "metadata": {"name": "lb"}, "spec": {"type": "LoadBalancer"}}
    found = priced(kept, cluster, accelerated, balancer, {"kind": "PersistentVolumeClaim", "metadata": {}, **claim})
    by = {(line.workload, line.resource): line for line in found.lines}
    assert by["StatefulSet/db", "storage"].hourly.low == Decimal("0.003")
    assert by["Cluster/pg", "storage"].low == 40
    assert by["Cluster/pg", "cpu"].low == 2
    assert by["PersistentVolumeClaim/", "storage"].low == 10
    assert by["Deployment/web", "gpu"].hourly.unknown == ("no price for gpu in the test",)
    assert by["Service/lb", "load balancer"].hourly.empty
    assert found.hourly.unknown == ("no price for gpu in the test", "no price for load balancer in the test")
    assert priced(accelerated, prices=DEFAULT).lines[-1].hourly.low == Decimal("1.9")


@pytest.mark.parametrize(
    ("one", "reason"),
    [
        (deployment(1, cpu=None), "Deployment/web app requests no cpu"),
        (deployment(1, memory="1GB"), 'Deployment/web app: memory: expected a quantity such as 250m or 1Gi, got "1GB"'),
        ({"kind": "DaemonSet", "metadata": {"name": "a"}}, "runs on every machine"),
        ({"kind": "CronJob", "metadata": {"name": "a"}}, "runs for a time that nobody has declared"),
    ],
)
def test_unknown_is_unknown_and_never_nothing(one: dict[str, Any], reason: str) -> None:
    found = priced(one)
    assert reason in found.monthly.unknown[0]
    assert any(line.low is None and line.hourly.empty for line in found.lines)
    facts = cost_facts([found], parse_money("$1/month"))
    assert "highest" not in facts
    assert facts["unknown"]
    assert ("monthly" in facts) == (one["kind"] == "Deployment")


def test_facts_for_policies() -> None:
    found = [priced(deployment(None), scaler(minReplicas=1, maxReplicas=4))]
    facts = cost_facts(found, parse_money("$30/month"))
    assert facts == {"currency": "USD", "monthly": 17.52, "highest": 70.08, "budget": 30.0}
    assert "budget" not in cost_facts(found, parse_money("€30/month"))
    assert "budget" not in cost_facts(found, None)


def test_the_difference_between_two_releases() -> None:
    before, after = priced(deployment(2)), priced(deployment(3))
    (change,) = difference([before], [after])
    assert change.low == change.high == Decimal("17.52")
    assert difference([before], [before]) == ()
    (new,) = difference([], [after])
    assert (new.before, new.low) == (None, after.monthly.low)
    (gone,) = difference([before], [])
    assert (gone.after, gone.low) == (None, -before.monthly.low)
    (unclear,) = difference([before], [priced(deployment(2, cpu=None))])
    assert unclear.low is None
    with pytest.raises(BadInput, match="EUR and USD"):
        difference([before], [priced(deployment(1), prices=PriceList("EUR", PRICES.rates, "other"))])


def test_what_is_compiled_is_priced_whole() -> None:
    objects = [one.object for one in compiled("checkout")]
    found = {(one.workload, one.resource): one for one in demands(objects)}
    assert found["Deployment/checkout", "cpu"].instances == Instances(2, 10)
    assert found["Deployment/checkout", "cpu"].each == Decimal("0.5")
    assert (found["Cluster/checkout-db", "storage"].each, found["Cluster/checkout-db", "storage"].instances.low) == (
        20,
        3,
    )
    assert not any(isinstance(one.each, Unknown) for one in found.values())
    assert priced(*objects).hourly.unknown == ()


def test_advice_on_spot_looks_at_price_state_replicas_and_disruption_budget() -> None:
    budget = {"kind": "PodDisruptionBudget", "spec": {"selector": {"matchLabels": {"app": "web"}}}}
    found = {one.purchase: one for one in advice([deployment(2), budget], PRICES)}
    assert (found["spot"].verdict, found["spot"].saving, found["spot"].ratio) == (
        "advised",
        Decimal("26.28"),
        Decimal("0.75"),
    )
    assert found["reserved"].verdict == "unknown"
    assert "no reserved price for cpu in the test" in found["reserved"].reasons[0]

    def reasons(*objects: dict[str, Any], prices: PriceList = PRICES) -> str:
        (spot,) = (one for one in advice(objects, prices) if one.purchase == "spot")
        assert spot.verdict == "not advised"
        return "; ".join(spot.reasons)

    assert "no PodDisruptionBudget" in reasons(deployment(2))
    assert "an outage" in reasons(deployment(1), budget)
    kept = {**deployment(2), "kind": "StatefulSet"}
    assert "it keeps state" in reasons(kept)
    near = {**PRICES.rates, ("cpu", "spot"): Decimal("0.035"), ("memory", "spot"): Decimal("0.0035")}
    assert "less than 30%" in reasons(deployment(2), budget, prices=PriceList("USD", near, "near"))
    done = deployment(2, tolerations=[{"key": "shipway.dev/spot"}])
    assert next(iter(advice([done, budget], PRICES))).verdict == "done"


def test_a_reservation_is_advised_for_what_always_runs() -> None:
    rates = {**PRICES.rates, ("cpu", "reserved"): Decimal("0.02"), ("memory", "reserved"): Decimal("0.002")}
    prices = PriceList("USD", rates, "reserved")
    always = [one for one in advice([deployment(2)], prices) if one.purchase == "reserved"]
    assert [(one.verdict, one.ratio) for one in always] == [("advised", Decimal("0.5"))]
    never = [one for one in advice([deployment(None), scaler("ScaledObject")], prices) if one.purchase == "reserved"]
    assert never[0].reasons == ("it may run no instance at all",)

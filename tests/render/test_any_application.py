"""Whatever an application says, what is made of it is valid and agrees with itself, in every environment and with every choice."""

from typing import Any

import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shipway.render.compiling import compile_organisation
from shipway.render.truth import contradictions
from shipway.spec.organisation import read_organisation
from shipway.spec.reading import Source
from tests.render.schemas import catalogue, problems
from tests.spec.test_properties import countable

HEAD = {"apiVersion": "shipway.dev/v1alpha1"}
BACKEND: dict[str, Any] = {
    **HEAD,
    "kind": "Application",
    "metadata": {"name": "backend"},
    "spec": {
        "archetype": "api-service",
        "image": "registry.example.com/backend:1",
        "port": {"http": 8080, "admin": 9001},
    },
}


def optional(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """A map with some of the fields."""
    return st.fixed_dictionaries({}, optional=fields)


durations = st.sampled_from(["200ms", "1s", "90s", "5m", "1h30m", "30d"])
shares = st.decimals(min_value="0.01", max_value="99.99", places=2).map(lambda share: f"{share}%")
names = st.from_regex(r"\A[a-z][a-z0-9]{0,8}\Z")

tuned_delivery = optional(
    patience=st.sampled_from([1, 2.5, 10]),
    minRequests=st.sampled_from([0, 500]),
    onInconclusive=st.sampled_from(["hold", "extend", "advance"]),
    supersede=st.sampled_from(["replace", "queue"]),
    keep=st.just("0s") | durations,
    affinity=st.sampled_from(["none", "cookie", {"header": "x-user"}]),
    match=st.sampled_from([{}, {"header": "x-canary"}, {"cookie": "canary"}]),
    alpha=st.sampled_from([0.01, "5%"]),
    tolerance=st.floats(1, 10),
    floor=shares,
    warmUp=durations,
)
tuned = optional(
    health=optional(startup=durations, interval=durations, timeout=durations, failures=st.integers(1, 9)),
    resources=st.sampled_from([0.3, 2]).map(lambda factor: {"factor": factor}),
    slo=optional(window=durations, calendar=st.sampled_from(["week", "month"])),
    chaos=st.lists(st.sampled_from(["instance-loss", "network-delay", "network-loss", "cpu-stress"]), unique=True),
    delivery=tuned_delivery,
)
"""What only a Platform says of applications."""

platforms = st.builds(
    lambda components, nodes, everybody, archetype, strict, dev: {
        **HEAD,
        "kind": "Platform",
        "metadata": {"name": "acme"},
        "spec": {
            "environments": {"dev": {"defaults": dev}, "prod": {}},
            "components": {**components, "network": {"nodes": nodes}},
            "defaults": everybody,
            "archetypes": {"api-service": archetype},
            "profiles": {"cost": {}, "security": {"strict": {"defaults": strict}}},
            "metrics": {"paymentsSettled": {"unit": "ratio", "good": "settled{app='{app}'}", "total": "payments"}},
        },
    },
    optional(
        mesh=st.sampled_from(["gateway-api", "istio"]),
        autoscaler=st.sampled_from(["hpa", "keda"]),
        pullSecret=st.just("registry"),
        tracing=st.just({"endpoint": "http://collector.observability.svc:4318"}),
        ingress=st.just({"domain": "apps.example.com", "issuer": "letsencrypt"}),
        databases=st.just({"backups": "s3://backups", "storageClass": "fast"}),
        gitops=st.just({"repository": "https://github.com/acme/deployments"}),
    ),
    st.sampled_from([[], ["10.0.0.0/16", "fd00::/8"]]),
    *[tuned] * 4,
)


def told(dependency: str | dict[str, str]) -> str:
    """What a container is told a dependency by: two engines of one kind need names."""
    if isinstance(dependency, str):
        return dependency
    ((kind, engine),) = dependency.items()
    return f"{kind}/{engine.partition('/')[2]}"


dependencies = st.lists(
    st.sampled_from(
        [
            "backend",
            "backend:admin",
            {"database": "postgres"},
            {"database": "postgres/orders"},
            {"database": "mysql"},
            {"cache": "redis"},
            {"cache": "memcached"},
            {"queue": "kafka"},
            {"queue": "nats/events"},
            {"bucket": "s3/files"},
            "api.example.com",
        ]
    ),
    max_size=5,
    unique_by=told,
)
signals = st.sampled_from(
    ["cpu", "cpu 1%", "cpu 70%", "memory 33.3%", "memory", "requests", "requests 50/s", "requests 0.5/s"]
)
instances = st.one_of(
    st.just({}),
    st.integers(0, 50).map(lambda count: {"replicas": count}),
    st.builds(
        lambda least, more, signal: {"scale": {"min": least, "max": least + more, **signal}},
        st.integers(1, 5),
        st.integers(0, 50),
        optional(signal=signals),
    ),
)
spoken = st.sampled_from(["http", "grpc", "tcp"])
further = optional(metrics=st.just(9090), admin=st.just(9001), debug=st.just(9002), tcp=st.just(5432))
ports = st.just(8000) | st.builds(lambda main, more: {**more, main: 9000}, spoken, further)
workers_ports = st.sampled_from([8081, {"health": 8081, "metrics": 9090}, {"http": 8081, "debug": 9002}])
common = optional(
    command=st.just(["run", "--port", "{port}", "--name", "{instance}"]),
    health=st.sampled_from(["/", "/healthz", {"path": "/up"}]),
    resources=st.sampled_from(["auto", {"cpu": "500m"}, {"cpu": 2, "memory": "1Gi"}]),
    slo=optional(
        availability=shares,
        latency=st.just("95% < 200ms") | st.just(["95% < 200ms", "99% < 1s"]),
        objectives=st.just({"paymentsSettled": "99%"}),
    ),
    budget=st.sampled_from(["$300/month", "€5/day", "£0.5"]),
    profiles=optional(cost=names, monitoring=names, security=st.just("strict")),
    dependsOn=dependencies,
    secrets=st.sets(st.sampled_from(["STRIPE_KEY", "S1", "S_"])).map(lambda found: dict.fromkeys(found, "team/secret")),
    dataClass=st.sampled_from(["public", "restricted"]),
    runsIn=st.just(["prod"]),
)
disks = st.sampled_from([{}, {"/data": "1Gi"}, {"/var/lib/app": "1500Mi"}, {"/srv/app.d/v1.2": "2Gi"}])
sizes = st.sets(st.sampled_from(["postgres", "orders"])).map(lambda found: dict.fromkeys(found, "5Gi"))
lasting = st.fixed_dictionaries({"environments": st.fixed_dictionaries({"prod": instances}), "storage": disks})
specs = st.one_of(
    st.tuples(
        st.sampled_from(["web-app", "api-service", "ml-model"]),
        instances,
        optional(port=ports, visibility=st.sampled_from(["private", "internal", "public"])),
        lasting,
    ),
    st.tuples(st.just("background-worker"), instances, optional(port=workers_ports), lasting),
    st.tuples(
        st.just("scheduled-job"),
        st.fixed_dictionaries(
            {"schedule": st.sampled_from(["release", "0 3 * * *", "30 2 * * * for 20m", "release for 1h30m"])}
        ),
    ),
).map(lambda parts: {"archetype": parts[0], **{key: value for part in parts[1:] for key, value in part.items()}})


def following(spec: dict[str, Any], signal: str) -> dict[str, Any]:
    """Whoever has a queue and scales follows the queue."""
    queues = [one for one in spec.get("dependsOn", ()) if isinstance(one, dict) and "queue" in one]
    return {**spec, "scale": {**spec["scale"], "signal": signal}} if queues and "scale" in spec else spec


def stored(spec: dict[str, Any], found: dict[str, str]) -> dict[str, Any]:
    """Databases that it has may have disks of a size, all are larger in prod, and an instance's alone may be one word."""
    called = [one["database"] for one in spec.get("dependsOn", ()) if isinstance(one, dict) and "database" in one]
    known = {name: size for name, size in found.items() if {name, f"postgres/{name}"} & set(called)}
    storage = {**spec.get("storage", {}), **known}
    larger = {**spec.get("environments", {}).get("prod", {}), "storage": dict.fromkeys(storage, "9Gi")}
    said = storage["/data"] if list(storage) == ["/data"] else storage
    return {**spec, "storage": said, "environments": {"prod": larger}}


applications = st.builds(
    lambda spec, shared, signal, found: {
        **HEAD,
        "kind": "Application",
        "metadata": {"name": "shop", "team": "storefront"},
        "spec": stored(following(countable({**shared, **spec, "image": "registry.example.com/shop:1"}), signal), found),
    },
    specs,
    common,
    st.sampled_from(["queue", "queue 200"]),
    sizes,
)


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(platforms, applications)
def test_it_is_valid_everywhere(platform: dict[str, Any], application: dict[str, Any]) -> None:
    known = catalogue()
    text = yaml.safe_dump_all([platform, application, BACKEND])
    organisation, found = read_organisation([Source("all.yaml", text)])
    assert organisation is not None
    assert not found, text
    for environment in organisation.environments:
        compiled = list(compile_organisation(organisation, environment))
        for each in (each for one in compiled for each in one.objects):
            assert problems(each.object, known) == [], each.object
            assert set(each.provenance) == set(each.values)
        assert contradictions(compiled) == ()

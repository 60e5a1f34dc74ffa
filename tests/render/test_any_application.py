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
from tests.spec.test_properties import changeable, optional, variables

HEAD = {"apiVersion": "shipway.dev/v1alpha1"}
BACKEND: dict[str, Any] = {
    **HEAD,
    "kind": "Application",
    "metadata": {"name": "backend"},
    "spec": {"archetype": "api-service", "image": "registry.example.com/backend:1", "ports": {"admin": 9001}},
}
platforms = st.builds(
    lambda components, nodes: {
        **HEAD,
        "kind": "Platform",
        "metadata": {"name": "acme"},
        "spec": {
            "environments": {"dev": {"defaults": {"resources": {"factor": 0.3}}}, "prod": {}},
            "components": {**components, "network": {"nodes": nodes}},
            "profiles": {"cost": {}},
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
)
dependencies = st.lists(
    st.sampled_from(
        [
            "backend",
            {"application": "backend", "port": "admin"},
            {"database": "postgres", "name": "orders", "storage": "5Gi"},
            {"database": "mysql"},
            {"cache": "redis"},
            {"cache": "memcached"},
            {"queue": "kafka"},
            {"queue": "nats", "name": "events"},
            {"bucket": "s3"},
            {"host": "api.example.com"},
        ]
    ),
    max_size=5,
    unique_by=str,
)
instances = st.one_of(
    st.just({}),
    st.integers(0, 50).map(lambda count: {"replicas": count}),
    st.builds(
        lambda least, more, signal, target: {
            "scale": {"min": least, "max": least + more, "signal": signal, **({"target": target} if target else {})}
        },
        st.integers(1, 5),
        st.integers(0, 50),
        st.sampled_from(["cpu", "memory", "requests"]),
        st.sampled_from([None, 1, 70, 33.3]),
    ),
)
common = optional(
    command=st.just(["run", "--port", "{port}", "--name", "{instance}"]),
    ports=st.sampled_from([{"metrics": 9090}, {"admin": 9001, "debug": 9002}]),
    dependsOn=dependencies,
    secrets=st.dictionaries(variables.map("S{}".format), st.just("team/secret"), max_size=2),
    dataClass=st.sampled_from(["public", "restricted"]),
    runsIn=st.just(["prod"]),
)
serving = st.tuples(
    instances,
    optional(
        visibility=st.sampled_from(["private", "internal", "public"]),
        protocol=st.sampled_from(["http", "grpc", "tcp"]),
        storage=st.sampled_from(["1Gi", {"size": "1500Mi", "path": "/var/lib/app"}]),
        chaos=st.lists(st.sampled_from(["instance-loss", "network-delay", "network-loss", "cpu-stress"]), unique=True),
        environments=st.fixed_dictionaries({"prod": instances}),
    ),
).map(lambda parts: {**parts[0], **parts[1]})
jobs = st.fixed_dictionaries({"schedule": st.sampled_from(["release", "0 3 * * *"])})
specs = st.one_of(
    st.tuples(st.sampled_from(["web-app", "api-service", "ml-model"]), serving),
    st.tuples(
        st.just("background-worker"),
        serving.map(lambda spec: {k: v for k, v in spec.items() if k not in {"visibility", "protocol"}}),
    ),
    st.tuples(st.just("scheduled-job"), jobs),
)


def following(spec: dict[str, Any]) -> dict[str, Any]:
    """Whoever has a queue and scales follows the queue."""
    queues = [one for one in spec.get("dependsOn", ()) if isinstance(one, dict) and "queue" in one]
    return {**spec, "scale": {**spec["scale"], "signal": "queue"}} if queues and "scale" in spec else spec


applications = st.builds(
    lambda found, shared, values: {
        **HEAD,
        "kind": "Application",
        "metadata": {"name": "shop", "team": "storefront"},
        "spec": following(
            {**shared, **values, "archetype": found[0], "image": "registry.example.com/shop:1", **found[1]}
        ),
    },
    specs,
    common,
    changeable.map(
        lambda values: {key: value for key, value in values.items() if key not in {"image", "delivery", "env"}}
    ),
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

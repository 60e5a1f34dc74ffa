"""Whatever two valid applications say, their objects are accepted by their APIs, fit together, and say why; translated, too."""

import json
from typing import Any

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from shipway.render.argo import argo_rollouts
from shipway.render.argo import notes as argo_notes
from shipway.render.compiling import compile_organisation
from shipway.render.flagger import flagger
from shipway.render.flagger import notes as flagger_notes
from shipway.render.truth import contradictions
from shipway.spec.organisation import Organisation, read_organisation
from shipway.spec.reading import Source
from tests.render.schemas import catalogue, problems

ARCHETYPES = ("web-app", "api-service", "background-worker", "scheduled-job", "ml-model")
RESOURCES: tuple[dict[str, str], ...] = (
    {"database": "postgres"},
    {"database": "postgres", "name": "orders", "storage": "20Gi"},
    {"database": "mysql"},
    {"cache": "redis"},
    {"queue": "rabbitmq"},
    {"bucket": "s3"},
    {"host": "api.stripe.com"},
)
CHECKS = (
    "errorRate < 0.1%",
    "availability >= 99%",
    "latencyP95 < 200ms",
    "costPerRequest increase < 10%",
    "requestRate > 1/s",
)


def maybe(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Left out half of the time."""
    return st.none() | strategy


@st.composite
def delivery(draw: st.DrawFn) -> object:
    weights = sorted(draw(st.sets(st.sampled_from([0.01, 0.5, 1, 5, 25, 50, 99.99]), min_size=1, max_size=4)))
    steps = []
    for weight in weights:
        step = {"weight": f"{weight:g}%", "for": draw(st.sampled_from(["0s", "90s", "5m", "1h"]))}
        more = {"approval": maybe(st.just("leads")), "minRequests": maybe(st.sampled_from([0, 500]))}
        steps.append(step | {key: value for key, one in more.items() if (value := draw(one)) is not None})
    found = {
        "steps": steps,
        "check": draw(st.lists(st.sampled_from(CHECKS), max_size=3, unique=True)),
        "rollback": draw(st.sampled_from(["automatic", "manual"])),
        "onInconclusive": draw(st.sampled_from(["hold", "extend", "advance"])),
        "advance": draw(st.sampled_from(["time", "evidence"])),
        "affinity": draw(st.sampled_from(["none", "cookie", {"header": "x-user"}])),
        "match": draw(st.sampled_from([{}, {"header": "x-canary"}, {"cookie": "canary"}])),
    }
    return draw(st.sampled_from(["canary", "direct", found, found, found]))


@st.composite
def application(draw: st.DrawFn, name: str, callees: tuple[str, ...]) -> dict[str, Any]:
    archetype = draw(st.sampled_from(ARCHETYPES))
    serving, job = archetype not in {"background-worker", "scheduled-job"}, archetype == "scheduled-job"
    depends = [
        *(callee for callee in callees if draw(st.booleans())),
        *draw(st.lists(st.sampled_from(RESOURCES), unique_by=str)),
    ]
    optional: dict[str, st.SearchStrategy[Any]] = {
        "protocol": st.sampled_from(["http", "grpc", "tcp"]) if serving else st.none(),
        "visibility": st.sampled_from(["private", "internal", "public"]),
        "ports": st.sampled_from([{"admin": 8081}, {"metrics": 9090, "admin": 8081}]),
        "health": st.sampled_from(["/healthz", {"path": "/healthz", "startup": "5m"}]),
        "env": st.just({"LOG_LEVEL": "no"}),
        "secrets": st.just({"STRIPE_KEY": "payments/stripe-key"}),
        "resources": st.sampled_from(["auto", {"cpu": "250m"}, {"cpu": 2, "memory": "1Gi", "factor": 0.3}]),
        "scale": st.none() if job else st.just({"min": 2, "max": 9}),
        "chaos": st.lists(
            st.sampled_from(["instance-loss", "network-delay", "network-loss", "cpu-stress"]), unique=True
        ),
        "slo": st.sampled_from([{"availability": "99.95%"}, {"latency": ["95% < 200ms", "99% < 1s"], "window": "7d"}]),
        "storage": st.none() if job else st.just("10Gi"),
        "delivery": delivery() if serving else st.none(),
        "profiles": st.sampled_from([{"monitoring": "quiet"}, {"cost": "frugal", "security": "strict"}]),
    }
    said = {key: value for key, one in optional.items() if (value := draw(maybe(one))) is not None}
    spec = {"archetype": archetype, "image": f"registry.example.com/{name}:1", "dependsOn": depends, **said}
    spec |= {"schedule": draw(st.sampled_from(["0 3 * * *", "release"]))} if job else {}
    return {
        "apiVersion": "shipway.dev/v1alpha1",
        "kind": "Application",
        "metadata": {"name": name, **draw(st.sampled_from([{}, {"team": "payments", "system": "shop"}]))},
        "spec": spec,
    }


@st.composite
def platform(draw: st.DrawFn) -> dict[str, Any]:
    components = {
        "mesh": draw(st.sampled_from(["gateway-api", "istio"])),
        "autoscaler": draw(st.sampled_from(["hpa", "keda"])),
        "ingress": draw(
            st.sampled_from([{}, {"domain": "apps.example.com"}, {"domain": "apps.example.com", "issuer": "le"}])
        ),
        "tracing": draw(st.sampled_from([{}, {"endpoint": "http://collector.observability.svc:4318"}])),
        "databases": draw(st.sampled_from([{}, {"backups": "gs://acme", "storageClass": "fast", "instances": 1}])),
        "network": draw(st.sampled_from([{}, {"nodes": ["10.0.0.0/16"]}])),
        "monitoring": draw(st.sampled_from([{}, {"dashboards": "operator", "labels": {"release": "prometheus"}}])),
    }
    profiles = {
        "cost": {"frugal": {"spot": True, "rightsizing": "auto"}},
        "monitoring": {"quiet": {"alerts": False, "dashboard": False}},
        "security": {"strict": {"network": "strict", "scanImages": True}},
    }
    return {
        "apiVersion": "shipway.dev/v1alpha1",
        "kind": "Platform",
        "metadata": {"name": "acme"},
        "spec": {"environments": {"dev": {}, "prod": {}}, "components": components, "profiles": profiles},
    }


def read(*documents: dict[str, Any]) -> Organisation:
    found, wrong = read_organisation(
        [Source(f"{number}.yaml", json.dumps(one)) for number, one in enumerate(documents)]
    )
    assume(not wrong)  # rules between fields that the strategies leave to the reader: two in a hundred
    assert found is not None
    return found


@settings(max_examples=40)
@given(platform(), application("front", ("back",)), application("back", ()))
def test_any_two_applications(acme: dict[str, Any], front: dict[str, Any], back: dict[str, Any]) -> None:
    organisation, known = read(acme, front, back), catalogue()
    for environment in organisation.environments:
        compiled = list(compile_organisation(organisation, environment))
        assert contradictions(compiled) == ()
        for one in compiled:
            translated = (argo_rollouts(one.objects), flagger(one.objects))
            assert all(isinstance(note, str) for note in (*argo_notes(one.objects), *flagger_notes(one.objects)))
            for objects in (one.objects, *translated):
                assert len({each.identity for each in objects}) == len(objects)
                wrong = {each.identity: found for each in objects if (found := problems(each.object, known))}
                assert not wrong
                assert all(str(reason) for each in objects for reason in each.provenance.values())

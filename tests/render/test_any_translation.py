"""Whatever a delivery section says, its translations are accepted by their APIs, name nothing twice, and say why."""

import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from shipway.render import argo, flagger
from shipway.render.compiling import compile_organisation
from shipway.spec.organisation import read_organisation
from shipway.spec.reading import Source
from tests.render.schemas import catalogue, problems
from tests.render.test_any_application import optional, ports, tuned

HEAD = {"apiVersion": "shipway.dev/v1alpha1"}
CHECKS = (
    "errorRate < 0.1%",
    "availability >= 99%",
    "latencyP95 < 200ms",
    "costPerRequest increase < 10%",
    "requestRate > 1/s",
)


steps = st.lists(st.sampled_from([0.01, 0.5, 1, 5, 25, 50, 99.99]), min_size=1, max_size=4, unique=True).flatmap(
    lambda weights: st.tuples(*(step(weight) for weight in sorted(weights)))
)


def step(weight: float) -> st.SearchStrategy[dict[str, Any]]:
    said = {"weight": st.just(f"{weight:g}%"), "for": st.sampled_from(["0s", "90s", "5m", "1h"])}
    return st.fixed_dictionaries(said, optional={"approval": st.just("leads")})


deliveries = st.sampled_from(["canary", "direct"]) | optional(
    steps=steps,
    check=st.lists(st.sampled_from(CHECKS), max_size=3, unique=True),
    rollback=st.sampled_from(["automatic", "manual"]),
    advance=st.sampled_from(["time", "evidence"]),
    exposureBudget=st.just(50),
)
applications = st.builds(
    lambda spec: {
        **HEAD,
        "kind": "Application",
        "metadata": {"name": "front"},
        "spec": {"archetype": "api-service", "image": "registry.example.com/front:1", **spec},
    },
    optional(
        port=ports,
        visibility=st.just("public"),
        scale=st.just({"min": 2, "max": 9}),
        storage=st.sampled_from(["10Gi", {"/var/lib/search": "10Gi"}]),
        slo=st.just({"availability": "99.95%", "latency": ["95% < 200ms", "99% < 1s"]}),
        dependsOn=st.just([{"database": "postgres"}]),
        delivery=deliveries,
    ),
)
platforms = st.builds(
    lambda components, everybody, archetype: {
        **HEAD,
        "kind": "Platform",
        "metadata": {"name": "acme"},
        "spec": {
            "environments": {"prod": {}},
            "components": components,
            "defaults": everybody,
            "archetypes": {"api-service": archetype},
        },
    },
    optional(
        mesh=st.just("istio"),
        autoscaler=st.just("keda"),
        ingress=st.sampled_from(
            [{"domain": "apps.example.com"}, {"domain": "apps.example.com", "issuer": "letsencrypt"}]
        ),
    ),
    tuned,
    tuned,
)


@settings(max_examples=60)
@given(platforms, applications)
def test_it_is_valid_in_the_words_of_either(platform: dict[str, Any], application: dict[str, Any]) -> None:
    sources = [Source("platform.yaml", json.dumps(platform)), Source("front.yaml", json.dumps(application))]
    organisation, wrong = read_organisation(sources)
    assert organisation is not None
    assert not wrong
    known = catalogue()
    (one,) = compile_organisation(organisation, "prod")
    for translated in (argo.argo_rollouts(one.objects), flagger.flagger(one.objects)):
        assert len({each.identity for each in translated}) == len(translated)
        assert not {each.identity: found for each in translated if (found := problems(each.object, known))}
        assert all(str(reason) for each in translated for reason in each.provenance.values())
    assert all(isinstance(note, str) for note in (*argo.notes(one.objects), *flagger.notes(one.objects)))

"""From a file to the plan of a release: what is judged, what runs, and what only the machine can add."""

import pytest

from shipway.analysis.continuous import ContinuousTrack
from shipway.analysis.judge import begin, begin_step, observe
from shipway.analysis.policy import Indicator, JudgePolicy, Step
from shipway.analysis.readings import ArmReading, Reading
from shipway.engine.planning import Surroundings, indicators, plan_of
from shipway.spec import Application, Source, parse_documents, resolve
from shipway.spec.platform import Local
from tests.engine.desk import application, platform

HEAD = """\
apiVersion: shipway.dev/v1alpha1
kind: Application
metadata: {name: shop}
spec:
  archetype: api-service
  command: [serve, "{port}"]
"""


PLATFORM = """\
---
apiVersion: shipway.dev/v1alpha1
kind: Platform
metadata: {name: acme}
spec:
  defaults:
"""


def parsed(spec: str, defaults: str = "") -> Application:
    """What ``spec`` makes of an application where a platform says ``defaults``."""
    found = parse_documents([Source("shop.yaml", HEAD + spec + (PLATFORM + defaults) * bool(defaults))])
    assert found.problems == ()
    return resolve(found.declared[0], found.declared_platform).application


def around(**changes: object) -> Surroundings:
    settings = {"port": 8080, "directory": "/srv", "addresses": {}, "secrets": {}, "local": Local()}
    return Surroundings(**{**settings, **changes})


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ("", [("errorRate", "errors", None, 1.0)]),
        ("  slo: {availability: 99.9%}\n", [("errorRate", "errors", None, 1.0)]),
        (
            "  slo: {latency: 95% < 200ms}\n",
            [("errorRate", "errors", None, 1.0), ("latency > 200ms", "latency", None, 1.0)],
        ),
        (
            "  delivery: {check: ['errorRate < 1%', 'availability > 99.5%', 'latencyP99 < 1s', 'requestRate > 10/s']}\n",
            [
                ("errorRate", "errors", None, 1.0),
                ("errorRate < 1%", "errors", 0.01, 1.0),
                ("availability > 99.5%", "errors", pytest.approx(0.005), 1.0),
                ("latencyP99 < 1s", "latency", 0.01, 1.0),
                ("requestRate > 10/s", "requests", 10.0, 1.0),
            ],
        ),
    ],
)
def test_what_is_judged(spec: str, expected: list[tuple[object, ...]]) -> None:
    assert [(one.name, one.kind, one.limit, one.tolerance) for one in indicators(parsed(spec))] == expected


def test_an_increase_that_is_fine_takes_the_place_of_the_platforms_tolerance() -> None:
    tolerant, check = "    delivery: {tolerance: 2}\n", "['errorRate increase < 50%', 'latencyP95 increase < 10%']"
    slow = "  slo: {latency: 95% < 200ms}\n"
    assert [one.tolerance for one in indicators(parsed(slow, tolerant))] == [2.0, 2.0]
    judged = indicators(parsed(f"  delivery: {{check: {check}}}\n", tolerant))
    assert [(one.name, one.kind, one.limit, one.tolerance) for one in judged] == [
        ("errorRate", "errors", None, 1.5),
        ("latencyP95 increase < 10%", "distribution", None, 1.0),
    ]


def test_an_slo_is_the_floor_below_which_a_latency_is_no_harm() -> None:
    (errors, latency) = indicators(parsed("  slo: {availability: 99%, latency: 95% < 200ms}\n"))
    assert errors.slo == pytest.approx(0.01)
    assert (latency.threshold_ms, latency.slo, latency.floor) == (200.0, pytest.approx(0.05), pytest.approx(0.05))


def test_what_runs() -> None:
    spec = "  port: 8080\n  health: /up\n  replicas: 3\n  env: {B: '1', A: '2'}\n"
    workload = plan_of(parsed(spec, "    health: {startup: 7s, interval: 2s}\n"), around()).workload
    assert workload.command == ("serve", "{port}")
    assert (workload.replicas, workload.env) == (3, (("A", "2"), ("B", "1")))
    assert workload.startup.interval * workload.startup.failures == pytest.approx(7.0)
    assert workload.liveness == workload.readiness
    assert (workload.readiness.path, workload.readiness.interval) == ("/up", 2.0)


def test_without_a_health_path_there_is_no_liveness() -> None:
    workload = plan_of(parsed(""), around()).workload
    assert (workload.liveness, workload.readiness.path) == (None, "")


def test_what_speaks_grpc_is_not_asked_over_http_whatever_is_said_for_everybody() -> None:
    everybody = "    health: /healthz\n"
    for ports, path in (("8080", "/healthz"), ("{grpc: 9000, admin: 8080}", "")):
        workload = plan_of(parsed(f"  port: {ports}\n", everybody), around()).workload
        assert (workload.readiness.path, workload.startup.path, workload.liveness is None) == (path, path, not path)


def test_dependencies_are_reached_through_the_proxy_and_the_file_has_the_last_word() -> None:
    spec = "  dependsOn: [price-list, inventory, {database: postgres}]\n  env: {INVENTORY_URL: http://elsewhere}\n"
    plan = plan_of(parsed(spec), around(addresses={"price-list": 9001, "inventory": 9002}))
    assert plan.workload.env == (("INVENTORY_URL", "http://elsewhere"), ("PRICE_LIST_URL", "http://127.0.0.1:9001"))


def test_secrets_are_digests() -> None:
    plan = plan_of(parsed("  secrets: {KEY: payments/key}\n"), around(secrets={"payments/key": "d1g3st"}))
    assert plan.workload.secrets == (("KEY", "d1g3st"),)


def test_affinity_switches_the_split_test_off() -> None:
    assert plan_of(parsed("", "    delivery: {affinity: cookie}\n"), around()).judge.check_exposure is False
    assert plan_of(parsed(""), around()).judge.check_exposure is True


def test_delivery_is_carried_over() -> None:
    (declared,) = parse_documents([Source("shop.yaml", application().text)]).declared
    plan = plan_of(resolve(declared, platform()).application, around())
    assert [(step.weight, step.at_least, step.min_requests) for step in plan.steps] == [(5.0, 2.0, 20), (50.0, 2.0, 20)]
    assert (plan.strategy, plan.keep, plan.ready_within, plan.judge.warm_up) == ("canary", 5.0, 22.0, 0.0)


def test_a_step_waits_as_many_times_its_time_as_the_platform_has_patience() -> None:
    spec = "  delivery: {steps: [{weight: 5%, for: 2s}, {weight: 50%, for: 3m}]}\n"
    assert [step.at_most for step in plan_of(parsed(spec), around()).steps] == [20.0, 1800.0]
    patient = parsed(spec, "    delivery: {patience: 2.5}\n")
    assert [step.at_most for step in plan_of(patient, around()).steps] == [5.0, 450.0]


def test_every_word_of_a_platform_about_judging_reaches_the_plan() -> None:
    said = "alpha: 5%, floor: 2%, tolerance: 3, warmUp: 7s, onInconclusive: extend, supersede: queue, keep: 1h, match: {header: x-canary}"
    plan = plan_of(parsed("  replicas: 1\n", f"    delivery: {{{said}}}\n"), around())
    (errors,) = plan.judge.indicators
    assert (plan.judge.alpha, plan.judge.warm_up, errors.floor, errors.tolerance) == (0.05, 7.0, 0.02, 3.0)
    assert (plan.inconclusive, plan.supersede, plan.keep, plan.match.header) == ("extend", "queue", 3600.0, "x-canary")


def test_costs_are_not_compared_while_the_canary_has_little_to_do() -> None:
    """The same release twice: fixed costs make the small side look dear, and at an even split they cancel."""
    policy = JudgePolicy(
        indicators=(Indicator(name="cost", kind="continuous", measure="cpuSeconds", margin=0.2, least_weight=0.4),)
    )
    fixed, each, rate = 0.0013, 0.0002, 100.0
    arms = {"canary": [0.0, 0.0], "baseline": [0.0, 0.0]}

    def reading(at: float, share: float) -> Reading:
        for name, part in (("canary", share), ("baseline", 1 - share)):
            arms[name][0] += rate * part
            arms[name][1] += fixed + each * rate * part
        canary, baseline = (ArmReading(int(n), 0, (), (("cpuSeconds", cpu),)) for n, cpu in arms.values())
        return Reading(at, baseline, canary, share)

    state = begin_step(policy, begin(policy, 0.0), Step(weight=5.0), 0.0)
    tracks = []
    for second in range(1, 601):
        state = observe(policy, state, reading(float(second), 0.05 if second <= 300 else 0.5))
        (track,) = state.tracks
        assert isinstance(track, ContinuousTrack)
        tracks.append(track)
    assert tracks[299].blocks == 0
    assert tracks[-1].blocks == pytest.approx(29, abs=1)
    assert not tracks[-1].crossed
    assert tracks[-1].canary_mean == pytest.approx(tracks[-1].baseline_mean, rel=0.01)

"""The models: shorthands, defaults and what a value becomes."""

import json
from pathlib import Path

import pytest
from pydantic import ValidationError

from shipway.model import routing
from shipway.model.quantities import Money
from shipway.spec import Application, Check, LatencyObjective
from shipway.spec.application import Changeable, Dependency, Disk, Spec
from tests.spec.corpus import GOOD, HEAD, parse, parse_file


def spec(lines: str) -> Spec:
    parsed = parse(HEAD + lines)
    assert parsed.problems == ()
    return parsed.applications[0].spec


def defaults(lines: str) -> Changeable:
    """What a Platform says for everybody."""
    head = "apiVersion: shipway.dev/v1alpha1\nkind: Platform\nmetadata: {name: acme}\nspec:\n  defaults:\n    "
    parsed = parse(f"{head}{lines}\n")
    assert parsed.problems == ()
    assert parsed.platform is not None
    return parsed.platform.spec.defaults


def test_the_smallest_application_is_complete() -> None:
    plain = spec("")
    assert plain.port == 8080
    assert plain.visibility == "internal"
    assert plain.delivery.strategy == "canary"
    assert [step.weight for step in plain.delivery.steps] == [5.0, 25.0, 50.0]
    assert plain.health.path is None
    assert plain.slo.window == 30 * 86400


def test_values_are_plain() -> None:
    full = spec(
        "  slo: {availability: 99.9%, latency: 95% < 200ms}\n  budget: $300/month\n  resources: {cpu: 500m, memory: 1Gi}\n"
    )
    assert full.slo.availability == 0.999
    assert full.slo.latency == (LatencyObjective(0.95, 0.2),)
    assert full.budget == Money(300.0, "USD", "month")
    assert (full.resources.cpu, full.resources.memory) == (0.5, 2**30)


def test_one_latency_objective_or_several() -> None:
    assert spec("  slo: {latency: [95% < 200ms, 99% < 1s]}\n").slo.latency == (
        LatencyObjective(0.95, 0.2),
        LatencyObjective(0.99, 1.0),
    )


@pytest.mark.parametrize(
    ("written", "argv"),
    [
        ("python -m 'my shop' --port {port}", ("python", "-m", "my shop", "--port", "{port}")),
        ("[python, app.py, --batch, 050, --debug, true]", ("python", "app.py", "--batch", "050", "--debug", "true")),
    ],
)
def test_a_command_is_argv_as_written(written: str, argv: tuple[str, ...]) -> None:
    assert spec(f"  command: {written}\n").command == argv


def test_environment_variables_are_the_text_as_written() -> None:
    env = spec(
        "  env: {VERSION: 1.10, RATIO: 1e3, MASK: 0x10, ON: True, NO: no, N: 'null', TIME: 5:30, BIG: 010}\n"
    ).env
    assert env == {
        "VERSION": "1.10",
        "RATIO": "1e3",
        "MASK": "0x10",
        "ON": "True",
        "NO": "no",
        "N": "null",
        "TIME": "5:30",
        "BIG": "010",
    }


@pytest.mark.parametrize(
    ("written", "affinity"),
    [
        ("none", routing.Affinity()),
        ("cookie", routing.Affinity("cookie", "shipway-affinity")),
        ("{cookie: session}", routing.Affinity("cookie", "session")),
        ("{header: x-user-id}", routing.Affinity("header", "x-user-id")),
    ],
)
def test_affinity_in_the_words_of_the_routers(written: str, affinity: routing.Affinity) -> None:
    assert defaults(f"delivery: {{affinity: {written}}}").delivery.affinity.routing == affinity


def test_match_in_the_words_of_the_routers() -> None:
    match = defaults("delivery: {match: {header: x-canary}}").delivery.match
    assert match.routing == routing.CanaryMatch(header="x-canary", cookie="")


def test_delivery_with_everything_said() -> None:
    delivery = parse_file(next(path for path in GOOD if path.stem == "delivery")).applications[0].spec.delivery
    assert [(step.weight, step.at_least, step.approval) for step in delivery.steps] == [
        (5.0, 300.0, None),
        (25.0, 600.0, None),
        (50.0, 900.0, "payments-leads"),
    ]
    assert delivery.check[2] == Check("costPerRequest", "<", 0.1, "ratio", True, "costPerRequest increase < 10%")
    assert (delivery.advance, delivery.exposure_budget) == ("evidence", 50)


@pytest.mark.parametrize(
    ("lines", "protocol", "port", "further"),
    [
        ("", "http", 8080, {}),
        ("  port: 3000\n", "http", 3000, {}),
        ("  port: {http: 3000}\n", "http", 3000, {}),
        ("  port: {metrics: 9090, grpc: 9000}\n", "grpc", 9000, {"metrics": 9090}),
        ("  port: {grpc: 9000, http: 8080}\n", "http", 8080, {"grpc": 9000}),
        ("  port: {tcp: 5432}\n", "tcp", 5432, {}),
    ],
)
def test_the_main_port_is_called_after_what_is_spoken(
    lines: str, protocol: str, port: int, further: dict[str, int]
) -> None:
    found = spec(lines)
    assert (found.protocol, found.port, found.ports) == (protocol, port, further)


@pytest.mark.parametrize(
    ("lines", "port", "further"),
    [
        ("  port: 8081\n", 8081, {}),
        ("  port: {health: 8081, metrics: 9090}\n", 8081, {"metrics": 9090}),
        ("  port: {tcp: 9000, metrics: 9090}\n", 8080, {"tcp": 9000, "metrics": 9090}),
    ],
)
def test_what_serves_nobody_opens_what_it_names(lines: str, port: int, further: dict[str, int]) -> None:
    (found,) = parse(HEAD.replace("api-service", "background-worker") + lines).applications
    assert (found.spec.port, found.open_ports) == (port, further)


def test_health_is_asked_in_what_is_spoken() -> None:
    paths = [spec(f"  port: {{{name}: 9000}}\n  health: /up\n").health_path for name in ("http", "grpc", "tcp")]
    assert paths == ["/up", None, None]


def test_a_port_is_written_as_short_as_it_can_be() -> None:
    written = [parse(HEAD + lines).applications[0].document()["spec"]["port"] for lines in ("  port: {http: 1}\n", "")]
    assert written == [1, 8080]


@pytest.mark.parametrize(
    ("written", "field", "value"),
    [
        ("inventory", "application", "inventory"),
        ("ledger:admin", "port", "admin"),
        ("api.stripe.com", "host", "api.stripe.com"),
        ("{application: ledger}", "application", "ledger"),
        ("{database: postgres}", "kind", "database"),
        ("{database: postgres/orders}", "name", "orders"),
        ("{database: mysql}", "postgres", False),
        ("{database: postgres}", "postgres", True),
        ("{cache: redis}", "kind", "cache"),
        ("{queue: nats/mails}", "name", "mails"),
        ("{bucket: s3}", "name", None),
    ],
)
def test_what_is_depended_on(written: str, field: str, value: object) -> None:
    (found,) = spec(f"  dependsOn: [{json.dumps(written) if written[0] != '{' else written}]\n").depends_on
    assert getattr(found, field) == value
    assert Dependency.model_validate(found.model_dump(mode="json")) == found


def test_what_lasts() -> None:
    assert spec("  storage: 10Gi\n").disk == Disk("/data", 10 * 2**30)
    assert spec("  storage: {/index: 1Gi}\n").disk == Disk("/index", 2**30)
    only = spec("  dependsOn: [{database: postgres}]\n  storage: {postgres: 1Gi}\n")
    assert (only.disk, only.storage) == (None, {"postgres": 2**30})


@pytest.mark.parametrize(
    ("written", "kind", "target"),
    [
        ("cpu", "cpu", None),
        ("memory 75%", "memory", 75),
        ("requests 2.5/s", "requests", 2.5),
        ("queue 200", "queue", 200),
    ],
)
def test_what_the_number_of_instances_follows(written: str, kind: str, target: float | None) -> None:
    scale = spec(f"  dependsOn: [{{queue: kafka}}]\n  scale: {{max: 2, signal: {written}}}\n").scale
    assert scale is not None
    assert (scale.signal, scale.target) == (kind, target)
    assert scale.model_dump(mode="json")["signal"] == written


@pytest.mark.parametrize("alpha", ["0.01", "1%"])
def test_alpha_as_a_number_or_a_percentage(alpha: str) -> None:
    assert defaults(f"delivery: {{alpha: {alpha}}}").delivery.alpha == 0.01


@pytest.mark.parametrize(
    ("lines", "replicas"), [("", 1), ("  replicas: 3\n", 3), ("  replicas: 0\n", 0), ("  scale: {min: 2, max: 4}\n", 2)]
)
def test_how_many_instances_to_start(lines: str, replicas: int) -> None:
    assert parse(HEAD + lines).applications[0].replicas == replicas


@pytest.mark.parametrize("path", GOOD, ids=lambda path: path.stem)
def test_a_document_read_again_is_equal(path: Path) -> None:
    for application in parse_file(path).applications:
        assert Application.model_validate(application.document()) == application


def test_an_application_cannot_be_changed() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        spec("").visibility = "private"

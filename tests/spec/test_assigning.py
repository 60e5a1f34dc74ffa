"""``--set`` values are read, checked and reported like those of the file."""

import pytest

from tests.spec.corpus import HEAD, parse, problems


def value(path: str, *sets: str, text: str = HEAD) -> object:
    parsed = parse(text, *sets)
    assert parsed.problems == ()
    found: object = parsed.applications[0].document()
    for part in path.split("."):
        found = found[part]  # type: ignore[index]  # a document of maps
    return found


@pytest.mark.parametrize(
    ("path", "assignment", "expected"),
    [
        ("spec.image", "image=shop:2", "shop:2"),
        ("spec.image", "spec.image=registry:5000/shop@sha256:" + "0" * 64, "registry:5000/shop@sha256:" + "0" * 64),
        ("spec.replicas", "replicas=3", 3),
        ("spec.env.LEVEL", "spec.env.LEVEL=debug", "debug"),
        ("spec.env.N", "env.N=010", "010"),
        ("spec.env.JSON", 'env.JSON={"a": [1', '{"a": [1'),
        ("spec.env.EMPTY", "env.EMPTY=", ""),
        ("spec.env.PAIR", "env.PAIR=a=b", "a=b"),
        ("spec.delivery.strategy", "delivery=direct", "direct"),
        ("spec.delivery.check", "delivery.check=[errorRate < 1%]", ["errorRate < 1%"]),
        ("spec.scale.max", "scale={max: 4}", 4),
        ("metadata.team", "metadata.team=payments", "payments"),
        ("spec.slo.availability", "slo.availability=99.9%", "99.9%"),
    ],
)
def test_what_an_assignment_sets(path: str, assignment: str, expected: object) -> None:
    assert value(path, assignment) == expected


def test_the_last_assignment_wins() -> None:
    assert value("spec.image", "image=a:1", "image=b:2") == "b:2"


def test_inside_a_shorthand_the_word_stays() -> None:
    text = HEAD + "  delivery: direct\n  health: /up\n"
    assert value("spec.delivery.strategy", "delivery.rollback=manual", text=text) == "direct"
    assert value("spec.health.path", "health.path=/down", text=text) == "/down"
    assert value("spec.resources.cpu", "resources.cpu=2", text=HEAD + "  resources: auto\n") == "2"


def test_a_port_beside_the_main_one() -> None:
    assert value("spec.port", "port.metrics=9090", text=HEAD + "  port: 3000\n") == {"http": 3000, "metrics": 9090}


def test_an_alias_elsewhere_keeps_its_value() -> None:
    text = HEAD + "  env: &env {A: x}\n  environments: {prod: {env: *env}}\n"
    application = parse(text, "env.A=y").applications[0]
    assert application.spec.env == {"A": "y"}
    assert application.spec.environments["prod"].env == {"A": "x"}


@pytest.mark.parametrize(
    ("assignment", "message"),
    [
        ("image", "expected path=value such as image=shop:2 or spec.env.LOG_LEVEL=debug"),
        ("=1", "expected path=value such as image=shop:2 or spec.env.LOG_LEVEL=debug"),
        ("spec..x=1", "expected path=value such as image=shop:2 or spec.env.LOG_LEVEL=debug"),
        ("delivery.steps[0].weight=5%", "an entry of a list cannot be set; set the whole list: check=[errorRate < 1%]"),
        ("imgae=shop:2", "there is no field `imgae` here; did you mean `image`?"),
        ("replicas=three", 'expected a whole number, got "three"'),
        ("image.name=shop", "expected an image such as registry.example.com/shop:1.4.2, got a map"),
        (
            "directory=[a",
            "expected `,` or the bracket that closes line 1, got something else; put the value in quotes if it is text",
        ),
        ("replicas=1\n---\n2", "expected one value, got several documents; put the value in quotes if it is text"),
    ],
)
def test_a_bad_assignment_names_the_option(assignment: str, message: str) -> None:
    (problem,) = parse(HEAD, assignment).problems
    assert problem.file == f"--set {assignment}"
    assert problem.message == message
    assert str(problem).startswith(f"--set {assignment} error")


def test_assignments_need_one_application() -> None:
    assert problems(HEAD + "---\n" + HEAD.replace("checkout", "cart"), "image=a:1") == [
        "f.yaml error: --set needs a file with one Application, got 2"
    ]


def test_a_file_that_cannot_be_read_is_reported_once() -> None:
    assert len(problems("a: [", "image=a:1")) == 1

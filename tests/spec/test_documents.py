"""Sets of files: kinds, names, limits, and the platform that checks refer to."""

import pytest

from shipway.spec import Source, parse_documents
from shipway.spec.documents import MAX_PROBLEMS
from tests.spec.corpus import HEAD, parse, problems

PLATFORM = "apiVersion: shipway.dev/v1alpha1\nkind: Platform\nmetadata: {name: acme}\n"


def test_no_sources_hold_nothing() -> None:
    parsed = parse_documents([])
    assert (parsed.applications, parsed.platform, parsed.problems) == ((), None, ())


def test_valid_applications_are_there_beside_bad_ones() -> None:
    parsed = parse(HEAD + "---\n" + HEAD.replace("checkout", "cart") + "  prot: 1\n")
    assert [application.metadata.name for application in parsed.applications] == ["checkout"]
    assert [problem.code for problem in parsed.problems] == ["unknown-field"]


def test_one_name_in_two_files() -> None:
    sources = [Source("a.yaml", HEAD), Source("b.yaml", "# comment\n" + HEAD)]
    (problem,) = parse_documents(sources).problems
    assert (
        str(problem)
        == "b.yaml:5:9 error metadata.name: `checkout` is already declared in a.yaml:4; rename or remove one of the two"
    )


def test_problems_come_in_the_order_of_the_files_and_lines() -> None:
    bad = HEAD + "  prot: 1\n  prt: 2\n"
    parsed = parse_documents([Source("z.yaml", bad), Source("a.yaml", bad.replace("checkout", "cart"))])
    assert [(problem.file, problem.line) for problem in parsed.problems] == [
        ("z.yaml", 8),
        ("z.yaml", 9),
        ("a.yaml", 8),
        ("a.yaml", 9),
    ]


def test_nobody_reads_a_thousand_problems() -> None:
    parsed = parse(HEAD + "".join(f"  zz{number}: 1\n" for number in range(400)))
    assert len(parsed.problems) == MAX_PROBLEMS + 1
    assert parsed.problems[-1].message == "and 300 more problems; mend these first"


def test_a_check_may_name_a_metric_of_the_platform() -> None:
    check = HEAD + "  delivery: {check: [cartAbandonment < 5%]}\n"
    metrics = PLATFORM + "spec: {metrics: {cartAbandonment: {unit: ratio}}}\n"
    assert "unknown-indicator" in {problem.code for problem in parse(check).problems}
    known = parse(metrics + "---\n" + check)
    assert known.problems == ()
    later = parse_documents([Source("f.yaml", check)], known.declared_platform)
    assert later.problems == ()
    assert later.platform is known.platform


def test_a_platform_that_cannot_be_read_makes_no_check_wrong() -> None:
    parsed = parse(
        PLATFORM + "spec: {metrics: {heap: {unit: wrong}}}\n---\n" + HEAD + "  delivery: {check: [heap < 5]}\n"
    )
    assert [problem.path for problem in parsed.problems] == ["spec.metrics.heap.unit"]


def test_a_platform_without_environments_knows_all_of_them() -> None:
    assert problems(PLATFORM + "---\n" + HEAD + "  environments: {anywhere: {replicas: 2}}\n") == []


def test_platform_defaults_that_contradict_an_application() -> None:
    platform = (
        PLATFORM + "spec: {environments: {prod: {defaults: {scale: {min: 3}}}}, defaults: {env: {LEVEL: info}}}\n"
    )
    found = problems(platform + "---\n" + HEAD + "  scale: {max: 2}\n  secrets: {LEVEL: level}\n")
    assert found == [
        "f.yaml:13:3 error spec.scale.min: in `prod`: expected at most max (2), got 3",
        "f.yaml:14:13 error spec.secrets.LEVEL: with the platform's defaults: `LEVEL` is in `env` as well; a variable has one value, so remove one of the two",
    ]


@pytest.mark.parametrize("kind", ["aplication", "Application ", "application"])
def test_a_misspelt_kind_does_not_hide_the_rest(kind: str) -> None:
    parsed = parse(HEAD.replace("kind: Application", f"kind: '{kind}'") + "  prot: 1\n")
    assert [problem.path for problem in parsed.problems] == ["kind", "spec.prot"]


def test_a_wrong_value_does_not_hide_a_broken_rule_elsewhere() -> None:
    found = parse(HEAD + "  port: no\n  replicas: 1\n  scale: {max: 3}\n").problems
    assert [(problem.path, problem.code) for problem in found] == [
        ("spec.port", "wrong-type"),
        ("spec.replicas", "conflict"),
    ]


def test_a_rule_about_a_wrong_value_stays_silent() -> None:
    assert len(problems(HEAD.replace("image: registry.example.com/checkout:1.4.2", "image: 7"))) == 1
    assert (
        len(problems(HEAD.replace("archetype: api-service", "archetype: scheduledjob") + "  schedule: 0 3 * * *\n"))
        == 1
    )

"""Every rule between fields: what breaks it, and what just does not."""

import pytest

from tests.spec.corpus import HEAD, parse

WORKER = HEAD.replace("api-service", "background-worker")
JOB = HEAD.replace("api-service", "scheduled-job")
NOTHING = HEAD.replace("  image: registry.example.com/checkout:1.4.2\n", "")

BROKEN = {
    "nothing to run": (NOTHING, "spec", "missing-field"),
    "scale without max": (HEAD + "  scale: {signal: cpu}\n", "spec.scale.max", "missing-field"),
    "scale reversed": (HEAD + "  scale: {min: 3, max: 2}\n", "spec.scale.min", "out-of-range"),
    "scale beside replicas": (HEAD + "  replicas: 0\n  scale: {max: 2}\n", "spec.replicas", "conflict"),
    "equal steps": (
        HEAD + "  delivery: {steps: [{weight: 5%}, {weight: 5.0%}]}\n",
        "spec.delivery.steps[1].weight",
        "not-ascending",
    ),
    "equal checks": (
        HEAD + "  delivery: {check: [errorRate < 1%, errorRate<1%]}\n",
        "spec.delivery.check[1]",
        "duplicate",
    ),
    "steps of direct": (
        HEAD + "  delivery: {strategy: direct, steps: [{weight: 5%}]}\n",
        "spec.delivery.steps",
        "conflict",
    ),
    "canary of a worker": (WORKER + "  delivery: {strategy: canary}\n", "spec.delivery.strategy", "conflict"),
    "canary of a job": (JOB + "  schedule: 0 3 * * *\n  delivery: canary\n", "spec.delivery", "conflict"),
    "self dependency": (
        HEAD + "  dependsOn: [checkout:grpc]\n",
        "spec.dependsOn[0]",
        "self-dependency",
    ),
    "equal dependencies": (HEAD + "  dependsOn: [a, {application: a}]\n", "spec.dependsOn[1]", "duplicate"),
    "two kinds": (HEAD + "  dependsOn: [{cache: redis, queue: nats}]\n", "spec.dependsOn[0]", "conflict"),
    "no kind": (HEAD + "  dependsOn: [{}]\n", "spec.dependsOn[0]", "conflict"),
    "equal resources": (HEAD + "  dependsOn: [{cache: redis/a}, {cache: redis/a}]\n", "spec.dependsOn[1]", "duplicate"),
    "a name like that of a database without one": (
        HEAD + "  dependsOn: [{database: postgres}, {database: postgres/db}]\n",
        "spec.dependsOn[1].database",
        "reserved-name",
    ),
    "two disks": (HEAD + "  storage: {/data: 1Gi, /index: 1Gi}\n", "spec.storage./index", "conflict"),
    "size of no database": (
        HEAD + "  dependsOn: [{database: mysql}]\n  storage: {mysql: 1Gi}\n",
        "spec.storage.mysql",
        "unknown-database",
    ),
    "disk of a job": (JOB + "  schedule: release\n  storage: 1Gi\n", "spec.storage", "conflict"),
    "job without schedule": (JOB, "spec.schedule", "missing-field"),
    "schedule of a service": (HEAD + "  schedule: 0 3 * * *\n", "spec.schedule", "conflict"),
    "schedule that is none": (JOB + "  schedule: daily\n", "spec.schedule", "bad-schedule"),
    "scale of a job": (JOB + "  schedule: 0 3 * * *\n  scale: {max: 2}\n", "spec.scale", "conflict"),
    "secret and variable": (HEAD + "  env: {A: x}\n  secrets: {A: y}\n", "spec.secrets.A", "conflict"),
    "PORT": (HEAD + "  secrets: {PORT: y}\n", "spec.secrets.PORT", "reserved-name"),
    "no main port": (HEAD + "  port: {metrics: 9090}\n", "spec.port", "missing-field"),
    "no port for health": (WORKER + "  health: /up\n  port: {metrics: 9090}\n", "spec.port", "missing-field"),
    "a second port for health": (HEAD + "  port: {grpc: 9000, health: 9001}\n", "spec.port.health", "reserved-name"),
    "port twice": (HEAD + "  port: {http: 9000, grpc: 9000}\n", "spec.port.grpc", "duplicate"),
    "two databases by one variable": (
        HEAD + "  dependsOn: [{database: postgres}, {database: mysql}]\n",
        "spec.dependsOn[1].database",
        "duplicate",
    ),
    "two caches by one variable": (
        HEAD + "  dependsOn: [{cache: redis/hot}, a, {cache: memcached/hot}]\n",
        "spec.dependsOn[2].cache",
        "duplicate",
    ),
    "host of a worker": (WORKER + "  host: a.example.com\n", "spec.host", "conflict"),
    "requests of a worker": (WORKER + "  scale: {max: 2, signal: requests}\n", "spec.scale.signal", "conflict"),
    "requests in bare TCP": (
        HEAD + "  port: {tcp: 9000}\n  scale: {max: 2, signal: requests}\n",
        "spec.scale.signal",
        "conflict",
    ),
    "host of a private application": (HEAD + "  host: a.example.com\n  visibility: private\n", "spec.host", "conflict"),
}

KEPT = {
    "a command alone": NOTHING + "  command: run\n",
    "both image and command": HEAD + "  command: run\n",
    "bounds that are equal": HEAD + "  scale: {min: 2, max: 2}\n",
    "down to nothing": HEAD + "  scale: {min: 0, max: 2, signal: requests}\n",
    "steps a hundredth apart": HEAD + "  delivery: {steps: [{weight: 5%}, {weight: 5.01%}, {weight: 99.99%}]}\n",
    "two limits of one indicator": HEAD + "  delivery: {check: [errorRate < 1%, errorRate increase < 1%]}\n",
    "a worker without a word on delivery": WORKER + "  delivery: {rollback: manual}\n",
    "a worker delivered directly": WORKER + "  delivery: direct\n",
    "several databases by name": HEAD + "  dependsOn: [{database: postgres}, {database: postgres/audit}]\n",
    "an application named like a kind": HEAD + "  dependsOn: [database]\n",
    "a port of another application": HEAD + "  dependsOn: [a:grpc, {application: b:grpc}]\n",
    "a schedule by environment": JOB + "  schedule: 0 3 * * *\n  environments: {dev: {schedule: 0 4 * * *}}\n",
    "a host of an internal application": HEAD + "  host: a.example.com\n",
    "other ports": HEAD + "  port: {admin: 8081, grpc: 9000, http: 8080}\n",
    "a worker's port for health": WORKER + "  health: /up\n  port: 8081\n",
    "a worker's ports": WORKER + "  health: /up\n  port: {health: 8081, metrics: 9090}\n",
    "a disk and databases": HEAD
    + "  dependsOn: [{database: postgres}, {database: postgres/audit}]\n"
    + "  storage: {/index: 1Gi, postgres: 20Gi, audit: 1Gi}\n",
    "the database of a job": JOB
    + "  schedule: release\n  dependsOn: [{database: postgres}]\n  storage: {postgres: 20Gi}\n",
}


@pytest.mark.parametrize(("text", "path", "code"), BROKEN.values(), ids=BROKEN)
def test_a_broken_rule_is_the_only_problem(text: str, path: str, code: str) -> None:
    assert [(problem.path, problem.code) for problem in parse(text).problems] == [(path, code)]


@pytest.mark.parametrize("text", KEPT.values(), ids=KEPT)
def test_what_just_keeps_the_rules(text: str) -> None:
    assert parse(text).problems == ()


@pytest.mark.parametrize(
    ("override", "path"),
    [
        ("{scale: {min: 9}}", "spec.environments.prod.scale.min"),
        ("{scale: {max: 1}}", "spec.environments.prod.scale.min"),
        ("{secrets: {LEVEL: level}}", "spec.environments.prod.secrets.LEVEL"),
        ("{schedule: 0 3 * * *}", "spec.environments.prod.schedule"),
        ("{delivery: {steps: [{weight: 5%}, {weight: 1%}]}}", "spec.environments.prod.delivery.steps[1].weight"),
        ("{replicas: 1, scale: {max: 3}}", "spec.environments.prod.replicas"),
    ],
)
def test_a_rule_broken_in_an_environment_points_at_the_override(override: str, path: str) -> None:
    text = HEAD + f"  env: {{LEVEL: info}}\n  scale: {{min: 2, max: 4}}\n  environments:\n    prod: {override}\n"
    (problem,) = parse(text).problems
    assert (problem.path, problem.line) == (path, 11)


HOSTILE = {
    "unknown fields": HEAD + "".join(f"  k{number}: 1\n" for number in range(30_000)),
    "values missing": HEAD + "  env:\n" + "".join(f"    K{number}:\n" for number in range(30_000)),
    "environments": HEAD
    + "  environments:\n"
    + "".join(f"    e{number}: {{replicas: 1}}\n" for number in range(10_000)),
    "dependencies": HEAD + "  dependsOn: [" + "a," * 30_000 + "]\n",
    "steps": HEAD + "  delivery:\n    steps:\n" + "      - {weight: 5%}\n" * 10_000,
    "checks": HEAD + "  delivery:\n    check:\n" + "      - errorRat < 1%\n" * 20_000,
    "long host": HEAD + "  host: " + "a-" * 300_000 + "!\n",
    "long schedule": JOB + "  schedule: " + "1," * 300_000 + " * * * *\n",
    "long duration": JOB + "  schedule: 0 3 * * * for " + "1s" * 300_000 + "!\n",
    "long number": HEAD + "  port: " + "9" * 900_000 + "\n",
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
@pytest.mark.timeout(30)
def test_a_hostile_file_is_judged_in_bounded_time_and_few_words(text: str) -> None:
    found = parse(text).problems
    assert 1 <= len(found) <= 101
    assert all(len(problem.message) < 600 for problem in found)

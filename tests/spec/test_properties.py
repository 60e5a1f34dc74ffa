"""For any text and any valid application: no crash, no invented problem, nothing lost."""

import json
from typing import Any

import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from shipway.spec import API_VERSION, Application, Parsed, Source, parse_documents, resolve
from shipway.spec.organisation import read_organisation
from tests.spec.corpus import BAD, GOOD

names = st.from_regex(r"\A[a-z][a-z0-9]{0,8}\Z")
durations = st.sampled_from(["200ms", "1s", "90s", "5m", "1h30m", "30d"])
shares = st.decimals(min_value="0.01", max_value="99.99", places=2).map(lambda share: f"{share}%")
texts = st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"]), min_size=1, max_size=12)
variables = st.from_regex(r"\A[A-Z_]{1,6}[0-9]?\Z").filter(lambda name: name != "PORT")
ports = st.integers(1, 65535)


def optional(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({}, optional=fields)


said_of_steps = optional(**{"for": durations, "approval": texts})
weights = st.lists(st.integers(1, 9999), min_size=1, max_size=4, unique=True).map(sorted)
steps = weights.flatmap(
    lambda found: st.tuples(
        *(st.builds(lambda w, rest: {"weight": f"{w / 100}%", **rest}, st.just(w), said_of_steps) for w in found)
    ).map(list)
)
checks = st.lists(
    st.sampled_from(
        [
            "errorRate < 1%",
            "availability > 99%",
            "latencyP99 <= 1s",
            "requestRate > 5/s",
            "costPerRequest increase < 10%",
        ]
    ),
    unique=True,
)
affinities = st.sampled_from(["none", "cookie", {"header": "x-user-id"}, {"cookie": "session"}])
deliveries = st.sampled_from(["canary", "direct"]) | optional(
    steps=steps,
    check=checks,
    rollback=st.sampled_from(["automatic", "manual"]),
    advance=st.sampled_from(["evidence", "time"]),
    exposureBudget=st.integers(0, 1000),
)
tunings = optional(
    health=optional(startup=durations, interval=durations, timeout=durations, failures=st.integers(1, 9)),
    resources=optional(factor=st.floats(0.1, 10)),
    slo=optional(window=durations, calendar=st.sampled_from(["week", "month"])),
    chaos=st.lists(st.sampled_from(["instance-loss", "cpu-stress"]), unique=True),
    delivery=optional(
        patience=st.floats(1, 100),
        minRequests=st.integers(0, 10**6),
        onInconclusive=st.sampled_from(["hold", "extend", "advance"]),
        supersede=st.sampled_from(["replace", "queue"]),
        keep=durations,
        affinity=affinities,
        match=optional(header=st.just("x-canary"), cookie=st.just("canary")),
        alpha=st.sampled_from([0.01, 0.05, "1%"]),
        tolerance=st.floats(1, 10),
        floor=shares,
        warmUp=durations,
    ),
)
"""What only a Platform says."""
instances = st.one_of(
    st.just({}),
    st.integers(0, 50).map(lambda count: {"replicas": count}),
    st.builds(
        lambda least, most, signal: {"scale": {"min": least, "max": most, **signal}},
        st.integers(0, 5),
        st.integers(5, 50),
        optional(signal=st.sampled_from(["cpu", "memory 75%", "requests 0.5/s"])),
    ),
)
changeable = optional(
    image=names.map(lambda name: f"registry.example.com/{name}:1"),
    health=st.sampled_from(["/", "/healthz", {"path": "/up"}, {}]),
    env=st.dictionaries(variables, texts | st.integers(-(10**9), 10**9) | st.booleans(), max_size=4),
    resources=st.sampled_from(["auto", {"cpu": "500m"}, {"cpu": 2, "memory": "1Gi"}, {"memory": "2Gi"}]),
    slo=optional(
        availability=shares,
        latency=st.just("95% < 200ms") | st.just(["95% < 200ms", "99% < 1s"]),
        objectives=st.dictionaries(names, shares, max_size=2),
    ),
    delivery=deliveries,
    budget=st.sampled_from(["$300/month", "€5/day", "£0.5"]),
    profiles=optional(cost=names, monitoring=names, security=names),
)
overrides = st.tuples(changeable, instances).map(lambda parts: parts[0] | parts[1])
dependencies = st.lists(
    names.map(lambda name: f"dep-{name}")
    | st.sampled_from(
        ["dep:admin", "api.example.com", {"database": "postgres/b"}, {"cache": "redis"}, {"bucket": "s3/a"}]
    ),
    max_size=3,
    unique_by=str,
)


def countable(spec: dict[str, Any]) -> dict[str, Any]:
    """Where nobody counts requests, no number of instances follows them, here and in the environments."""
    port = spec.get("port", 8080)
    spoken = {"http"} if isinstance(port, int) else {"http", "grpc"} & set(port)
    if spoken and spec["archetype"] != "background-worker":
        return spec
    scale = {**spec.get("scale", {})}
    if str(scale.get("signal")).startswith("requests"):
        scale["signal"] = "cpu"
    others = {"scale": scale} if scale else {}
    environments = {
        name: countable({**override, "archetype": "background-worker"})
        for name, override in spec.get("environments", {}).items()
    }
    for override in environments.values():
        override.pop("archetype")
    return {**spec, **others, **({"environments": environments} if environments else {})}


specs = st.tuples(
    changeable,
    instances,
    optional(
        port=ports | st.builds(lambda main, port: {main: port}, st.sampled_from(["http", "grpc", "tcp"]), ports),
        storage=st.sampled_from(["1Gi", {"/index": "5Gi"}, {}]),
        visibility=st.sampled_from(["internal", "public"]),
        dependsOn=dependencies,
        dataClass=st.sampled_from(["public", "internal", "confidential", "restricted"]),
        environments=st.dictionaries(names, overrides, max_size=3),
    ),
).map(
    lambda parts: countable({"archetype": "api-service", "command": ["run", "1"], **parts[0], **parts[1], **parts[2]})
)
applications = st.builds(
    lambda name, spec: {"apiVersion": API_VERSION, "kind": "Application", "metadata": {"name": name}, "spec": spec},
    names,
    specs,
)


class Quoting(yaml.SafeDumper):
    """Quotes every text: the plain dumper follows YAML 1.1, to which ``0E0`` is no number."""


Quoting.add_representer(str, lambda dumper, text: dumper.represent_scalar("tag:yaml.org,2002:str", text, style='"'))


def parsed(data: dict[str, Any]) -> Parsed:
    return parse_documents([Source("f.yaml", json.dumps(data, ensure_ascii=False))])


@settings(deadline=None)
@given(applications)
def test_a_valid_application_has_no_problems_and_survives_being_written(data: dict[str, Any]) -> None:
    found = parsed(data)
    assert found.problems == ()
    (application,) = found.applications
    text = yaml.dump(application.document(), Dumper=Quoting, allow_unicode=True)
    again = parse_documents([Source("f.yaml", text)], resolved=True)
    assert again.problems == ()
    assert again.applications == (application,)
    assert Application.model_validate_json(json.dumps(application.document())) == application


@settings(deadline=None)
@given(applications)
def test_every_environment_of_a_valid_application_resolves(data: dict[str, Any]) -> None:
    (declared,) = parsed(data).declared
    for environment in ["", *declared.application.spec.environments]:
        found = resolve(declared, None, environment)
        text = json.dumps(found.application.document(), ensure_ascii=False)
        again = parse_documents([Source("f.yaml", text)], resolved=True)
        assert again.applications == (found.application,)


@settings(deadline=None)
@given(applications, tunings)
def test_what_the_platform_says_reaches_the_application_and_is_refused_in_its_file(
    data: dict[str, Any], tuning: dict[str, Any]
) -> None:
    platform = {"apiVersion": API_VERSION, "kind": "Platform", "metadata": {"name": "p"}, "spec": {"defaults": tuning}}
    found = parse_documents(
        [
            Source("p.yaml", json.dumps(platform, ensure_ascii=False)),
            Source("f.yaml", json.dumps(data, ensure_ascii=False)),
        ]
    )
    assert found.problems == ()
    application = resolve(found.declared[0], found.declared_platform).application
    again = parse_documents([Source("f.yaml", json.dumps(application.document(), ensure_ascii=False))], resolved=True)
    assert again.applications == (application,)
    said = {f"{one}.{two}" for one, inner in tuning.items() if isinstance(inner, dict) for two in inner}
    said |= {"chaos"} & tuning.keys()
    refused = parsed({**data, "spec": {"archetype": "api-service", "command": ["run"], **tuning}}).problems
    assert {problem.path for problem in refused} == {f"spec.{path}" for path in said}
    assert {problem.code for problem in refused} <= {"for-the-platform"}


LINES = [line for path in [*GOOD, *BAD] for line in path.read_bytes().decode("utf-8", "replace").splitlines()]
edits = st.lists(st.tuples(st.integers(0, 40), st.sampled_from(LINES) | st.text(max_size=10)), min_size=1, max_size=8)


@settings(deadline=None, max_examples=300)
@given(st.sampled_from(GOOD), edits)
def test_no_edit_of_a_file_makes_it_raise(path: Any, edits: list[tuple[int, str]]) -> None:
    lines = path.read_text(encoding="utf-8").splitlines()
    for at, line in edits:
        lines.insert(at, line)
    text = "\n".join(lines)  # what is inserted may hold line breaks of its own
    found = parse_documents([Source("f.yaml", text)])
    assert found.problems or found.declared
    for problem in found.problems:
        assert 1 <= problem.line <= len(text.splitlines()) + 1
        assert problem.message


STRICT = f"""\
apiVersion: {API_VERSION}
kind: Platform
metadata: {{name: acme}}
spec:
  environments: {{dev: {{}}, prod: {{minimums: {{replicas: 2, cpu: 100m}}, defaults: {{scale: {{min: 1, max: 3}}}}}}}}
  defaults: {{delivery: {{affinity: cookie}}, storage: 1Gi}}
"""


@settings(deadline=None, max_examples=300)
@given(st.sampled_from([*GOOD, *BAD]), edits)
def test_no_file_makes_the_comparison_with_its_neighbours_raise(path: Any, edits: list[tuple[int, str]]) -> None:
    lines = path.read_bytes().decode("utf-8", "replace").splitlines()
    for at, line in edits:
        lines.insert(at, line)
    _, found = read_organisation([Source("a.yaml", STRICT), Source("f.yaml", "\n".join(lines))])
    assert all(problem.message for problem in found)


@settings(deadline=None, max_examples=300)
@given(st.sampled_from(GOOD), st.integers(0, 3000), st.integers(0, 30), st.text(max_size=6))
def test_no_damage_to_a_file_makes_it_raise(path: Any, at: int, cut: int, put: str) -> None:
    text = path.read_text(encoding="utf-8")
    parse_documents([Source("f.yaml", text[:at] + put + text[at + cut :])])

"""Findings of every language point to the value in the user's file: line and column of what decides, what it may be."""

from collections.abc import Mapping, Sequence
from typing import Any

import pytest
import yaml

from shipway.policy.evaluating import Evaluator
from shipway.policy.findings import Finding
from shipway.policy.loading import load
from shipway.policy.rules import Document, Place, Request
from shipway.spec.manifests import Positions, read_manifests
from shipway.spec.reading import Source

FILE = """\
apiVersion: v1
kind: Pod
metadata:
  name: web
  namespace: shop
  labels:
    app: web
    team: payments
spec:
  hostNetwork: true
  initContainers:
    - name: setup
      image: docker.io/busybox:1
  containers:
    - name: web
      image: ghcr.io/shop/web:1.2
      resources:
        limits:
          memory: 256Mi
      ports:
        - containerPort: 80
        - containerPort: 81
          hostPort: 8081
    - name: side
      image: nginx:latest
      securityContext:
        privileged: true
        capabilities:
          add: [NET_ADMIN, SYS_TIME]
  volumes:
    - name: data
      emptyDir: {}
    - name: host
      hostPath: {path: /etc}
---
# A Deployment and a Service in a List.
apiVersion: v1
kind: List
items:
  - apiVersion: apps/v1
    kind: Deployment
    metadata: {name: api, namespace: shop}
    spec:
      replicas: 7
      template:
        metadata:
          labels: {app: api}
        spec:
          containers:
            - name: api
              image: ghcr.io/shop/api@sha256:0123456789012345678901234567890123456789012345678901234567890123
            - {name: log, image: "docker.io/fluent:latest"}
  - apiVersion: v1
    kind: Service
    metadata:
      name: api
    spec:
      type: NodePort
      ports:
        - name: http
          port: 80
          nodePort: 30080
"""


def found_in(policies: Sequence[Mapping[str, Any]] = (), rego: str = "", text: str = FILE) -> list[Finding]:
    """What is wrong with the objects of a file."""
    loaded = load([Document(one) for one in policies], {"policy.rego": rego} if rego else {})
    assert not loaded.problems, loaded.problems
    evaluator = Evaluator(loaded.rules)
    source = Source("deploy/web.yaml", text)
    manifests, problems = read_manifests(source)
    assert not problems
    positions = Positions(source)
    return [
        finding
        for one in manifests
        for finding in evaluator.evaluate(
            Request(one.data), lambda path, one=one: Place(source.file, *positions.place(one, path)), passes=False
        )
    ]


def pointed(findings: Sequence[Finding], text: str = FILE) -> list[str]:
    """The text of the file from where each finding points to, up to the end of the line."""
    lines = text.splitlines()
    assert {one.status for one in findings} <= {"fail"}, findings
    return [f"{one.place.line}: {lines[one.place.line - 1][one.place.column - 1 :]}" for one in findings]


# -- Kyverno


def kyverno(validate: str, kinds: str = "Pod", **rule: Any) -> list[Finding]:
    body = {"name": "r", "match": {"any": [{"resources": {"kinds": kinds.split()}}]}, **rule}
    policy = {"apiVersion": "kyverno.io/v1", "kind": "ClusterPolicy", "metadata": {"name": "p"}}
    return found_in([{**policy, "spec": {"rules": [{**body, "validate": yaml.safe_load(validate)}]}}])


@pytest.mark.parametrize(
    ("validate", "places", "allowed"),
    [
        ("{pattern: {spec: {containers: [{image: '!*:latest'}]}}}", ["25: nginx:latest", '52: "docker.io/fluent:latest"}'], "`!*:latest`"),
        ("{pattern: {metadata: {labels: {owner: '?*'}}}}", ["6: labels:", "47: labels: {app: api}"], "`?*`"),
        ("{pattern: {spec: {=(hostNetwork): false}}}", ["10: true"], "`false`"),
        ("{pattern: {spec: {=(volumes): [{X(hostPath): 'null'}]}}}", ["34: {path: /etc}"], "not set"),
        ("{pattern: {spec: {=(initContainers): [{^(ports): [{name: x}]}]}}}", ["12: name: setup"], "a list"),
        ("{pattern: {spec: {containers: [{(name): side, resources: {limits: '?*'}}]}}}", ["24: name: side"], '{"limits": "?*"}'),
        ("{pattern: {spec: {containers: [{=(ports): [{=(hostPort): 0}]}]}}}", ["23: 8081"], "`0`"),
    ],
)  # fmt: skip
def test_kyverno_patterns(validate: str, places: Sequence[str], allowed: str) -> None:
    findings = kyverno(validate)
    assert pointed(findings) == places
    assert {one.allowed for one in findings} == {allowed}


def test_of_several_patterns_a_value_that_is_there_tells_more() -> None:
    listed = "[{spec: {securityContext: {runAsNonRoot: true}}}, {spec: {hostNetwork: false}}]"
    assert pointed(kyverno(f"{{anyPattern: {listed}}}")) == ["10: true", "48: spec:"]


CONTAINERS = "request.object.spec.containers"
LATEST_ITEM = '52: {name: log, image: "docker.io/fluent:latest"}'
LATEST = ["25: nginx:latest", '52: "docker.io/fluent:latest"}']


@pytest.mark.parametrize(
    ("key", "operator", "value", "places", "allowed"),
    [
        (f"{{{{ {CONTAINERS}[].image }}}}", "AnyIn", ["*:latest"], LATEST, 'none of ["*:latest"]'),
        (f"{{{{ {CONTAINERS}[1].image }}}}", "Equals", "*:latest", LATEST, "not *:latest"),
        (f"{{{{ {CONTAINERS}[?name=='side'].image | [0] }}}}", "Equals", "*:latest", LATEST[:1], "not *:latest"),
        (f"{{{{ {CONTAINERS}[].securityContext.capabilities.add[] }}}}", "AnyNotIn", ["NET_ADMIN"], ["29: SYS_TIME]"], 'only ["NET_ADMIN"]'),
        (f"{{{{ length({CONTAINERS}[?securityContext.privileged]) }}}}", "GreaterThan", 0, ["27: true"], ""),
        (f"{{{{ length({CONTAINERS}) }}}}", "GreaterThan", 1, ["15: - name: web", "50: - name: api"], ""),
        ("NET_RAW", "AnyNotIn", f"{{{{ {CONTAINERS}[1].securityContext.capabilities.add }}}}", ["29: [NET_ADMIN, SYS_TIME]", LATEST_ITEM], ""),
        ("NET_ADMIN", "AnyIn", f"{{{{ {CONTAINERS}[].securityContext.capabilities.add[] }}}}", ["29: NET_ADMIN, SYS_TIME]"], ""),
        ("{{ request.object.spec.hostNetwork || `false` }}", "Equals", True, ["10: true"], "not true"),
        ("{{ request.object.metadata.labels.owner || '' }}", "Equals", "", ["6: labels:", "47: labels: {app: api}"], 'not ""'),
        ("{{ request.object.metadata.labels.keys(@) }}", "AnyNotIn", ["app"], ["8: payments"], 'only ["app"]'),
        ("{{ images.containers.*.registry }}", "AnyNotIn", ["ghcr.io"], LATEST, 'only ["ghcr.io"]'),
        ("{{ images.initContainers.setup.path }}", "Equals", "busybox", ["13: docker.io/busybox:1"], "not busybox"),
        ("{{ known }}", "Equals", "payments", ["8: payments"], "not payments"),
        ("{{ request.namespace }}", "Equals", "shop", ["5: shop", "42: shop}"], "not shop"),
        ("{{ request.object.spec.hostNetwork }}-{{ request.object.spec.volumes[0].name }}", "Equals", "true-data", ["10: hostNetwork: true"], ""),
        ("{{ to_upper(request.object.metadata.labels.team || 'none') }}", "Equals", "PAYMENTS", ["8: payments"], ""),
        ("{{ request.operation }}", "Equals", "CREATE", ["1: apiVersion: v1", "40: apiVersion: apps/v1"], ""),
    ],
)  # fmt: skip
def test_kyverno_conditions(key: str, operator: str, value: object, places: Sequence[str], allowed: str) -> None:
    condition = yaml.safe_dump({"key": key, "operator": operator, "value": value}, default_flow_style=True, width=9999)
    context = [{"name": "known", "variable": {"value": "{{ request.object.metadata.labels.team || '' }}"}}]
    guarded = f"{{deny: {{conditions: {{all: [{{key: CREATE, operator: Equals, value: '{{{{ request.operation }}}}'}}, {condition.strip()}]}}}}}}"
    findings = kyverno(guarded, context=context)
    assert pointed(findings) == places
    assert {one.allowed for one in findings} == {allowed}


@pytest.mark.parametrize(
    ("loop", "places"),
    [
        ("{list: 'request.object.spec.containers', pattern: {image: 'ghcr.io/*'}}", LATEST),
        ("{list: 'request.object.spec.[initContainers, containers][]', pattern: {image: 'ghcr.io/*'}}", ["13: docker.io/busybox:1", LATEST[1]]),
        ("{list: 'request.object.spec.[initContainers, containers][]', deny: {conditions: {any: [{key: '{{ element.image }}', operator: NotEquals, value: ghcr.io/*}]}}}", ["13: docker.io/busybox:1", LATEST[1]]),
        ("{list: 'request.object.spec.containers[]', foreach: [{list: element.ports, deny: {conditions: {any: [{key: '{{ element.hostPort || `0` }}', operator: GreaterThan, value: 1024}]}}}]}", ["23: 8081"]),
        ("{list: 'request.object.spec.containers[]', foreach: [{list: element.ports, deny: {conditions: {any: [{key: '{{ element0.name }}', operator: Equals, value: web}]}}}]}", ["15: web"]),
        ("{list: 'request.object.spec.containers[]', deny: {conditions: {any: [{key: '{{ element.securityContext.readOnlyRootFilesystem || `false` }}', operator: NotEquals, value: true}]}}}", ["15: name: web", "50: name: api"]),
        ("{list: 'request.object.metadata.labels', deny: {conditions: {any: [{key: '{{ element.value }}', operator: Equals, value: payments}]}}}", ["8: payments"]),
        ("{list: 'request.object.spec.containers', deny: {}}", ["15: name: web", "50: name: api"]),
    ],
)  # fmt: skip
def test_kyverno_loops(loop: str, places: Sequence[str]) -> None:
    assert pointed(kyverno(f"{{foreach: [{loop}]}}")) == places


def test_kyverno_pod_security() -> None:
    assert pointed(kyverno("{podSecurity: {level: baseline}}")) == [
        "10: true", "27: true", "29: NET_ADMIN, SYS_TIME]", "29: SYS_TIME]", "34: {path: /etc}", "23: 8081",
    ]  # fmt: skip
    findings = [one for one in kyverno("{podSecurity: {level: restricted}}") if "Escalation" in one.message]
    assert pointed(findings) == [
        "15: name: web",
        "26: securityContext:",
        "12: name: setup",
        "50: name: api",
        '52: {name: log, image: "docker.io/fluent:latest"}',
    ]
    assert {(one.found, one.allowed) for one in findings} == {("", "must be false")}


@pytest.mark.parametrize(
    ("expression", "allowed"),
    [
        ("object.spec.hostNetwork != true", "object.spec.hostNetwork != true"),
        ("object.spec.hostNetwork != variables.host", ""),
        ("object.spec.hostNetwork !=\n  true", "object.spec.hostNetwork != true"),
        (f"object.spec.hostNetwork != true {'&& true' * 20}", ""),
    ],
)
def test_cel_shows_expressions_that_explain_themselves(expression: str, allowed: str) -> None:
    rule = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["*"], "resources": ["pods"]}
    spec = {
        "matchConstraints": {"resourceRules": [rule]},
        "variables": [{"name": "host", "expression": "true"}],
        "validations": [{"expression": expression, "message": "no"}],
    }
    policy = {"apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicy"}
    (finding,) = found_in([{**policy, "metadata": {"name": "p"}, "spec": spec}])
    assert pointed([finding]) == ["10: true"]
    assert finding.allowed == allowed


def test_kyverno_cel() -> None:
    expression = 'object.spec.containers.all(c, !c.image.endsWith(":latest"))'
    assert pointed(kyverno(f"{{cel: {{expressions: [{{expression: '{expression}'}}]}}}}")) == LATEST
    rule = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}
    policy = {"apiVersion": "policies.kyverno.io/v1", "kind": "ValidatingPolicy", "metadata": {"name": "p"}}
    wanted = [{"expression": "images.containers.map(i, image(i)).all(i, i.registry() == 'ghcr.io')"}]
    spec = {"matchConstraints": {"resourceRules": [rule]}, "validations": wanted}
    assert pointed(found_in([{**policy, "spec": spec}])) == LATEST


@pytest.mark.parametrize(
    ("text", "places"),
    [
        ('{"apiVersion": "v1", "kind": "Pod",\n "spec": {"containers": [\n  {"name": "a", "image": "ghcr.io/a:1"},\n  {"name": "b",\n   "image": "x:latest"}]}}', ['5: "x:latest"}]}}']),
        ("apiVersion: v1\nkind: Pod\nspec:\n  containers: [{name: a, image: x:latest}]\n", ["4: x:latest}]"]),
        ("# a\n---\n---\nkind: Pod\napiVersion: v1\nspec:\n  containers:\n  - &a\n    name: a\n    image: >-\n      x:latest\n  - *a\n", ["10: >-"]),
        ("kind: Pod\r\napiVersion: v1\r\nspec:\r\n  containers:\r\n  - name: a\r\n    image: 'x:latest' # why\r\n", ["6: 'x:latest' # why"]),
    ],
)  # fmt: skip
def test_however_the_file_is_written(text: str, places: Sequence[str]) -> None:
    body = {"name": "r", "match": {"any": [{"resources": {"kinds": ["Pod"]}}]}}
    pattern = {"pattern": {"spec": {"containers": [{"image": "!*:latest"}]}}}
    policy = {"apiVersion": "kyverno.io/v1", "kind": "ClusterPolicy", "metadata": {"name": "p"}}
    assert (
        pointed(found_in([{**policy, "spec": {"rules": [{**body, "validate": pattern}]}}], text=text), text) == places
    )
    rule = 'deny contains c.name if { some c in input.spec.containers; endswith(c.image, ":latest") }'
    assert pointed(found_in(rego=HEAD + rule, text=text), text) == places


# -- Rego

HEAD = "package main\nimport rego.v1\n"
GHCR = 'good(c) if startswith(c.image, "ghcr.io/")'


@pytest.mark.parametrize(
    ("rule", "places"),
    [
        # the value that a condition looks at, in the element that the rule is at
        ('deny contains m if { some c in input.spec.containers; endswith(c.image, ":latest"); m := sprintf("%s", [c.name]) }', LATEST[:1]),
        ('deny contains m if { c := input.spec.containers[_]; r := split(c.image, "/")[0]; r != "ghcr.io"; m := sprintf("%s", [r]) }', LATEST[:1]),
        ('deny contains m if { c := input.spec.containers[_]; [n, t] := split(c.image, ":"); t == "latest"; m := sprintf("%s", [n]) }', LATEST[:1]),
        ('deny contains m if { some i; input.spec.ports[i].nodePort; m := sprintf("port %d", [i]) }', ["62: 30080"]),
        ('deny contains m if { some c in input.spec.containers; some p in c.ports; p.hostPort > 1024; m := sprintf("%v", [p.hostPort]) }', ["23: 8081"]),
        ('deny contains m if { walk(input, [path, value]); value == "NET_ADMIN"; m := sprintf("%v", [path]) }', ["29: NET_ADMIN, SYS_TIME]"]),
        ('deny := "host network" if input.spec.hostNetwork', ["10: true"]),
        # guards and names are not to blame, unless there is nothing else
        ('deny contains m if { input.spec.replicas > 5; input.kind == "Deployment"; input.metadata.name != "x"; m := sprintf("%d", [input.spec.replicas]) }', ["44: 7"]),
        ('deny contains "too few replicas" if { input.spec.replicas < 9; startswith(input.spec.template.metadata.labels.app, "api") }', ["44: 7"]),
        ('deny contains "none of these" if input.kind == "Deployment"', ["41: Deployment"]),
        # what is missing
        ('deny contains m if { input.kind == "Pod"; n := input.metadata.name; not input.metadata.labels.owner; m := sprintf("%s needs an owner", [n]) }', ["6: labels:"]),
        ('deny contains m if { c := input.spec.containers[_]; not c.resources.limits.memory; m := sprintf("%s has no limit", [c.name]) }', ["24: name: side"]),
        ('deny contains "as root" if { input.kind == "Pod"; object.get(input.spec, ["securityContext", "runAsNonRoot"], false) == false }', ["9: spec:"]),
        ('deny contains m if { input.kind == "Pod"; missing := {"app", "owner"} - {l | input.metadata.labels[l]}; count(missing) > 0; m := sprintf("%v", [missing]) }', ["7: app: web"]),
        # through functions, rules, collections and what is picked from them
        (f'deny contains m if {{ some c in all; not good(c); m := sprintf("%s", [c.name]) }}\nall contains c if some c in input.spec.containers\nall contains c if some c in input.spec.initContainers\n{GHCR}', ["13: docker.io/busybox:1", LATEST[0]]),
        ('deny contains m if m := check(input.spec.containers[_])\ncheck(c) := sprintf("%s is latest", [c.name]) if endswith(c.image, ":latest")', LATEST[:1]),
        ('deny contains m if { some c in input.spec.containers; not ok(c); m := c.name }\nok(c) if c.securityContext.runAsNonRoot\nok(c) if { not "x" in object.keys(c); input.spec.securityContext.runAsNonRoot }', ["15: name: web", "26: securityContext:"]),
        ('deny contains m if { images := {c.image | some c in input.spec.containers}; some i in images; endswith(i, ":latest"); m := sprintf("%s", [i]) }', LATEST[:1]),
        ('deny contains "privileged" if { bad := [c | some c in input.spec.containers; c.securityContext.privileged]; count(bad) > 0 }', ["27: true"]),
        ('deny contains m if { some c in input.spec.containers; bad := {x | some x in c.securityContext.capabilities.add} - {"NET_ADMIN"}; count(bad) > 0; m := sprintf("%v", [bad]) }', ["29: SYS_TIME]"]),
        ('deny contains m if { by_name := {c.name: c | some c in input.spec.containers}; some n; endswith(by_name[n].image, ":latest"); m := n }', LATEST[:1]),
        (f'deny contains "not all" if {{ input.kind == "Pod"; not fine }}\nfine if {{ every c in input.spec.containers {{ good(c) }} }}\n{GHCR}', LATEST[:1]),
        # several at once: what they have in common, unless the message says which
        ('deny contains "both" if input.spec.hostNetwork == object.get(input.spec, "hostPID", true)', ["10: hostNetwork: true"]),
        ('deny contains m if { c := input.spec.containers[_]; c.ports[0].containerPort < c.ports[1].hostPort; m := "ports" }', ["21: - containerPort: 80"]),
        ('deny contains m if { c := input.spec.containers[_]; c.ports[0].containerPort < c.ports[1].hostPort; m := "hostPort is too high" }', ["23: 8081"]),
        ('deny contains "too many" if count(input.spec.containers) > 1', ["15: - name: web"]),
    ],
)  # fmt: skip
def test_rego(rule: str, places: Sequence[str]) -> None:
    assert sorted(pointed(found_in(rego=HEAD + rule))) == sorted(places)


def test_rego_version_0() -> None:
    rule = 'deny[msg] { c := input.spec.containers[_]; endswith(c.image, ":latest"); msg = sprintf("%s", [c.name]) }'
    assert pointed(found_in(rego=f"package main\n{rule}")) == LATEST[:1]


def test_rego_that_reads_nothing_points_to_the_object() -> None:
    assert pointed(found_in(rego=HEAD + 'deny contains "always"')) == [
        "1: apiVersion: v1", "40: apiVersion: apps/v1", "53: apiVersion: v1",
    ]  # fmt: skip


def test_rego_says_what_is_missing_and_how_to_go_on() -> None:
    rule = 'deny contains "no owner" if { input.kind == "Pod"; not input.metadata.labels.owner }'
    (finding,) = found_in(rego=HEAD + rule)
    assert (finding.path, finding.found) == (("metadata", "labels", "owner"), "")
    assert finding.fix.startswith("Change `metadata.labels.owner` as the message says")


REPOS = """package repos
violation[{"msg": msg, "details": {}}] {
    container := input_containers[_]
    not any_repo(container.image, input.parameters.repos)
    msg := sprintf("%v: %v", [container.name, container.image])
}
any_repo(image, repos) { startswith(image, repos[_]) }
input_containers[c] { c := input.review.object.spec.containers[_] }
input_containers[c] { c := input.review.object.spec.initContainers[_] }
"""
REPOS_V1 = """package repos
violation contains {"msg": msg} if {
    some container in input.review.object.spec.containers
    every repo in input.parameters.repos { not startswith(container.image, repo) }
    msg := container.name
}
"""
REPOS_CEL = "variables.anyObject.spec.containers.all(c, variables.params.repos.exists(r, c.image.startsWith(r)))"


@pytest.mark.parametrize(
    ("engine", "source", "places", "allowed"),
    [
        ("Rego", {"rego": REPOS}, ["13: docker.io/busybox:1", LATEST[0]], 'by the parameters repos: ["ghcr.io/"]'),
        ("Rego", {"rego": REPOS_V1, "version": "v1"}, LATEST[:1], 'by the parameters repos: ["ghcr.io/"]'),
        ("K8sNativeValidation", {"validations": [{"expression": REPOS_CEL, "message": "no"}]}, LATEST[:1], ""),
    ],
)
def test_gatekeeper(engine: str, source: Mapping[str, Any], places: Sequence[str], allowed: str) -> None:
    target = {"target": "admission.k8s.gatekeeper.sh", "code": [{"engine": engine, "source": source}]}
    template = {
        "apiVersion": "templates.gatekeeper.sh/v1",
        "kind": "ConstraintTemplate",
        "metadata": {"name": "repos"},
        "spec": {"crd": {"spec": {"names": {"kind": "Repos"}}}, "targets": [target]},
    }
    constraint = {
        "apiVersion": "constraints.gatekeeper.sh/v1beta1",
        "kind": "Repos",
        "metadata": {"name": "ours"},
        "spec": {"match": {"kinds": [{"apiGroups": [""], "kinds": ["Pod"]}]}, "parameters": {"repos": ["ghcr.io/"]}},
    }
    findings = found_in([template, constraint])
    assert pointed(findings) == places
    assert {one.allowed for one in findings} == {allowed}


def test_what_a_secret_holds_is_not_shown() -> None:
    text = "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\nstringData:\n  password: hunter2\n"
    rule = 'deny contains "short" if { some v in input.stringData; count(v) < 10 }'
    (finding,) = found_in(rego=HEAD + rule, text=text)
    assert pointed([finding], text) == ["5: hunter2"]
    assert finding.found == "(hidden)"

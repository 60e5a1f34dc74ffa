"""Kyverno's CLI tests (``kyverno-test.yaml``) as a pure function over documents that somebody else reads.

Called by ``shipway policy test`` and by the conformance runner. A row is one resource of one expected result. Rows about
rules that mutate, generate or verify signatures come back with ``supported`` false instead of a verdict.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import msgspec

from shipway.policy.kyverno import autogen, checking, context, loading, testshapes, wildcards
from shipway.policy.rules import CompiledRule, Document, Object, Operation, Outcome, Request

Read = Callable[[str], Sequence[Mapping[str, Any]]]
"""The documents of a file, named relative to the test. Raises ``BadInput`` when there is none."""
Admission = Callable[[Sequence[Document]], Sequence[CompiledRule]]
_WORST = ("error", "fail", "warn", "pass", "skip")
_UNSCOPED = frozenset(
    [
        "Namespace",
        "Node",
        "PersistentVolume",
        "ClusterRole",
        "ClusterRoleBinding",
        "StorageClass",
        "CustomResourceDefinition",
        "PriorityClass",
        "IngressClass",
        "RuntimeClass",
        "VolumeAttachment",
        "CSIDriver",
        "CSINode",
        "APIService",
        "ValidatingWebhookConfiguration",
        "MutatingWebhookConfiguration",
        "ClusterPolicy",
        "CertificateSigningRequest",
        "FlowSchema",
        "PriorityLevelConfiguration",
    ]
)
_OPERATIONS: Mapping[str, Operation] = {
    "CREATE": "CREATE",
    "UPDATE": "UPDATE",
    "DELETE": "DELETE",
    "CONNECT": "CONNECT",
}


class ResultRow(msgspec.Struct, frozen=True):
    """One expectation for one resource, and what came out."""

    policy: str
    rule: str
    kind: str
    resource: str
    """``namespace/name``, or the name alone."""
    expected: str
    actual: str
    message: str = ""
    supported: bool = True
    """False when the row is about something that is not evaluated: mutation, generation, signatures."""

    @property
    def passed(self) -> bool:
        """Whether the verdict is the expected one."""
        return self.supported and self.expected == self.actual


class _Suite(msgspec.Struct, frozen=True):
    """Everything that a test refers to, read."""

    rules: Sequence[CompiledRule]
    faults: Mapping[str, str]
    """Policy to why it cannot be used."""
    ruleless: frozenset[str]
    """Policies that have expressions instead of named rules."""
    refused: frozenset[str]
    """``policy`` or ``policy/rule`` that is about something not evaluated."""
    resources: Sequence[Object]
    payloads: Mapping[str, Object]
    """Plain JSON by the name of its file."""
    inventory: Sequence[Object]
    values: Mapping[str, Any]
    user: Mapping[str, Any]
    answers: Mapping[str, Any]
    at: float


def run_test(
    test: Mapping[str, Any], read: Read, at: float = 0.0, admission: Admission = lambda _: ()
) -> list[ResultRow]:
    """Every row of a test. ``at`` is the time that policies see, in seconds since the epoch.

    ``admission`` loads the documents that are not Kyverno's: ValidatingAdmissionPolicies with their bindings.

    Raises :class:`BadInput` when a file of the test cannot be read or used; a policy that cannot be loaded makes rows ``error``.
    """
    testshapes.check(test, testshapes.Test, "the test")
    suite = _suite(test, read, at, admission)
    return [row for result in test.get("results") or () for row in _rows(result, suite)]


def _suite(test: Mapping[str, Any], read: Read, at: float, admission: Admission) -> _Suite:
    documents = _read_all(test.get("policies"), read)
    policies = [document for document in documents if checking.is_policy(document)]
    exempt = [document for document in _read_all(test.get("exceptions"), read) if checking.is_exception(document)]
    rules, faults = _loaded(policies, exempt)
    rules += admission([Document(one) for one in documents if not checking.is_policy(one)])
    values = _first(test.get("variables"), read, testshapes.Values) or test.get("values") or {}
    given = _first(test.get("context"), read, testshapes.Context).get("spec") or {}
    answers = {
        "apiCallResponses": test.get("apiCallResponses") or [],
        "globalContextEntries": [_with_files(entry, read) for entry in test.get("globalContextEntries") or ()],
        "images": given.get("images") or [],
        "subresources": values.get("subresources") or [],
    }
    return _Suite(
        rules=rules,
        faults=faults,
        ruleless=frozenset(_name(one) for one in policies if one.get("kind") in checking.VALIDATING),
        refused=_refused(policies),
        resources=[_in_default(item) for item in _read_all(test.get("resources") or test.get("resource"), read)],
        values=values,
        payloads=_payloads(test, read),
        inventory=[*(given.get("resources") or ()), *_inventory(test, read)],
        user=_user(_first(test.get("userinfo"), read, testshapes.UserInfo)),
        answers=answers,
        at=at,
    )


def _read_all(files: object, read: Read) -> list[Mapping[str, Any]]:
    listed = files if isinstance(files, list) else [files] if files else []
    return [item for file in listed for document in read(str(file)) for item in _unpacked(document)]


def _unpacked(document: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    """The items of a ``List``."""
    items = document.get("items")
    if str(document.get("kind", "")).endswith("List") and isinstance(items, list):
        return [item for item in items if isinstance(item, Mapping)]
    return [document]


def _first(file: object, read: Read, shape: type[msgspec.Struct]) -> Mapping[str, Any]:
    document = next(iter(read(str(file))), {}) if file else {}
    testshapes.check(document, shape, f"`{file}`")
    return document


def _payloads(test: Mapping[str, Any], read: Read) -> dict[str, Object]:
    files = [
        str(file)
        for file in (*(test.get("jsonPayloads") or ()), *([test["jsonPayload"]] if test.get("jsonPayload") else ()))
    ]
    return {file.rpartition("/")[2]: document for file in files for document in read(file)}


def _inventory(test: Mapping[str, Any], read: Read) -> list[Object]:
    """Objects of the cluster: plain ones, or those that a document of the CLI wraps."""
    found: list[Object] = []
    for document in _read_all([*(test.get("clusterResources") or ()), *(test.get("paramResources") or ())], read):
        wrapped = (document.get("spec") or {}).get("resources") if document.get("kind") == "ClusterResource" else None
        found += wrapped or [document]
    return found


def _with_files(entry: Mapping[str, Any], read: Read) -> Mapping[str, Any]:
    files = entry.get("resourceFiles")
    return {**entry, "resources": _read_all(files, read)} if files else entry


def _loaded(
    policies: Sequence[Mapping[str, Any]], exempt: Sequence[Mapping[str, Any]]
) -> tuple[list[CompiledRule], dict[str, str]]:
    rules: list[CompiledRule] = []
    faults: dict[str, str] = {}
    for document in policies:
        found, problems = loading.load([Document(one) for one in (document, *exempt)], overrides=False)
        rules += found
        if errors := [one for one in problems if one.severity == "error"]:
            faults[_name(document)] = "; ".join(f"{one.path}: {one.message}" for one in errors)
    return rules, faults


def _name(document: Mapping[str, Any]) -> str:
    return str(_metadata(document).get("name", ""))


def _metadata(document: Mapping[str, Any]) -> Mapping[str, Any]:
    found = document.get("metadata")
    return found if isinstance(found, Mapping) else {}


def _refused(policies: Sequence[Mapping[str, Any]]) -> frozenset[str]:
    """What mutates, generates or verifies signatures."""
    found = {_name(one) for one in policies if one.get("kind") in checking.REFUSED}
    for one in policies:
        listed = [rule for rule in (one.get("spec") or {}).get("rules") or () if isinstance(rule, Mapping)]
        other = [rule for rule in listed if "validate" not in rule]
        found |= {f"{_name(one)}/{rule.get('name')}" for rule in other}
        found |= {_name(one)} if other and len(other) == len(listed) else set()
    return frozenset(found)


def _in_default(item: Mapping[str, Any]) -> Object:
    """An object without a namespace is in ``default``, unless its kind has none."""
    metadata = _metadata(item)
    if metadata.get("namespace") or item.get("kind") in _UNSCOPED or not item.get("kind"):
        return item
    return {**item, "metadata": {**metadata, "namespace": "default"}}


def _user(document: Mapping[str, Any]) -> Mapping[str, Any]:
    """Both forms of a UserInfo file."""
    found = dict(document.get("userInfo") or {})
    subject = document.get("subject") or {}
    if subject.get("kind") == "User":
        found.setdefault("username", subject.get("name"))
    if subject.get("kind") == "ServiceAccount":
        found.setdefault(
            "username", f"system:serviceaccount:{subject.get('namespace', 'default')}:{subject.get('name')}"
        )
    if subject.get("kind") == "Group":
        found.setdefault("groups", [subject.get("name")])
    return {**found, **{key: document[key] for key in ("roles", "clusterRoles") if document.get(key)}}


def _rows(result: Mapping[str, Any], suite: _Suite) -> Iterator[ResultRow]:
    policy = str(result.get("policy", ""))
    rule = str(result.get("rule") or "")
    for wanted in _wanted(result, suite):
        namespace, _, name = wanted.rpartition("/")
        namespace = namespace or str(result.get("namespace") or "")
        found = [item for item in suite.resources if _is_wanted(item, str(result.get("kind") or ""), namespace, name)]
        found = [suite.payloads[name]] if name in suite.payloads else found
        actual, message = _verdict(policy, rule, found, suite, str(result.get("operation") or ""))
        yield ResultRow(
            policy=policy,
            rule=rule,
            kind=str(result.get("kind") or ""),
            resource=wanted,
            expected=str(result.get("result") or result.get("status") or "").lower(),
            actual=actual,
            message=message,
            supported=_supported(policy, rule, result, suite),
        )


def _wanted(result: Mapping[str, Any], suite: _Suite) -> Sequence[str]:
    listed = [str(each) for each in result.get("resources") or ()]
    listed += [
        f"{each['namespace']}/{each['name']}" if each.get("namespace") else str(each.get("name"))
        for each in result.get("resourceSpecs") or ()
    ]
    if result.get("resource"):
        listed.append(str(result["resource"]))
    if listed:
        return listed
    kind = str(result.get("kind") or "")
    return [
        f"{_metadata(item).get('namespace', '')}/{_name(item)}".lstrip("/")
        for item in suite.resources
        if not kind or item.get("kind") == kind
    ]


def _is_wanted(item: Object, kind: str, namespace: str, name: str) -> bool:
    return (
        (not kind or item.get("kind") == kind.rpartition("/")[2])
        and (not namespace or _metadata(item).get("namespace", "") == namespace)
        and wildcards.matches(name, _name(item))
    )


def _supported(policy: str, rule: str, result: Mapping[str, Any], suite: _Suite) -> bool:
    name = policy.rpartition("/")[2]
    foreign = any(
        result.get(key)
        for key in ("patchedResource", "patchedResources", "generatedResource", "isMutatingAdmissionPolicy")
    )
    if result.get("isValidatingAdmissionPolicy"):
        return any(one.policy == name and one.engine == "cel" for one in suite.rules)
    return not foreign and name not in suite.refused and f"{name}/{rule}" not in suite.refused


def _verdict(policy: str, rule: str, found: Sequence[Object], suite: _Suite, operation: str) -> tuple[str, str]:
    name = policy.rpartition("/")[2]
    if name in suite.faults:
        return "error", suite.faults[name]
    if not found:
        return "error", "no such resource in the test"
    rules = [one for one in suite.rules if one.policy in {policy, name} or one.policy.rpartition("/")[2] == name]
    chosen = [one for one in rules if not rule or _is_rule(one, rule, suite)]
    if not chosen:
        return "error", f"the policy has no rule `{rule}`" if rules else f"no policy `{policy}` in the test"
    outcomes = [
        outcome for item in found for one in chosen for outcome in one.evaluate(_request(item, one, suite, operation))
    ]
    worst = min(
        outcomes, key=lambda one: _WORST.index(one.status), default=Outcome("skip", "no rule is about this resource")
    )
    return worst.status, worst.message


def _is_rule(one: CompiledRule, rule: str, suite: _Suite) -> bool:
    """A ValidatingPolicy has no named rules, so whatever the test calls its rule is meant."""
    names = {rule, *(f"{prefix}{rule}"[: autogen.LONGEST_NAME] for prefix in ("autogen-", "autogen-cronjob-"))}
    return one.name in names or one.policy in suite.ruleless


def _request(item: Object, rule: CompiledRule, suite: _Suite, operation: str) -> Request:
    given = _given(_name(item), rule, suite.values)
    doing = _OPERATIONS.get(operation or str(given.get("request.operation", "CREATE")), "CREATE")
    item = _overridden(item, given)
    return Request(
        object=None if doing == "DELETE" else item,
        old_object=item if doing in {"DELETE", "UPDATE"} else None,
        operation=doing,
        user_info=suite.user,
        namespace_object=_namespace(item, suite),
        inventory=suite.inventory,
        values={**suite.answers, "isTest": True, "variables": given, "foreachValues": _per_element(rule, suite.values)},
        at=suite.at,
    )


def _overridden(item: Object, given: Mapping[str, Any]) -> Object:
    """The object with the values that the test sets in it: ``request.object.metadata.labels.team``."""
    made = dict(item)
    for name, value in given.items():
        if str(name).startswith("request.object."):
            context.put(made, context.split_name(str(name))[2:], value)
    return made


def _given(resource: str, rule: CompiledRule, values: Mapping[str, Any]) -> dict[str, Any]:
    """Variables: the global ones, those of the policy's rule, those of its resource."""
    given = dict(values.get("globalValues") or {})
    for policy in _of_policy(rule, values):
        for one in _of_rule(rule, policy):
            given |= one.get("values") or {}
        for one in policy.get("resources") or ():
            if one.get("name") == resource:
                given |= one.get("values") or {}
    return given


def _per_element(rule: CompiledRule, values: Mapping[str, Any]) -> dict[str, Any]:
    found = [one.get("foreachValues") or {} for policy in _of_policy(rule, values) for one in _of_rule(rule, policy)]
    return {name: listed for one in found for name, listed in one.items()}


def _of_policy(rule: CompiledRule, values: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    names = {rule.policy, rule.policy.rpartition("/")[2]}
    return [one for one in values.get("policies") or () if one.get("name") in names]


def _of_rule(rule: CompiledRule, policy: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    names = {rule.name, rule.name.removeprefix("autogen-cronjob-").removeprefix("autogen-")}
    return [one for one in policy.get("rules") or () if one.get("name") in names]


def _namespace(item: Object, suite: _Suite) -> Object | None:
    name = _metadata(item).get("namespace")
    if not name:
        return None
    documents = [
        *(suite.values.get("namespaces") or ()),
        *(one for one in suite.resources if one.get("kind") == "Namespace"),
    ]
    found = next(
        (one for one in documents if _name(one) == name),
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}},
    )
    labels = {**(_metadata(found).get("labels") or {})}
    for one in suite.values.get("namespaceSelector") or ():
        if one.get("name") == name:
            labels |= one.get("labels") or {}
    return {**found, "metadata": {**_metadata(found), "labels": {"kubernetes.io/metadata.name": name, **labels}}}

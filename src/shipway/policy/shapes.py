"""The shape of native admission policies and their bindings (``admissionregistration.k8s.io/v1``). Used by ``native``.

Closed: a field that is not here is one that would not be enforced, so it is refused by name.
"""

import re
from collections.abc import Mapping
from typing import Any, Literal

import msgspec

from shipway.policy.rules import Path

_WHERE = re.compile(r" - at `\$(.*)`$")
_FIELD = re.compile(r"unknown field `(.+?)`")
_PART = re.compile(r"\.([^.\[]+)|\[(\d+)\]")


class Shape(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """Base of all of them."""


class Requirement(Shape, frozen=True):
    """One of ``matchExpressions``."""

    key: str
    operator: Literal["In", "NotIn", "Exists", "DoesNotExist"]
    values: list[str] = []


class Selector(Shape, frozen=True):
    """A LabelSelector."""

    match_labels: dict[str, str] = {}
    match_expressions: list[Requirement] = []


class ResourceRule(Shape, frozen=True):
    """Some requests. What is left out, which an API server would refuse and Kyverno does not, selects everything."""

    resources: list[str]
    api_groups: list[str] = []
    api_versions: list[str] = []
    operations: list[str] = []
    resource_names: list[str] = []
    scope: Literal["*", "Namespaced", "Cluster"] = "*"


class Matching(Shape, frozen=True):
    """``matchConstraints`` and ``matchResources``."""

    resource_rules: list[ResourceRule] | None = None
    exclude_resource_rules: list[ResourceRule] | None = None
    namespace_selector: Selector | None = None
    object_selector: Selector | None = None
    match_policy: Literal["Exact", "Equivalent"] = "Equivalent"


class ParamKind(Shape, frozen=True):
    """Which kind of object the parameters are in."""

    api_version: str
    kind: str


class Named(Shape, frozen=True):
    """A variable or a condition."""

    name: str
    expression: str


class Validation(Shape, frozen=True):
    """What must be true."""

    expression: str
    message: str = ""
    message_expression: str = ""
    reason: Literal["Unauthorized", "Forbidden", "Invalid", "RequestEntityTooLarge"] = "Invalid"


class Annotation(Shape, frozen=True):
    """What goes into the audit event."""

    key: str
    value_expression: str


class Policy(Shape, frozen=True):
    """``spec`` of a ValidatingAdmissionPolicy."""

    match_constraints: Matching
    param_kind: ParamKind | None = None
    match_conditions: list[Named] = []
    variables: list[Named] = []
    validations: list[Validation] = []
    audit_annotations: list[Annotation] = []
    failure_policy: Literal["Fail", "Ignore"] = "Fail"


class ParamRef(Shape, frozen=True):
    """Which objects the parameters are."""

    name: str = ""
    namespace: str = ""
    selector: Selector | None = None
    parameter_not_found_action: Literal["Allow", "Deny"] | None = None


class Binding(Shape, frozen=True):
    """``spec`` of a ValidatingAdmissionPolicyBinding."""

    policy_name: str
    validation_actions: list[Literal["Deny", "Warn", "Audit"]] = []
    param_ref: ParamRef | None = None
    match_resources: Matching | None = None


class Misshapen(ValueError):
    """What is wrong, and where in the document."""

    def __init__(self, message: str, path: Path) -> None:
        super().__init__(message)
        self.message, self.path = message, path


def check(data: Mapping[str, Any], shape: type[Shape]) -> None:
    """Whether ``spec`` of a document, and its name, have the shape.

    Raises:
        Misshapen: with the first thing that is wrong.
    """
    meta = data.get("metadata")
    if not isinstance(meta, Mapping) or not isinstance(meta.get("name"), str):
        raise Misshapen("expected a name under `metadata`", ("metadata",))
    try:
        msgspec.convert(data.get("spec"), shape)
    except msgspec.ValidationError as error:
        text = str(error)
        where = _WHERE.search(text)
        inner = [name or int(index) for name, index in _PART.findall(where[1])] if where else []
        inner += _FIELD.findall(text)
        raise Misshapen(_in_yaml(_WHERE.sub("", text)), ("spec", *inner)) from None


def _in_yaml(text: str) -> str:
    """msgspec's message in YAML's words."""
    said = text[:1].lower() + text[1:]
    for theirs, ours in (("object contains", "it has"), ("object missing required", "expected"), ("`object`", "a map"), ("`array`", "a list")):  # fmt: skip
        said = said.replace(theirs, ours)
    return said

"""The shape of Kyverno's documents, so far as the engine relies on it: what is a list, a map, a text.

Called by ``checking`` before anything else looks at a document. Patterns, conditions' keys and values and the like may be
anything and are not described. Unknown fields are left to the other checks.
"""

import re
from typing import Any

import msgspec

from shipway.policy.kyverno.faults import Unsupported
from shipway.policy.rules import Object, Path

Map = dict[str, Any]
Texts = list[str] | None
Maps = list[Map] | None


class Requirement(msgspec.Struct, rename="camel"):
    """One entry of ``matchExpressions``."""

    key: str
    operator: str
    values: Texts = None


class Selector(msgspec.Struct, rename="camel"):
    """A label selector."""

    match_labels: dict[str, str] | None = None
    match_expressions: list[Requirement] | None = None


class Resources(msgspec.Struct, rename="camel"):
    """What ``match.any[].resources`` selects by."""

    kinds: Texts = None
    name: str | None = None
    names: Texts = None
    namespaces: Texts = None
    operations: Texts = None
    annotations: dict[str, str] | None = None
    selector: Selector | None = None
    namespace_selector: Selector | None = None


class Filter(msgspec.Struct, rename="camel"):
    """One resource filter."""

    resources: Resources | None = None
    subjects: Maps = None
    roles: Texts = None
    cluster_roles: Texts = None


class Block(Filter, rename="camel"):
    """``match`` or ``exclude``."""

    any: list[Filter] | None = None
    all: list[Filter] | None = None


class Source(msgspec.Struct, rename="camel"):
    """A context entry."""

    name: str
    variable: Map | None = None
    config_map: dict[str, str] | None = None
    api_call: Map | None = None
    global_reference: dict[str, Any] | None = None
    image_registry: dict[str, Any] | None = None


class Override(msgspec.Struct, rename="camel"):
    """What the policy asks for in some namespaces."""

    action: str
    namespaces: Texts = None


class Loop(msgspec.Struct, rename="camel"):
    """One entry of ``foreach``."""

    each: str = msgspec.field(name="list")
    context: list[Source] | None = None
    element_scope: bool | None = None
    foreach: "list[Loop] | None" = None
    any_pattern: list[Any] | None = None
    deny: Map | None = None


class Exclusion(msgspec.Struct, rename="camel"):
    """One exemption from a Pod Security Standard."""

    control_name: str
    images: Texts = None
    restricted_field: str | None = None
    values: Texts = None


class PodSecurity(msgspec.Struct, rename="camel"):
    """``validate.podSecurity``."""

    level: str
    version: str | None = None
    exclude: list[Exclusion] | None = None


class Validate(msgspec.Struct, rename="camel"):
    """The body of a rule."""

    message: str | None = None
    failure_action: str | None = None
    failure_action_overrides: list[Override] | None = None
    any_pattern: list[Any] | None = None
    deny: Map | None = None
    foreach: list[Loop] | None = None
    pod_security: PodSecurity | None = None
    cel: Map | None = None


class Mutate(msgspec.Struct, rename="camel"):
    """What tells whether rules are generated for controllers; nothing of it is evaluated."""

    foreach: Maps = None


class Rule(msgspec.Struct, rename="camel"):
    """One rule."""

    name: str = ""
    match: Block | None = None
    exclude: Block | None = None
    context: list[Source] | None = None
    mutate: Mutate | None = None
    validate: Validate | None = None


class ClassicSpec(msgspec.Struct, rename="camel"):
    """The spec of a ClusterPolicy."""

    rules: list[Rule]
    validation_failure_action: str | None = None
    validation_failure_action_overrides: list[Override] | None = None
    emit_warning: bool | None = None
    failure_policy: str | None = None
    webhook_configuration: Map | None = None


class ResourceRule(msgspec.Struct, rename="camel"):
    """One entry of ``resourceRules``."""

    api_groups: Texts = None
    api_versions: Texts = None
    operations: Texts = None
    resources: Texts = None
    resource_names: Texts = None


class Constraints(msgspec.Struct, rename="camel"):
    """``matchConstraints``."""

    resource_rules: list[ResourceRule] | None = None
    exclude_resource_rules: list[ResourceRule] | None = None
    namespace_selector: Selector | None = None
    object_selector: Selector | None = None


class Controllers(msgspec.Struct, rename="camel"):
    """``autogen.podControllers``."""

    controllers: Texts = None


class Autogen(msgspec.Struct, rename="camel"):
    """``spec.autogen``."""

    pod_controllers: Controllers | None = None


class ValidatingSpec(msgspec.Struct, rename="camel"):
    """The spec of a ValidatingPolicy."""

    match_constraints: Constraints | None = None
    evaluation: Map | None = None
    autogen: Autogen | None = None
    validation_actions: Texts = None
    failure_policy: str | None = None
    variables: Maps = None
    validations: Maps = None
    match_conditions: Maps = None
    audit_annotations: Maps = None


class Named(msgspec.Struct, rename="camel"):
    """One entry of ``exceptions``."""

    policy_name: str
    rule_names: Texts = None


class ExceptionSpec(msgspec.Struct, rename="camel"):
    """The spec of a PolicyException, of either group."""

    exceptions: list[Named] | None = None
    match: Block | None = None
    pod_security: list[Exclusion] | None = None
    policy_refs: Maps = None
    match_conditions: Maps = None
    allowed_images: Texts = None
    allowed_values: list[Any] | None = None


class Metadata(msgspec.Struct, rename="camel"):
    """What is read of the metadata."""

    name: str = ""
    namespace: str | None = None
    annotations: dict[str, str] | None = None


_WHERE = re.compile(r" - at `(?:key in )?\$([^`]*)`")
_STEP = re.compile(r"\.([A-Za-z]+)|\[(\d+|\.\.\.)\]")


def check(data: Object, spec: type[msgspec.Struct]) -> None:
    """Raises :class:`Unsupported` for the first value that is not of the type that it must have."""
    for key, shape in (("metadata", Metadata), ("spec", spec)):
        try:
            msgspec.convert(data.get(key), shape)
        except msgspec.ValidationError as error:
            message, path = str(error), (key,)
            raise Unsupported(_WHERE.sub("", message), (*path, *_path(message))) from None


def _path(message: str) -> Path:
    found = _WHERE.search(message)
    return tuple(name or int(index) for name, index in _STEP.findall(found[1]) if index != "...") if found else ()

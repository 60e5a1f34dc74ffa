"""The shape of the files of Kyverno's CLI tests, so far as ``suites`` relies on it."""

from collections.abc import Mapping
from typing import Any, TypeVar

import msgspec

from shipway.model.errors import BadInput
from shipway.policy.kyverno.shapes import Map, Maps, Texts


class Given(msgspec.Struct, rename="camel"):
    """Values for one rule or one resource."""

    name: str
    values: Map | None = None
    foreach_values: dict[str, list[Any]] | None = None


class PolicyValues(msgspec.Struct):
    """Values for one policy."""

    name: str
    rules: list[Given] | None = None
    resources: list[Given] | None = None


class Labelled(msgspec.Struct):
    """Labels of a namespace."""

    name: str
    labels: dict[str, str] | None = None


class Subresource(msgspec.Struct, rename="camel"):
    """A kind that stands for a part of another."""

    subresource: Map
    parent_resource: Map


class Values(msgspec.Struct, rename="camel"):
    """``kind: Values``."""

    global_values: Map | None = None
    policies: list[PolicyValues] | None = None
    namespace_selector: list[Labelled] | None = None
    namespaces: Maps = None
    subresources: list[Subresource] | None = None


class ContextSpec(msgspec.Struct):
    """What a cluster and registries hold."""

    resources: Maps = None
    images: Maps = None


class Context(msgspec.Struct):
    """``kind: Context``."""

    spec: ContextSpec | None = None


class UserInfo(msgspec.Struct, rename="camel"):
    """``kind: UserInfo``."""

    user_info: Map | None = None
    subject: Map | None = None
    roles: Texts = None
    cluster_roles: Texts = None


class Result(msgspec.Struct, rename="camel"):
    """One expectation."""

    resources: Texts = None
    resource_specs: Maps = None


class Answer(msgspec.Struct, rename="camel"):
    """What a service answers."""

    response: Map | None = None


class Entry(msgspec.Struct, rename="camel"):
    """A global context entry."""

    name: str
    resource_files: Texts = None
    projections: Maps = None


class Test(msgspec.Struct, rename="camel"):
    """``kind: Test``."""

    policies: Texts = None
    resources: Texts = None
    exceptions: Texts = None
    variables: str | None = None
    userinfo: str | None = None
    context: str | None = None
    values: Values | None = None
    json_payload: str | None = None
    json_payloads: Texts = None
    cluster_resources: Texts = None
    param_resources: Texts = None
    api_call_responses: list[Answer] | None = None
    global_context_entries: list[Entry] | None = None
    results: list[Result] | None = None


T = TypeVar("T", bound=msgspec.Struct)


def check(document: Mapping[str, Any], shape: type[T], what: str) -> None:
    """Raises :class:`BadInput` with the place of what is not of the type that it must have."""
    try:
        msgspec.convert(document, shape)
    except msgspec.ValidationError as error:
        raise BadInput(f"{what} cannot be used: {error}") from None

"""Values that know where they come from, at the price of one small object each.

A concern writes a Kubernetes object as a plain tree. A leaf that somebody said is wrapped in :func:`said`, one that we
worked out in :func:`derived`; every other leaf is a rule of the house, in the words of the object's :class:`Draft`. The
wrapping is taken off once, by :func:`plain`; reasons are only put together when somebody asks (:mod:`.rendered`).
"""

from collections.abc import Mapping
from typing import Any

import msgspec

Tree = Mapping[str, Any]
PLATFORM = "platform."
"""Before a path into the Platform document; every other path is into the Application document."""


class Traced(msgspec.Struct, frozen=True, gc=False):
    """A value (a leaf, or a list or map whose leaves all have one reason) and the fields that decided it.

    What is wrapped is plain already: nothing in it is wrapped again, and none of its keys has None.
    """

    value: Any
    rule: str
    """In words; empty when the value is the field's own."""
    fields: tuple[str, ...]
    """Dotted paths: ``spec.port``, ``platform.spec.components.mesh``."""


class Draft(msgspec.Struct, frozen=True):
    """One object as a concern made it."""

    tree: Tree
    rule: str
    """Why the leaves are as they are that carry no reason of their own: ``pods are hardened``."""


def said(value: Any, field: str) -> Traced:
    """``value`` is what ``field`` says, perhaps in other units."""
    return Traced(value, "", (field,))


def derived(value: Any, rule: str, *fields: str) -> Traced:
    """``value`` follows from ``fields`` by ``rule``, which is a sentence for a person."""
    return Traced(value, rule, fields)


def plain(tree: Any) -> Any:
    """The tree without its wrapping, and without the keys whose value is None."""
    kind = type(tree)
    if kind is dict:
        # Most values are leaves: a call for each would cost as much as all the rest.
        return {
            key: value if (kind := type(value)) is str else value.value if kind is Traced else plain(value)
            for key, value in tree.items()
            if value is not None
        }
    if kind is Traced:
        return tree.value
    if kind is list or kind is tuple:
        return [plain(value) for value in tree]
    return tree

"""A finished object and the reason of each of its leaves. Made by :mod:`.compiling`; asked by ``explain``, ``plan`` and tests."""

from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Any, Literal

import msgspec

from shipway.render.context import Context, Place
from shipway.render.tracing import PLATFORM, Draft, Traced, plain
from shipway.spec import Origin
from shipway.spec.reading import Path

ReasonKind = Literal[
    "command line",
    "environment override",
    "application",
    "environment default",
    "profile",
    "archetype",
    "platform default",
    "default",
    "platform",
    "derived",
    "house rule",
]


class Reason(msgspec.Struct, frozen=True):
    """Why a value is as it is."""

    kind: ReasonKind
    words: str = ""
    """The rule, of a derived value or a rule of the house."""
    field: str = ""
    """The field that says it, of a value that somebody wrote: ``spec.port``."""
    file: str = ""
    line: int = 0
    because: "tuple[Reason, ...]" = ()
    """What a derived value follows from: the next links of the chain."""
    column: int = 0

    def __str__(self) -> str:
        if self.kind in {"derived", "house rule"}:
            return f"{self.kind}: {self.words}"
        where = f" ({self.file}:{self.line})" if self.line else f" ({self.file})" if self.file else ""
        return f"{self.kind}: {self.field}{where}"


class Rendered(msgspec.Struct, frozen=True, dict=True):
    """One Kubernetes object (or Backstage entity)."""

    object: dict[str, Any]
    """Plain data: maps in the order in which they are written, no nulls."""
    draft: Draft
    context: "Context | Place"

    @property
    def identity(self) -> tuple[str, str, str, str]:
        """(apiVersion, kind, namespace or empty, name): unique within a cluster."""
        metadata = self.object["metadata"]
        return self.object["apiVersion"], self.object["kind"], metadata.get("namespace", ""), metadata["name"]

    @cached_property
    def provenance(self) -> Mapping[str, Reason]:
        """Path of every leaf (``spec.ports[0].port``) to its reason. Worked out when first asked for."""
        return {path_text(path): self._reason(found) for path, found in leaves(self.draft.tree)}

    @cached_property
    def values(self) -> Mapping[str, Any]:
        """Path of every leaf to its value, in the words of :attr:`provenance`."""
        return {path_text(path): value for path, _, value in _leaves(self.draft.tree, (), None)}

    def _reason(self, traced: Traced | None) -> Reason:
        if traced is None:
            return Reason("house rule", self.draft.rule)
        because = tuple(_said(self.context, field) for field in traced.fields)
        return Reason("derived", traced.rule, because=because) if traced.rule else because[0]


def rendered(draft: Draft, context: "Context | Place") -> Rendered:
    """The object that a draft stands for."""
    return Rendered(plain(draft.tree), draft, context)


def leaves(tree: Any) -> Iterator[tuple[Path, Traced | None]]:
    """(path, what it carries) of every leaf; an empty map or list is a leaf."""
    return ((path, traced) for path, traced, _ in _leaves(tree, (), None))


def _leaves(tree: Any, path: Path, traced: Traced | None) -> Iterator[tuple[Path, Traced | None, Any]]:
    if isinstance(tree, Traced):
        yield from _leaves(tree.value, path, tree)
    elif isinstance(tree, dict) and tree:
        for key, value in tree.items():
            if value is not None:
                yield from _leaves(value, (*path, key), traced)
    elif isinstance(tree, list | tuple) and tree:
        for index, value in enumerate(tree):
            yield from _leaves(value, (*path, index), traced)
    else:
        yield path, traced, tree


def path_text(path: Path) -> str:
    """``spec.ports[0].port``; a key with dots or slashes stands in brackets: ``metadata.labels["example.com/team"]``."""
    return "".join(_step(part) for part in path).removeprefix(".")


def _step(part: str | int) -> str:
    if isinstance(part, int):
        return f"[{part}]"
    return f'["{part}"]' if "." in part or "/" in part else f".{part}"


def _said(context: "Context | Place", field: str) -> Reason:
    if field.startswith(PLATFORM):
        origin = context.platform_origin(field.removeprefix(PLATFORM))
        return _written("platform" if origin.line else "default", field, origin)
    origin = context.origin(field)
    return _written(origin.kind, field, origin)


def _written(kind: ReasonKind, field: str, origin: Origin) -> Reason:
    return Reason(kind, field=field, file=origin.file, line=origin.line, column=origin.column)

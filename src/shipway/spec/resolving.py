"""An application in one environment: platform defaults below it, the environment's overrides above it, and where each value came from.

Called by the service facade before a deployment, by ``explain``, and by validation to check what every environment makes
of a file. Works on data as written, so that a value that nobody wrote stays distinguishable from one equal to the default.
"""

from collections.abc import Iterator, Mapping
from copy import deepcopy
from functools import cached_property
from typing import Any, Literal

import msgspec

from shipway.model.errors import BadInput
from shipway.model.suggestions import did_you_mean
from shipway.spec.application import SERVING, WORD_FIELDS, Application
from shipway.spec.diagnosis import parted
from shipway.spec.platform import Platform
from shipway.spec.reading import Node, Path

OriginKind = Literal[
    "command line",
    "environment override",
    "application",
    "environment default",
    "profile",
    "archetype",
    "platform default",
    "default",
]
"""From the strongest to the weakest."""
PROFILES = ("security", "monitoring", "cost")
"""Kinds of profile, from the strongest to the weakest: where two say different things, safety wins over money."""

_WHOLE: frozenset[Path] = frozenset({("spec", "delivery", "affinity")})
"""Maps whose entries exclude each other: the upper one replaces the lower."""
_RIVALS: Mapping[Path, tuple[Path, ...]] = {
    ("spec", "replicas"): (("spec", "scale"),),
    ("spec", "scale"): (("spec", "replicas"),),
}
"""Setting one takes the other out of the layers below."""
_REPLICATED = frozenset({"replicas", "scale"})
"""Of the defaults for everybody, not for a job: two that begin at one time would do its work twice."""
_STEPS: Path = ("spec", "delivery", "steps")
_AUTOMATIC: tuple[Path, ...] = (("spec", "resources", "cpu"), ("spec", "resources", "memory"))


class Declared(msgspec.Struct, frozen=True):
    """A document as it was written: what it says, and where."""

    file: str
    node: Node
    """Positions of everything in the file."""
    data: dict[str, Any]
    """Plain data as written, shorthands and all."""


class DeclaredApplication(Declared, frozen=True):
    """A valid application as written."""

    application: Application


class DeclaredPlatform(Declared, frozen=True):
    """A valid platform as written."""

    platform: Platform


class Origin(msgspec.Struct, frozen=True):
    """Where a value came from."""

    kind: OriginKind
    file: str = ""
    line: int = 0
    """From 1; 0 for a default of ours and for the command line."""
    column: int = 0
    """Of the value in that line, or of its key when the value begins further down."""

    @classmethod
    def at(cls, kind: OriginKind, file: str, key: Node | None, value: Node) -> "Origin":
        """Where a value of a document is written."""
        column = value.column if key is None or key.line == value.line else key.column
        return cls(kind, file, (key or value).line, column)


class _Layer(msgspec.Struct, frozen=True):
    """Part of a document that says something about the application."""

    kind: OriginKind
    data: Mapping[str, Any]
    """In the shape of an Application document."""
    declared: Declared | None = None
    at: Path = ()
    """Where in the document the layer's ``spec`` stands; empty when the document itself is the layer."""


_Layers = Mapping[Path, _Layer]
"""Paths of values to the layer that said each; a value is under the longest path that leads to it."""


class Resolved(msgspec.Struct, frozen=True, dict=True):
    """An application with nothing left to look up."""

    application: Application
    """With the overrides applied and ``environments`` empty."""
    layers: _Layers

    @cached_property
    def provenance(self) -> Mapping[str, Origin]:
        """Dotted path of every leaf of ``application.document()`` to its origin; a list counts as one leaf.

        Worked out when first asked for: most applications are only compiled.
        """
        return dict(_provenance(self.application.document(), self.layers))


def resolve(declared: DeclaredApplication, platform: DeclaredPlatform | None = None, environment: str = "") -> Resolved:
    """The application in ``environment`` (empty: as written, over the platform's defaults for everybody).

    Raises:
        BadInput: the platform names its environments and this is none of them. Without a platform any name will do.
    """
    _known(platform, environment)
    data, layers = merged(declared, platform, environment)
    context = {"metrics": platform.platform.metric_units} if platform else None
    return Resolved(Application.model_validate(data, context=context), layers)


def merged(
    declared: DeclaredApplication, platform: DeclaredPlatform | None, environment: str
) -> tuple[dict[str, Any], _Layers]:
    """The layers as one document, and who said each of its values."""
    data: dict[str, Any] = {}
    said: dict[Path, _Layer] = {}
    for layer in _layers(declared, platform, environment):
        _merge(data, layer.data, (), layer, said)
    if data["spec"].get("delivery", {}).get("strategy") == "direct":  # an environment may go without the file's steps
        _drop(data, _STEPS, _STEPS, said)
    return data, said


def said_by(
    declared: DeclaredApplication, platform: DeclaredPlatform | None, environment: str, field: str
) -> tuple[tuple[Origin, Any], ...]:
    """Every layer that says something about ``field`` (dotted), strongest first, with the value as written there."""
    path: Path = parted(field)
    found: list[tuple[Origin, Any]] = []
    for layer in _layers(declared, platform, environment):
        value: Any = layer.data
        if path in _AUTOMATIC and isinstance(layer.data.get("spec", {}).get("resources"), str):
            found.clear()  # `auto` unsays what weaker layers said
        for depth, part in enumerate(path):
            value = _full(path[:depth], value)
            value = value.get(str(part)) if isinstance(value, Mapping) else None
        if value is not None and value != {}:
            found.append((_origin(layer, path), value))
    return tuple(reversed(found))


def _known(platform: DeclaredPlatform | None, environment: str) -> None:
    names = list(platform.platform.spec.environments) if platform else []
    if platform and names and environment and environment not in names:
        message = f"the platform has no environment `{environment}`{did_you_mean(environment, names)}"
        raise BadInput(message, hint=f"there is {', '.join(names)}; environments are named in {platform.file}")


def _layers(declared: DeclaredApplication, platform: DeclaredPlatform | None, environment: str) -> Iterator[_Layer]:
    """From the weakest to the strongest."""
    if declared.application.spec.archetype not in SERVING:
        yield _Layer("default", {"spec": {"delivery": {"strategy": "direct"}}})
    if platform:
        yield from _platform_layers(declared, platform, environment)
    spec = {key: value for key, value in declared.data["spec"].items() if key != "environments"}
    yield _Layer("application", {**declared.data, "spec": spec}, declared)
    override: Path = ("spec", "environments", environment)
    yield _Layer("environment override", {"spec": _inside(declared.data, override)}, declared, override)
    yield _Layer("command line", {"spec": _assigned(declared.node.at(("spec",))[1], spec)}, declared)


def _platform_layers(declared: DeclaredApplication, platform: DeclaredPlatform, environment: str) -> Iterator[_Layer]:
    profiles = reversed(chosen_profiles(declared, platform, environment).items())
    places: tuple[tuple[OriginKind, Path], ...] = (
        ("platform default", ("spec", "defaults")),
        ("archetype", ("spec", "archetypes", declared.application.spec.archetype)),
        *(("profile", ("spec", "profiles", kind, name, "defaults")) for kind, name in profiles),
        ("environment default", ("spec", "environments", environment, "defaults")),
    )
    for kind, path in places:
        said = _inside(platform.data, path)
        if kind != "archetype" and declared.application.spec.archetype == "scheduled-job":
            said = {key: value for key, value in said.items() if key not in _REPLICATED}
        if said:
            yield _Layer(kind, {"spec": said}, platform, path)


def chosen_profiles(
    declared: DeclaredApplication, platform: DeclaredPlatform | None, environment: str
) -> dict[str, str]:
    """Kind of profile to the name that is chosen in ``environment``, in the order of :data:`PROFILES`.

    A profile cannot choose another: what a profile says about profiles is not looked at.
    """
    archetype = declared.application.spec.archetype
    said = [_inside(declared.data, ("spec", "environments", environment)), declared.data["spec"]]
    if platform:
        paths: tuple[Path, ...] = (
            ("spec", "environments", environment, "defaults"),
            ("spec", "archetypes", archetype),
            ("spec", "defaults"),
        )
        said += [_inside(platform.data, path) for path in paths]
    names = (
        (kind, next((n for one in said if (n := (one.get("profiles") or {}).get(kind))), None)) for kind in PROFILES
    )
    return {kind: name for kind, name in names if name}


def _assigned(node: Node, data: Mapping[str, Any]) -> dict[str, Any]:
    """The part of ``data`` that the command line has set: it holds against the environment's overrides as well."""
    found: dict[str, Any] = {}
    for key, (_, value) in (node.entries or {}).items():
        if value.file and key in data:
            found[key] = data[key]
        elif value.entries is not None and isinstance(data.get(key), dict) and (inner := _assigned(value, data[key])):
            found[key] = inner
    return found


def _inside(data: Mapping[str, Any], path: Path) -> Mapping[str, Any]:
    for part in path:
        data = data.get(str(part)) or {}
    return data


def _merge(
    lower: dict[str, Any], upper: Mapping[str, Any], path: Path, layer: _Layer, said: dict[Path, _Layer]
) -> None:
    """Lay ``upper`` over ``lower``: maps merge by key, everything else replaces."""
    for key, written in upper.items():
        here = (*path, key)
        value = _field(lower, written, here, said) if path == ("spec",) else written
        if isinstance(value, dict) and here not in _WHOLE:
            said.setdefault(here, layer)
            _merge(lower.setdefault(key, {}), value, here, layer, said)
        else:
            _drop(lower, (key,), here, said)
            lower[key] = deepcopy(value) if isinstance(value, dict | list) else value
            said[here] = layer


def _field(lower: dict[str, Any], written: Any, path: Path, said: dict[Path, _Layer]) -> Any:
    """What a field of ``spec`` says in full, after what it takes out of the layers below has gone."""
    for rival in _RIVALS.get(path, ()):
        _drop(lower, rival[1:], rival, said)
    if path == ("spec", "resources") and not isinstance(written, dict):
        for automatic in _AUTOMATIC:
            _drop(lower, automatic[1:], automatic, said)
    return _full(path, written)


def _full(path: Path, value: Any) -> Any:
    """The map that a word stands for."""
    if len(path) != 2 or isinstance(value, dict):
        return value
    field = WORD_FIELDS.get(str(path[1]))
    return {} if path == ("spec", "resources") else {field: value} if field else value


def _drop(data: dict[str, Any], inside: Path, path: Path, said: dict[Path, _Layer]) -> None:
    for part in inside[:-1]:
        data = data.get(str(part), {})
    if inside[-1] not in data:
        return
    del data[str(inside[-1])]
    for known in [known for known in said if known[: len(path)] == path]:
        del said[known]


def _origin(layer: _Layer, path: Path) -> Origin:
    if layer.declared is None:
        return Origin(layer.kind)
    written = (*layer.at, *path[1:]) if layer.at else path
    key, value, _ = layer.declared.node.at(written)
    if value.file:
        return Origin("command line", value.file)
    return Origin.at(layer.kind, layer.declared.file, key, value)


def _provenance(data: Mapping[str, Any], layers: _Layers, path: Path = ()) -> Iterator[tuple[str, Origin]]:
    for key, value in data.items():
        here = (*path, key)
        if isinstance(value, dict) and value and here not in _WHOLE:
            yield from _provenance(value, layers, here)
        else:
            yield ".".join(map(str, here)), _nearest(layers, here)


def _nearest(layers: _Layers, path: Path) -> Origin:
    """The value's own origin, or that of a map that replaced everything under it."""
    if path in layers:
        return _origin(layers[path], path)
    above = (path[:length] for length in range(len(path) - 1, 0, -1))
    whole = next((one for one in above if one in _WHOLE and one in layers), None)
    return _origin(layers[whole], whole) if whole else Origin("default")

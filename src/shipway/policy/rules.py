"""The one form that rules of every language are compiled to, and what comes out of it.

Made by the loaders (``cel``, ``rego``, ``kyverno``), called by the evaluator. A rule is a function of a request and
nothing else: it reads no clock, no network and no file, so a stored request gives the same outcome again.
"""

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Literal

import msgspec

Object = Mapping[str, Any]
"""A Kubernetes object, or a virtual one that carries platform facts, as plain data."""
Status = Literal["pass", "fail", "warn", "skip", "error"]
"""``skip``: the rule does not apply, or an exception covers it. ``error``: it could not be judged; never a pass."""
Action = Literal["off", "audit", "warn", "deny"]
Severity = Literal["info", "low", "medium", "high", "critical"]
Operation = Literal["CREATE", "UPDATE", "DELETE", "CONNECT"]
Path = tuple[str | int, ...]
"""Where in the object: keys and indices from its root; ``()`` is the object itself."""

NOTHING: Mapping[str, Any] = MappingProxyType({})


class Place(msgspec.Struct, frozen=True):
    """Where something is written. Line and column count from 1; 0 is unknown."""

    file: str = ""
    line: int = 0
    column: int = 0


class Document(msgspec.Struct, frozen=True):
    """One policy document (or an object that policies take parameters from) as a file holds it."""

    data: Object
    file: str = ""
    locate: Callable[[Path], Place] = lambda _path: Place()
    """Where the value at a path of the document is written."""


class Request(msgspec.Struct, frozen=True):
    """Everything that a rule may look at, at one moment."""

    object: Object | None
    """The object as it would be; None when it is deleted."""
    old_object: Object | None = None
    operation: Operation = "CREATE"
    user_info: Object = NOTHING
    """``username``, ``groups`` ... as in AdmissionReview."""
    namespace_object: Object | None = None
    """The Namespace that the object is in."""
    inventory: Sequence[Object] = ()
    """Other objects that rules may look up (Gatekeeper's ``data.inventory``, Kyverno's ``resource.Get``, params)."""
    alone: bool = False
    """Nobody has said what else there is, so an empty ``inventory`` means nothing: rules that look around are skipped."""
    values: Mapping[str, Any] = NOTHING
    """Context that a policy would fetch from a cluster, given instead: Kyverno CLI's values, config maps, API calls."""
    at: float = 0.0
    """Now, in seconds since the epoch."""
    dry_run: bool = False
    resource: str = ""
    """Plural name, with the subresource if there is one: ``pods/exec``. Empty: as the object's kind says."""
    admission: Object = NOTHING
    """The AdmissionRequest as an API server sent it, when one did."""


class Outcome(msgspec.Struct, frozen=True):
    """What one rule says about one request."""

    status: Status
    message: str = ""
    path: Path = ()
    """The offending value, where the rule can tell; a value that is missing has the path where it would be."""
    reason: str = ""
    """Of a refusal, as in a Kubernetes Status: ``Invalid``, ``Forbidden``, ``Unauthorized``, ``RequestEntityTooLarge``."""
    annotations: Mapping[str, str] = NOTHING
    """For the audit event, by key."""
    allowed: str = ""
    """What the value may be, as the policy writes it, where that can be told."""


class CompiledRule(msgspec.Struct, frozen=True):
    """One rule, ready to be evaluated."""

    policy: str
    name: str
    """Of the rule in its policy; the policy's own name when it has one rule."""
    engine: Literal["cel", "rego", "kyverno"]
    evaluate: Callable[[Request], Sequence[Outcome]]
    """Total: what goes wrong is an outcome with status ``error``. Empty or ``skip`` when the rule does not apply."""
    kinds: frozenset[str] | None = None
    """Kinds that the rule can apply to, to skip the others cheaply; None: ask the rule."""
    resources: frozenset[str] | None = None
    """The same by plural names (``pods``), for policies that match by these."""
    subresources: frozenset[str] = frozenset()
    """``deployments/scale``, ``*/exec``: what the rule is about beside objects, so that a webhook can ask to be sent it."""
    action: Action = "deny"
    """What the policy itself asks for; a platform may ask for less or more in an environment."""
    environments: tuple[str, ...] = ()
    """Where it holds unless the platform says otherwise; empty: everywhere."""
    looks_around: bool = False
    """Looks at other objects (``data.inventory``), and would take an inventory that nobody has for an empty one."""
    sees_facts: bool = False
    """May be about Applications and platform facts although it names no kinds: it names their group, or is conftest's Rego,
    which sees whatever is its input."""
    ignores_errors: bool = False
    """``failurePolicy: Ignore``: an error is still shown as one, but refuses nothing."""
    severity: Severity = "medium"
    title: str = ""
    rationale: str = ""
    fix: str = ""
    controls: tuple[str, ...] = ()
    """Control ids of benchmarks that it stands for, such as ``CIS 5.2.6``."""
    place: Place = Place()
    """Where the rule is written."""

    @property
    def id(self) -> str:
        """``policy/rule``, or the policy's name alone when both are the same."""
        return self.policy if self.policy == self.name else f"{self.policy}/{self.name}"

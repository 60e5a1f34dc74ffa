"""``kind: PolicySet``: what a platform makes of its rules. Which are enforced where, who is excepted, when nothing may change.

Read by ``cli`` beside the policies themselves; :mod:`shipway.policy.enforcing` and :mod:`shipway.policy.windows` apply it.
"""

from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Annotated, Literal
from zoneinfo import ZoneInfo

import msgspec
from dateutil.rrule import rrule, rrulestr
from pydantic import AfterValidator, Field

from shipway.model.problems import Problem
from shipway.spec.application import API_VERSION
from shipway.spec.diagnosis import problem_at
from shipway.spec.fields import Closed, Line, Misspelt, Name, PositiveDuration, describe
from shipway.spec.reading import Node, Source, read
from shipway.spec.resolving import Declared
from shipway.spec.validating import validated

Action = Literal["off", "audit", "warn", "deny"]
MAX_RULE = 200
"""Characters of a recurrence rule; a longer one lists what a shorter one says."""
_SLOW_ENOUGH = ("YEARLY", "MONTHLY", "WEEKLY", "DAILY")
"""A window that opens every hour is no window, and looking for the next one would take long."""


def _checked(read_: Callable[[str], object], code: str, expected: str) -> AfterValidator:
    """A text that ``read_`` understands."""

    def check(text: str) -> str:
        try:
            read_(text)
        except (ValueError, KeyError, OSError):
            raise Misspelt(code, f"expected {expected}, got {describe(text)}") from None
        return text

    return AfterValidator(check)


def moment(text: str, zone: str = "UTC", *, end: bool = False) -> float:
    """Seconds since the epoch of an RFC 3339 time, or of a date: its first moment, with ``end`` its last.

    A time without an offset is one on the wall clocks of ``zone``.

    Raises:
        ValueError: neither a date nor a time.
    """
    if len(text) == len("2026-12-31"):
        day = date.fromisoformat(text) + timedelta(days=end)
        return datetime.combine(day, time(), ZoneInfo(zone)).timestamp()
    found = datetime.fromisoformat(text)
    return (found if found.tzinfo else found.replace(tzinfo=ZoneInfo(zone))).timestamp()


def recurrence(text: str, start: datetime) -> rrule:
    """The RFC 5545 recurrence rule ``text`` on wall clocks, from ``start`` (naive) on.

    Raises:
        ValueError: not a rule, or one that recurs more often than daily.
    """
    if len(text) > MAX_RULE or "\n" in text or not any(f"FREQ={often}" in text.upper() for often in _SLOW_ENOUGH):
        raise ValueError(text[:MAX_RULE])
    found = rrulestr(text.upper(), dtstart=start)
    if not isinstance(found, rrule):
        raise ValueError(text)  # noqa: TRY004  # the text is wrong, not its type
    return found


def _zone(name: str) -> ZoneInfo:
    if name.startswith(("/", ".")):
        raise ValueError(name)
    return ZoneInfo(name)


Moment = Annotated[
    str, _checked(moment, "bad-time", "a date such as 2026-12-31 or a time such as 2026-12-31T18:00:00+01:00")
]
TimeZone = Annotated[str, _checked(_zone, "bad-time-zone", "a time zone such as Europe/Berlin or UTC")]
Recurrence = Annotated[
    str,
    _checked(
        lambda text: recurrence(text, datetime(2026, 1, 1)),  # noqa: DTZ001  # rules recur on wall clocks
        "bad-recurrence",
        "an RFC 5545 rule of days or longer, such as FREQ=WEEKLY;BYDAY=MO,TU,WE;BYHOUR=9;BYMINUTE=0;BYSECOND=0",
    ),
]
Environments = Annotated[tuple[Name, ...], Field(strict=False)]
RuleNames = Annotated[tuple[Line, ...], Field(strict=False, min_length=1)]


class Enforced(Closed):
    """What is done about some rules."""

    rules: RuleNames = Field(
        description="Ids of rules, as `shipway policy list` shows them; `*` stands for any text.",
        examples=[["require-*"]],
    )
    action: Action | None = Field(
        default=None, description="off, audit (only recorded), warn or deny, everywhere.", examples=["audit"]
    )
    environments: dict[Name, Action] = Field(
        default_factory=dict, description="The same for single environments.", examples=[{"prod": "deny"}]
    )


class SubjectPattern(Closed):
    """Some objects. What is left out may be anything; `*` stands for any text."""

    kind: Line | None = Field(default=None, description="Kind of the object.", examples=["Deployment"])
    namespace: Line | None = Field(default=None, description="Its namespace.", examples=["shop"])
    name: Line | None = Field(default=None, description="Its name.", examples=["billing-*"])


class PolicyException(Closed):
    """Somebody may break some rules for a while."""

    name: Name = Field(description="Name of the exception.", examples=["legacy-billing"])
    rules: RuleNames = Field(description="Rules that it is for.", examples=[["run-as-non-root"]])
    subjects: Annotated[tuple[SubjectPattern, ...], Field(strict=False, min_length=1)] = Field(
        description="Objects that it is for.", examples=[[{"kind": "Deployment", "name": "billing-*"}]]
    )
    environments: Environments = Field(
        default=(), description="Where it holds; everywhere when left out.", examples=[["prod"]]
    )
    owner: Line = Field(description="Who answers for it.", examples=["payments"])
    reason: Line = Field(description="Why the rule cannot be kept yet.", examples=["The image runs as root until 3.0."])
    ticket: Line = Field(description="Where the work to get rid of it is tracked.", examples=["OPS-12"])
    expires: Moment = Field(description="Until when it holds; a date includes its day.", examples=["2026-12-31"])

    def is_expired(self, at: float) -> bool:
        """Whether it no longer holds at ``at``, in seconds since the epoch."""
        return at >= moment(self.expires, end=True)


class Window(Closed):
    """A time that recurs, or a single one."""

    name: Line = Field(description="What people call it.", examples=["office hours"])
    environments: Environments = Field(
        default=(), description="Where it holds; everywhere when left out.", examples=[["prod"]]
    )
    schedule: Recurrence | None = Field(
        default=None,
        description="When it begins, as an RFC 5545 recurrence rule; once, at `from`, when left out.",
        examples=["FREQ=WEEKLY;BYDAY=MO,TU,WE,TH;BYHOUR=9;BYMINUTE=0;BYSECOND=0"],
    )
    duration: PositiveDuration | None = Field(default=None, description="How long it lasts.", examples=["8h"])
    from_: Moment = Field(
        alias="from",
        default="2026-01-01",
        description="When it (or its recurrence) begins.",
        examples=["2026-11-27"],
    )
    until: Moment | None = Field(
        default=None, description="When it (or its recurrence) ends; a date includes its day.", examples=["2026-11-30"]
    )
    time_zone: TimeZone = Field(default="UTC", description="Whose wall clocks.", examples=["Europe/Berlin"])
    reason: Line | None = Field(default=None, description="Shown to whoever has to wait.", examples=["Black Friday"])


class PolicySetSpec(Closed):
    """What holds."""

    default: Action = Field(
        default="audit", description="What is done about rules that no entry of `enforce` names.", examples=["audit"]
    )
    pack: bool = Field(default=True, description="Whether the built-in rules are used.", examples=[True])
    enforce: Annotated[tuple[Enforced, ...], Field(strict=False)] = Field(
        default=(),
        description="What is done about which rules; later entries win.",
        examples=[[{"rules": ["*"], "action": "warn", "environments": {"prod": "deny"}}]],
    )
    parameters: dict[Name, Line] = Field(
        default_factory=dict,
        description="Values that built-in rules ask for.",
        examples=[{"allowed-registries": "registry.example.com,ghcr.io/acme"}],
    )
    exceptions: Annotated[tuple[PolicyException, ...], Field(strict=False)] = Field(
        default=(), description="Who may break which rules, and until when.", examples=[[]]
    )
    change_windows: Annotated[tuple[Window, ...], Field(strict=False)] = Field(
        default=(),
        description="When changes are allowed; always, when there is none for the environment.",
        examples=[[]],
    )
    freezes: Annotated[tuple[Window, ...], Field(strict=False)] = Field(
        default=(), description="When nothing may change, whatever the windows say.", examples=[[]]
    )


class PolicySetMetadata(Closed):
    """Which set it is."""

    name: Name = Field(description="Name of the set.", examples=["acme"])


class PolicySet(Closed):
    """Which rules are enforced where, who is excepted, and when nothing may change."""

    api_version: Literal["shipway.dev/v1alpha1"] = Field(description="Version of this format.", examples=[API_VERSION])
    kind: Literal["PolicySet"] = Field(description="What the document is.", examples=["PolicySet"])
    metadata: PolicySetMetadata = Field(description="Which set it is.", examples=[{"name": "acme"}])
    spec: PolicySetSpec = Field(
        default_factory=PolicySetSpec, description="What holds.", examples=[{"default": "audit"}]
    )


class DeclaredPolicySet(Declared, frozen=True):
    """A valid policy set as written."""

    policies: PolicySet


def parse_policy_sets(sources: Sequence[Source]) -> tuple[list[DeclaredPolicySet], list[Problem]]:
    """Every PolicySet of every source, and what is wrong with them. Documents of other kinds are passed over."""
    found: list[DeclaredPolicySet] = []
    problems: list[Problem] = []
    for source in sources:
        nodes, wrong = read(source)
        problems += wrong
        for node in nodes:
            if node.entries and "kind" in node.entries and node.entries["kind"][1].value == "PolicySet":
                found += _parsed(source.file, node, problems)
    return found, problems


def _parsed(file: str, node: Node, problems: list[Problem]) -> list[DeclaredPolicySet]:
    declared = Declared(file, node, node.data())
    instance, wrong, _ = validated(declared, PolicySet, None)
    if instance is not None:
        wrong += _window_problems(declared, instance.spec)
    problems += wrong
    return [] if wrong or instance is None else [DeclaredPolicySet(file, node, declared.data, instance)]


def _window_problems(declared: Declared, spec: PolicySetSpec) -> list[Problem]:
    """Windows that never end."""
    found = []
    for field, windows in (("changeWindows", spec.change_windows), ("freezes", spec.freezes)):
        for index, window in enumerate(windows):
            path = ("spec", field, index)
            if window.schedule and window.duration is None:
                message = "expected `duration` beside `schedule`: how long the window lasts each time"
                found.append(problem_at(declared.file, declared.node, path, "missing", message))
            elif window.schedule is None and window.duration is None and window.until is None:
                message = "expected `until` or `duration`, so that the window ends"
                found.append(problem_at(declared.file, declared.node, path, "missing", message))
    return found


class Merged(msgspec.Struct, frozen=True):
    """What several policy sets say together, in the order of their files."""

    default: Action | None = None
    """None when there is no policy set, and each rule's own action holds."""
    pack: bool = True
    enforce: tuple[Enforced, ...] = ()
    parameters: dict[str, str] = {}
    exceptions: tuple[PolicyException, ...] = ()
    change_windows: tuple[Window, ...] = ()
    freezes: tuple[Window, ...] = ()
    places: tuple[tuple[str, int, int], ...] = ()
    """(file, line, column) of the end of each exception."""


def merged(sets: Sequence[DeclaredPolicySet]) -> Merged:
    """The sets as one: lists are joined; of the default and of each parameter the last one holds."""
    specs = [one.policies.spec for one in sets]
    return Merged(
        specs[-1].default if specs else None,
        all(spec.pack for spec in specs),
        tuple(one for spec in specs for one in spec.enforce),
        {key: value for spec in specs for key, value in spec.parameters.items()},
        tuple(one for spec in specs for one in spec.exceptions),
        tuple(one for spec in specs for one in spec.change_windows),
        tuple(one for spec in specs for one in spec.freezes),
        tuple(_expiry(one, index) for one in sets for index in range(len(one.policies.spec.exceptions))),
    )


def _expiry(declared: DeclaredPolicySet, index: int) -> tuple[str, int, int]:
    node = declared.node.at(("spec", "exceptions", index, "expires"))[1]
    return declared.file, node.line, node.column


def in_utc(at: float) -> str:
    """``at`` as RFC 3339, to the second."""
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")

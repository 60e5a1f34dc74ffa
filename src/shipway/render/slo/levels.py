"""A service level: what is counted, how much of it may fail, over which time, and who is told when it fails too fast.

Made from an Application (:mod:`shipway.render.slo.promises`) or read from a file (:mod:`shipway.slo.reading`); rules,
alerts, dashboards and error budgets follow from it. Queries are PromQL in which :data:`WINDOW` stands for a duration.
"""

import re
from collections.abc import Mapping
from functools import cached_property
from typing import Literal

import msgspec

DAY = 86_400.0
WINDOW = "{{.window}}"
"""Placeholder for the range in a query, as Sloth and OpenSLO files have it."""
PLACEHOLDER = re.compile(r"{{ *\.window *}}")

MIN_EVENTS = 100
"""Fewer events than this in the long window of an alert prove nothing: at 99.9 % one failure alone would be ten budgets."""


class BadEvents(msgspec.Struct, frozen=True, tag="bad"):
    """Failed events and all events, each as a query of their number or rate."""

    bad: str
    total: str


class GoodEvents(msgspec.Struct, frozen=True, tag="good"):
    """Good events and all events, each as a query of their number or rate."""

    good: str
    total: str


class ErrorRatio(msgspec.Struct, frozen=True, tag="ratio"):
    """A query that already answers with the share of failures, 0..1; how many events that were is unknown."""

    ratio: str


Indicator = BadEvents | GoodEvents | ErrorRatio


class Window(msgspec.Struct, frozen=True):
    """The time over which a promise is measured: the last ``seconds``, or what has passed of the calendar's period (UTC)."""

    seconds: float = 30 * DAY
    """Of a calendar period the longest it can be: 7 or 31 days."""
    calendar: Literal["", "week", "month"] = ""
    """Empty for a rolling window. Weeks begin on Monday (ISO 8601)."""


WEEK = Window(7 * DAY, "week")
MONTH = Window(31 * DAY, "month")


class Notice(msgspec.Struct, frozen=True):
    """What an alert carries to whoever it is routed to."""

    labels: Mapping[str, str] = {}
    annotations: Mapping[str, str] = {}


class ServiceLevel(msgspec.Struct, frozen=True, kw_only=True, dict=True):
    """One objective of one service."""

    service: str
    name: str
    """Unique within the service."""
    objective: float
    """Percent of the events that must be good, above 0 and at most 100, as people write it."""
    indicator: Indicator
    window: Window = Window()
    description: str = ""
    labels: Mapping[str, str] = {}
    """On every rule."""
    alert: str = ""
    """Name of its alerts; may be empty when both are off."""
    page: Notice | None = Notice()
    """Wakes somebody; None switches it off."""
    ticket: Notice | None = Notice()
    """Waits for the morning; None switches it off."""
    min_events: int = MIN_EVENTS
    """Low-traffic guard: an alert needs as many events in its long window. 0 switches it off."""
    no_data: Literal["ticket", "ignore"] = "ticket"
    """What happens when nothing is measured any more. Neither a kept nor a broken promise either way."""
    runbook: str = ""
    """Link to what to do about an alert."""

    def __hash__(self) -> int:
        return hash((self.service, self.name, self.objective, self.window, self.runbook))

    @property
    def id(self) -> str:
        """Unique among all services."""
        return f"{self.service}-{self.name}"

    @cached_property
    def record_labels(self) -> dict[str, str]:
        """Labels of everything that is recorded of it, in the order of names. Not to be changed."""
        return dict(sorted({**self.labels, "slo": self.name, "slo_service": self.service}.items()))

    @property
    def target(self) -> float:
        """Share of the events that must be good, 0..1."""
        return self.objective / 100

    @property
    def budget(self) -> float:
        """Share of the events that may fail, 0..1."""
        return (100 - self.objective) / 100


def within(query: str, window: str) -> str:
    """``query`` over a range such as ``5m``."""
    return PLACEHOLDER.sub(window, query)

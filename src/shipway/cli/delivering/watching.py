"""Following one application until nothing is under way. On a terminal a live picture, elsewhere one line per change."""

import sys
from collections import deque
from collections.abc import Iterable, Iterator
from datetime import datetime
from pathlib import Path

from shipway.cli.output import console, lines
from shipway.engine.views import ApplicationView, RolloutView
from shipway.web.api.client import Client

GOOD = "promoted"
"""The phase in which a rollout ends well."""


def succeeded(rollout: RolloutView) -> bool:
    """Whether it made its release live."""
    return rollout.phase == GOOD


def hint(rollout: RolloutView) -> str:
    """When it did not end well: the last words of its processes, if they were why, and what to look at."""
    said = "".join(f"  | {line}\n" for line in rollout.log_tail)
    logs = f"`shipway logs {rollout.app} --release {rollout.release}` shows what it wrote"
    return f"{said}hint: {logs}, `shipway rollout show {rollout.id}` the evidence, `shipway rollout retry {rollout.id}` tries again."


def until_ended(client: Client, app: str, rollout: str, *, json: bool = False, silent: bool = False) -> RolloutView:
    """Show the application until ``rollout`` has ended and nothing else is under way; return how it ended.

    On a terminal a live picture, elsewhere a line per change, with ``json`` a document per change.
    """
    views = _until_settled(client.watch(app), rollout)
    if silent:
        deque(views, maxlen=0)
    elif json:
        lines(((view, "") for view in views), json=True)
    elif sys.stdout.isatty():
        _live(views, client.home, app)
    else:
        lines(changes(views), json=False)
    return client.rollout(rollout)


def describe(rollout: RolloutView) -> str:
    """One line about where a rollout stands."""
    share = f" at {rollout.weight:g} %" if rollout.active and rollout.kind == "canary" else ""
    return f"{rollout.id} {rollout.release} {rollout.phase}{share}: {rollout.reason}".removesuffix(": ")


def _until_settled(views: Iterator[ApplicationView], rollout: str) -> Iterator[ApplicationView]:
    for view in views:
        yield view
        current = view.rollout
        if current is None or (current.id == rollout and not view.settled):
            continue
        # Settled; or another release has taken its place, and that one is for somebody else to watch.
        if not current.active or _number(current.id) > _number(rollout):
            return


def _number(rollout: str) -> int:
    """Rollouts of an application are counted: ``shop-3`` is its third."""
    return int(rollout.rpartition("-")[2])


def changes(views: Iterable[ApplicationView]) -> Iterator[tuple[object, str]]:
    """(view, line for people) whenever a person would notice."""
    said = ""
    for view in views:
        now = (view.trouble and f"{view.name}: {view.trouble}") or (describe(view.rollout) if view.rollout else "")
        if now != said:
            said = now
            yield view, f"{datetime.now().astimezone():%H:%M:%S} {now}"


def _live(views: Iterator[ApplicationView], home: Path, app: str) -> None:
    from rich.live import Live

    from shipway.cli.delivering.following import Follower
    from shipway.cli.recalling.records import records

    with records(home) as journal:
        follower = Follower(journal, app)
        follower.update()
        with Live(console=console(), get_renderable=follower.picture, refresh_per_second=5):
            for _ in views:
                follower.update()

"""Answers as people read them: rich tables without frames, so that they are plain lines where nobody looks.

Pure: view models in, renderables out. The live picture of a rollout is in ``live``.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

import msgspec
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from shipway.cli.output import plain
from shipway.engine.views import ApplicationView, ControllerView, ReleaseView, RolloutView
from shipway.model.commits import Provenance

if TYPE_CHECKING:
    from shipway.engine.replay import Outcome, Replay
    from shipway.engine.timeline import Timeline
    from shipway.engine.views import Deployment
    from shipway.web.api.client import Explanation

GOOD, BAD, WAITING, FAINT = "green", "red", "yellow", "dim"
_STYLES = {
    "promoted": GOOD,
    "pass": GOOD,
    "rolled back": BAD,
    "rolled_back": BAD,
    "fail": BAD,
    "reverting": BAD,
    "aborted": WAITING,
    "holding": WAITING,
    "paused": WAITING,
    "hold": WAITING,
    "error": WAITING,
}


_NUMBERS = frozenset({"requests", "failed", "after", "weight", "traffic"})


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """One rollout in one line: the row of ``history``, of the demo's table and of its JSON."""

    rollout: str
    release: str
    label: str
    kind: str
    by: str
    started_at: float
    ended_at: float | None
    verdict: str
    seconds_to_verdict: float | None
    requests: int
    failed_requests: int
    evidence: str
    code: str = ""
    """The commit as people read it."""
    commit: Provenance | None = None
    """All that is known of it, or why nothing is."""


def summary(one: "Timeline") -> Summary:
    """The line of a timeline."""
    values = {name: getattr(one, name) for name in Summary.__struct_fields__}
    return Summary(**values)


def controller(view: ControllerView) -> RenderableType:
    """Everything at a glance."""
    head = f"Controller {view.pid} (shipway {view.version}) in {view.home}, up since {moment(view.started_at)}."
    parts: list[RenderableType] = [Text(head)]
    parts += [Text(f"Trouble: {view.trouble}", BAD)] if view.trouble else []
    if not view.applications:
        return Group(*parts, Text("Nothing is deployed yet: `shipway deploy FILE`.", FAINT))
    table = _table("application", "live", "traffic", "address", "rollout")
    for one in view.applications:
        table.add_row(one.name, one.live or "-", _weights(one), one.url, _rollout_cell(one))
    parts += [Text(), table]
    parts += [Text(f"{one.name}: {one.trouble}", BAD) for one in view.applications if one.trouble]
    return Group(*parts)


def application(view: ApplicationView) -> RenderableType:
    """One application: its releases, their processes, and the rollout under way or the last."""
    head = f"{view.name} at {view.url}: {_weights(view) or 'no traffic yet'}"
    parts: list[RenderableType] = [Text(head)]
    parts += [Text(f"Trouble: {view.trouble}", BAD)] if view.trouble else []
    table = _table("release", "label", "state", "traffic", "by", "since", "processes")
    for release in view.releases:
        table.add_row(
            Text(release.id, "bold" if release.live else ""),
            release.label,
            _release_state(release),
            f"{release.weight:g} %" if release.weight else "",
            release.by,
            moment(release.at),
            _processes(release),
        )
    parts += [Text(), table]
    parts += [Text(), rollout(view.rollout)] if view.rollout else []
    parts += [Text(f"Next: {view.pending}", FAINT)] if view.pending else []
    return Group(*parts)


def rollout(view: RolloutView) -> RenderableType:
    """One rollout with its evidence."""
    against = f" against {view.baseline}" if view.baseline else ""
    head = Text(f"Rollout {view.id} ({view.kind} of {view.release}{against}): ")
    head.append(view.phase, _STYLES.get(view.phase, ""))
    head.append(f" at {view.weight:g} %" if view.active and view.kind == "canary" else "")
    parts: list[RenderableType] = [head]
    parts += [Text(f"  {plain(view.reason)}")] if view.reason else []
    parts += [Text(f"  {plain(view.evidence)}")] if view.evidence and view.evidence != view.reason else []
    if view.indicators:
        table = _table("indicator", "verdict", "canary", "baseline", "evidence")
        for one in view.indicators:
            table.add_row(
                one.name,
                Text(one.verdict, _STYLES.get(one.verdict, "")),
                _arm(one.canary_bad, one.canary_total, one.canary_band),
                _arm(one.baseline_bad, one.baseline_total, one.baseline_band),
                "-" if one.evidence is None else f"{one.evidence:.1f} of {one.limit:.1f}",
            )
        parts += [Text(), table]
    parts += [Text(f"  | {plain(line)}", FAINT) for line in view.log_tail]
    return Group(*parts)


def rollouts(views: Sequence[RolloutView]) -> RenderableType:
    """One line each."""
    if not views:
        return Text("No rollouts yet.", FAINT)
    table = _table("rollout", "release", "kind", "phase", "weight", "by", "began", "reason")
    for one in views:
        phase = Text(one.phase, _STYLES.get(one.phase, ""))
        weight = f"{one.weight:g} %" if one.active else ""
        table.add_row(one.id, one.release, one.kind, phase, weight, one.by, moment(one.started_at), one.reason)
    return table


def deployed(answer: "Deployment") -> str:
    """One line per application."""
    return "\n".join(f"{one.app} {one.release}: {one.message}" + _began(one.rollout) for one in answer.applications)


def history(rows: Sequence[Summary]) -> RenderableType:
    """Every rollout of an application."""
    table = _table("rollout", "commit", "began", "verdict", "after", "failed", "evidence")
    for one in rows:
        name, failed = f"{one.rollout} {one.release}", f"{one.failed_requests:,} of {one.requests:,}"
        after = seconds(one.seconds_to_verdict)
        when, code = moment(one.started_at), plain(one.code) or "-"
        table.add_row(name, code, when, verdict(one.verdict), after, failed, plain(one.evidence))
    return table


def outcomes(rows: Sequence[Summary]) -> RenderableType:
    """The demo's end: what became of each release, and what it cost."""
    table = _table("release", "verdict", "after", "requests", "failed", "evidence")
    for one in rows:
        name = f"{one.release} {one.label}".strip()
        table.add_row(name, verdict(one.verdict), *_numbers(one), one.evidence)
    return table


def explanation(answer: "Explanation") -> RenderableType:
    """The sentence, then every value with its origin."""
    table = _table("field", "value", "from")
    for one in answer.fields:
        place = f" {one.file}:{one.line}" if one.file and one.line else f" {one.file}" if one.file else ""
        table.add_row(one.path, _value(one.value), f"{one.origin}{place}")
    return Group(Text(answer.text), Text(), table) if answer.fields else Text(answer.text)


def replay(found: "Replay") -> RenderableType:
    """The verdict that was given beside the one that would have been."""
    table = _table("", "verdict", "alpha", "tolerance", "after", "requests", "failed", "evidence")
    for name, one in (("then", found.original), ("now", found.replayed)):
        table.add_row(name, *_outcome(one))
    same = "The same readings give the same judgement, to the last bit." if found.identical else ""
    return Group(Text(f"Rollout {found.rollout}"), table, *([Text(same, FAINT)] if same else []))


def verdict(name: str) -> Text:
    """A verdict in its colour."""
    return Text(name.replace("_", " "), _STYLES.get(name, ""))


def moment(at: float) -> str:
    """Local time, to the second; the date only when it is not today's."""
    when, now = datetime.fromtimestamp(at).astimezone(), datetime.now().astimezone()
    return when.strftime("%H:%M:%S" if when.date() == now.date() else "%Y-%m-%d %H:%M:%S")


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style=FAINT)
    for name in columns:
        # A cell that may hold a sentence is folded, before a name in another is cut off.
        folded = name in {columns[-1], "state"}
        table.add_column(name, justify="right" if name in _NUMBERS else "left", no_wrap=not folded)
    return table


def _outcome(one: "Outcome") -> Iterable[RenderableType]:
    tolerances = ", ".join(f"{value:g}" for value in dict.fromkeys(one.tolerance))
    yield verdict(one.verdict)
    yield from (f"{one.alpha:g}", tolerances, seconds(one.seconds), f"{one.requests:,}", f"{one.failed_requests:,}")
    yield one.sentence


def _numbers(one: Summary) -> tuple[str, str, str]:
    return seconds(one.seconds_to_verdict), f"{one.requests:,}", f"{one.failed_requests:,}"


def seconds(value: float | None) -> str:
    """``3.2 s``, or a dash when there is none."""
    return "-" if value is None else f"{value:.1f} s"


def _began(rollout_id: str) -> str:
    return f" ({rollout_id})" if rollout_id else ""


def _weights(view: ApplicationView) -> str:
    return ", ".join(f"{release} {share:g} %" for release, share in view.weights.items())


def _rollout_cell(view: ApplicationView) -> Text:
    if view.rollout is None:
        return Text("-")
    return Text(f"{view.rollout.id} {view.rollout.phase}", _STYLES.get(view.rollout.phase, ""))


def _release_state(release: ReleaseView) -> Text:
    if release.failure:
        return Text(plain(release.failure), BAD)
    ready = f" {release.ready}/{release.wanted}" if release.run == "running" else ""
    return Text(f"{'live, ' if release.live else ''}{release.run}{ready}", GOOD if release.live else "")


def _processes(release: ReleaseView) -> str:
    return "; ".join(
        f"{one.name} {one.state}"
        + (f" pid {one.pid}" if one.pid else "")
        + (f" port {one.port}" if one.port else "")
        + (f", restarted {one.restarts}x" if one.restarts else "")
        + (f" ({one.detail})" if one.detail else "")
        for one in release.instances
    )


def _arm(bad: float, total: int, band: tuple[float, float] | None) -> str:
    if not total:
        return "-"
    if band is None:
        return f"{bad:.4g} of {total:,}"
    return f"{bad:,.0f} of {total:,} ({bad / total:.2%}; {band[0]:.2%}..{band[1]:.2%})"


def _value(value: object) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()

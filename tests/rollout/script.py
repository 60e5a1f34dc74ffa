"""Scenario scripts: events in, a transcript out. One line is one event, or a wait; ``#`` begins a comment.

deploy [weights=5,50] [rollback=manual] …     ann asks for a release (v1, v2, … in order)
undo [vN] | pause | resume | promote [full] | abort | retry
ready vN [n] | failed vN [@generation] words | stopped vN [@generation]
applied [generation]                          routes; the newest unless said
read MOOD [times]                             one reading a second: good, bad, trouble (both arms), few, broken, still,
                                              no-canary, no-baseline; old: of the same moment again
missed [times] | deadline | refused words     refused: a command could not be carried out
wait seconds                                  time passes; deadlines that come are noted
"""

from collections.abc import Callable, Iterator
from typing import Any

from shipway.analysis.readings import Reading
from shipway.model.ids import Generation, ReleaseId
from shipway.model.weights import Weights
from shipway.rollout import events as e
from shipway.rollout.codec import decode, encode
from shipway.rollout.commands import Command, SetRoutes, StartRelease, StopRelease
from shipway.rollout.decide import Watch, deadline, decide, watch
from shipway.rollout.evolve import evolve, initial
from shipway.rollout.invariants import violated
from shipway.rollout.states import Delivery
from tests.rollout.samples import SHOP, Counters, plan, release


class Player:
    """Plays one script against the machine; every event also goes through the codec, and every invariant is asked."""

    def __init__(self) -> None:
        self.state: Delivery = initial(SHOP)
        self.now = 0.0
        self.events: list[e.Event] = []
        self.lines: list[str] = []
        self.counters = Counters()
        self._last: Reading | None = None
        self._shown = ""
        self._terse = False
        """In the middle of many readings: only what changes phase or weights is shown."""
        self._shown_ids: set[str] = set()
        self._known: dict[str, Command] = {}
        self._asked: dict[Generation, Weights] = {}
        self._in_force: Weights | None = None

    def play(self, script: str) -> str:
        """The transcript."""
        for line in script.splitlines():
            words = line.partition("#")[0].split()
            if not words:
                self.lines.extend([line] if line.startswith("#") else [])
            elif words[0] == "wait":
                self._wait(float(words[1]))
            else:
                self._do(words)
        return "\n".join(self.lines) + "\n"

    def send(self, event: e.Event, label: str = "") -> bool:
        """Whether it changed anything."""
        event = decode(encode(event))
        before, self.state = self.state, evolve(self.state, event)
        broken = violated(before, event, self.state)
        assert not broken, f"after {label or event!r}: {broken}"
        self.events.append(event)
        if isinstance(event, e.RoutesApplied):
            self._in_force = self._asked[event.generation]
        self._show(label or type(event).__name__, self.state is not before)
        return self.state is not before

    def _do(self, words: list[str]) -> None:
        verb, label = words[0], " ".join(words)
        if verb in {"read", "missed"}:
            times = int(words[-1]) if words[-1].isdigit() else 1
            for number in range(1, times + 1):
                self.now += 0.0 if words[1:2] == ["old"] else 1.0
                self._terse = 1 < number < times
                self.send(self._event(words), label if number == 1 else f"  … {number}")
            return
        self.send(self._event(words), label)

    def _event(self, words: list[str]) -> e.Event:
        at, verb, rest = self.now, words[0], words[1:]
        by: dict[str, Any] = {"at": at, "by": "ann"}
        made: dict[str, Callable[[], e.Event]] = {
            "deploy": lambda: _deploy(at, rest),
            "undo": lambda: e.UndoRequested(**by, to=ReleaseId(rest[0]) if rest else None),
            "pause": lambda: e.PauseRequested(**by),
            "resume": lambda: e.ResumeRequested(**by),
            "promote": lambda: e.PromoteRequested(**by, full=rest == ["full"]),
            "abort": lambda: e.AbortRequested(**by),
            "retry": lambda: e.RetryRequested(**by),
            "applied": lambda: e.RoutesApplied(
                at=at, generation=Generation(int(rest[0])) if rest else self.state.routes_generation
            ),
            "read": lambda: e.Observed(at=at, reading=self._reading(rest[0])),
            "missed": lambda: e.ReadingMissed(at=at, reason="no answer"),
            "deadline": lambda: e.DeadlineReached(at=at),
            "refused": lambda: e.CommandFailed(at=at, command=rest[0], reason=" ".join(rest[1:])),
        }
        return made[verb]() if verb in made else self._process(verb, rest)

    def _process(self, verb: str, rest: list[str]) -> e.Event:
        which = ReleaseId(rest.pop(0))
        marks = [word for word in rest if word.startswith("@")]
        known = self.state.releases.get(which)
        generation = Generation(int(marks[0][1:])) if marks else known.run_generation if known else e.ANY
        said = [word for word in rest if word not in marks]
        match verb:
            case "ready":
                ready = int(said[0]) if said else known.plan.workload.replicas if known else 1
                return e.InstancesChanged(at=self.now, release=which, ready=ready, wanted=ready, generation=generation)
            case "failed":
                tail = ("Traceback", "boom")
                return e.ReleaseFailed(
                    at=self.now, release=which, reason=" ".join(said), log_tail=tail, generation=generation
                )
            case "stopped":
                return e.ReleaseStopped(at=self.now, release=which, generation=generation)
        raise ValueError(f"no such verb: {verb}")

    def _reading(self, mood: str) -> Reading:
        if mood == "old" and self._last:
            return self._last
        told = watch(self.state) or Watch(SHOP, ReleaseId("v1"), None, 0.0)
        share = self._in_force.of(told.canary) / 100 if self._in_force else 0.0
        self._last = self.counters.reading(self.now, told, share, mood)
        return self._last

    def _wait(self, seconds: float) -> None:
        end = self.now + seconds
        while (moment := deadline(self.state)) is not None and moment <= end:
            self.now = max(self.now, moment)
            if not self.send(e.DeadlineReached(at=self.now), "deadline"):
                break
        self.now = end

    def _show(self, label: str, changed: bool) -> None:
        rollout = self.state.rollout
        weights = " ".join(f"{r}:{w:g}" for r, w in self.state.weights) if self.state.weights else "-"
        where = f"{rollout.release if rollout else '-'} {self.state.phase.value}"
        said = f"{where:<22} {weights:<14} "
        new = list(self._new_commands())
        if said == self._shown and not new and self._terse:
            return
        self.lines.append(
            f"{self.now:6g}  {label:<29} {said + (rollout.reason if rollout else '') if changed else '-- nothing changes --'}".rstrip()
        )
        self.lines.extend(f"{'':8}> {command}" for command in new)
        self._shown, self._terse = said, False

    def _new_commands(self) -> Iterator[str]:
        for command in decide(self.state):
            assert self._known.setdefault(command.id, command) == command, "an id names one command for ever"
            if command.id in self._shown_ids:
                continue
            self._shown_ids.add(command.id)
            match command:
                case StartRelease():
                    yield f"start {command.workload.release} @{command.generation}"
                case StopRelease():
                    yield f"stop {command.release} @{command.generation}"
                case SetRoutes(routes=routes):
                    self._asked[routes.generation] = routes.weights
                    side = f", {routes.canary} by header" if routes.canary else ""
                    shares = " ".join(f"{r}:{w:g}" for r, w in routes.weights)
                    yield f"route {shares}{side} @{command.generation}"


def _deploy(at: float, options: list[str]) -> e.Event:
    given = dict(option.split("=", 1) for option in options)
    weights = tuple(float(one) for one in given.pop("weights", "5,50").split(","))
    approvals = tuple(given.pop("approvals", "").split(","))
    fields = {name: float(text) if text.replace(".", "").isdigit() else text for name, text in given.items()}
    replicas = int(fields.pop("replicas", 1))
    return release(at, plan(*weights, approvals=approvals, replicas=replicas, **fields))

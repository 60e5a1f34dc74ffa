"""What outlives a controller in a simulation: releases, routes, traffic and counters. Behind the ports of ``adapters``.

Nothing is computed until somebody looks: an application's traffic is drawn for the interval since the last look, split
where something changed within it. Chance is seeded per application and release, so that adding an application shifts no
other; the same seed, commands and looks give the same numbers to the last digit.
"""

from collections.abc import Callable, Iterable, Iterator
from hashlib import blake2b
from math import inf

import numpy as np

from shipway.analysis.readings import ArmReading
from shipway.engine.ports import ArmQuery, Clock, InstanceStatus, RuntimeEvent
from shipway.model.ids import AppName, Generation, ReleaseId
from shipway.model.routing import Routes
from shipway.model.workload import Workload
from shipway.rollout.events import InstancesChanged, ReleaseFailed, ReleaseStopped
from shipway.runtimes.sim.arm import Arm
from shipway.runtimes.sim.behaviour import Behaviour, Traffic
from shipway.runtimes.sim.loop import SimClock
from shipway.runtimes.sim.timeline import Timeline

Report = Callable[[AppName, RuntimeEvent], None]


class Release:
    """One release's processes. ``state``: running, stopping, stopped or failed."""

    def __init__(self, app: AppName, workload: Workload, behaviour: Behaviour, arm: Arm) -> None:
        self.app, self.workload, self.behaviour, self.arm = app, workload, behaviour, arm
        self.life = 0
        """Counts starts: what was planned for an earlier life does not happen."""
        self.state = "stopped"
        self.ready = 0
        self.started_at = self.ready_at = 0.0
        self.restarts = 0

    @property
    def id(self) -> ReleaseId:
        return self.workload.release

    def serve(self, requests: int, start: float, traffic: Traffic) -> None:
        """Answer requests that arrive from ``start`` on; nothing changes until the last of them."""
        if self.ready == 0:
            self.arm.refuse(requests)
        else:
            behaviour = self.behaviour.at(self.started_at, start)
            self.arm.serve(requests, behaviour, start - self.ready_at, traffic.outage_at(start))

    def next_change(self, moment: float) -> float:
        """When its behaviour changes next."""
        changes = self.behaviour.next_change(self.started_at, moment)
        warm = self.ready_at + self.behaviour.warm_up
        return min(changes, warm) if warm > moment else changes


class App:
    """One application's traffic, routes and releases."""

    def __init__(self, traffic: Traffic, chance: np.random.Generator, now: float) -> None:
        self.traffic, self._chance = traffic, chance
        self.releases: dict[ReleaseId, Release] = {}
        self.routes: Routes | None = None
        self.settled = now
        self._same_until = -inf
        """No behaviour and no outage changes before this moment."""

    def settle(self, now: float) -> None:
        """Draw the traffic up to ``now``, before something changes."""
        self.look(now)
        self._same_until = -inf

    def look(self, now: float) -> None:
        """Draw the traffic up to ``now``."""
        while self.settled < now:
            if self._same_until <= self.settled:
                changes = [release.next_change(self.settled) for release in self.releases.values()]
                self._same_until = min(changes, default=inf)
                self._same_until = min(self._same_until, self.traffic.next_change(self.settled))
            end = min(now, self._same_until)
            self._serve(self.settled, end)
            self.settled = end

    def _serve(self, start: float, end: float) -> None:
        if self.routes is None:
            return
        requests = int(self._chance.poisson(self.traffic.expected(start, end)))
        left = 100.0
        for release, weight in self.routes.weights:
            share = requests if weight >= left else int(self._chance.binomial(requests, weight / left))
            requests, left = requests - share, left - weight
            if release in self.releases:
                self.releases[release].serve(share, start, self.traffic)


class Cluster:
    """A virtual cluster. ``seed`` decides everything that chance decides; ``clock`` is virtual by default.

    Say what releases do with :meth:`behave` and how much traffic there is with :meth:`expect` before or while it runs.
    """

    def __init__(
        self,
        seed: int = 0,
        *,
        clock: Clock | None = None,
        behaviour: Behaviour | None = None,
        traffic: Traffic | None = None,
    ) -> None:
        self.seed = seed
        self.clock = clock or SimClock()
        self.report: Report = lambda _app, _event: None
        """Where runtime events go; set by the runtime that is open."""
        self._behaviour, self._traffic = behaviour or Behaviour(), traffic or Traffic()
        self._behaviours: dict[tuple[AppName, ReleaseId], Behaviour] = {}
        self._apps: dict[AppName, App] = {}
        # The newest start or stop that was obeyed; a stop may overtake the start that it is for.
        self._newest: dict[tuple[AppName, ReleaseId], Generation] = {}
        self.timeline = Timeline(self.clock)

    def chance(self, *entity: str) -> np.random.Generator:
        """The generator of one entity: depends on the seed and the name alone."""
        name = blake2b("/".join(entity).encode(), digest_size=16).digest()
        return np.random.Generator(np.random.PCG64([self.seed, *np.frombuffer(name, np.uint32).tolist()]))

    def behave(self, app: str, release: str, behaviour: Behaviour) -> None:
        """What a release does, from now on; starts and crashes follow it from the next start."""
        key = AppName(app), ReleaseId(release)
        self._behaviours[key] = behaviour
        found = self.find(*key)
        if found:
            self._apps[key[0]].settle(self.timeline.advance())
            found.behaviour = behaviour

    def expect(self, app: str, traffic: Traffic) -> None:
        """The traffic of an application, from now on."""
        found = self._app(AppName(app))
        found.settle(self.timeline.advance())
        found.traffic = traffic

    def find(self, app: AppName, release: ReleaseId) -> Release | None:
        """The release, if it was ever started."""
        found = self._apps.get(app)
        return found.releases.get(release) if found else None

    def releases(self) -> list[Release]:
        """Every release that was ever started."""
        return [release for app in self._apps.values() for release in app.releases.values()]

    def start(self, workload: Workload, generation: Generation) -> None:
        """Have the release running, unless something newer was asked for."""
        now = self.timeline.advance()
        app = self._app(workload.app)
        release = app.releases.get(workload.release) or self._new(workload)
        running, newest = release.state == "running", self._newest.get((workload.app, workload.release), -1)
        if generation < newest or (generation == newest and not running):
            return
        self._newest[workload.app, workload.release] = generation
        app.settle(now)
        app.releases[workload.release] = release
        if running and workload == release.workload:
            self._changed(release)
        else:
            release.workload = workload
            self._begin(release, now)

    def stop(self, app: AppName, release: ReleaseId, generation: Generation) -> None:
        """Drain and end the release, unless something newer was asked for."""
        now = self.timeline.advance()
        if generation < self._newest.get((app, release), -1):
            return
        self._newest[app, release] = generation
        found = self.find(app, release)
        if found is None:
            self.report(app, ReleaseStopped(at=now, release=release, generation=generation))
        elif found.state != "stopping":
            drain = found.workload.drain_seconds if found.state == "running" else 0.0
            found.state = "stopping"
            self._later(found, now + drain, self._end)

    def kill(self, release: Release) -> None:
        """End a release at once and tell nobody."""
        self._apps[release.app].settle(self.timeline.advance())
        release.state, release.ready, release.life = "stopped", 0, release.life + 1

    def route(self, routes: Routes) -> None:
        """Requests follow these routes from now on, unless newer ones are in force."""
        app = self._app(routes.app)
        app.settle(self.timeline.advance())
        if app.routes is None or routes.generation >= app.routes.generation:
            app.routes = routes

    def restart_proxy(self) -> None:
        """All counters begin again at zero, as when the proxy's process was replaced."""
        now = self.timeline.advance()
        for app in self._apps.values():
            app.settle(now)
            for release in app.releases.values():
                release.arm.reset()

    def read(self, queries: Iterable[ArmQuery]) -> Iterator[ArmReading | None]:
        """The counters now, in the order of the queries; None for a release that was never started."""
        now = self.timeline.advance()
        for query in queries:
            app = self._apps.get(query.app)
            release = app.releases.get(query.release) if app else None
            if app is None or release is None:
                yield None
            else:
                app.look(now)
                yield release.arm.reading(now - release.ready_at if release.ready else None)

    def instances(self, app: AppName, release: ReleaseId) -> list[InstanceStatus]:
        """What runs of the release now."""
        self.timeline.advance()
        found = self.find(app, release)
        if found is None or found.state in {"stopped", "failed"}:
            return []
        up = "stopping" if found.state == "stopping" else "ready"
        return [
            InstanceStatus(
                name=f"{app}-{release}-{number}",
                state=up if number < found.ready else "starting",
                restarts=found.restarts if number == 0 else 0,
                started_at=found.started_at,
            )
            for number in range(found.workload.replicas)
        ]

    def _app(self, name: AppName) -> App:
        if name not in self._apps:
            self._apps[name] = App(self._traffic, self.chance("traffic", name), self.clock.now())
        return self._apps[name]

    def _new(self, workload: Workload) -> Release:
        key = workload.app, workload.release
        behaviour = self._behaviours.get(key, self._behaviour)
        return Release(workload.app, workload, behaviour, Arm(self.chance("arm", *key)))

    # --- a release's life ------------------------------------------------------------------------------------------

    def _begin(self, release: Release, now: float) -> None:
        behaviour, probe = release.behaviour, release.workload.startup
        release.state, release.life, release.ready = "running", release.life + 1, 0
        release.started_at, release.restarts = now, 0
        self._changed(release)
        if behaviour.never_ready:
            self._later(release, now + probe.interval * probe.failures, self._never_ready)
            return
        self._later(release, now + behaviour.start_delay, self._all_ready)
        for crash in behaviour.crashes:
            self._later(release, now + crash, self._crash)
        if behaviour.crash_loop is not None:
            self._later(release, now + behaviour.crash_loop, self._crash_loop)

    def _later(self, release: Release, moment: float, happens: Callable[[Release, float], None]) -> None:
        life = release.life

        def due(now: float) -> None:
            if release.life == life:
                self._apps[release.app].settle(now)
                happens(release, now)

        self.timeline.at(moment, due)

    def _all_ready(self, release: Release, now: float) -> None:
        if release.state == "running":
            release.ready, release.ready_at = release.workload.replicas, now
            self._changed(release)

    def _crash(self, release: Release, now: float) -> None:
        if release.state == "running" and release.ready:
            release.ready -= 1
            release.restarts += 1
            self._changed(release)
            self._later(release, now + release.behaviour.restart_delay, self._one_ready)

    def _one_ready(self, release: Release, now: float) -> None:
        if release.state == "running":
            release.ready, release.ready_at = min(release.ready + 1, release.workload.replicas), now
            self._changed(release)

    def _crash_loop(self, release: Release, now: float) -> None:
        if release.state != "running":
            return
        release.ready, release.restarts = 0, release.workload.crash_limit - 1
        self._changed(release)
        self._later(release, now + release.restarts * release.behaviour.restart_delay, self._gave_up)

    def _gave_up(self, release: Release, _now: float) -> None:
        self._failed(release, f"exited {release.workload.crash_limit} times within {release.workload.crash_window:g} s")

    def _never_ready(self, release: Release, _now: float) -> None:
        self._failed(release, f"never became ready: the startup probe failed {release.workload.startup.failures} times")

    def _failed(self, release: Release, reason: str) -> None:
        if release.state != "running":
            return  # it is being stopped, and that is what will be reported
        release.state, release.ready, release.life = "failed", 0, release.life + 1
        event = ReleaseFailed(
            at=self.clock.now(),
            release=release.id,
            reason=reason,
            log_tail=release.behaviour.log_tail,
            generation=self._newest[release.app, release.id],
        )
        self.report(release.app, event)

    def _end(self, release: Release, _now: float) -> None:
        release.state, release.ready, release.life = "stopped", 0, release.life + 1
        generation = self._newest[release.app, release.id]
        self.report(release.app, ReleaseStopped(at=self.clock.now(), release=release.id, generation=generation))

    def _changed(self, release: Release) -> None:
        self.report(release.app, self.status(release))

    def status(self, release: Release) -> InstancesChanged:
        """How many instances are ready now."""
        wanted = release.workload.replicas
        return InstancesChanged(
            at=self.clock.now(),
            release=release.id,
            ready=release.ready,
            wanted=wanted,
            generation=self._newest[release.app, release.id],
        )

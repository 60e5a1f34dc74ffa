"""The one facade: what people and programs can ask of a controller. Called by ``web.api``; the CLI speaks to it through that.

Checks what was asked, turns it into an event for the engine, and answers with view models. It knows the words of the
spec and of the rollout machine, and nothing of HTTP or terminals.
"""

import contextlib
import getpass
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Protocol

import msgspec

from shipway.cost.prices import PriceBook, price_book
from shipway.engine import knowing
from shipway.engine.explaining import in_words, where_it_stands
from shipway.engine.gating import Deploying, Gate
from shipway.engine.loop import Engine
from shipway.engine.planning import Surroundings, plan_of
from shipway.engine.ports import Clock, Runtime
from shipway.engine.promised import Counts, Promises
from shipway.engine.views import (
    ApplicationView,
    Deployed,
    Deployment,
    FieldView,
    LogFile,
    PromisesView,
    ReleaseView,
    RolloutView,
    application_view,
    rollout_view,
)
from shipway.model.commits import Commit, NoCommit, Provenance, pseudonym
from shipway.model.errors import BadInput, NotFound, Refused
from shipway.model.ids import AppName, ReleaseId, rollout_id
from shipway.model.problems import Problem
from shipway.model.suggestions import did_you_mean
from shipway.plan.releasing import LOCAL, Images, Known
from shipway.rollout.events import (
    AbortRequested,
    Event,
    PauseRequested,
    PromoteRequested,
    ReleaseRequested,
    ResumeRequested,
    RetryRequested,
    UndoRequested,
)
from shipway.rollout.evolve import LOGIC
from shipway.rollout.states import Delivery, Phase, Rollout
from shipway.spec import Application, DeclaredApplication, DeclaredPlatform, Source, parse_documents, resolve
from shipway.spec.application import HEALTH_PORT
from shipway.spec.diagnosis import parted
from shipway.spec.platform import Local


class SourceFile(msgspec.Struct, frozen=True):
    """A file as the user's machine has it."""

    file: str
    text: str


class DeployRequest(msgspec.Struct, frozen=True, kw_only=True):
    """Make what these files describe live."""

    files: tuple[SourceFile, ...]
    directory: str
    """Absolute directory that relative paths in the files start from."""
    sets: tuple[str, ...] = ()
    environment: str = ""
    by: str = ""
    commits: dict[str, Provenance] = {}
    """By application: where its release comes from."""


class Secrets(Protocol):
    """Where secret values come from; only digests leave it."""

    def resolve(self, names: Sequence[str]) -> Mapping[str, str]:
        """Digest of the present value of each logical name; a name without a value is left out."""
        ...


class _Document(msgspec.Struct, frozen=True):
    """What a release remembers of its file: the resolved application and the origin of each value."""

    application: dict[str, object]
    origins: dict[str, tuple[str, str, int]]
    environment: str = ""
    """That it was asked for; empty when none was named."""


class Service:
    """The facade over one engine."""

    def __init__(
        self,
        engine: Engine,
        runtime: Runtime,
        clock: Clock,
        *,
        secrets: Secrets,
        port_trouble: Callable[[int], str] = lambda _port: "",
        platform: DeclaredPlatform | None = None,
        gate: Gate | None = None,
        counts: Counts = lambda _app: (),
        book: PriceBook | None = None,
        images: Images = lambda _reference: "nobody has looked at it",
    ) -> None:
        self.engine = engine
        self._runtime, self._clock, self._secrets = runtime, clock, secrets
        self._port_trouble, self._platform, self._gate = port_trouble, platform, gate
        self._promises = Promises(engine, clock, counts, platform)
        self._book, self._images = book, images
        self._known: dict[tuple[str, str], Known] = {}
        """By application and environment, as :meth:`learn` found it last."""

    # -- reading

    def applications(self) -> tuple[ApplicationView, ...]:
        """Every application."""
        return tuple(self.view(state) for state in self.engine.states())

    def application(self, name: str) -> ApplicationView:
        """One application.

        Raises:
            NotFound: there is none of that name.
        """
        return self.view(self._state(name))

    def view(self, state: Delivery) -> ApplicationView:
        """A state as people see it, with its instances."""
        instances = {
            release.id: self._runtime.instances(state.app, release.id)
            for release in state.releases.values()
            if release.run != "stopped"
        }
        return application_view(state, instances, self.engine.trouble)

    def rollouts(self) -> tuple[RolloutView, ...]:
        """Every rollout of every application, oldest first."""
        found = [rollout_view(state, rollout) for state in self.engine.states() for rollout in _rollouts(state)]
        return tuple(sorted(found, key=lambda rollout: rollout.started_at))

    def rollout(self, name: str) -> RolloutView:
        """One rollout, by its id or by its application (then the last).

        Raises:
            NotFound: neither.
        """
        state = self.engine.state(AppName(name))
        if state and state.rollout:
            return rollout_view(state, state.rollout)
        found = next((rollout for rollout in self.rollouts() if rollout.id == name), None)
        if found is None:
            near = did_you_mean(name, [rollout.id for rollout in self.rollouts()])
            near = near or did_you_mean(name, [str(state.app) for state in self.engine.states()])
            raise NotFound(f"there is no rollout {name!r}{near}", hint="shipway rollout list")
        return found

    async def promises(self, name: str = "") -> PromisesView:
        """How the promises of one application, or of all, stand at this moment.

        Raises:
            NotFound: there is no application of that name.
        """
        if name:
            return PromisesView(applications=await self._promises.of([self._state(name)]))
        return await self._promises.all(list(self.engine.states()))

    async def learn(self, request: DeployRequest) -> None:
        """Measure what policies may ask about the applications of a request, before :meth:`deploy` asks them."""
        if self._gate is None:
            return
        parsed = parse_documents([Source(f.file, f.text, request.sets) for f in request.files], self._platform)
        for name in {AppName(one.metadata.name) for one in parsed.applications}:
            self._known[name, request.environment or LOCAL] = await self._learnt(name, request.environment)

    async def _learnt(self, name: AppName, environment: str) -> Known:
        state = self.engine.state(name)
        if state is None or state.live is None:
            return knowing.known(knowing.NOT_LIVE, knowing.NOT_LIVE)
        document = msgspec.json.decode(state.releases[state.live].document, type=_Document)
        if document.environment != environment:
            why = f"what is live was released for {document.environment or 'no environment'}"
            return knowing.known(why, why)
        (promised,) = await self._promises.of([state])
        budget = knowing.error_budget(promised.statuses)
        return knowing.known(knowing.traffic(self.engine.history(name), self._clock.now()), budget)

    def history(self, name: str) -> tuple[tuple[RolloutView, ...], tuple[ReleaseView, ...]]:
        """Rollouts (oldest first) and releases of an application."""
        state = self._state(name)
        return tuple(rollout_view(state, rollout) for rollout in _rollouts(state)), self.view(state).releases

    def logs(self, name: str, release: str = "") -> tuple[LogFile, ...]:
        """Log files of one release, or of every release that has any."""
        state = self._state(name)
        if release:
            self._release(state, release)
        wanted = [ReleaseId(release)] if release else list(state.releases)
        return tuple(
            LogFile(release=found, instance=Path(path).parent.name, path=path)
            for found in wanted
            for path in self._runtime.log_paths(state.app, found)
        )

    def explain(self, name: str, field: str = "") -> tuple[str, tuple[FieldView, ...], RolloutView | None]:
        """In words how it stands, and where every value (or those below ``field``) came from."""
        state = self._state(name)
        view = rollout_view(state, state.rollout) if state.rollout else None
        shown = state.rollout.release if state.rollout and state.rollout.is_active else state.live
        shown = shown or next(reversed(state.releases))
        document = msgspec.json.decode(state.releases[shown].document, type=_Document)
        wanted = field if field.startswith(("spec", "metadata")) or not field else f"spec.{field}"
        fields = tuple(
            FieldView(path=path, value=_value(document.application, path), origin=kind, file=file, line=line)
            for path, (kind, file, line) in sorted(document.origins.items())
            if not wanted or path == wanted or path.startswith(f"{wanted}.")
        )
        if field and not fields:
            raise NotFound(
                f"{name} has no value {field!r}{did_you_mean(wanted, document.origins)}", hint=f"shipway explain {name}"
            )
        return in_words(state, self._clock.now(), self.engine.trouble), fields, view

    # -- asking

    def deploy(self, request: DeployRequest) -> Deployment:
        """Validate everything, then ask for one release per application; nothing is asked for when anything is wrong.

        Raises:
            BadInput: with every problem of every file.
            Refused: a port, a dependency or a secret is not there, or (Denied) policy forbids it.
            JournalError: it could not be recorded.
        """
        if not Path(request.directory).is_absolute() or "\0" in request.directory:
            raise BadInput(f"directory: expected an absolute path, got {request.directory[:200]!r}")
        parsed = parse_documents([Source(f.file, f.text, request.sets) for f in request.files], self._platform)
        errors = [problem for problem in parsed.problems if problem.severity == "error"]
        if errors:
            raise BadInput(f"{len(errors)} problem{'s' * (len(errors) != 1)} found", problems=errors)
        if not parsed.declared:
            raise BadInput("no Application in these files", hint="shipway init writes one to start from.")
        platform = parsed.declared_platform or self._platform
        places, at = _Places(self.engine.states(), self._port_trouble), self._clock.now()
        events = [self._requested(one, platform, request, places, at) for one in _ordered(parsed.declared)]
        new = [event for event in events if not self._same(event)]
        warnings = self._judged(parsed.declared, [event.plan.app for event in new], platform, request, at)
        self.engine.submit(*((event.plan.app, event) for event in new))
        return Deployment(
            applications=tuple(self._deployed(event, changed=event in new) for event in events),
            problems=(*parsed.problems, *warnings),
        )

    def undo(self, name: str, to: str | None, by: str) -> ApplicationView:
        """Traffic back to an earlier release.

        Raises:
            NotFound, Refused: no such release, or none to go back to.
        """
        state = self._current(name)
        if to:
            self._release(state, to)
        event = UndoRequested(at=self._clock.now(), by=_by(by), to=ReleaseId(to) if to else None)
        reason = f"{to} is live already" if to and to == state.live else "there is no earlier release to go back to"
        return self._ask(state, event, reason)

    def steer(self, name: str, verb: str, *, by: str = "", full: bool = False, reason: str = "") -> ApplicationView:
        """pause | resume | promote | abort | retry the rollout of an application, named by it or by the rollout's id.

        Raises:
            NotFound, Refused: nothing of that name, or not possible as it stands.
        """
        state = self._current(name)
        at, who = self._clock.now(), _by(by)
        events: dict[str, Event] = {
            "pause": PauseRequested(at=at, by=who),
            "resume": ResumeRequested(at=at, by=who),
            "promote": PromoteRequested(at=at, by=who, full=full),
            "abort": AbortRequested(at=at, by=who, reason=reason),
            "retry": RetryRequested(at=at, by=who, history=self.engine.history(state.app)),
        }
        if verb not in events:
            raise NotFound(
                f"there is no verb {verb!r}{did_you_mean(verb, events)}", hint=f"One of {', '.join(events)}."
            )
        return self._ask(state, events[verb], f"cannot {verb}: {where_it_stands(state, at)}")

    # -- inside

    def _ask(self, state: Delivery, event: Event, otherwise: str) -> ApplicationView:
        if not self.engine.submit((state.app, event)):
            raise Refused(otherwise, hint=f"shipway status {state.app}")
        return self.application(state.app)

    def _requested(
        self,
        declared: DeclaredApplication,
        platform: DeclaredPlatform | None,
        request: DeployRequest,
        places: "_Places",
        at: float,
    ) -> ReleaseRequested:
        resolved = resolve(declared, platform, request.environment)
        application = resolved.application
        name = AppName(application.metadata.name)
        if not application.spec.command:
            raise Refused(
                f"{name} has an image but no command, and on one machine releases run as processes",
                hint="Add `command: [python, -m, your.service]` beside the image.",
            )
        places.require(application)
        base = Path(request.directory) / Path(declared.file).parent
        around = Surroundings(
            port=places.give(application),
            directory=str(base.resolve()),
            addresses=places.ports,
            secrets=self._digests(application),
            local=platform.platform.spec.local if platform else Local(),
            core=platform.platform.spec.prices.cpu if platform else None,
        )
        origins: dict[str, tuple[str, str, int]] = {
            path: (o.kind, o.file, o.line) for path, o in resolved.provenance.items()
        }
        return ReleaseRequested(
            at=at,
            plan=plan_of(application, around),
            label=label_of(application),
            document=msgspec.json.encode(_Document(application.document(), origins, request.environment)).decode(),
            by=_by(request.by),
            logic=LOGIC,
            history=self.engine.history(name),
            commit=_commit(request.commits.get(name), platform),
        )

    def _judged(
        self,
        declared: Sequence[DeclaredApplication],
        new: Sequence[AppName],
        platform: DeclaredPlatform | None,
        request: DeployRequest,
        at: float,
    ) -> tuple[Problem, ...]:
        """What policy says about the releases that would begin; raises Denied when it forbids any of them."""
        if self._gate is None or not new:
            return ()
        live = {str(state.app): found for state in self.engine.states() if (found := _declared(state)) is not None}
        asked = {one.application.metadata.name: one for one in declared}
        return self._gate.admit(
            Deploying(
                new=[one for name, one in asked.items() if name in new],
                around={**live, **asked},
                platform=platform,
                environment=request.environment,
                by=_by(request.by),
                at=at,
                book=self._book or price_book((), platform.platform.spec.prices if platform else None),
                knows=lambda app, environment: self._known.get((app, environment or LOCAL), Known()),
                images=self._images,
            )
        )

    def _digests(self, application: Application) -> Mapping[str, str]:
        names = sorted(set(application.spec.secrets.values()))
        found = self._secrets.resolve(names)
        missing = [name for name in names if name not in found]
        if missing:
            raise Refused(
                f"{application.metadata.name} needs secrets without a value: {', '.join(missing)}",
                hint="Write them as `name: value` into secrets.yaml in the state directory (shipway status shows where).",
            )
        return found

    def _same(self, event: ReleaseRequested) -> ReleaseId | None:
        """The release that is live or becoming so, when what is asked for is the same."""
        state = self.engine.state(event.plan.app)
        newest = _wanted(state) if state else None
        if state is None or newest is None:
            return None
        release = state.releases[newest]
        workload = msgspec.structs.replace(event.plan.workload, release=newest)
        plan = msgspec.structs.replace(event.plan, workload=workload)
        return newest if release.plan == plan and release.label == event.label else None

    def _deployed(self, event: ReleaseRequested, *, changed: bool) -> Deployed:
        state = self._state(event.plan.app)
        release = _wanted(state) or next(reversed(state.releases))
        waiting = state.pending is not None and state.pending.release == release
        active = bool(state.rollout and state.rollout.is_active)
        rollout = rollout_id(state.app, len(_rollouts(state)) + waiting) if waiting or active else ""
        message = "begins when the rollout under way has ended" if waiting else "rollout begun"
        if not changed:
            message = f"{release} is the same and {'already being rolled out' if rollout else 'live'}"
        return Deployed(app=state.app, release=release, rollout=rollout, changed=changed, message=message)

    def _current(self, name: str) -> Delivery:
        """As :meth:`_state`, for what can only be asked of the last rollout."""
        state = self._state(name)
        last = state.rollout
        if name != state.app and last is not None and name != last.id:
            raise Refused(
                f"{name} has ended; the last rollout of {state.app} is {last.id}", hint="shipway rollout list"
            )
        return state

    def _state(self, name: str) -> Delivery:
        """By the application's name, or by the id of one of its rollouts."""
        state = self.engine.state(AppName(name)) or self.engine.state(AppName(name.rpartition("-")[0]))
        if state is None or not (state.app == name or any(rollout.id == name for rollout in _rollouts(state))):
            names = [str(found.app) for found in self.engine.states()]
            known = f"known: {', '.join(names)}" if names else "nothing is deployed yet"
            raise NotFound(f"there is no application {name!r}{did_you_mean(name, names)}", hint=f"{known}.")
        return state

    def _release(self, state: Delivery, release: str) -> None:
        if release not in state.releases:
            raise NotFound(f"{state.app} has no release {release!r}", hint=f"It has {', '.join(state.releases)}.")


def _commit(found: Provenance | None, platform: DeclaredPlatform | None) -> Provenance:
    """As the platform lets it be kept."""
    if not isinstance(found, Commit):
        return found or NoCommit("whoever released it did not say")
    hashed = platform is not None and platform.platform.spec.authors == "hashed" and found.author
    return msgspec.structs.replace(found, author=pseudonym(found.author)) if hashed else found


def _declared(state: Delivery) -> DeclaredApplication | None:
    """What is live (or newest) of an application, as a file would have it."""
    release = state.releases.get(state.live) if state.live else next(reversed(state.releases.values()), None)
    if release is None:
        return None
    document = msgspec.json.decode(release.document, type=_Document)
    text = msgspec.json.encode(document.application)
    return next(iter(parse_documents([Source(f"{state.app} {release.id}", text)], resolved=True).declared), None)


def _rollouts(state: Delivery) -> tuple[Rollout, ...]:
    return (*state.past, *((state.rollout,) if state.rollout else ()))


def _ordered(declared: Sequence[DeclaredApplication]) -> list[DeclaredApplication]:
    """Callees before callers, so that one command can deploy both."""
    names = {one.application.metadata.name: one for one in declared}
    ordered: dict[str, DeclaredApplication] = {}

    def visit(name: str, path: tuple[str, ...]) -> None:
        if name in path:
            raise BadInput(f"dependencies run in a circle: {' -> '.join((*path, name))}", hint="Remove one of them.")
        if name in names and name not in ordered:
            for dependency in names[name].application.spec.depends_on:
                visit(dependency.application or "", (*path, name))
            ordered[name] = names[name]

    for name in names:
        visit(name, ())
    return list(ordered.values())


def _wanted(state: Delivery) -> ReleaseId | None:
    """The release that is to be live when everything under way has gone well."""
    if state.pending:
        return state.pending.release
    if state.rollout and state.rollout.is_active and state.phase is not Phase.REVERTING:
        return state.rollout.release
    return state.live


class _Places:
    """Where applications are reached, those of the same command included."""

    def __init__(self, states: Sequence[Delivery], trouble: Callable[[int], str]) -> None:
        self._states = {str(state.app): state for state in states}
        self._trouble = trouble
        self.ports = {name: state.port for name, state in self._states.items()}

    def require(self, application: Application) -> None:
        """Raises Refused when an application that this one depends on is not here."""
        names = [one.application for one in application.spec.depends_on if one.application]
        missing = [name for name in names if name not in self.ports]
        if missing:
            raise Refused(
                f"{application.metadata.name} depends on {', '.join(missing)}, not deployed here",
                hint="Deploy it first, or in the same command.",
            )

    def give(self, application: Application) -> int:
        """The main port, as the application asks. Raises Refused when it cannot have that one."""
        name, spec = application.metadata.name, application.spec
        port, field = spec.port, "port" if list(spec.listens) == ["http"] else f"port.{spec.main or HEALTH_PORT}"
        if self._is_reached(name) and self.ports[name] != port:
            raise Refused(
                f"{name} is reached on port {self.ports[name]}; moving it to {port} would cut off its callers",
                hint=f"Keep `{field}: {self.ports[name]}`.",
            )
        taken = next((other for other, its in self.ports.items() if its == port and other != name), None)
        trouble = f"port {port} belongs to {taken}" if taken else ""
        if not trouble and not self._listens(name, port):
            trouble = self._trouble(port)
        if trouble:
            raise Refused(f"{name}: {trouble}", hint=f"Give it another `{field}`, or --set {field}=…")
        self.ports[name] = port
        return port

    def _is_reached(self, name: str) -> bool:
        state = self._states.get(name)
        return state is not None and (state.live is not None or _wanted(state) is not None)

    def _listens(self, name: str, port: int) -> bool:
        """Whether it is our own proxy that has the port: routes were set once, even if the install then failed."""
        state = self._states.get(name)
        return state is not None and state.port == port and state.routes_generation > 0


def label_of(application: Application) -> str:
    """What people call the release: the VERSION it sets, or the tag of its image, or the beginning of its digest."""
    image, _, digest = (application.spec.image or "").partition("@")
    tag = image.rpartition(":")[2] if ":" in image.rpartition("/")[2] else ""
    return str(application.spec.env.get("VERSION", "")) or tag or digest.rpartition(":")[2][:12]


def _by(name: str) -> str:
    if name:
        return name
    with contextlib.suppress(KeyError, OSError, ImportError):  # a user id without a name, as in many containers
        return getpass.getuser()
    return "somebody"


def _value(document: dict[str, object], path: str) -> object:
    value: object = document
    for part in parted(path):
        if not isinstance(value, dict):
            return None
        value = value.get(part)
    return value

"""The one facade: what people and programs can ask of a controller. Called by ``web.api``; the CLI speaks to it through that.

Checks what was asked, turns it into an event for the engine, and answers with view models. It knows the words of the
spec and of the rollout machine, and nothing of HTTP or terminals.
"""

import getpass
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Protocol

import msgspec

from shipway.engine.loop import Engine
from shipway.engine.planning import Surroundings, plan_of
from shipway.engine.ports import Clock, Runtime
from shipway.engine.views import (
    ApplicationView,
    Deployed,
    Deployment,
    FieldView,
    LogFile,
    ReleaseView,
    RolloutView,
    application_view,
    rollout_view,
)
from shipway.model.errors import BadInput, NotFound, Refused
from shipway.model.ids import AppName, ReleaseId, rollout_id
from shipway.model.suggestions import did_you_mean
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
from shipway.rollout.states import Delivery, Rollout
from shipway.spec import Application, DeclaredApplication, DeclaredPlatform, Source, parse_documents, resolve
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


class Secrets(Protocol):
    """Where secret values come from; only digests leave it."""

    def resolve(self, names: Sequence[str]) -> Mapping[str, str]:
        """Digest of the present value of each logical name; a name without a value is left out."""
        ...


class _Document(msgspec.Struct, frozen=True):
    """What a release remembers of its file: the resolved application and the origin of each value."""

    application: dict[str, object]
    origins: dict[str, tuple[str, str, int]]


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
    ) -> None:
        self.engine = engine
        self._runtime, self._clock, self._secrets = runtime, clock, secrets
        self._port_trouble, self._platform = port_trouble, platform

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
            names = [rollout.id for rollout in self.rollouts()] + [str(s.app) for s in self.engine.states()]
            raise NotFound(f"there is no rollout {name!r}{did_you_mean(name, names)}", hint="shipway rollout list")
        return found

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
        return _in_words(state), fields, view

    # -- asking

    def deploy(self, request: DeployRequest) -> Deployment:
        """Validate everything, then ask for one release per application; nothing is asked for when anything is wrong.

        Raises:
            BadInput: with every problem of every file.
            Refused: a port, a dependency or a secret is not there.
            JournalError: it could not be recorded.
        """
        parsed = parse_documents([Source(f.file, f.text, request.sets) for f in request.files], self._platform)
        errors = [problem for problem in parsed.problems if problem.severity == "error"]
        if errors:
            raise BadInput(f"{len(errors)} problem{'s' * (len(errors) != 1)} found", problems=errors)
        if not parsed.declared:
            raise BadInput("no Application in these files", hint="shipway init writes one to start from.")
        platform = parsed.declared_platform or self._platform
        addresses = {str(state.app): state.port for state in self.engine.states()}
        ordered = _ordered(parsed.declared)
        events = [self._requested(declared, platform, request, addresses) for declared in ordered]
        return Deployment(
            applications=tuple(self._submit_release(event) for event in events), problems=tuple(parsed.problems)
        )

    def undo(self, name: str, to: str | None, by: str) -> ApplicationView:
        """Traffic back to an earlier release.

        Raises:
            NotFound, Refused: no such release, or none to go back to.
        """
        state = self._state(name)
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
        state = self._state(name)
        at, who = self._clock.now(), _by(by)
        events: dict[str, Event] = {
            "pause": PauseRequested(at=at, by=who),
            "resume": ResumeRequested(at=at, by=who),
            "promote": PromoteRequested(at=at, by=who, full=full),
            "abort": AbortRequested(at=at, by=who, reason=reason),
            "retry": RetryRequested(at=at, by=who, history=self.engine.history(state.app)),
        }
        if verb not in events:
            raise NotFound(f"there is no verb {verb!r}{did_you_mean(verb, events)}")
        return self._ask(state, events[verb], f"cannot {verb}: {_in_words(state)}")

    # -- inside

    def _ask(self, state: Delivery, event: Event, otherwise: str) -> ApplicationView:
        if not self.engine.submit(state.app, event):
            raise Refused(otherwise, hint=f"shipway status {state.app}")
        return self.application(state.app)

    def _requested(
        self,
        declared: DeclaredApplication,
        platform: DeclaredPlatform | None,
        request: DeployRequest,
        addresses: dict[str, int],
    ) -> tuple[ReleaseRequested, Application]:
        resolved = resolve(declared, platform, request.environment)
        application = resolved.application
        name = AppName(application.metadata.name)
        if not application.spec.command:
            raise Refused(
                f"{name} has an image but no command, and on one machine releases run as processes",
                hint="Add `command: [python, -m, your.service]` beside the image.",
            )
        self._check_dependencies(application, addresses)
        base = Path(request.directory) / Path(declared.file).parent
        around = Surroundings(
            port=self._port(name, application.spec.port, addresses),
            directory=str((base / (application.spec.directory or ".")).resolve()),
            addresses=addresses,
            secrets=self._digests(application),
            local=platform.platform.spec.local if platform else Local(),
        )
        plan = plan_of(application, around)
        origins: dict[str, tuple[str, str, int]] = {
            path: (o.kind, o.file, o.line) for path, o in resolved.provenance.items()
        }
        document = msgspec.json.encode(_Document(application.document(), origins)).decode()
        event = ReleaseRequested(
            at=self._clock.now(),
            plan=plan,
            label=_label(application),
            document=document,
            by=_by(request.by),
            logic=LOGIC,
            history=self.engine.history(name),
        )
        return event, application

    def _check_dependencies(self, application: Application, addresses: Mapping[str, int]) -> None:
        names = [one.application for one in application.spec.depends_on if one.application]
        missing = [name for name in names if name not in addresses]
        if missing:
            raise Refused(
                f"{application.metadata.name} depends on {', '.join(missing)}, not deployed here",
                hint="Deploy it first, or in the same command.",
            )

    def _port(self, name: str, port: int, addresses: dict[str, int]) -> int:
        if name in addresses:
            if addresses[name] != port:
                raise Refused(
                    f"{name} is reached on port {addresses[name]}; moving it to {port} would cut off its callers",
                    hint=f"Keep `port: {addresses[name]}`.",
                )
            return port
        taken = next((other for other, its in addresses.items() if its == port), None)
        trouble = f"port {port} belongs to {taken}" if taken else self._port_trouble(port)
        if trouble:
            raise Refused(f"{name}: {trouble}", hint="Give it another `port`, or --set port=…")
        addresses[name] = port
        return port

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

    def _submit_release(self, asked: tuple[ReleaseRequested, Application]) -> Deployed:
        event, application = asked
        name = AppName(application.metadata.name)
        before = self.engine.state(name)
        if before and _is_unchanged(before, event):
            live = before.live or ""
            return Deployed(app=name, release=live, rollout="", changed=False, message=f"{live} is live and the same")
        self.engine.submit(name, event)
        state = self._state(name)
        release = next(reversed(state.releases))
        waiting = state.pending is not None and state.pending.release == release
        number = len(_rollouts(state)) + waiting
        message = "begins when the rollout under way has ended" if waiting else "rollout begun"
        return Deployed(app=name, release=release, rollout=rollout_id(name, number), changed=True, message=message)

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


def _is_unchanged(state: Delivery, event: ReleaseRequested) -> bool:
    """What is asked for is live already, and nothing else is under way."""
    if state.live is None or state.pending or (state.rollout and state.rollout.is_active):
        return False
    live = state.releases[state.live]
    same_plan = msgspec.structs.replace(
        event.plan, workload=msgspec.structs.replace(event.plan.workload, release=live.id)
    )
    return live.plan == same_plan and live.label == event.label


def _label(application: Application) -> str:
    """What people call the release: the VERSION it sets, or the tag of its image."""
    version = application.spec.env.get("VERSION", "")
    image = application.spec.image or ""
    tag = image.rpartition(":")[2] if ":" in image.rpartition("/")[2] else ""
    return str(version or tag)


def _by(name: str) -> str:
    return name or getpass.getuser()


def _in_words(state: Delivery) -> str:
    rollout = state.rollout
    if rollout is None:
        return f"{state.app} has had no rollout yet"
    ended = "" if rollout.is_active else f"; live is {state.live or 'nothing'}"
    return f"{rollout.id} ({rollout.release}) is {rollout.phase.value}: {rollout.reason}{ended}"


def _value(document: dict[str, object], path: str) -> object:
    value: object = document
    for part in path.split("."):
        if not isinstance(value, dict):
            return None
        value = value.get(part)
    return value

"""Files to service levels to rules, for the verbs of ``slo``: reads the files, raises for what is wrong with them."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from shipway.cli.compiling.documents import read as read_files
from shipway.model.errors import BadInput
from shipway.model.problems import Problem
from shipway.model.quantities import QuantityError, parse_duration
from shipway.model.suggestions import did_you_mean
from shipway.render.slo import files as yaml
from shipway.render.slo import rules, sloth
from shipway.render.slo.burning import AlertWindows
from shipway.render.slo.levels import ServiceLevel, Window
from shipway.render.slo.promises import AVAILABILITY, ISTIO, OPENTELEMETRY, Meters, of_application, of_journey
from shipway.slo import document
from shipway.slo.adopting import adopt
from shipway.slo.reading import Document, parse
from shipway.slo.windows import parse_windows, seconds
from shipway.spec import DeclaredPlatform, Source, parse_documents, resolve
from shipway.spec.reading import read as read_yaml

METERS: Mapping[str, Meters] = {"opentelemetry": OPENTELEMETRY, "istio": ISTIO}
MODES: Mapping[str, tuple[sloth.Mode, str]] = {
    "sloth-kubernetes": ("cli-gen-k8s", "sloth.slok.dev/v1"),
    "openslo/v1alpha": ("cli-gen-openslo", "openslo/v1alpha"),
    "openslo/v1": ("cli-gen-openslo", "openslo/v1"),
}
_OURS = frozenset({"Application", "Platform"})


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """What was asked for on the command line."""

    files: tuple[Path, ...]
    compat: str = ""
    meters: str = "opentelemetry"
    environment: str = ""
    labels: tuple[str, ...] = ()
    window: str = "30d"
    windows: Path | None = None
    runbook: str = ""


def service_levels(request: Request) -> tuple[list[ServiceLevel], list[Problem]]:
    """Every service level of every file, and warnings.

    Raises:
        BadInput: with every problem of every file.
    """
    found, problems = _documents(request)
    return [level for one in found for level in one.levels], problems


def documents(request: Request) -> list[dict[str, Any]]:
    """One document of rules for each document of service levels.

    Raises:
        BadInput: as :func:`service_levels`, or an option is wrong.
    """
    if request.compat not in {"", "sloth"}:
        raise BadInput(f"--compat: expected sloth, got {request.compat!r}{did_you_mean(request.compat, ['sloth'])}")
    labels, found = _labels(request.labels), _documents(request)[0]
    if request.compat == "sloth":
        windows = _alert_windows(request.windows)
        return [_of_sloth(one, windows, labels) for one in found if one.levels]
    return [
        {"groups": [group for level in one.levels for group in rules.groups(_with(level, labels))]} for one in found
    ]


def text(made: Sequence[Mapping[str, Any]]) -> str:
    """As YAML. Rule files are one document, because Prometheus reads no second; objects are one each."""
    groups = [group for one in made if "kind" not in one for group in one["groups"]]
    objects = [one for one in made if "kind" in one]
    parts = [*([{"groups": groups}] if groups or not objects else []), *objects]
    return "---\n".join(yaml.document(one) for one in parts)


def imported(file: Path) -> tuple[list[dict[str, Any]], list[Problem]]:
    """Our documents (for each Application its ``slo`` section and the Platform's defaults, then ServiceLevels), and warnings.

    Raises:
        BadInput: with every problem of the file.
    """
    parsed = parse(read_files([file]))
    if parsed.errors:
        raise BadInput("the file cannot be used", problems=parsed.problems)
    sections, rest = adopt(parsed.levels)
    services = dict.fromkeys(level.service for level in rest)
    own = [document.written(name, [one for one in rest if one.service == name]) for name in services]
    said = [{"application": one.application, "slo": one.slo, "defaults": {"slo": one.defaults}} for one in sections]
    return said + own, list(parsed.problems)


def adopted(found: Sequence[Mapping[str, Any]]) -> str:
    """The documents of :func:`imported` as YAML."""
    return "---\n".join(_section(one) if "application" in one else yaml.document(one) for one in found)


# -- inside


def _section(one: Mapping[str, Any]) -> str:
    where = f"# Belongs under `spec` of the Application {one['application']}"
    (when,) = one["defaults"]["slo"].items()
    platforms = f"where the Platform says `slo: {{{when[0]}: {when[1]}}}` under `spec.defaults`."
    return f"{where},\n# {platforms}\n{yaml.document({'slo': one['slo']})}"


def _documents(request: Request) -> tuple[list[Document], list[Problem]]:
    sources = read_files(list(request.files))
    ours = [source for source in sources if _is_ours(source)]
    theirs = parse([source for source in sources if source not in ours], Window(_seconds(request.window)))
    parsed = parse_documents(ours)
    problems = [*parsed.problems, *theirs.problems]
    if any(problem.severity == "error" for problem in problems):
        raise BadInput("the files cannot be used", problems=problems)
    levels = tuple(_promised(parsed, request)) if ours else ()
    own = Document(file=ours[0].file, line=1, form="shipway", levels=levels) if levels else None
    return [*([own] if own else []), *theirs.documents], problems


def _is_ours(source: Source) -> bool:
    """Whether a file holds Applications or a Platform; its problems as YAML are told by whoever reads it."""
    nodes, _ = read_yaml(source)
    kinds = [node.entries["kind"][1].value for node in nodes if node.entries and "kind" in node.entries]
    return any(kind in _OURS for kind in kinds)


def _promised(parsed: Any, request: Request) -> Iterator[ServiceLevel]:
    platform: DeclaredPlatform | None = parsed.declared_platform
    spec = platform.platform.spec if platform else None
    labels = {"environment": request.environment} if request.environment else {}
    if request.meters not in METERS:
        raise BadInput(
            f"--meters: expected opentelemetry or istio, got {request.meters!r}{did_you_mean(request.meters, METERS)}"
        )
    members: dict[str, ServiceLevel] = {}
    for declared in parsed.declared:
        application = resolve(declared, platform, request.environment).application
        metrics = spec.metrics if spec else {}
        found = of_application(
            application, METERS[request.meters], metrics=metrics, labels=labels, runbook=request.runbook
        )
        members |= {level.service: level for level in found if level.name == AVAILABILITY}
        yield from found
    for name, journey in (spec.journeys if spec else {}).items():
        missing = [app for app in journey.applications if app not in members]
        if missing:
            raise BadInput(
                f"the journey {name} goes through {', '.join(missing)}, of which no availability is promised here",
                hint="Name their files too, and give each an `slo.availability`.",
            )
        yield of_journey(name, journey, [members[app] for app in journey.applications])


def _of_sloth(one: Document, windows: Mapping[float, AlertWindows], labels: Mapping[str, str]) -> dict[str, Any]:
    mode, spec = MODES.get(one.form, ("cli-gen-prom", "prometheus/v1"))
    provenance = sloth.Provenance(mode=mode, spec=spec)
    calendar = [level.id for level in one.levels if level.window.calendar]
    if calendar:
        raise BadInput(
            f"Sloth knows no calendar windows, which {', '.join(calendar)} asks for", hint="Leave out --compat."
        )
    groups = [
        group
        for level in one.levels
        for group in sloth.groups(level, windows.get(level.window.seconds), provenance, labels)
    ]
    return sloth.prometheus_rule(one.metadata, groups) if mode == "cli-gen-k8s" else {"groups": groups}


def _with(level: ServiceLevel, labels: Mapping[str, str]) -> ServiceLevel:
    return msgspec.structs.replace(level, labels={**level.labels, **labels})


def _labels(pairs: Sequence[str]) -> dict[str, str]:
    wrong = [pair for pair in pairs if not all(pair.partition("="))]
    if wrong:
        raise BadInput(f"--label: expected KEY=VALUE, got {wrong[0]!r}")
    return {key: value for key, _, value in (pair.partition("=") for pair in pairs)}


def _seconds(length: str) -> float:
    try:
        found = seconds(length) or parse_duration(length)
    except QuantityError as error:
        raise BadInput(f"--window: {error}") from error
    if found <= 3 * 86_400:
        raise BadInput("--window: expected more than the three days that the slowest alert looks back")
    return found


def _alert_windows(path: Path | None) -> Mapping[float, AlertWindows]:
    """Of one file, or of every YAML file of a folder, which is how Sloth takes them."""
    if path is None:
        return {}
    files = sorted(one for one in path.glob("*.y*ml")) if path.is_dir() else [path]
    read = [parse_windows(source) for source in read_files(files)]
    problems = [problem for _, found in read for problem in found]
    if problems:
        raise BadInput("the alert windows cannot be used", problems=problems)
    return {period: windows for found, _ in read for period, windows in found.items()}

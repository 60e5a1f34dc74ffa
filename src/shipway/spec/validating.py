"""One document against its model and the rules between fields. Used by :mod:`shipway.spec.documents`.

Finds everything at once: values that are wrong are taken out and the rest is judged by the rules, so that a wrong port
does not hide steps in the wrong order. A rule about a field that is already known to be wrong stays silent.
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from shipway.model.problems import Problem
from shipway.spec.application import API_VERSION, Application
from shipway.spec.checks import Unit
from shipway.spec.diagnosis import MAX_EXPLAINED, dotted, for_the_platform, path_of, problem_at, problems_of
from shipway.spec.reading import Path
from shipway.spec.resolving import Declared, DeclaredApplication, DeclaredPlatform, merged
from shipway.spec.rules import REPLICAS_OR_SCALE, Broken, broken_rules, contradictions

M = TypeVar("M", bound=BaseModel)
Metrics = Mapping[str, Unit] | None


def validated(
    declared: Declared, model: type[M], metrics: Metrics, *, resolved: bool = False
) -> tuple[M | None, list[Problem], list[Path]]:
    """The document as ``model`` (without what is wrong, or None when too little is left), the problems, and the wrong paths.

    ``resolved``: what the Platform said is in the application already.
    """
    context = {"metrics": metrics}
    nothing = list(_empty(declared.data))
    wrong: list[Path] = []
    if model is Application and not resolved:
        wrong = list(islice(for_the_platform(declared.data, model), MAX_EXPLAINED))
    problems = [_reserved(declared, path) for path in wrong]
    data = _without(declared.data, set(wrong))
    try:
        instance = model.model_validate(data, context=context)
    except ValidationError as error:
        problems += problems_of(error, model, declared.file, declared.node)
        wrong += [path_of(details) for details in error.errors(include_url=False)]
    reported = set(wrong)
    unsaid = [path for path in nothing if path not in reported][:MAX_EXPLAINED]
    message = "expected a value, got nothing; write one, or remove the line"
    problems += [problem_at(declared.file, declared.node, path, "empty-value", message) for path in unsaid]
    wrong += unsaid
    return instance if not wrong else _rest(model, data, wrong, context), problems, wrong


def readable(declared: Declared, application: Application | None, wrong: Sequence[Path]) -> DeclaredApplication | None:
    """An application without what is wrong in it, to be compared with its neighbours; None without a name or an archetype."""
    data = _without(declared.data, set(wrong))
    said = (data.get("metadata") or {}).get("name"), (data.get("spec") or {}).get("archetype")
    if application is None or said != (application.metadata.name, application.spec.archetype):
        return None
    return DeclaredApplication(declared.file, declared.node, _filled(data), application)


def _reserved(declared: Declared, path: Path) -> Problem:
    environment = path[1] == "environments"
    place: Path = (*path[:3], "defaults", *path[3:-1]) if environment else ("spec", "defaults", *path[1:-1])
    others = "everybody, an archetype or a profile" if environment else "an archetype, a profile or an environment"
    message = f"`{path[-1]}` is for the Platform to say: in its `{dotted(place)}`, or for {others}; remove it here"
    return problem_at(declared.file, declared.node, path, "for-the-platform", message, key=True)


def rule_problems(declared: Declared, application: Application, wrong: Sequence[Path]) -> list[Problem]:
    """Broken rules of the file as written, but for those that look at a wrong path."""
    broken = [*broken_rules(application), *contradictions(application)]
    return [_placed(declared, rule, rule.path) for rule in broken if not _touches(rule, wrong)]


def environment_problems(
    declared: DeclaredApplication, platform: DeclaredPlatform | None, metrics: Metrics
) -> Iterator[Problem]:
    """Rules that the file keeps as written and breaks in an environment, or over the platform's defaults."""
    own = {(rule.path, rule.code) for rule in broken_rules(declared.application)}
    for environment, override in declared.application.spec.environments.items():
        if override.replicas is not None and override.scale is not None:
            path: Path = ("spec", "environments", environment, "replicas")
            yield problem_at(declared.file, declared.node, path, "conflict", REPLICAS_OR_SCALE, key=True)
    for environment in _environments(declared.application, platform):
        data, _ = merged(declared, platform, environment)
        where = f"in `{environment}`: " if environment else "with the platform's defaults: "
        for rule in broken_rules(Application.model_validate(data, context={"metrics": metrics})):
            if (rule.path, rule.code) not in own:
                own |= set() if environment else {(rule.path, rule.code)}
                yield _placed(declared, rule, _in_environment(declared, environment, rule), where)


def _environments(application: Application, platform: DeclaredPlatform | None) -> list[str]:
    """Environments where the application differs from what its file says (empty: the platform's defaults alone)."""
    theirs = platform.platform.spec.environments if platform else {}
    defaults = [""] if platform and platform.platform.spec.defaults.model_fields_set else []
    changed = [name for name, environment in theirs.items() if environment.defaults.model_fields_set]
    return list(dict.fromkeys([*defaults, *changed, *application.spec.environments]))


def _in_environment(declared: Declared, environment: str, rule: Broken) -> Path:
    """Where to point: at what the override says, if it says anything about it; otherwise at what the file says."""
    override: Path = ("spec", "environments", environment)
    paths = (rule.path, *rule.about)
    overridden = [(*override, *path[1:]) for path in paths]
    written = [path for path in overridden if declared.node.at(path)[2] > len(override)]
    return next(iter([*written, *(path for path in paths if declared.node.at(path)[2] > 1)]), ("spec",))


def _placed(declared: Declared, rule: Broken, path: Path, where: str = "") -> Problem:
    return problem_at(declared.file, declared.node, path, rule.code, where + rule.message, key=rule.key)


def _touches(rule: Broken, wrong: Sequence[Path]) -> bool:
    return any(
        _related(path, bad) for path in (rule.path, *rule.about) for bad in wrong if len(bad) > 1 or rule.path == bad
    )


def _related(one: Path, other: Path) -> bool:
    shorter = min(len(one), len(other))
    return one[:shorter] == other[:shorter]


def _empty(data: object, path: Path = ()) -> Iterator[Path]:
    """Paths of keys without a value."""
    inside = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    for key, value in inside:
        if value is None:
            yield (*path, key)
        else:
            yield from _empty(value, (*path, key))


def _rest(model: type[M], data: Mapping[str, Any], wrong: Sequence[Path], context: Mapping[str, Any]) -> M | None:
    if len(wrong) > MAX_EXPLAINED:  # not a file to be read any closer
        return None
    try:
        return model.model_validate(_filled(_without(data, set(wrong))), context=dict(context))
    except ValidationError:
        return None


def _without(data: Any, wrong: set[Path], path: Path = ()) -> Any:
    """``data`` without the wrong values; a list with a wrong entry goes as a whole, since its order means something."""
    if isinstance(data, dict):
        return {
            key: _without(value, wrong, (*path, key))
            for key, value in data.items()
            if not _is_wrong(value, (*path, key), wrong)
        }
    return data


def _is_wrong(value: object, path: Path, wrong: set[Path]) -> bool:
    if path in wrong:
        return True
    return not isinstance(value, dict) and any(bad[: len(path)] == path for bad in wrong)


def _filled(data: dict[str, Any]) -> dict[str, Any]:
    """``data`` with something in the place of what every document must say."""
    filled: dict[str, Any] = {"apiVersion": API_VERSION, "kind": "Application", **data}
    filled["metadata"] = {"name": "unnamed", **filled.get("metadata", {})}
    if filled["kind"] == "Application":
        filled["spec"] = {"archetype": "api-service", **filled.get("spec", {})}
    return filled

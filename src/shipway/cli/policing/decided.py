"""``policy decisions``: what policy said about releases when they were asked for, and what it says of the same facts now."""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from shipway.cli.recalling.records import decisions
from shipway.engine.decisions import Decided, Decision, judged_again
from shipway.facts.policies import policies_beside, read_policies
from shipway.facts.prices import read_platform
from shipway.model.errors import NotFound
from shipway.model.suggestions import did_you_mean
from shipway.policy.findings import Finding
from shipway.policy.guarding import parameters_of
from shipway.policy.loading import Policies

if TYPE_CHECKING:
    from rich.console import RenderableType


def decided(
    home: Path, app: str, last: int, policies: Sequence[Path] | None, platform: Path | None = None
) -> list[Decided]:
    """The last decisions about an application or about all; judged again by ``policies`` unless that is None.

    ``platform``: gives parameters of rules, and its policies when none are named.

    Raises:
        NotFound: none is recorded about that application.
        BadInput, JournalError: policies or the journal cannot be read.
    """
    known = decisions(home)
    found = [one for one in known if app in ("", one.app)]
    if app and not found:
        names = sorted({one.app for one in known})
        raise NotFound(
            f"no decision about {app} is recorded{did_you_mean(app, names)}", hint="`shipway deploy` asks for one."
        )
    rules = None if policies is None else _rules(home, policies, platform)
    return [Decided(one, judged_again(one, rules) if rules else None) for one in found[-last:]]


def _rules(home: Path, policies: Sequence[Path], platform: Path | None) -> Policies:
    declared, _ = read_platform(platform)
    own = [each for path in (home, platform) if path and path.is_dir() for each in policies_beside(path, ())]
    return read_policies(policies or own, parameters=parameters_of(declared.platform) if declared else {})


def table(found: Sequence[Decided]) -> "RenderableType":
    """For people."""
    from rich.console import Group
    from rich.text import Text

    if not found:
        return "No release was asked for yet."
    return Group(*(Text("\n".join(_lines(one))) for one in found))


def _lines(one: Decided) -> list[str]:
    decision = one.decision
    when = datetime.fromtimestamp(decision.at).astimezone().isoformat(" ", "seconds")
    where = f" for {decision.environment}" if decision.environment else ""
    head = f"{when} {decision.app}{where} by {decision.by}: {'allowed' if decision.allowed else 'refused'}"
    lines = [head, *(f"  {_said(each)}" for each in decision.findings), *(f"  {line}" for line in _facts(decision))]
    if one.now is not None:
        now = [_said(each) for each in one.now] or ["nothing against it"]
        lines += [f"  of the Application and these facts, by the rules as they are now: {line}" for line in now]
    return lines


def _said(one: Finding) -> str:
    word = f"excepted ({one.exception})" if one.exception else "error" if one.status == "error" else one.action
    return f"{word} {one.rule}: {one.message}"


def _facts(decision: Decision) -> list[str]:
    """What was known, in a line each, without the Application itself."""
    spec = decision.facts.get("spec", {})
    shown = {key: spec[key] for key in ("cost", "traffic", "errorBudget", "image", "change") if key in spec}
    lines = [
        f"{key}: {', '.join(f'{name} {_plain(value)}' for name, value in inner.items() if value != '')}"
        for key, inner in shown.items()
    ]
    return [*lines, *(f"{key}: unknown, {why}" for key, why in spec.get("unknown", {}).items())]


def _plain(value: object) -> str:
    return value if isinstance(value, str) and value else msgspec.json.encode(value).decode()

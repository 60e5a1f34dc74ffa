"""What the ``policy`` verbs do, without the words of the command line."""

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import yaml

import shipway
from shipway.cli.output import note
from shipway.cli.policing import checking
from shipway.facts.policies import read_policies
from shipway.model.errors import BadInput, NotFound
from shipway.model.suggestions import did_you_mean
from shipway.plan.fields import without_secrets
from shipway.policy import native
from shipway.policy.exporting import TARGETS, Exported, export
from shipway.policy.findings import Finding, rule_of
from shipway.policy.loading import PACK
from shipway.policy.scanning import secretive
from shipway.render.yaml import to_yaml
from shipway.web.findings import FORMATS, WITH_PASSES, Report, render

if TYPE_CHECKING:
    from rich.table import Table


def checked(asked: checking.Check, form: str) -> tuple[str, int]:
    """The report in a format, and the exit code.

    Raises:
        BadInput: a file, a policy or an argument cannot be used.
    """
    if form not in FORMATS:
        raise BadInput(f"--format: expected one of {', '.join(FORMATS)}, got {form!r}{did_you_mean(form, FORMATS)}")
    asked = msgspec.structs.replace(asked, passes=form in WITH_PASSES, at=time.time())
    found = checking.check(asked)
    checking.refuse_problems(found.problems)
    for problem in found.problems:
        note(str(problem), json=form == "json")
    report = Report(
        findings=tuple(map(_shown, found.findings)) if form == "json" else found.findings,
        summary=found.summary,
        files=found.files,
        objects=found.objects,
        at=asked.at,
        version=shipway.__version__,
    )
    return render(report, form), 1 if found.summary.refused else 0


def _shown(finding: Finding) -> Finding:
    """Facts may hold a whole Application; the rule that finds secrets in it must not be what spreads them."""
    if finding.facts is None:
        return finding
    return msgspec.structs.replace(finding, facts=without_secrets(finding.facts, secretive))


def listed(policies: Sequence[Path], environment: str, *, pack: bool) -> list[dict[str, Any]]:
    """Every rule as data, with what is done about it in the environment."""
    found = read_policies(policies, pack=pack)
    enforced = {rule.id: action for rule, action in found.evaluator(environment).rules}
    return [{**rule_of(rule), "enforced": enforced.get(rule.id, "off")} for rule in found.rules]


def table(rules: Sequence[Mapping[str, Any]]) -> "Table":
    """For people."""
    from rich.table import Table

    shown = Table(box=None, pad_edge=False)
    for column in ("RULE", "ENFORCED", "SEVERITY", "WHAT"):
        shown.add_column(column)
    for one in rules:
        shown.add_row(one["id"], one["enforced"], one["severity"], one["title"] or one["engine"])
    return shown


def explained(rule: str, policies: Sequence[Path], environment: str) -> dict[str, Any]:
    """One rule as data, with its text.

    Raises:
        NotFound: there is none of that id.
    """
    rules = {one["id"]: one for one in listed(policies, environment, pack=True)}
    if rule not in rules:
        raise NotFound(
            f"there is no rule {rule!r}{did_you_mean(rule, rules)}", hint="`shipway policy list` names them."
        )
    found = rules[rule]
    place = found["place"]
    text = Path(place.file).read_text(encoding="utf-8") if place.file else ""
    built_in = Path(place.file).parent == PACK
    return {**found, "built_in": built_in, "text": text, "examples": _examples(Path(place.file)) if built_in else {}}


def _examples(file: Path) -> dict[str, list[Any]]:
    """Objects that keep and that break a built-in rule: the first of each among its tests."""
    test = file.parent / "tests" / f"{file.stem}_test.yaml"
    cases = yaml.safe_load(test.read_text(encoding="utf-8"))["spec"]["cases"] if test.is_file() else []
    found: dict[str, list[Any]] = {}
    for case in cases:
        for status in case["expect"].values():
            found.setdefault({"pass": "keeps", "fail": "breaks"}.get(status, ""), case["objects"])
    return {name: found[name] for name in ("keeps", "breaks") if name in found}


def explanation(found: Mapping[str, Any]) -> str:
    """For people."""
    where = ", ".join(found["environments"])
    lines = [
        f"{found['id']}: {found['title']}",
        "",
        found["rationale"],
        f"\nHow to keep it: {found['fix']}" if found["fix"] else "",
        f"\nSeverity {found['severity']}; enforced here: {found['enforced']}"
        + (f"; holds in {where} unless a PolicySet says otherwise" if where else ""),
        f"Stands for {', '.join(found['controls'])}" if found["controls"] else "",
        f"Written in {found['place'].file}:{found['place'].line}",
        "",
        found["text"].rstrip(),
        *(f"\n# What {how} it:\n{to_yaml(objects).rstrip()}" for how, objects in found["examples"].items()),
    ]
    return "\n".join(line for index, line in enumerate(lines) if line or index in (1, 7))


def exported(policies: Sequence[Path], environment: str, target: str, *, pack: bool) -> Exported:
    """Manifests of the rules for a target.

    Raises:
        BadInput: there is no such target.
    """
    if target not in TARGETS:
        raise BadInput(f"--to: expected {', '.join(TARGETS)}, got {target!r}{did_you_mean(target, TARGETS)}")
    found = read_policies(policies, pack=pack)
    return export(
        found.evaluator(environment).rules,
        [one for one in found.documents if one.data.get("kind") == native.POLICY],
        [one for one in found.documents if one.data.get("kind") == native.BINDING],
        target,
    )


def as_yaml(manifests: Sequence[Mapping[str, Any]]) -> str:
    """One stream."""
    return yaml.safe_dump_all(manifests, sort_keys=False, allow_unicode=True, width=110)

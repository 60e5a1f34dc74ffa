"""Findings as other programs and people read them: text in, nothing but text out. Called by ``cli``.

text          for a terminal or a log, as a compiler prints its errors
json          everything, for programs
sarif         SARIF 2.1.0, for code scanning
junit         JUnit XML, for CI servers
policyreport  PolicyReport and ClusterPolicyReport, wgpolicyk8s.io/v1alpha2
openreports   the same as Report and ClusterReport, openreports.io/v1alpha1
github        annotations of GitHub Actions
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any
from urllib.parse import quote
from xml.sax.saxutils import escape, quoteattr

import msgspec
import yaml

from shipway.policy.findings import Finding, Subject, Summary, path_shown, summary

URI = "https://shipway.dev"


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """One check, to be shown."""

    findings: Sequence[Finding]
    summary: Summary
    files: int = 0
    objects: int = 0
    at: float = 0.0
    """When it was made, in seconds since the epoch."""
    version: str = ""
    """Of the program that made it."""


def render(report: Report, form: str) -> str:
    """The report in one of :data:`FORMATS`, without a newline at its end."""
    return FORMATS[form](report)


# -- text


def _text(report: Report) -> str:
    shown = [one for one in report.findings if one.status in ("fail", "warn", "error") or one.exception]
    return "\n".join([*(_lines(one) for one in shown), _total(report)])


def _lines(finding: Finding) -> str:
    """What is wrong and where, then the object and the value, then what to do."""
    word = "excepted" if finding.exception else "error" if finding.status == "error" else finding.action
    lines = [f"{_where(finding)}{word} {finding.rule}: {_plain(finding.message)}"]
    value = f" = {finding.found}" if finding.found else " is not there"
    path = f"  {path_shown(finding.path)}{value}" if finding.path else ""
    also = f" and {_count(len(finding.also), 'other')}: {', '.join(finding.also)}" if finding.also else ""
    lines.append(f"    {_plain(f'{_about(finding)}{also}{path}')}")
    if finding.allowed and not finding.exception:
        lines.append(f"    allowed: {_plain(finding.allowed)}")
    if finding.fix and not finding.exception:
        lines.append(f"    fix: {_plain(finding.fix)}")
    return "\n".join(lines)


def _told(finding: Finding) -> str:
    """What is wrong in one sentence, with the value and what is allowed."""
    path = path_shown(finding.path)
    value = f"{path} = {finding.found}" if finding.found else f"{path} is not there" if path else ""
    more = "; ".join(one for one in (value, finding.allowed and f"allowed: {finding.allowed}") if one)
    return f"{finding.message} ({more})" if more else finding.message


def _about(finding: Finding) -> str:
    """The subject, and where it was judged when that was in several environments."""
    return f"{finding.subject} in {finding.environment}" if finding.environment else str(finding.subject)


def _plain(text: str) -> str:
    """Without what could steer a terminal; further lines are indented."""
    return "".join(one if one.isprintable() or one == "\n" else "\ufffd" for one in text).replace("\n", "\n        ")


def _where(finding: Finding) -> str:
    place = finding.place
    if not place.file:
        return ""
    return f"{place.file}:{place.line}:{place.column}: " if place.line else f"{place.file}: "


def _total(report: Report) -> str:
    counted = report.summary
    parts = [
        (counted.refused, "refuse", "refuses"),
        (counted.warned, "warn", "warns"),
        (counted.failed + counted.errors - counted.refused, "audited", "audited"),
        (counted.errors, "errors", "error"),
        (counted.excepted, "excepted", "excepted"),
        (counted.passed, "passed", "passed"),
    ]
    said = ", ".join(f"{number} {one if number == 1 else many}" for number, many, one in parts if number)
    return f"{_count(report.objects, 'object')} in {_count(report.files, 'file')}: {said or 'nothing to check'}"


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


# -- programs


def _json(report: Report) -> str:
    data = {"summary": report.summary, "files": report.files, "objects": report.objects, "findings": report.findings}
    return msgspec.json.format(msgspec.json.encode(data), indent=2).decode()


_LEVELS = {"info": "note", "low": "note", "medium": "warning", "high": "error", "critical": "error"}
_SCORES = {"info": "0.0", "low": "3.0", "medium": "5.5", "high": "8.0", "critical": "9.5"}
"""``security-severity``, as code scanning sorts by it: the middle of CVSS' ranges."""


def _sarif(report: Report) -> str:
    bad = [one for one in report.findings if one.status in ("fail", "warn", "error") or one.exception]
    rules = list({one.rule: one for one in bad}.values())
    index = {one.rule: number for number, one in enumerate(rules)}
    driver = {
        "name": "shipway",
        "version": report.version,
        "informationUri": URI,
        "rules": [_sarif_rule(one) for one in rules],
    }
    run = {
        "tool": {"driver": {key: value for key, value in driver.items() if value != ""}},
        "columnKind": "unicodeCodePoints",
        "results": [_sarif_result(one, index[one.rule]) for one in bad],
    }
    data = {"$schema": "https://json.schemastore.org/sarif-2.1.0.json", "version": "2.1.0", "runs": [run]}
    return msgspec.json.format(msgspec.json.encode(data), indent=2).decode()


def _sarif_rule(finding: Finding) -> dict[str, Any]:
    rule: dict[str, Any] = {
        "id": finding.rule,
        "shortDescription": {"text": finding.title or finding.rule},
        "defaultConfiguration": {"level": _LEVELS[finding.severity]},
        "properties": {"security-severity": _SCORES[finding.severity], "tags": ["policy", *finding.controls]},
    }
    if finding.fix:
        rule["help"] = {"text": finding.fix}
    return rule


def _sarif_result(finding: Finding, index: int) -> dict[str, Any]:
    level = (
        "error" if finding.refuses or finding.status == "error" else "warning" if finding.status == "warn" else "note"
    )
    result: dict[str, Any] = {
        "ruleId": finding.rule,
        "ruleIndex": index,
        "level": level,
        "message": {"text": f"{_about(finding)}: {_told(finding)}"},
        "partialFingerprints": {"finding/v1": f"{finding.rule}|{finding.subject}|{path_shown(finding.path)}"},
    }
    if finding.place.file:
        place: dict[str, Any] = {"artifactLocation": {"uri": _uri(finding.place.file)}}
        if finding.place.line:
            place["region"] = {"startLine": finding.place.line, "startColumn": max(1, finding.place.column)}
        result["locations"] = [{"physicalLocation": place}]
    if finding.exception:
        result["suppressions"] = [{"kind": "external", "justification": finding.message}]
    return result


def _uri(file: str) -> str:
    """A reference as RFC 3986 has it: relative, unless the file's name is absolute."""
    path = quote(file.replace("\\", "/"), safe="/!$&'()*+,;=:@~")
    if path.startswith("/"):
        return f"file://{path}"
    return f"./{path}" if ":" in path.partition("/")[0] else path  # or else it would begin with a scheme


# -- CI servers

_UNPRINTABLE = dict.fromkeys((*range(9), 11, 12, *range(14, 32), 0xFFFE, 0xFFFF), "\ufffd")


def _xml(text: str) -> str:
    return escape(text.translate(_UNPRINTABLE))


def _attribute(text: str) -> str:
    return quoteattr(text.translate(_UNPRINTABLE), {"\n": "&#10;", "\t": "&#9;"})


def _junit(report: Report) -> str:
    suites: dict[str, list[Finding]] = {}
    for one in report.findings:
        suites.setdefault(_about(one), []).append(one)
    head = f'<testsuites name="shipway policy" {_junit_counts(report.findings)}>'
    body = [
        f'<testsuite name={_attribute(name)} {_junit_counts(cases)} skipped="{summary(cases).skipped}">\n'
        + "\n".join(map(_junit_case, cases))
        + "\n</testsuite>"
        for name, cases in suites.items()
    ]
    return "\n".join(['<?xml version="1.0" encoding="UTF-8"?>', head, *body, "</testsuites>"])


def _junit_counts(findings: Iterable[Finding]) -> str:
    counted = summary(findings)
    total = counted.passed + counted.failed + counted.warned + counted.skipped + counted.errors
    return f'tests="{total}" failures="{counted.failed}" errors="{counted.errors}"'


def _junit_case(finding: Finding) -> str:
    case = f"<testcase classname={_attribute(finding.rule)} name={_attribute(_about(finding))}"
    text = f"message={_attribute(finding.message)}"
    match finding.status:
        case "fail":
            return f'{case}><failure type="{finding.action}" {text}>{_xml(_lines(finding))}</failure></testcase>'
        case "error":
            return f'{case}><error type="error" {text}>{_xml(_lines(finding))}</error></testcase>'
        case "skip":
            return f"{case}><skipped {text}/></testcase>"
        case "warn":
            return f"{case}><system-out>{_xml(_lines(finding))}</system-out></testcase>"
    return f"{case}/>"


def _github(report: Report) -> str:
    return "\n".join(_annotation(one) for one in report.findings if one.status in ("fail", "warn", "error"))


def _annotation(finding: Finding) -> str:
    level = (
        "error" if finding.refuses or finding.status == "error" else "warning" if finding.status == "warn" else "notice"
    )
    place, where = finding.place, {}
    if place.file:
        where = {"file": place.file} | ({"line": place.line, "col": place.column} if place.line else {})
    fields = ",".join(f"{key}={_escaped(str(value), ':,')}" for key, value in {**where, "title": finding.rule}.items())
    fix = f" {finding.fix}" if finding.fix else ""
    return f"::{level} {fields}::{_escaped(f'{_about(finding)}: {_told(finding)}.{fix}')}"


def _escaped(text: str, more: str = "") -> str:
    for character in ("%", "\r", "\n", *more):
        text = text.replace(character, f"%{ord(character):02X}")
    return text


# -- clusters


def _policy_report(report: Report) -> str:
    return _reports(report, "wgpolicyk8s.io/v1alpha2", "PolicyReport", "ClusterPolicyReport")


def _open_report(report: Report) -> str:
    return _reports(report, "openreports.io/v1alpha1", "Report", "ClusterReport")


def _reports(report: Report, version: str, namespaced: str, clustered: str) -> str:
    """One report for each namespace, and one for what is in none."""
    groups: dict[str, list[Finding]] = {}
    for one in report.findings:
        groups.setdefault(one.subject.namespace, []).append(one)
    documents = []
    for namespace, findings in sorted(groups.items()):
        meta = {"name": "shipway", **({"namespace": namespace} if namespace else {})}
        counted = summary(findings)
        documents.append(
            {
                "apiVersion": version,
                "kind": namespaced if namespace else clustered,
                "metadata": meta,
                "summary": {
                    "pass": counted.passed,
                    "fail": counted.failed,
                    "warn": counted.warned,
                    "error": counted.errors,
                    "skip": counted.skipped,
                },
                "results": [_result(one, report.at) for one in findings],
            }
        )
    return yaml.safe_dump_all(documents, sort_keys=False, allow_unicode=True).rstrip("\n")


def _result(finding: Finding, at: float) -> dict[str, Any]:
    policy, _, rule = finding.rule.partition("/")
    place = finding.place
    properties = {
        "action": finding.action,
        "exception": finding.exception,
        "path": path_shown(finding.path),
        "found": finding.found,
        "allowed": finding.allowed,
        "fix": finding.fix,
        "place": f"{place.file}:{place.line}:{place.column}" if place.line else place.file,
        "controls": ", ".join(finding.controls),
    }
    return {
        "source": "shipway",
        "policy": policy,
        "rule": rule or policy,
        "result": finding.status,
        "severity": finding.severity,
        "scored": finding.action == "deny",
        "message": finding.message,
        "resources": [_reference(finding.subject)],
        "properties": {key: value for key, value in properties.items() if value},
        "timestamp": {"seconds": int(at), "nanos": 0},
    }


def _reference(subject: Subject) -> dict[str, str]:
    found = {
        "apiVersion": subject.api_version,
        "kind": subject.kind,
        "namespace": subject.namespace,
        "name": subject.name,
    }
    return {key: value for key, value in found.items() if value}


FORMATS: Mapping[str, Callable[[Report], str]] = {
    "text": _text,
    "json": _json,
    "sarif": _sarif,
    "junit": _junit,
    "policyreport": _policy_report,
    "openreports": _open_report,
    "github": _github,
}
WITH_PASSES = frozenset({"json", "junit", "policyreport", "openreports"})
"""Formats that show what was kept, too."""

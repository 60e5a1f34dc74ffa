"""Findings in every format, beside golden files (SHIPWAY_UPDATE_GOLDEN=1 rewrites them)."""

import json
import os
from pathlib import Path
from typing import get_args
from xml.etree import ElementTree as ET

import jsonschema_rs
import msgspec
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from shipway.policy.findings import Finding, Subject, summary
from shipway.policy.rules import Action, Place, Severity, Status
from shipway.web.findings import FORMATS, Report, render
from tests.conformance import folder
from tests.web.shapes import SARIF, check_junit

GOLDEN = Path(__file__).parent / "golden"
WEB = Subject("apps/v1", "Deployment", "shop", "web")
FINDINGS = (
    Finding(
        rule="disallow-privileged",
        status="fail",
        action="deny",
        severity="critical",
        subject=WEB,
        message="expected neither, found in: web",
        path=("spec", "template", "spec", "containers", 0, "securityContext", "privileged"),
        found="true",
        allowed="not set",
        place=Place("deploy/web, 1.yaml", 22, 41),
        title="No privileged containers",
        fix="Remove securityContext.privileged.",
        controls=("CIS 5.2.2",),
    ),
    Finding(rule="p/labels", status="warn", action="warn", severity="low", subject=WEB, message='100% <bad> & "odd"\nline\x00', place=Place("deploy/web, 1.yaml", 4, 3)),
    Finding(rule="p/audited", status="fail", action="audit", subject=WEB, message="only noted", place=Place("deploy/web, 1.yaml", 1, 1)),
    Finding(rule="p/broken", status="error", action="deny", subject=Subject("v1", "Namespace", "", "shop"), message="no such key: spec"),
    Finding(rule="p/kept", status="pass", action="deny", subject=WEB),
    Finding(rule="p/excepted", status="skip", action="deny", subject=WEB, message="too many (excepted until 2026-12-31: later [OPS-1])", exception="legacy", place=Place("deploy/web, 1.yaml", 7, 13)),
)  # fmt: skip
REPORT = Report(findings=FINDINGS, summary=summary(FINDINGS), files=1, objects=2, at=1795236883.0, version="1.2.3")


@pytest.mark.parametrize("form", FORMATS)
def test_golden(form: str) -> None:
    shown = render(REPORT, form) + "\n"
    file = GOLDEN / f"findings.{form}"
    if os.environ.get("SHIPWAY_UPDATE_GOLDEN"):
        file.write_text(shown, encoding="utf-8")
    assert shown == file.read_text(encoding="utf-8")


@pytest.mark.parametrize("form", FORMATS)
def test_nothing_found(form: str) -> None:
    render(Report(findings=(), summary=summary(())), form)


TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
NAMES = TEXTS.filter(bool)
SOME_FINDING = st.builds(
    Finding,
    rule=NAMES,
    status=st.sampled_from(get_args(Status)),
    action=st.sampled_from(get_args(Action)),
    severity=st.sampled_from(get_args(Severity)),
    subject=st.builds(Subject, NAMES, NAMES, TEXTS, NAMES),
    message=TEXTS,
    path=st.lists(NAMES | st.integers(0, 9), max_size=3).map(tuple),
    found=TEXTS,
    allowed=TEXTS,
    fix=TEXTS,
    controls=st.lists(NAMES, max_size=2, unique=True).map(tuple),
    place=st.builds(Place, TEXTS, st.integers(0, 9), st.integers(0, 9)),
    exception=st.just(""),
)


@settings(max_examples=60, deadline=None)
@given(st.lists(SOME_FINDING, max_size=4))
def test_whatever_is_found_every_format_is_well_formed(found: list[Finding]) -> None:
    report = Report(findings=found, summary=summary(found), files=1, objects=1, at=0.0)
    sarif = json.loads(render(report, "sarif"))
    jsonschema_rs.validator_for(SARIF, validate_formats=True).validate(sarif)
    check_junit(ET.fromstring(render(report, "junit")))  # noqa: S314  # our own
    for form in ("policyreport", "openreports"):
        assert sum(len(one["results"]) for one in yaml.safe_load_all(render(report, form)) or () if one) == len(found)
    bad = [one for one in found if one.status in ("fail", "warn", "error")]
    assert len(render(report, "github").split("\n")) == max(1, len(bad))


def test_sarif_is_sarif() -> None:
    jsonschema_rs.validator_for(SARIF, validate_formats=True).validate(json.loads(render(REPORT, "sarif")))
    (run,) = json.loads(render(REPORT, "sarif"))["runs"]
    rules = run["tool"]["driver"]["rules"]
    assert [rules[one["ruleIndex"]]["id"] for one in run["results"]] == [one["ruleId"] for one in run["results"]]
    assert [one["level"] for one in run["results"]] == ["error", "warning", "note", "error", "note"]
    first = run["results"][0]["locations"][0]["physicalLocation"]
    assert first == {
        "artifactLocation": {"uri": "deploy/web,%201.yaml"},
        "region": {"startLine": 22, "startColumn": 41},
    }
    assert run["results"][-1]["suppressions"][0]["kind"] == "external"


def test_junit_counts_what_it_lists() -> None:
    root = ET.fromstring(render(REPORT, "junit"))  # noqa: S314  # our own
    check_junit(root)
    assert (root.get("tests"), root.get("failures"), root.get("errors")) == ("6", "2", "1")
    assert [suite.get("skipped") for suite in root] == ["1", "0"]
    assert len(root.findall(".//testcase")) == 6
    assert len(root.findall(".//failure")) == 2


@pytest.mark.parametrize(("form", "crd"), [("policyreport", "wgpolicyk8s.io"), ("openreports", "openreports.io")])
def test_reports_for_clusters_are_valid(form: str, crd: str) -> None:
    documents = list(yaml.safe_load_all(render(REPORT, form)))
    assert len(documents) == 2
    for one in documents:
        name = f"{one['kind'].lower()}_{one['apiVersion'].partition('/')[2]}.json"
        schema = json.loads((folder("crds") / crd / name).read_text())
        jsonschema_rs.validator_for(schema).validate(one)


def test_names_cannot_steer_a_terminal_or_a_pipeline() -> None:
    name = "x\n::error::forged\x1b[2J"
    one = Finding(rule="p", status="fail", action="deny", subject=Subject("v1", "Pod", "", name), fix=f"Ask {name}.")
    shown = render(Report(findings=(one,), summary=summary((one,))), "text")
    assert "\x1b" not in shown
    assert not any(line.startswith("::") for line in shown.splitlines())


def test_annotations_are_one_line_each() -> None:
    lines = render(REPORT, "github").splitlines()
    assert [line.partition(" ")[0] for line in lines] == ["::error", "::warning", "::notice", "::error"]
    assert "deploy/web%2C 1.yaml" in lines[0]
    assert "100%25" in lines[1]
    assert "%0A" in lines[1]


def test_json_holds_everything() -> None:
    decoded = json.loads(render(REPORT, "json"))
    assert decoded["findings"] == json.loads(msgspec.json.encode(FINDINGS))
    assert decoded["summary"]["refused"] == 2

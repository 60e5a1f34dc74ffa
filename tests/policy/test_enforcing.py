"""What a platform makes of rules: enforcement, exceptions, windows and freezes."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipway.policy.enforcing import unknown_rules
from shipway.policy.evaluating import Evaluator, replayed
from shipway.policy.facts import delivery, exceptions, image_reference, scannable, workloads
from shipway.policy.findings import summary
from shipway.policy.rules import Request
from shipway.policy.windows import ChangeState, change_state
from shipway.spec import Source
from shipway.spec.policies import Merged, merged, parse_policy_sets
from tests.policy.samples import deployment, loaded, vap

HEAD = "apiVersion: shipway.dev/v1alpha1\nkind: PolicySet\nmetadata: {name: acme}\nspec:\n"
FEW = vap("few", validations=[{"expression": "object.spec.replicas <= 5", "message": "at most 5"}])


def sets(text: str) -> Merged:
    """A policy set of these lines under ``spec``."""
    found, problems = parse_policy_sets([Source("set.yaml", HEAD + text)])
    assert not problems, problems
    return merged(found)


def at(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


@pytest.mark.parametrize(
    ("text", "environment", "status", "refuses"),
    [
        ("  default: deny", "", "fail", True),
        ("  pack: false", "", "fail", False),  # a rule that nobody named starts in audit
        ("  default: warn", "", "warn", False),
        ("  enforce: [{rules: [few], action: warn}]", "", "warn", False),
        ("  enforce: [{rules: ['f*'], action: audit, environments: {prod: deny}}]", "prod", "fail", True),
        ("  enforce: [{rules: ['f*'], action: audit, environments: {prod: deny}}]", "dev", "fail", False),
        ("  enforce: [{rules: ['*'], action: deny}, {rules: [few], environments: {dev: warn}}]", "dev", "warn", False),
        ("  enforce: [{rules: ['*'], action: deny}, {rules: [few], environments: {dev: warn}}]", "prod", "fail", True),
        ("  enforce: [{rules: [few], action: 'off'}]", "", "", False),
    ],
)
def test_enforcement(text: str, environment: str, status: str, refuses: bool) -> None:
    findings = Evaluator(loaded(FEW).rules, sets(text), environment).evaluate(Request(object=deployment()))
    assert [(one.status, one.refuses) for one in findings] == ([(status, refuses)] if status else [])


EXCEPTION = """\
  default: deny
  exceptions:
    - name: legacy
      rules: [few]
      subjects: [{kind: Deployment, namespace: shop, name: 'w*'}]
      environments: [prod]
      owner: payments
      reason: The old till cannot share its state.
      ticket: OPS-12
      expires: 2026-06-30
"""


@pytest.mark.parametrize(
    ("when", "environment", "metadata", "excepted"),
    [
        ("2026-06-30T23:59:59+00:00", "prod", {}, True),
        ("2026-07-01T00:00:00+00:00", "prod", {}, False),
        ("2026-01-01T00:00:00+00:00", "dev", {}, False),
        ("2026-01-01T00:00:00+00:00", "prod", {"name": "api"}, False),
        ("2026-01-01T00:00:00+00:00", "prod", {"namespace": "other"}, False),
    ],
)
def test_exceptions(when: str, environment: str, metadata: dict[str, str], excepted: bool) -> None:
    evaluator = Evaluator(loaded(FEW).rules, sets(EXCEPTION), environment)
    (finding,) = evaluator.evaluate(Request(object=deployment(**metadata), at=at(when)))
    assert (finding.status, finding.exception) == (("skip", "legacy") if excepted else ("fail", ""))
    assert summary([finding]).excepted == excepted
    if excepted:
        assert "OPS-12" in finding.message


def test_an_exception_becomes_a_fact_that_knows_whether_it_expired() -> None:
    written = sets(EXCEPTION).exceptions
    (before,), (after,) = exceptions(written, at("2026-06-30T12:00:00+00:00")), exceptions(written, at("2026-07-02"))
    assert (before["spec"]["expired"], after["spec"]["expired"]) == (False, True)
    assert after["spec"]["owner"] == "payments"


def test_names_that_fit_no_rule_are_told() -> None:
    assert unknown_rules(sets("  enforce: [{rules: [few, fwe], action: warn}]"), loaded(FEW).rules) == ["fwe"]


WINDOWS = """\
  changeWindows:
    - name: office hours
      environments: [prod]
      schedule: FREQ=WEEKLY;BYDAY=MO,TU,WE,TH;BYHOUR=9;BYMINUTE=0;BYSECOND=0
      duration: 8h
      timeZone: Europe/Berlin
  freezes:
    - {name: Black Friday, from: 2026-11-26, until: 2026-11-30, reason: the busiest days, environments: [prod]}
    - {name: Inventory, schedule: FREQ=MONTHLY;BYMONTHDAY=1, duration: 1d, from: 2026-01-01}
"""


@pytest.mark.parametrize(
    ("when", "environment", "allowed", "reason", "until"),
    [
        ("2026-11-23T09:00:00+01:00", "prod", True, "", "2026-11-23T16:00:00Z"),
        ("2026-11-23T08:59:59+01:00", "prod", False, "outside of office hours", "2026-11-23T08:00:00Z"),
        ("2026-11-23T17:00:00+01:00", "prod", False, "outside of office hours", "2026-11-24T08:00:00Z"),
        ("2026-07-06T08:00:00+00:00", "prod", True, "", "2026-07-06T15:00:00Z"),  # summer time
        (
            "2026-11-27T12:00:00+01:00",
            "prod",
            False,
            "frozen by Black Friday: the busiest days",
            "2026-12-01T00:00:00Z",
        ),
        ("2026-11-27T12:00:00+01:00", "dev", True, "", ""),
        ("2026-12-01T12:00:00+00:00", "dev", False, "frozen by Inventory", "2026-12-02T00:00:00Z"),
        ("2026-12-02T12:00:00+00:00", "dev", True, "", ""),
    ],
)
def test_windows_and_freezes(when: str, environment: str, allowed: bool, reason: str, until: str) -> None:
    found = sets(WINDOWS)
    state = change_state(found.change_windows, found.freezes, environment, at(when))
    assert state == ChangeState(allowed, reason, until)


@given(st.floats(at("2026-01-01T00:00:00+00:00"), at("2030-01-01T00:00:00+00:00")))
def test_a_window_is_open_exactly_in_its_hours(when: float) -> None:
    found = sets(WINDOWS)
    local = datetime.fromtimestamp(when, ZoneInfo("Europe/Berlin"))
    expected = local.weekday() < 4 and 9 <= local.hour < 17
    assert change_state(found.change_windows, (), "prod", when).allowed == expected


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("  changeWindows: [{name: a, schedule: FREQ=SECONDLY, duration: 1h}]", "RFC 5545"),
        ("  changeWindows: [{name: a, schedule: whenever, duration: 1h}]", "RFC 5545"),
        ("  changeWindows: [{name: a, schedule: FREQ=DAILY}]", "duration"),
        ("  freezes: [{name: a}]", "until"),
        ("  freezes: [{name: a, until: tomorrow}]", "2026-12-31"),
        ("  freezes: [{name: a, until: 2026-12-31, timeZone: Mars/Olympus}]", "Europe/Berlin"),
        ("  freezes: [{name: a, until: 2026-12-31, timeZone: ../../etc/passwd}]", "Europe/Berlin"),
        (
            "  exceptions: [{name: a, rules: [x], subjects: [{kind: Pod}], reason: r, ticket: t, expires: 2026-12-31}]",
            "owner",
        ),
        ("  enforce: [{rules: [x], action: block}]", "deny"),
        ("  enforced: []", "enforce"),
    ],
)
def test_what_is_wrong_with_a_policy_set_is_said(line: str, said: str) -> None:
    found, problems = parse_policy_sets([Source("set.yaml", HEAD + line)])
    assert not found
    assert any(said in problem.message for problem in problems), problems
    assert all(problem.line >= 5 for problem in problems)


def test_a_recurrence_ends_when_it_says() -> None:
    line = "  changeWindows: [{name: a, schedule: 'FREQ=DAILY;BYHOUR=9;BYMINUTE=0;BYSECOND=0;UNTIL=20261101T000000', duration: 8h}]"
    ended = sets(line).change_windows
    for day, allowed in (("2026-10-31", True), ("2026-11-01", False), ("2026-11-24", False)):
        assert change_state(ended, (), "", at(f"{day}T10:00:00+00:00")).allowed is allowed, day


def test_a_rule_that_never_comes_true_ends() -> None:
    never = sets("  changeWindows: [{name: a, schedule: FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30, duration: 1h}]")
    assert not change_state(never.change_windows, (), "", at("2026-05-01")).allowed


def test_a_decision_can_be_replayed_from_its_finding() -> None:
    rule = vap(
        "cheap",
        match={
            "resourceRules": [
                {
                    "apiGroups": ["facts.shipway.dev"],
                    "apiVersions": ["v1"],
                    "operations": ["*"],
                    "resources": ["deliveries"],
                }
            ]
        },
        validations=[{"expression": "object.spec.cost.monthly <= object.spec.cost.budget"}],
    )
    application = {"metadata": {"name": "web"}, "spec": {"image": "registry.example.com/web:1"}}
    fact = delivery(application, environment="prod", at=0.0, cost={"monthly": 12, "budget": 10})
    evaluator = Evaluator(loaded(rule).rules)
    (finding,) = evaluator.evaluate(Request(object=fact))
    assert finding.facts == fact
    assert replayed(finding, evaluator, 0.0) == [finding]
    assert fact["spec"]["time"] == datetime.fromtimestamp(0, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@pytest.mark.parametrize(
    ("reference", "registry", "repository", "tag", "digest"),
    [
        ("nginx", "docker.io", "nginx", "latest", ""),
        ("acme/web:1", "docker.io", "acme/web", "1", ""),
        ("localhost:5000/web", "localhost:5000", "web", "latest", ""),
        ("ghcr.io/acme/web:1@sha256:ab", "ghcr.io", "acme/web", "1", "sha256:ab"),
        ("ghcr.io/acme/web@sha256:ab", "ghcr.io", "acme/web", "", "sha256:ab"),
    ],
)
def test_image_references(reference: str, registry: str, repository: str, tag: str, digest: str) -> None:
    expected = {"registry": registry, "repository": repository, "tag": tag, "digest": digest, "reference": reference}
    assert image_reference(reference) == expected


def test_workloads_know_what_selects_their_pods() -> None:
    web = deployment()
    web["spec"]["template"]["metadata"] = {"labels": {"app": "web"}}

    def selecting(kind: str, field: str, selector: object, namespace: str = "shop") -> dict[str, object]:
        spec = {} if selector is None else {field: selector}
        return {"kind": kind, "metadata": {"name": str(selector), "namespace": namespace}, "spec": spec}

    objects = [
        web,
        selecting("NetworkPolicy", "podSelector", {}),
        selecting("NetworkPolicy", "podSelector", {"matchLabels": {"app": "web"}}, "other"),
        selecting("PodDisruptionBudget", "selector", {"matchLabels": {"app": "web"}}),
        selecting("PodDisruptionBudget", "selector", {"matchLabels": {"app": "api"}}),
        selecting("PodDisruptionBudget", "selector", None),
    ]
    ((fact, about),) = workloads(objects)
    assert about is web
    assert fact["spec"]["networkPolicies"] == ["{}"]
    assert fact["spec"]["podDisruptionBudgets"] == ["{'matchLabels': {'app': 'web'}}"]


def test_texts_that_may_hold_secrets_are_found_wherever_pods_are() -> None:
    container = {
        "name": "a",
        "env": [{"name": "A", "value": "1"}, {"name": "B"}],
        "args": ["x", 1],
        "command": "no list",
    }
    cron = {
        "kind": "CronJob",
        "spec": {"jobTemplate": {"spec": {"template": {"spec": {"containers": [container, None]}}}}},
    }
    found = {(path[-1], text) for path, _, text in scannable(cron)}
    assert found == {("value", "1"), (0, "x")}
    assert [text for *_, text in scannable({"kind": "ConfigMap", "data": {"k": "v"}})] == ["v"]
    assert list(scannable({"kind": "Secret", "data": {"k": "v"}})) == []

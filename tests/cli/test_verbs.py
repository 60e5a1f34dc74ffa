"""What each verb asks of the controller, and what it shows of the answer."""

from pathlib import Path
from typing import Any

import msgspec
import pytest

from shipway.model.errors import BadInput, Refused
from shipway.model.problems import Problem
from tests.cli.shell import Shell
from tests.cli.stub import Stub, application, controller, indicator, release, rollout

ME = "ann"
FILE = "apiVersion: shipway.dev/v1alpha1\nkind: Application\n"


@pytest.fixture(autouse=True)
def me(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOGNAME", ME)


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("app.yaml").write_text(FILE)
    return Path("app.yaml")


def plain(view: Any) -> Any:
    return msgspec.json.decode(msgspec.json.encode(view))


@pytest.mark.parametrize(
    ("words", "view"),
    [
        ("status", controller()),
        ("status shop", application()),
        ("rollout show shop", rollout()),
        ("rollout show shop-2", rollout()),
        ("rollout list", {"rollouts": [rollout()]}),
    ],
)
def test_json_is_the_view_itself(shipway: Shell, stub: Stub, words: str, view: Any) -> None:
    result = shipway(*words.split(), "--json")
    assert (result.code, result.data, result.err) == (0, plain(view), "")


def test_status_of_everything(shipway: Shell, stub: Stub) -> None:
    views = (application(), application(name="cart", rollout=None, live=None, weights={}, trouble="the proxy is gone"))
    stub.answers["GET", "/v1/controller"] = controller(applications=views, trouble="the disk is full")
    out = shipway("status").out
    assert "Controller 4711 (shipway 0.1.0) in /somewhere" in out
    assert "Trouble: the disk is full" in out
    assert "cart: the proxy is gone" in out
    row = next(line for line in out.splitlines() if line.startswith("shop"))
    assert row.split() == ["shop", "v2", "v2", "100", "%", "http://127.0.0.1:8080", "shop-2", "promoted"]


def test_status_of_nothing_says_what_to_do(shipway: Shell, stub: Stub) -> None:
    stub.answers["GET", "/v1/controller"] = controller(applications=())
    assert "shipway deploy FILE" in shipway("status").out


def test_status_of_one_application(shipway: Shell, stub: Stub) -> None:
    releases = (release(), release(id="v1", live=False, run="stopped", weight=0.0, failure="it crashed"))
    stub.answers["GET", "/v1/applications/shop"] = application(releases=releases, pending="v3")
    out = shipway("status", "shop").out
    assert "shop at http://127.0.0.1:8080: v2 100 %" in out
    assert "live, running 1/1" in out
    assert "it crashed" in out
    assert "Next: v3" in out


def test_a_rollout_shows_the_evidence_with_its_bands(shipway: Shell, stub: Stub) -> None:
    indicators = (indicator(), indicator(name="requests", canary_band=None, baseline_total=0, evidence=None))
    stub.answers["GET", "/v1/rollouts/shop"] = rollout(indicators=indicators, log_tail=("panic: [red]no[/red]",))
    out = shipway("rollout", "show", "shop").out
    assert "Rollout shop-2 (canary of v2 against v1): promoted" in out
    assert "0 of 400 (0.00%; 0.00%..2.10%)" in out
    assert "-1.2 of 5.3" in out
    assert "| panic: [red]no[/red]" in out  # what a service writes is text, not markup


@pytest.mark.parametrize("action", ["pause", "resume", "promote", "abort", "retry"])
def test_steering_a_rollout(shipway: Shell, stub: Stub, action: str) -> None:
    stub.answers["POST", f"/v1/applications/shop/{action}"] = application()
    result = shipway("rollout", action, "shop-2", "--json")
    assert result.data == plain(application())
    assert stub.asked[-1] == ("POST", f"/v1/applications/shop/{action}", {"by": ME, "full": False, "reason": ""})


def test_a_person_can_say_more(shipway: Shell, stub: Stub) -> None:
    stub.answers["POST", "/v1/applications/shop/promote"] = application()
    stub.answers["POST", "/v1/applications/shop/abort"] = application()
    shipway("rollout", "promote", "shop", "--full")
    assert stub.asked[-1][2]["full"] is True
    shipway("rollout", "abort", "shop", "--reason", "wrong branch")
    assert stub.asked[-1][2]["reason"] == "wrong branch"


def test_a_rollout_that_is_over_is_not_taken_for_the_one_under_way(shipway: Shell, stub: Stub) -> None:
    stub.answers["GET", "/v1/applications/shop"] = application(rollout=rollout(id="shop-3"))
    error = shipway("rollout", "abort", "shop-2", "--json").error
    assert error["code"] == "refused"
    assert "shop-2 has ended (promoted); shop is at shop-3 now" in error["message"]
    assert [asked for asked in stub.asked if asked[0] == "POST"] == []


def test_a_refusal_is_passed_on(shipway: Shell, stub: Stub) -> None:
    stub.answers["POST", "/v1/applications/shop/promote"] = Refused("it has failed", hint="deploy a better one")
    result = shipway("rollout", "promote", "shop")
    assert (result.code, result.err) == (1, "error: it has failed\nhint: deploy a better one\n")


@pytest.mark.parametrize(("words", "to"), [(["undo", "shop"], None), (["undo", "shop", "--to", "v1"], "v1")])
def test_undo(shipway: Shell, stub: Stub, words: list[str], to: str | None) -> None:
    stub.answers["POST", "/v1/applications/shop/undo"] = application()
    assert shipway(*words).code == 0
    assert stub.asked[-1] == ("POST", "/v1/applications/shop/undo", {"to": to, "by": ME})


def test_explain(shipway: Shell, stub: Stub) -> None:
    fields = [
        {"path": "spec.port", "value": 8080, "origin": "application", "file": "app.yaml", "line": 7},
        {"path": "spec.command", "value": ["a", "b"], "origin": "default"},
    ]
    stub.answers["GET", "/v1/applications/shop/explain"] = {"text": "All is well.", "fields": fields}
    lines = [line.split() for line in shipway("explain", "shop").out.splitlines()]
    assert lines[0] == ["All", "is", "well."]
    assert lines[-2:] == [["spec.port", "8080", "application", "app.yaml:7"], ["spec.command", '["a","b"]', "default"]]


# --- deploying and watching


def deployed(*, changed: bool = True) -> dict[str, Any]:
    one = {"app": "shop", "release": "v2", "rollout": "shop-2", "changed": changed, "message": "rollout begun"}
    return {"applications": [one], "problems": []}


def going(**changes: Any) -> Any:
    values: dict[str, Any] = {"phase": "observing", "active": True, "weight": 5.0, "reason": "gathering evidence"}
    return application(settled=False, rollout=rollout(**values | changes))


def test_deploy_sends_the_file_and_what_is_said_about_it(shipway: Shell, stub: Stub, file: Path) -> None:
    stub.answers["POST", "/v1/deployments"] = deployed()
    result = shipway("deploy", file, "--image", "shop:2", "--set", "spec.port=81", "--env", "prod")
    assert (result.code, result.out) == (0, "shop v2: rollout begun (shop-2)\n")
    assert stub.asked[-1][2] == {
        "files": [{"file": "app.yaml", "text": FILE}],
        "sets": ["spec.image=shop:2", "spec.port=81"],
        "environment": "prod",
        "by": ME,
        "directory": str(Path.cwd()),
        "commits": {},
    }


def test_warnings_do_not_disturb_the_answer(shipway: Shell, stub: Stub, file: Path) -> None:
    warning = Problem("app.yaml", 3, 1, "spec", "x", "mind this", severity="warning")
    stub.answers["POST", "/v1/deployments"] = deployed() | {"problems": [warning]}
    result = shipway("deploy", file)
    assert result.err == "app.yaml:3:1 warning spec: mind this\n"
    assert shipway("deploy", file, "--json").data["problems"][0]["message"] == "mind this"


@pytest.mark.parametrize("words", [[], ["--json"]])
def test_bad_input_ends_with_every_problem(shipway: Shell, stub: Stub, file: Path, words: list[str]) -> None:
    problems = [Problem("app.yaml", 2, 1, "kind", "x", "one"), Problem("app.yaml", 3, 1, "spec", "x", "two")]
    stub.answers["POST", "/v1/deployments"] = BadInput("2 problems", problems=problems)
    result = shipway("deploy", file, *words)
    assert result.code == 2
    if words:
        assert [one["message"] for one in result.error["problems"]] == ["one", "two"]
    else:
        assert result.err.splitlines()[0] == "app.yaml:2:1 error kind: one"


def test_a_file_that_is_not_there_is_not_sent(shipway: Shell, stub: Stub, file: Path) -> None:
    result = shipway("deploy", "nope.yaml")
    assert (result.code, stub.asked) == (2, [])
    assert "nope.yaml error: cannot be read: No such file or directory" in result.err


def test_a_file_in_another_encoding_is_explained(shipway: Shell, stub: Stub, file: Path) -> None:
    file.write_bytes(b"name: caf\xe9\n")
    result = shipway("deploy", file)
    assert (result.code, stub.asked) == (2, [])
    assert "UTF-8" in result.err


@pytest.mark.parametrize(("phase", "code"), [("promoted", 0), ("rolled back", 1), ("aborted", 1)])
def test_watching_a_deployment_to_its_end(shipway: Shell, stub: Stub, file: Path, phase: str, code: int) -> None:
    ended = rollout(phase=phase, reason="because")
    stub.answers |= {
        ("POST", "/v1/deployments"): deployed(),
        ("GET", "/v1/rollouts/shop-2"): ended,
        ("GET", "/v1/applications/shop/watch"): [going(), going(), going(weight=25.0), application(rollout=ended)],
    }
    result = shipway("deploy", file, "--watch")
    assert result.code == code
    assert [line[line.find("shop-2") :] for line in result.out.splitlines()] == [
        "shop-2)",
        "shop-2 v2 observing at 5 %: gathering evidence",
        "shop-2 v2 observing at 25 %: gathering evidence",
        f"shop-2 v2 {phase}: because",
    ]
    assert ("shipway logs shop --release v2" in result.err) == (code == 1)
    json = shipway("deploy", file, "--watch", "--json")
    assert (json.code, json.err) == (code, "")
    assert [one["phase"] for one in json.data["rollouts"]] == [phase]


def test_a_deployment_that_changes_nothing_is_not_watched(shipway: Shell, stub: Stub, file: Path) -> None:
    stub.answers["POST", "/v1/deployments"] = deployed(changed=False)
    assert shipway("deploy", file, "--watch").code == 0


def test_a_watch_ends_when_another_release_takes_over(shipway: Shell, stub: Stub) -> None:
    ended = rollout(phase="aborted", reason="superseded")
    stub.answers |= {
        ("GET", "/v1/rollouts/shop"): rollout(active=True, phase="observing"),
        ("GET", "/v1/rollouts/shop-2"): ended,
        ("GET", "/v1/applications/shop/watch"): [going(), going(id="shop-10")],
    }
    result = shipway("rollout", "watch", "shop", "--json")
    assert (result.code, result.err) == (1, "")
    assert len(result.out.splitlines()) == 2


def test_a_watch_waits_for_a_rollout_that_has_not_begun(shipway: Shell, stub: Stub, file: Path) -> None:
    before = going(id="shop-1")
    stub.answers |= {
        ("POST", "/v1/deployments"): deployed(),
        ("GET", "/v1/applications/shop/watch"): [before, going(), application()],
    }
    assert len(shipway("deploy", file, "--watch").out.splitlines()) == 4


def test_a_watch_of_what_has_ended_shows_it(shipway: Shell, stub: Stub) -> None:
    assert shipway("rollout", "watch", "shop").code == 0
    stub.answers["GET", "/v1/rollouts/shop"] = rollout(phase="rolled back", reason="it failed")
    result = shipway("rollout", "watch", "shop")
    assert (result.code, "it failed" in result.out, "shipway logs" in result.err) == (1, True, True)


def test_a_controller_that_dies_during_a_watch(shipway: Shell, stub: Stub) -> None:
    stub.answers["GET", "/v1/rollouts/shop"] = rollout(active=True)
    stub.answers["GET", "/v1/applications/shop/watch"] = [going()]
    result = shipway("rollout", "watch", "shop")
    assert result.code == 3
    assert "what runs goes on without it" in result.err


@pytest.mark.parametrize(
    "words",
    ["status", "status shop", "deploy app.yaml", "undo shop", "logs shop", "explain shop", "rollout list"]
    + [f"rollout {verb} shop" for verb in ("show", "watch", "pause", "resume", "promote", "abort", "retry")],
)
def test_without_a_controller_every_verb_says_how_to_start_one(shipway: Shell, file: Path, words: str) -> None:
    result = shipway(*words.split())
    assert (result.code, result.out) == (3, "")
    assert "shipway up --detach" in result.err
    assert shipway(*words.split(), "--json").error["code"] == "controller-unreachable"


@pytest.mark.parametrize("words", ["history shop", "replay shop-1", "report", "journal check", "journal repair"])
def test_without_a_journal_the_verbs_about_the_past_say_so(shipway: Shell, words: str) -> None:
    result = shipway(*words.split())
    assert (result.code, result.out) == (5, "")
    assert "there is no journal at" in result.err

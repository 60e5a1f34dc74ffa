"""Whatever is raised, the user reads a sentence, and a program the error shape."""

import contextlib
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import pytest
import typer

from shipway.cli import failing, wiring
from shipway.cli.failing import run
from shipway.model import errors
from shipway.model.errors import BadInput, Refused, ShipwayError
from shipway.model.problems import Problem
from tests.cli.shell import Shell

KINDS = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, ShipwayError)]


def raising(error: BaseException) -> Callable[[], NoReturn]:
    def verb() -> NoReturn:
        raise error

    return verb


@pytest.mark.parametrize("kind", KINDS)
def test_our_errors_end_with_their_own_exit_code(kind: type[ShipwayError], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(raising(kind("it broke", hint="mend it")), ["up"]) == kind.exit_code
    assert capsys.readouterr() == ("", "error: it broke\nhint: mend it\n")


@pytest.mark.parametrize("kind", KINDS)
def test_with_json_they_are_the_error_shape_on_standard_output(
    kind: type[ShipwayError], capsys: pytest.CaptureFixture[str]
) -> None:
    run(raising(kind("it broke", hint="mend it")), ["up", "--json"])
    out, err = capsys.readouterr()
    shape = {"code": kind.code, "message": "it broke", "hint": "mend it", "exit_code": kind.exit_code, "problems": []}
    assert json.loads(out) == {"error": shape}
    assert err == ""


def test_problems_are_printed_as_a_compiler_prints_them(capsys: pytest.CaptureFixture[str]) -> None:
    problems = [
        Problem("a.yaml", 3, 5, "spec.port", "x", "expected a port"),
        Problem("a.yaml", 0, 0, "", "x", "mind this", severity="warning"),
        Problem("b.yaml", 1, 1, "", "x", "and that"),
    ]
    assert run(raising(BadInput("no", problems=problems)), []) == 2
    assert capsys.readouterr().err == (
        "a.yaml:3:5 error spec.port: expected a port\n"
        "a.yaml warning: mind this\n"
        "b.yaml:1:1 error: and that\n"
        "2 errors and 1 warning\n"
    )


def test_a_file_in_the_way_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(raising(PermissionError(13, "Permission denied", "/etc/x")), []) == 1
    assert "/etc/x: Permission denied" in capsys.readouterr().err


@pytest.mark.parametrize("error", [KeyboardInterrupt(), typer.Abort()])
def test_an_interruption_is_no_error(error: BaseException, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(raising(error), []) == 130
    assert capsys.readouterr() == ("", "")


def test_a_bug_is_called_a_bug_and_its_details_are_in_a_file(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(raising(ZeroDivisionError("oh")), ["status"]) == 70
    err = capsys.readouterr().err
    assert "this is a bug in Shipway: ZeroDivisionError: oh" in err
    assert "Traceback" not in err
    details = (home / "crashes.log").read_text()
    assert str(home / "crashes.log") in err
    assert "shipway status\nTraceback" in details
    assert "ZeroDivisionError: oh" in details


@pytest.mark.parametrize("words", [["--home", "{}"], ["--home={}"]])
def test_the_details_go_to_the_home_that_was_asked_for(tmp_path: Path, words: list[str]) -> None:
    run(raising(ZeroDivisionError("oh")), ["status", *(word.format(tmp_path / "deep" / "er") for word in words)])
    assert "oh" in (tmp_path / "deep" / "er" / "crashes.log").read_text()


def test_a_home_that_cannot_be_written_does_not_hide_the_bug(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("not a directory")
    monkeypatch.setattr(failing, "gettempdir", lambda: str(tmp_path))
    assert run(raising(ZeroDivisionError("oh")), ["status", "--home", str(tmp_path / "file")]) == 70
    assert str(tmp_path / "crashes.log") in capsys.readouterr().err


def test_the_code_of_a_verb_is_the_code_of_the_process() -> None:
    assert [run(lambda: 1, []), run(lambda: None, []), run(raising(Refused("no")), [])] == [1, 0, 1]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["nope"], "no such command 'nope'"),
        (["deploy"], "missing argument 'FILE'"),
        (["status", "--nope"], "no such option: --nope"),
        (["logs", "shop", "-n", "few"], "valid integer"),
        (["rollout", "promote"], "missing argument 'ROLLOUT'"),
    ],
)
def test_bad_usage_says_what_and_where_to_look(shipway: Shell, words: list[str], message: str) -> None:
    result = shipway(*words)
    assert (result.code, result.out) == (2, "")
    assert message in result.err
    assert "--help` show" in result.err
    assert message in shipway(*words, "--json").error["message"]


def test_no_verb_is_answered_with_help(shipway: Shell) -> None:
    result = shipway()
    assert (result.code, result.out) == (2, "")
    assert result.err.startswith("Usage: shipway [OPTIONS] COMMAND")


def test_a_log_that_cannot_be_written_ends_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    with Path("/dev/full").open("w") as full:
        monkeypatch.setattr(sys, "stderr", full)
        wiring._BestEffortLog().error("no space is left")
        monkeypatch.undo()
        with contextlib.suppress(OSError):  # what could not be written is still in its buffer
            full.close()


def test_a_reader_that_goes_away_is_no_bug(home: Path) -> None:
    script = "from shipway.cli.main import main; main(['schema', 'application'])"
    process = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.close()
    assert process.stderr is not None
    err = process.stderr.read()
    process.stderr.close()
    assert (process.wait(timeout=30), err) == (141, b"")
    assert not (home / "crashes.log").exists()

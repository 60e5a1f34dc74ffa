"""The one place where failures become exit codes and words. Called by ``main`` around every verb.

Whatever happens, a user sees one sentence about it and one about what to do, or with ``--json`` the error shape of the
API: ``{"error": {"code", "message", "hint", "exit_code", "problems"}}``.
"""

import os
import sys
import traceback
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from tempfile import gettempdir

import typer

from shipway.facts.home import CRASHES, home_among

EXIT_CODES: tuple[tuple[int, str], ...] = (
    (0, "done"),
    (1, "failed, refused, or (`deploy --watch`, `rollout watch`) the release was rolled back or aborted"),
    (2, "bad usage or bad input: every problem is printed with its file and line; `plan`: something changes"),
    (3, "no controller could be reached"),
    (4, "another controller owns the state directory"),
    (5, "the journal cannot be read or written"),
    (6, "a process, a port or the proxy is not as it must be"),
    (70, "a bug in Shipway; details are in the file that the message names"),
    (130, "interrupted (Ctrl-C)"),
    (141, "whoever read the output has gone away"),
)
"""What the process's exit status means; ``docs/cli.md`` shows it."""
_CHANGES = 2
"""What ``plan`` says when there are changes, so that its errors cannot: they are 1."""

_USAGE = typer.BadParameter.__mro__[1]
"""typer's base of everything wrong with a command line, which it does not export by name."""


_HELP = "Usage: "
"""How help begins, which is an answer even where a verb was expected."""


def run(verb: Callable[[], object], arguments: Sequence[str]) -> int:
    """Call ``verb`` and return the exit code; nothing is raised."""
    try:
        code = verb()
        sys.stdout.flush()
    except BrokenPipeError:
        return _reader_gone()
    except SystemExit as error:  # typer's own answer to a reader that is gone
        return _reader_gone() if isinstance(error.__context__, BrokenPipeError) else int(error.code or 0)
    except (KeyboardInterrupt, typer.Abort):
        return 130
    except Exception as error:  # noqa: BLE001  # the last door before the user, who must never see a traceback
        return _failed(error, arguments)
    return code if isinstance(code, int) else 0


def _failed(error: Exception, arguments: Sequence[str]) -> int:
    shape = describe(error, arguments)
    if list(arguments[:1]) == ["plan"] and shape["exit_code"] == _CHANGES:
        shape["exit_code"] = 1
    try:
        report(shape, json="--json" in arguments)
    except BrokenPipeError:
        return _reader_gone()
    code = shape["exit_code"]
    assert isinstance(code, int)  # describe() sees to it
    return code


def describe(error: Exception, arguments: Sequence[str] = ()) -> dict[str, object]:
    """The inside of the error shape for anything raised."""
    from shipway.model.errors import BadInput, Denied, ShipwayError

    if isinstance(error, ShipwayError):
        problems = error.problems if isinstance(error, BadInput | Denied) else ()
        return _shape(error.code, error.message, error.hint, error.exit_code, problems)
    if type(error).__name__ == "NoArgsIsHelpError":  # typer's; its message is the whole help
        return _shape("bad-usage", str(error), "", 2)
    if isinstance(error, _USAGE):
        return _shape("bad-usage", _usage_message(error), _usage_hint(error), 2)
    if isinstance(error, OSError) and error.filename:
        what = f"{error.filename}: {error.strerror}"
        return _shape("failed", what, "Check that it exists and that you may read and write it.", 1)
    return _bug(error, home_among(arguments), arguments)


def report(shape: dict[str, object], *, json: bool) -> None:
    """Tell the user (standard error) or the program that asked for JSON (standard output)."""
    from shipway.cli.output import note, problem_lines, to_json

    if json:
        sys.stdout.write(to_json({"error": shape}) + "\n")
        sys.stdout.flush()
        return
    problems = shape["problems"]
    assert isinstance(problems, Sequence)  # describe() sees to it
    message = str(shape["message"])
    text = [problem_lines(problems)] if problems else [message if message.startswith(_HELP) else f"error: {message}"]
    text += [f"hint: {shape['hint']}"] if shape["hint"] else []
    note("\n".join(text))


def _shape(code: str, message: str, hint: str, exit_code: int, problems: Sequence[object] = ()) -> dict[str, object]:
    return {"code": code, "message": message, "hint": hint, "exit_code": exit_code, "problems": list(problems)}


def _usage_message(error: Exception) -> str:
    message = str(getattr(error, "format_message", error.__str__)())
    return message[:1].lower() + message[1:]


def _usage_hint(error: Exception) -> str:
    context = getattr(error, "ctx", None)
    return f"`{context.command_path} --help` shows how it is used." if context else "`shipway --help` shows the verbs."


def _bug(error: Exception, home: Path, arguments: Sequence[str]) -> dict[str, object]:
    path = _write_down(error, home, arguments)
    return _shape(
        "bug",
        f"this is a bug in Shipway: {type(error).__name__}: {error}",
        f"Details are in {path}; please report it with that file. What runs is not affected.",
        70,
    )


def _write_down(error: Exception, home: Path, arguments: Sequence[str]) -> Path:
    """Append the traceback to the crash log; in the temporary directory when the home cannot be written."""
    when = datetime.now(UTC).isoformat(timespec="seconds")
    details = "".join(traceback.format_exception(error))
    entry = f"{when} shipway {' '.join(arguments)}\n{details}\n"
    for directory in (home, Path(gettempdir())):
        path = directory / CRASHES
        try:
            directory.mkdir(parents=True, exist_ok=True)
            with path.open("a", encoding="utf-8") as file:
                file.write(entry)
        except OSError:
            continue
        return path
    return Path(os.devnull)


def _reader_gone() -> int:
    """Nobody reads any more: let the interpreter's last flush go nowhere."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 141

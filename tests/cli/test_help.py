"""Help is documentation: complete, with an example that really parses, on 80 columns, and fast."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import typer

from shipway.cli.main import app
from tests.cli.shell import Shell
from tools.cli_reference import helps, reference

HELPS = dict(helps())
VERBS = {name: text for name, text in HELPS.items() if "COMMAND" not in text}


def test_there_are_all_the_verbs_of_the_everyday() -> None:
    words = (
        "init validate up down deploy status undo logs explain render plan catalog history replay report demo schema "
        "rightsize forecast dora risk impact maturity "
        "rollout-list rollout-show rollout-watch rollout-pause rollout-resume rollout-promote rollout-abort "
        "rollout-retry journal-check journal-repair slo-status slo-rules slo-validate slo-import policy-check policy-test "
        "policy-list policy-decisions policy-explain policy-report policy-export policy-serve cost-estimate cost-actual cost-forecast cost-report"
    )
    assert sorted(VERBS) == sorted(f"shipway {word.replace('-', ' ')}" for word in words.split())


@pytest.mark.parametrize("name", VERBS)
def test_every_verb_takes_json_and_shows_an_example_of_itself(name: str) -> None:
    assert "--json" in VERBS[name]
    assert f"Example: {name}" in VERBS[name]


@pytest.mark.parametrize("name", HELPS)
def test_help_fits_a_terminal_and_nothing_is_cut_off(name: str) -> None:
    lines = HELPS[name].splitlines()
    assert max(map(len, lines)) <= 80
    assert not [line for line in lines if line.endswith("...") and not line.startswith("Usage")]


@pytest.mark.parametrize("name", VERBS)
def test_every_example_is_a_command_line_that_parses(name: str) -> None:
    (example,) = re.findall(r"Example: shipway (.*)", VERBS[name])
    words = shlex.split(example.partition(" >")[0])
    command = typer.main.get_command(app)
    while inner := getattr(command, "commands", {}).get(words[0] if words else ""):
        command, words = inner, words[1:]
    command.make_context("shipway", words)


def test_docs_are_the_help_of_today() -> None:
    docs = Path(__file__).resolve().parents[2] / "docs" / "cli.md"
    assert docs.read_text() == reference(), "run `make generate`"


def test_every_exit_code_of_an_error_is_documented() -> None:
    from shipway.cli.failing import EXIT_CODES
    from shipway.model import errors

    codes = {kind.exit_code for kind in vars(errors).values() if hasattr(kind, "exit_code")}
    assert codes <= dict(EXIT_CODES).keys()


def test_help_imports_nothing_slow() -> None:
    script = "import sys; import shipway.cli.main; print(*sorted(sys.modules))"
    printed = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
    slow = {"rich.console", "httpx", "msgspec", "pydantic", "numpy", "sqlalchemy", "matplotlib", "asyncio"}
    assert not slow & set(printed.split())


def test_version(shipway: Shell) -> None:
    from shipway import __version__

    assert shipway("--version").out == f"shipway {__version__}\n"


def test_without_a_verb_help_is_shown(shipway: Shell) -> None:
    result = shipway()
    assert result.code == 2
    assert "Commands:" in result.out + result.err

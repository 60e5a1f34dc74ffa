"""Command lines are read as typer reads them, and without pydantic where it is not needed."""

import subprocess
import sys
from pathlib import Path
from typing import Annotated

import pytest
import typer

from shipway.cli.words import Verb, Verbs
from tests.cli.shell import Shell

EXAMPLE = Path(__file__).parents[2] / "examples" / "platform"


def read(*words: str) -> dict[str, object]:
    """What a verb is called with."""
    found: dict[str, object] = {}
    app = typer.Typer(cls=Verbs, add_completion=False)

    @app.command(cls=Verb)
    def verb(
        name: str,
        *,
        paths: list[Path] | None = None,
        out: Path | None = None,
        count: Annotated[int, typer.Option(min=0)] = 3,
        share: float = 0.5,
        loud: bool = False,
    ) -> None:
        found.update(locals())

    app(list(words), standalone_mode=False)
    return {key: found[key] for key in ("name", "paths", "out", "count", "share", "loud")}


def test_words_paths_and_defaults_are_taken_as_they_are() -> None:
    assert read("shop", "--out", "a/b", "--paths", "x", "--paths", "y") == {
        "name": "shop",
        "paths": [Path("x"), Path("y")],
        "out": Path("a/b"),
        "count": 3,
        "share": 0.5,
        "loud": False,
    }


def test_what_is_not_given_is_what_typer_makes_of_it() -> None:
    assert read("shop")["paths"] in (None, [])
    assert read("shop")["out"] is None


def test_numbers_are_read_and_judged_by_typer() -> None:
    assert read("shop", "--count", "7", "--share", "0.25", "--loud") | {"name": ""} == {
        "name": "", "paths": read("shop")["paths"], "out": None, "count": 7, "share": 0.25, "loud": True
    }  # fmt: skip
    for words in (("--count", "many"), ("--count", "-1"), ("--share", "half")):
        with pytest.raises(typer.BadParameter):
            read("shop", *words)


def test_an_environment_variable_is_a_path(shipway: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHIPWAY_HOME", str(tmp_path / "home"))
    assert shipway("status").code == 3  # nobody listens there


def test_a_remembered_answer_needs_no_pydantic(tmp_path: Path) -> None:
    words = ["render", "cart", "--env", "dev", "--platform", str(EXAMPLE), "--out", str(tmp_path / "out")]
    script = (
        "import sys; from shipway.cli import failing; from shipway.cli.main import app\n"
        f"code = failing.run(lambda: app(args={words!r}, standalone_mode=False), {words!r})\n"
        "print(code, 'pydantic' in sys.modules, 'rich' in sys.modules)"
    )
    environment = {"XDG_CACHE_HOME": str(tmp_path / "cache"), "PYTHONPATH": ":".join(sys.path)}
    for expected in ("0 True", "0 False False"):
        done = subprocess.run(
            [sys.executable, "-c", script], capture_output=True, text=True, check=True, env=environment
        )
        assert done.stdout.splitlines()[-1].startswith(expected)

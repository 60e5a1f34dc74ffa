"""Verbs as a user runs them, in this process: arguments in; exit code, standard output and standard error out."""

import json
from typing import Any

import msgspec
import pytest

from shipway.cli import failing
from shipway.cli.main import app


class Result(msgspec.Struct):
    code: int
    out: str
    err: str

    @property
    def data(self) -> Any:
        """Standard output, which must be JSON and nothing else."""
        return json.loads(self.out)

    @property
    def error(self) -> Any:
        """The inside of the error shape, which must be all there is."""
        found = self.data
        assert list(found) == ["error"]
        assert sorted(found["error"]) == ["code", "exit_code", "hint", "message", "problems"]
        assert found["error"]["exit_code"] == self.code
        assert self.err == ""
        return found["error"]


class Shell:
    """Runs verbs with a home of its own."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys

    def __call__(self, *words: object) -> Result:
        arguments = [str(word) for word in words]
        self._capsys.readouterr()
        code = failing.run(lambda: app(args=arguments, prog_name="shipway", standalone_mode=False), arguments)
        out, err = self._capsys.readouterr()
        assert "Traceback" not in out + err
        return Result(code, out, err)

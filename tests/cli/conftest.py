import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from shipway.cli.home import ADDRESS
from tests.cli.shell import Shell
from tests.cli.stub import Stub


@pytest.fixture
def home(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A home whose path is short enough for a socket, named by SHIPWAY_HOME."""
    with tempfile.TemporaryDirectory(prefix="home-") as directory:
        monkeypatch.setenv("SHIPWAY_HOME", directory)
        yield Path(directory)


@pytest.fixture
def shipway(home: Path, capsys: pytest.CaptureFixture[str]) -> Shell:
    return Shell(capsys)


@pytest.fixture(scope="session")
def server() -> Iterator[Stub]:
    """One server for all tests: starting and ending one takes longer than any of them."""
    with tempfile.TemporaryDirectory(prefix="shipway-stub-") as directory, Stub(Path(directory)) as running:
        yield running


@pytest.fixture
def stub(home: Path, server: Stub) -> Stub:
    """A controller of ``home`` that says what it is told to."""
    server.forget()
    (home / ADDRESS).write_text(str(server.socket))
    return server

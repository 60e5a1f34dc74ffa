import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.shell import Shell
from tests.cli.stub import Stub


@pytest.fixture
def home(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A home whose path is short enough for a socket, named by SHIPWAY_HOME."""
    with tempfile.TemporaryDirectory(prefix="shipway-test-") as directory:
        monkeypatch.setenv("SHIPWAY_HOME", directory)
        yield Path(directory)


@pytest.fixture
def shipway(home: Path, capsys: pytest.CaptureFixture[str]) -> Shell:
    return Shell(capsys)


@pytest.fixture
def stub(home: Path) -> Iterator[Stub]:
    with Stub(home) as running:
        yield running

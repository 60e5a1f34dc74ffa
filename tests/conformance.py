"""Public test data of others, which is not part of this repository. Tests that use it skip with a reason when it is absent."""

import os
from pathlib import Path

import pytest

_BESIDE = Path(__file__).resolve().parents[2] / "shared" / "conformance"


def folder(name: str) -> Path:
    """``name`` below ``$SHIPWAY_CONFORMANCE``, or below ``shared/conformance`` beside the repository."""
    found = Path(os.environ.get("SHIPWAY_CONFORMANCE", _BESIDE)) / name
    if not found.is_dir():
        pytest.skip(f"the conformance data {name!r} is absent: {found}")
    return found


def files(name: str, pattern: str) -> list[Path]:
    """Files below a folder, for parametrised tests: empty instead of a skip when the data is absent."""
    return sorted((Path(os.environ.get("SHIPWAY_CONFORMANCE", _BESIDE)) / name).glob(pattern))

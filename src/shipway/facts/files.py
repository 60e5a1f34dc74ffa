"""Files and directories that somebody named, as sources with the names they were given by. Used by whatever reads what people wrote."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from shipway.model.errors import BadInput
from shipway.model.problems import Problem
from shipway.spec import Source

MAX_FILE = 64 * 1024 * 1024
"""Bytes."""
_TESTS = ("kyverno-test.yaml", "suite.yaml")


def read(files: Sequence[Path]) -> list[Source]:
    """The files as given on the command line.

    Raises:
        BadInput: some cannot be read; all of them are named.
    """
    sources, problems = [], []
    for file in files:
        try:
            sources.append(Source(str(file), file.read_bytes()))
        except OSError as error:
            problems.append(Problem(str(file), 0, 0, "", "unreadable", f"cannot be read: {error.strerror}"))
    if problems:
        raise BadInput("a file cannot be read", problems=problems)
    return sources


def files_below(path: Path, suffixes: Sequence[str], *, tests: bool = True) -> Iterator[Path]:
    """The file itself, or every file below a directory with one of the suffixes, in order. Hidden ones are left out.

    Raises:
        BadInput: there is no such file.
    """
    if path.is_file():
        yield path
    elif path.is_dir():
        for directory, inner, names in os.walk(path):
            inner[:] = sorted(one for one in inner if not one.startswith("."))
            for name in sorted(names):
                wanted = name.endswith(tuple(suffixes)) and not name.startswith(".") and (tests or not _is_test(name))
                if wanted and not _is_endless(Path(directory, name)):
                    yield Path(directory, name)
    elif path.exists():
        raise BadInput(f"{path}: expected a file or a directory", hint="Pipes are read as standard input, by `-`.")
    else:
        raise BadInput(f"{path}: no such file or directory")


def _is_endless(file: Path) -> bool:
    """Whether it is a pipe, a socket or a device, which might be waited for without end. A broken link is an error later."""
    return file.exists() and not file.is_file()


def read_source(file: Path) -> Source:
    """A file's bytes under the name that it was given by.

    Raises:
        BadInput: it cannot be read, or is too large to be a file of objects.
    """
    try:
        if file.stat().st_size > MAX_FILE:
            raise BadInput(f"{file}: expected at most {MAX_FILE:,} bytes")
        return Source(str(file), file.read_bytes())
    except OSError as error:
        raise BadInput(f"{file} cannot be read: {error.strerror}") from error


def _is_test(name: str) -> bool:
    return name in _TESTS or name.partition(".")[0].endswith(("_test", "-test"))

"""A directory as it was at a revision of git, laid out to be read. Called by what compares with it."""

import io
import subprocess
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from shipway.model.errors import BadInput


@contextmanager
def at_revision(directory: Path, against: str) -> Iterator[Path]:
    """A directory with what to compare with: ``against`` itself, or the files of ``directory`` at that revision of git.

    It is empty when the directory was not there yet.

    Raises:
        BadInput: it is neither.
    """
    if Path(against).is_dir():
        yield Path(against)
        return
    with TemporaryDirectory(prefix="shipway-") as old:
        _check_out(directory, against, Path(old))
        yield Path(old)


def _check_out(directory: Path, revision: str, target: Path) -> None:
    """The files of ``directory`` at a revision of git.

    Raises:
        BadInput: there is none.
    """
    if revision.startswith("-"):
        raise BadInput(
            f"{revision} is neither a directory nor a revision", hint="A revision does not begin with a dash."
        )
    git = ["git", "-C", str(directory)]
    try:
        there = subprocess.run([*git, "ls-tree", revision, "."], capture_output=True, check=False)
        if not there.returncode and not there.stdout:
            return
        done = subprocess.run([*git, "archive", "--format=tar", revision, "."], capture_output=True, check=False)
    except OSError as error:
        raise BadInput(f"{revision} is no directory, and git cannot be asked: {error.strerror}") from error
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip().splitlines()
        reason = f": {said[-1]}" if said else ""
        hint = "Name a directory, or a branch, tag or commit of the repository that the organisation is in."
        raise BadInput(f"{revision} is neither a directory nor a revision{reason}", hint=hint)
    with tarfile.open(fileobj=io.BytesIO(done.stdout)) as archive:
        archive.extractall(target, filter="data")

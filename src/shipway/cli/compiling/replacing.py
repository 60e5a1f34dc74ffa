"""Replaces a directory of generated files in one step. Used by the verbs with ``--out``.

The new directory is built beside the old one and takes its name by one exchange, so that whoever looks sees all of the old
or all of the new. Files that are not ours come along untouched; what is ours stands in a list in the directory itself.
"""

import ctypes
import errno
import fcntl
import glob
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from shipway.facts.organisations import OWNED
from shipway.model.errors import BadInput, Refused

_STAGING = "shipway-"
"""In the name of what is being built, beside the directory."""
_EXCHANGE = 2
"""``RENAME_EXCHANGE`` of renameat2(2)."""
_HERE = -100
"""``AT_FDCWD``."""


class Replaced(NamedTuple):
    """What became of a directory."""

    files: int
    added: int
    changed: int
    removed: int


def replace(directory: Path, files: Iterable[tuple[str, bytes]]) -> Replaced:
    """Make ``directory`` hold ``files`` (path below it, content) and whatever in it is not ours.

    Raises:
        Refused: a file of somebody else's stands in the way, or the directory cannot be exchanged.
        BadInput: the directory cannot be written.
    """
    target = directory.resolve()  # what a link leads to, and not the link
    _check(target)
    staging = f".{target.name}.{_STAGING}"
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        _sweep(target.parent, staging)
        staged = Path(tempfile.mkdtemp(prefix=staging, dir=target.parent))
        held = os.open(staged, os.O_RDONLY)
    except OSError as error:
        raise BadInput(f"cannot write beside {directory}: {error.strerror}") from error
    try:
        with suppress(OSError):  # a file system without locks: then nothing is swept either
            fcntl.flock(held, fcntl.LOCK_EX)
        done = _stage(staged, target, files)
        _take_its_place(staged, target)
    except OSError as error:
        raise BadInput(f"cannot write {directory}: {error.strerror}") from error
    finally:
        os.close(held)
        shutil.rmtree(staged, ignore_errors=True)
    return done


def _sweep(folder: Path, staging: str) -> None:
    """Remove what was being built when somebody was killed. Whoever still builds holds a lock, or has not begun."""
    for left in folder.glob(f"{glob.escape(staging)}*"):
        if not any(left.iterdir()):
            continue
        held = os.open(left, os.O_RDONLY)
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(left, ignore_errors=True)
        except OSError:
            pass
        finally:
            os.close(held)


def _check(target: Path) -> None:
    hint = "Name a folder of its own below it."
    if target.exists() and not target.is_dir():
        raise Refused(f"{target} is a file", hint="Name a directory.")
    if (target / ".git").exists():
        raise Refused(f"{target} is the root of a Git repository and cannot be replaced as a whole", hint=hint)
    if target.is_mount() or target == Path.cwd() or target in Path.cwd().parents:
        raise Refused(f"{target} is in use as a mount or as the current directory", hint=hint)


def _stage(staged: Path, target: Path, files: Iterable[tuple[str, bytes]]) -> Replaced:
    owned = _owned(target)
    foreign = {path for path in _files(target) if path not in owned and path != OWNED}
    written: list[str] = []
    added = changed = 0
    for name, content in files:
        if name in foreign:
            raise Refused(f"{target / name} is in the way and was not written by shipway", hint="Move it away.")
        path = staged / PurePosixPath(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        written.append(name)
        before = target / name
        added += not before.exists()
        changed += before.exists() and before.read_bytes() != content
    for name in sorted(foreign):
        (staged / name).parent.mkdir(parents=True, exist_ok=True)
        os.link(target / name, staged / name, follow_symlinks=False)
    (staged / OWNED).write_text(json.dumps(sorted(written), indent=0) + "\n", encoding="utf-8")
    staged.chmod(target.stat().st_mode if target.exists() else 0o755)
    return Replaced(len(written), added, changed, len(owned - set(written)))


def _owned(target: Path) -> set[str]:
    try:
        found = json.loads((target / OWNED).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return set()
    except ValueError as error:
        hint = "Remove the directory, or the file if everything else in it is yours."
        raise Refused(f"{target / OWNED} cannot be read: {error}", hint=hint) from error
    return {str(name) for name in found}


def _files(directory: Path) -> Iterator[str]:
    for folder, _, names in os.walk(directory):
        for name in names:
            yield (Path(folder) / name).relative_to(directory).as_posix()


def _take_its_place(staged: Path, target: Path) -> None:
    if not target.exists():
        staged.rename(target)
    elif not _exchanged(staged, target):  # a file system that cannot: two steps, the old one kept until the second
        aside = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
        target.rename(aside / "old")
        try:
            staged.rename(target)
        except OSError:
            (aside / "old").rename(target)
            raise
        finally:
            if target.exists():
                shutil.rmtree(aside, ignore_errors=True)


def _exchanged(one: Path, other: Path) -> bool:
    """Swap two names in one step where the system can."""
    if not sys.platform.startswith("linux"):
        return False
    rename = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if rename is None:
        return False
    if rename(_HERE, os.fsencode(one), _HERE, os.fsencode(other), _EXCHANGE) == 0:
        return True
    number = ctypes.get_errno()
    if number in {errno.EINVAL, errno.ENOSYS}:
        return False
    raise OSError(number, os.strerror(number))

"""Remembers what was compiled from the same files by the same code. Used by ``shipway render``, so that asking again for one
application takes no longer than starting up.

Only ever an optimisation: what is compiled depends on nothing but the files, the arguments and the code, and all three are
in the key. A cache that cannot be read or written is no cache.
"""

import hashlib
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

MOST_BYTES = 8 * 1024 * 1024
"""Of one answer: larger ones are written to a directory anyway, and rarely twice."""
MOST_ENTRIES = 64
_PACKAGE = Path(__file__).parents[2]
_CODE = ("model", "spec", "render", "facts", "cli")
"""Rooms whose code decides what comes out."""
Files = Sequence[tuple[str, bytes]]


def key(paths: Sequence[Path], arguments: object) -> str:
    """Digest of everything that the answer depends on.

    Raises:
        OSError: a file cannot be read.
    """
    digest = hashlib.sha256(repr((sys.version_info, arguments)).encode())
    for room in _CODE:
        for path in sorted((_PACKAGE / room).rglob("*.py")):
            found = path.stat()
            digest.update(repr((str(path), found.st_mtime_ns, found.st_size)).encode())
    for path in paths:
        content = path.read_bytes()
        digest.update(f"{path}\0{len(content)}\0".encode() + content)
    return digest.hexdigest()


def recall(name: str) -> Files | None:
    """What was remembered, or None."""
    import json

    try:
        found = json.loads((_directory() / name).read_bytes())
        return [(str(path), text.encode()) for path, text in found]
    except (OSError, ValueError, TypeError, AttributeError):
        return None


def remember(name: str, files: Files) -> None:
    """Keep an answer, and forget the oldest when there are many."""
    import json
    import tempfile

    if sum(len(content) for _, content in files) > MOST_BYTES:
        return
    directory = _directory()
    with suppress(OSError):
        directory.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", dir=directory, prefix=".", delete=False, encoding="utf-8") as file:
            json.dump([(path, content.decode()) for path, content in files], file)
        Path(file.name).replace(directory / name)
        entries = sorted(directory.iterdir(), key=lambda path: path.stat().st_mtime, reverse=True)
        for old in entries[MOST_ENTRIES:]:
            old.unlink(missing_ok=True)


def _directory() -> Path:
    """Below the user's cache directory (XDG Base Directory Specification)."""
    home = os.environ.get("XDG_CACHE_HOME")
    return (Path(home) if home else Path.home() / ".cache") / "shipway" / "compiled"

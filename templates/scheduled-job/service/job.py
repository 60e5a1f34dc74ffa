"""The job: put yours here. It may be started twice or after a crash, so running it again must be harmless."""

from pathlib import Path


def clear(directory: Path, before: float) -> int:
    """Delete the files below `directory` last changed before that time (seconds since the epoch); how many there were.

    A directory that is not there has nothing to clear. Symbolic links are not followed.
    """
    cleared = 0
    for path in sorted(directory.rglob("*")):
        if path.is_symlink() or not path.is_file():
            continue
        if path.stat().st_mtime < before:
            path.unlink(missing_ok=True)
            cleared += 1
    return cleared

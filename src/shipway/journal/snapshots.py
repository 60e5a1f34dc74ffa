"""The Snapshots port on files, one per name. Named by ``cli.wiring`` only. What they mean is the engine's business."""

import contextlib
from pathlib import Path
from urllib.parse import quote


class FileSnapshots:
    """Files in ``directory``, replaced by atomic rename and readable by their owner alone: they hold people's environments."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def load(self, name: str) -> bytes | None:
        """The file's bytes."""
        try:
            return self._path(name).read_bytes()
        except OSError:
            return None

    def save(self, name: str, data: bytes) -> None:
        """Write beside it and rename. Not synced: after a power cut an older one, or none, is as good."""
        path = self._path(name)
        draft = path.with_name(f"{path.name}.new")
        try:
            self._directory.mkdir(parents=True, exist_ok=True, mode=0o700)
            draft.touch(mode=0o600)
            draft.write_bytes(data)
            draft.replace(path)
        except OSError:
            with contextlib.suppress(OSError):
                draft.unlink()

    def _path(self, name: str) -> Path:
        return self._directory / f"{quote(name, safe='')}.snapshot"

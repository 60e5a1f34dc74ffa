"""Secret values by their digest, outside the journal. Written by whoever reads the user's values, read when an instance starts.

A plan names a secret by digest, so a changed value is a changed release and an undo brings the old value back. Values
lie one per file of mode 0600 under the state directory; keepers read them when they start a process, so no other file
and no command line ever holds one.
"""

import hashlib
import os
import re
from pathlib import Path

from shipway.model.errors import NotFound

_DIGEST = re.compile(r"[0-9a-f]{64}")


class SecretStore:
    """A directory of values, each named by the SHA-256 of its UTF-8 bytes."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def put(self, value: str) -> str:
        """Keep ``value`` and return its digest, 64 hex digits. The same value twice is one file."""
        digest = hashlib.sha256(value.encode()).hexdigest()
        target = self.directory / digest
        if not target.exists():
            self.directory.mkdir(parents=True, exist_ok=True, mode=0o700)
            temporary = target.with_name(f"{digest}.{os.getpid()}.tmp")
            temporary.touch(mode=0o600)
            temporary.write_bytes(value.encode())
            temporary.replace(target)
        return digest

    def get(self, digest: str) -> str:
        """The value.

        Raises:
            NotFound: the store has no value of this digest.
        """
        return self.path(digest).read_bytes().decode()

    def path(self, digest: str) -> Path:
        """The file of the value; raises like :meth:`get`."""
        target = self.directory / digest
        if not _DIGEST.fullmatch(digest) or not target.exists():
            raise NotFound(
                f"the secret store has no value with digest {digest[:12]}…",
                hint="deploy the application again with its secret values at hand",
            )
        return target

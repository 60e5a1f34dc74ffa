"""Where a controller keeps its state, and where it listens. Used by every verb that needs either."""

import os
from collections.abc import Sequence
from pathlib import Path

JOURNAL = "journal.db"
"""Name of the journal below the home."""

SOCKET = "controller.sock"
ADDRESS = "controller.address"
"""Names the socket: the path of a UNIX socket may have some 100 bytes, that of a home any number."""

LOG = "controller.log"
"""Output of a controller started with ``up --detach``."""

CRASHES = "crashes.log"
"""Details of bugs in Shipway itself."""


def home_directory(chosen: Path | None) -> Path:
    """``--home``, ``SHIPWAY_HOME``, or the place that the XDG base directory specification names; absolute."""
    if chosen is None and (named := os.environ.get("SHIPWAY_HOME")):
        chosen = Path(named)
    if chosen is None:
        state = os.environ.get("XDG_STATE_HOME")
        chosen = (Path(state) if state else Path.home() / ".local" / "state") / "shipway"
    return chosen.expanduser().absolute()


def home_among(arguments: Sequence[str]) -> Path:
    """The home that a command line asks for, however wrong the rest of it is."""
    for number, word in enumerate(arguments):
        if word == "--home" and number + 1 < len(arguments):
            return home_directory(Path(arguments[number + 1]))
        if word.startswith("--home="):
            return home_directory(Path(word.removeprefix("--home=")))
    return home_directory(None)


def socket_path(home: Path) -> Path:
    """Where the controller of ``home`` listens, if one runs."""
    try:
        return Path((home / ADDRESS).read_text(encoding="utf-8").strip())
    except OSError:
        return home / SOCKET

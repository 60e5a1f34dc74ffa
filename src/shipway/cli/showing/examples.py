"""Where the example services are: inside the wheel, or beside the sources."""

from pathlib import Path

import shipway
from shipway.model.errors import ShipwayError


def examples() -> Path:
    """The directory that holds ``hello`` and ``shop``."""
    package = Path(shipway.__file__).parent
    for place in (package / "examples", package.parent.parent / "examples"):
        if (place / "hello").is_dir():
            return place
    raise ShipwayError("the example services are not there", hint="Install Shipway again; its wheel holds them.")

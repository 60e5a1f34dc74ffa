"""A whole controller in a process of its own, for tests that kill it. Says "ready" when its API answers."""

import asyncio
import sys
from pathlib import Path

from shipway.cli import wiring

if __name__ == "__main__":
    asyncio.run(wiring.serve(Path(sys.argv[1]), None, lambda: print("ready", flush=True)))

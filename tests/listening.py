"""Ports for the applications of tests: none is given twice, and each worker of a parallel run has its own range.

Below the range from which the local runtime takes ports for instances, so that nothing the tests start can take one
between its being chosen and its being listened on.
"""

import itertools
import os

from shipway.runtimes.local.ports import is_free

_WORKER = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
_RANGE = 1000
_PORTS = itertools.count(10_000 + _WORKER % 9 * _RANGE)


def app_port() -> int:
    """A port on which nobody listens."""
    return next(port for port in _PORTS if is_free(port))

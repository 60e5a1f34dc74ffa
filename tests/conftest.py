"""Hypothesis profiles, signals as in a terminal, and nothing that outlives the tests.

``SHIPWAY_HYPOTHESIS=thorough`` (set by ``make test-all``) looks much harder.

No profile has a deadline: how long an example takes on a busy machine says nothing about it.
"""

import os
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from tests import leftovers

settings.register_profile("default", deadline=None, print_blob=True)
settings.register_profile("thorough", settings.get_profile("default"), max_examples=1000)
settings.load_profile(os.environ.get("SHIPWAY_HYPOTHESIS", "default"))

# A shell starts what it sends to the background with interrupts ignored, and children inherit that: a `shipway logs -f`
# that a test interrupts would then never end. With a handler here, children begin with the default again.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session", autouse=True)
def nothing_outlives_the_tests(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[None]:
    """Tests with real processes may be killed before they can end them: somebody else stands by to do it.

    Whoever makes a state directory of its own makes it where that one looks.
    """
    if not any(item.get_closest_marker("e2e") for item in request.session.items):
        yield
        return
    directory, homes = tmp_path_factory.getbasetemp(), tempfile.mkdtemp(prefix="shipway-")
    leftovers.watch(directory, Path(homes))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tempfile, "tempdir", homes)
        patch.setenv("TMPDIR", homes)
        yield

"""Starting the controller: what must not be lost when somebody changes their mind at the worst moment."""

import signal

import pytest

from shipway.cli.controlling.starting import _undisturbed


def test_a_signal_waits_until_the_child_is_remembered() -> None:
    child = None

    def start() -> None:
        nonlocal child
        with _undisturbed():
            signal.raise_signal(signal.SIGINT)
            child = "remembered"

    with pytest.raises(KeyboardInterrupt):
        start()
    assert child == "remembered"
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler

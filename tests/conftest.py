"""Hypothesis profiles, and signals as in a terminal. ``SHIPWAY_HYPOTHESIS=thorough`` (set by ``make test-all``) looks much harder.

No profile has a deadline: how long an example takes on a busy machine says nothing about it.
"""

import os
import signal

from hypothesis import settings

settings.register_profile("default", deadline=None, print_blob=True)
settings.register_profile("thorough", settings.get_profile("default"), max_examples=1000)
settings.load_profile(os.environ.get("SHIPWAY_HYPOTHESIS", "default"))

# A shell starts what it sends to the background with interrupts ignored, and children inherit that: a `shipway logs -f`
# that a test interrupts would then never end. With a handler here, children begin with the default again.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

"""Hypothesis profiles. ``SHIPWAY_HYPOTHESIS=thorough`` (set by ``make test-all``) looks much harder.

Neither has a deadline: how long an example takes on a busy machine says nothing about it.
"""

import os

from hypothesis import settings

settings.register_profile("default", deadline=None, print_blob=True)
settings.register_profile("thorough", settings.get_profile("default"), max_examples=1000)
settings.load_profile(os.environ.get("SHIPWAY_HYPOTHESIS", "default"))

"""Runners for the field's public conformance suites, one module for each language, with one result form.

Called by the tests, which hold the figures to their bars, and by the generator of ``docs/conformance.md``.
"""

import msgspec


class Case(msgspec.Struct, frozen=True):
    """One case of a suite and how it went."""

    suite: str
    name: str
    passed: bool
    cause: str = ""
    """Why it failed: what was expected and what came out. Empty when it passed."""

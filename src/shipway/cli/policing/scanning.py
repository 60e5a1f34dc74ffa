"""Secrets in plain text, found by detect-secrets. Called where objects are read; the rule about them is in the pack."""

from collections.abc import Callable, Iterable, Iterator
from functools import cache, lru_cache
from typing import Any

from shipway.policy.facts import Scannable, scannable, secret_scan
from shipway.policy.rules import Object

_NOISY = frozenset({"IPPublicDetector", "KeywordDetector"})
"""An address is no secret; names that sound like one are asked about separately, with their value."""
_HARMLESS = ("${", "$(", "{{", "<", "/run/secrets", "/var/run")
"""How values begin that are filled in elsewhere."""
SHORTEST = 4
"""Characters of a value that may be a secret because of its name."""
SHORTEST_FORM = 8
"""Characters of a value that may be one because of its form; the shortest is a password in a URL."""

TELLING = ("key", "pass", "pwd", "secret", "contrase")
"""One of these is in every word that the keyword detector looks for, whose expressions take some 50 µs for a short line."""

PIECE, OVERLAP = 4096, 256
"""Characters of a line that are searched at once, and of the last piece that the next repeats: the detectors' expressions are
made for lines, and take a time that grows with the square of their length."""


def scan(value: Object) -> Object | None:
    """What was found in an object, as a fact; None when it has no text that could be a secret."""
    texts = list(scannable(value))
    if not texts:
        return None
    return secret_scan(value, [_found(one, kind) for one in texts if (kind := secret_in(one[1], one[2]))])


def secret_in(name: str, value: str) -> str:
    """The type of secret that a value (or a value of that name) looks like; empty when like none."""
    if len(value) < SHORTEST or value.startswith(_HARMLESS):
        return ""
    detectors, keyword = _detectors()
    if len(value) >= SHORTEST_FORM:
        pieces = list(_pieces(value))
        for kind, find in detectors:
            if any(True for piece in pieces for _ in find(piece)):
                return kind
    line = f'{name}: "{value[:PIECE]}"'
    folded = line.casefold()
    if not any(word in folded for word in TELLING):
        return ""
    return "Secret Keyword" if any(True for _ in keyword(line)) else ""


@lru_cache(maxsize=16384)
def secretive(name: str, value: str) -> bool:
    """Whether a value is not to be shown. Documents say the same things over and over."""
    return bool(secret_in(name, value))


def _pieces(text: str) -> Iterator[str]:
    """Its lines, long ones in pieces that overlap."""
    for line in text.splitlines():
        for begin in range(0, max(len(line) - OVERLAP, 1), PIECE - OVERLAP):
            yield line[begin : begin + PIECE]


def _found(one: Scannable, kind: str) -> dict[str, Any]:
    path, name, value = one
    return {"type": kind, "name": name, "path": list(path), "value": f"{value[:2]}***"}


@cache
def _detectors() -> tuple[list[tuple[str, Callable[[str], Iterable[str]]]], Callable[[str], Iterable[str]]]:
    """(type, search) of every detector that knows what it looks for; those that measure entropy find digests."""
    from detect_secrets.core.plugins.util import get_mapping_from_secret_type_to_class
    from detect_secrets.plugins.base import RegexBasedDetector
    from detect_secrets.plugins.keyword import KeywordDetector

    known: Iterable[type[Any]] = get_mapping_from_secret_type_to_class().values()
    made = [one() for one in known if issubclass(one, RegexBasedDetector) and one.__name__ not in _NOISY]
    return [(one.secret_type, one.analyze_string) for one in made], KeywordDetector().analyze_string

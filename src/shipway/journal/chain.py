"""The digest that links the events of one stream, so that damage and tampering are found. Used by every journal here.

A digest covers the event and the digest before it: no event can be changed, removed from the middle, moved or swapped
without every later digest of its stream disagreeing. What it does not show: events missing from the *end* of a stream,
and a forger who recomputes the whole chain (there is no key).
"""

from hashlib import blake2b
from struct import Struct

from shipway.engine.ports import Append

DIGEST_BYTES = 16
"""128 bits: an accident never matches, and it is as much as an unkeyed digest is good for."""

GENESIS = bytes(DIGEST_BYTES)
"""What stands before the first event of a stream."""

_pack = Struct("<QdII").pack


def link(previous: bytes, event: Append) -> bytes:
    """Digest of ``event`` behind an event with digest ``previous`` (:data:`GENESIS` for the first)."""
    stream, kind = event.stream.encode(), event.kind.encode()
    # Lengths go in before the texts, so that no two events have the same bytes.
    head = _pack(event.expected, event.at, len(stream), len(kind))
    return blake2b(b"".join((previous, head, stream, kind, event.data)), digest_size=DIGEST_BYTES).digest()

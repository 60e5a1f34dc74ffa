"""Request rate against a limit that a person wrote. Used by ``judge``.

The same mixture of likelihood ratios as elsewhere, for a Poisson rate; there is no relative part, because how many
requests arrive is not the release's doing alone.
"""

from math import inf, log

import msgspec

from shipway.analysis import counts

CLUMPS = 4.0
"""Requests that count as one: connections and sessions bring several at a time."""

_ALTERNATIVES = counts.spaced(1.1, 30.0)
"""Multiples of the limit."""


class RateTrack(msgspec.Struct, frozen=True, tag=True):
    """Requests of both arms together and the seconds they took."""

    requests: int = 0
    seconds: float = 0.0
    evidence: float = -inf
    crossed: bool = False

    def observe(self, limit: float | None, level: float, requests: int, seconds: float) -> "RateTrack":
        """After ``requests`` in ``seconds``; ``limit`` is in requests per second."""
        if self.crossed or limit is None or limit <= 0:
            return self
        requests, seconds = self.requests + requests, self.seconds + seconds
        logs = [(requests * log(m) - (m - 1) * limit * seconds) / CLUMPS for m in _ALTERNATIVES]
        evidence = counts.mixture(logs)
        return RateTrack(requests, seconds, evidence, evidence > level)

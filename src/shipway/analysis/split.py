"""Exposure itself: does the canary get the share it was told to get? Used by ``judge``.

A broken split makes every comparison worthless, so it ends in ERROR and never in evidence against the release.
"""

from math import inf, log

import msgspec

SETTLE = 5.0
"""Seconds after a change of weight that are not looked at: requests in flight finish on the side they started on."""

TOLERANCE = 1.5
"""Odds may differ by this factor before anybody is alarmed: 5 % configured and 7.3 % measured is still a canary."""

CLUMPS = 4.0
"""Requests that count as one: connections and sessions bring several at a time."""

LIMIT = log(1e4)
"""Evidence at which the split counts as broken: 1 in 10,000 per weight."""

_ALTERNATIVES = tuple(factor for step in (1.7, 2.0, 3.0, 6.0, 30.0) for factor in (step, 1 / step))
_MEMORY = 5.0
"""Evidence kept above the limit, and against a break below zero: a split that breaks late, or is repaired, is seen soon."""

_ENOUGH = LIMIT + log(len(_ALTERNATIVES))
"""One alternative above this: each has an even share of the error probability."""


class SplitTrack(msgspec.Struct, frozen=True):
    """Evidence against the weight in force."""

    weight: float = -1.0
    """Configured share, 0..1."""
    since: float = -inf
    """When it came into force."""
    logs: tuple[float, ...] = (0.0,) * len(_ALTERNATIVES)
    canary: int = 0
    """Requests counted since the settling time was over."""
    both: int = 0

    @property
    def broken(self) -> bool:
        """The measured share is not what the weight says."""
        return max(self.logs) > _ENOUGH

    def observe(self, since: float, weight: float, canary: int, baseline: int) -> "SplitTrack":
        """After the requests of one reading that began at ``since`` under ``weight``."""
        if weight != self.weight:
            return SplitTrack(weight=weight, since=since)
        if not 0 < weight < 1 or since - self.since < SETTLE or canary + baseline == 0:
            return self
        both = canary + baseline
        return SplitTrack(weight, self.since, self._weigh(canary, both), self.canary + canary, self.both + both)

    def _weigh(self, canary: int, both: int) -> tuple[float, ...]:
        odds = self.weight / (1 - self.weight)
        logs = []
        for factor, value in zip(_ALTERNATIVES, self.logs, strict=True):
            tolerated = odds * (TOLERANCE if factor > 1 else 1 / TOLERANCE)
            null, other = tolerated / (1 + tolerated), odds * factor / (1 + odds * factor)
            step = (canary * log(other / null) + (both - canary) * log((1 - other) / (1 - null))) / CLUMPS
            logs.append(min(_ENOUGH + _MEMORY, max(-_MEMORY, value + step)))
        return tuple(logs)

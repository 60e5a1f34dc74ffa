"""Traffic weights of an application: who serves which share. Made by ``rollout``, applied by routers."""

from collections.abc import Iterator, Mapping

import msgspec

from shipway.model.ids import ReleaseId

FULL = 100.0
"""All traffic, in percent."""

RESOLUTION = 0.01
"""Smallest weight that is told apart, in percent: routers get integers out of 10,000."""


class Weights(msgspec.Struct, frozen=True):
    """Percent of traffic per release, ordered by release id, each 0..100, together exactly 100.

    Built only through :func:`weights`, which holds the invariant; ``shares`` has no zero entries.
    """

    shares: tuple[tuple[ReleaseId, float], ...]

    def of(self, release: ReleaseId | None) -> float:
        """Percent of traffic that goes to ``release`` (0 when it is not named)."""
        return dict(self.shares).get(release, 0.0) if release is not None else 0.0

    def __iter__(self) -> Iterator[tuple[ReleaseId, float]]:
        return iter(self.shares)


def weights(shares: Mapping[ReleaseId, float]) -> Weights:
    """Weights from a mapping; rounds to :data:`RESOLUTION` and refuses anything outside 0..100 or not summing to 100."""
    kept = tuple(sorted((release, round(share, 2)) for release, share in shares.items() if round(share, 2) != 0))
    if any(not 0 <= share <= FULL for _, share in kept):
        raise ValueError(f"a weight is outside 0..100: {kept}")
    if round(sum(share for _, share in kept), 2) != FULL:
        raise ValueError(f"weights do not sum to 100: {kept}")
    return Weights(kept)


def split(baseline: ReleaseId, canary: ReleaseId, canary_share: float) -> Weights:
    """``canary_share`` percent to ``canary``, the rest to ``baseline``."""
    share = round(canary_share, 2)
    return weights({baseline: round(FULL - share, 2), canary: share})

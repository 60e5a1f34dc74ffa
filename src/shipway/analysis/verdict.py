"""What the judge says, with the numbers it stands on. Made by ``judge``; read by ``rollout`` (what to do) and by people.

Holds no arithmetic beyond what turns stored counts into a band for a plot.
"""

from enum import Enum

import msgspec

from shipway.analysis.bands import rate_band


class Verdict(Enum):
    """What the evidence says about the step under way."""

    PASS = "pass"  # noqa: S105  # a verdict, not a secret
    """The step has seen enough and nothing speaks against going on."""
    FAIL = "fail"
    """The canary is worse; sticky: more readings never take it back."""
    INCONCLUSIVE = "inconclusive"
    """Not enough evidence yet; ``Judgement.more_requests`` says how many more requests would do."""
    HOLD = "hold"
    """Both arms violate the SLO: the release is not to blame, but nothing moves forward."""
    ERROR = "error"
    """Nothing could be measured, or the split is not what it should be. Never evidence against the release."""


class IndicatorEvidence(msgspec.Struct, frozen=True, kw_only=True):
    """One indicator's counts since the rollout began and what they say. Natural logs; rates 0..1."""

    name: str
    kind: str
    verdict: Verdict
    canary_bad: float
    """Bad events of the canary; for a continuous indicator, its mean per request."""
    canary_total: int
    """Requests the canary was judged on."""
    baseline_bad: float
    baseline_total: int
    e_relative: float
    """Log evidence that the canary is worse than ``tolerance x baseline``. ``-inf`` when it is not asked."""
    e_absolute: float
    """Log evidence that the canary is above the floor, or above the limit that a person wrote. ``-inf`` when not asked."""
    limit: float
    """Both above this is a FAIL: ln(K / alpha) for K indicators."""
    phi: float
    """Dispersion of bad events: how many of them count as one."""
    level: float
    """1 minus the coverage of the bands."""
    sentence: str

    @property
    def e(self) -> float:
        """The evidence that is compared with ``limit``: the lesser of the parts that are asked."""
        asked = [part for part in (self.e_relative, self.e_absolute) if part != float("-inf")]
        return min(asked, default=float("-inf"))

    @property
    def canary_band(self) -> tuple[float, float] | None:
        """Time-uniform confidence interval of the canary's bad ratio; see :func:`~shipway.analysis.bands.rate_band`.

        Computed when asked for, about 50 microseconds. None for an indicator that is no ratio.
        """
        return self._band(self.canary_bad, self.canary_total)

    @property
    def baseline_band(self) -> tuple[float, float] | None:
        """The same for the baseline."""
        return self._band(self.baseline_bad, self.baseline_total)

    def _band(self, bad: float, total: float) -> tuple[float, float] | None:
        if self.kind not in {"errors", "latency"}:
            return None
        return rate_band(bad / self.phi, total / self.phi, self.level)


class Judgement(msgspec.Struct, frozen=True, kw_only=True):
    """The answer to one question: what now, with this step?"""

    verdict: Verdict
    sentence: str
    """One plain sentence with the deciding numbers."""
    indicators: tuple[IndicatorEvidence, ...]
    more_requests: int | None
    """Canary requests that would settle an INCONCLUSIVE if rates stay as they are; None when no number is known to do."""
    exposure: float | None
    """Measured canary share of the requests in this step, 0..1; None before the first."""
    sample: int
    """Requests the canary has answered in this step."""

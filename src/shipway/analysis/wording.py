"""Verdicts in plain sentences, each with its numbers. Used by ``ruling`` alone; holds no rule."""

from collections.abc import Sequence
from math import exp, inf, log

from shipway.analysis import track as tracks
from shipway.analysis.continuous import ContinuousTrack
from shipway.analysis.latency import DistributionTrack
from shipway.analysis.policy import Indicator, JudgePolicy
from shipway.analysis.rate import RateTrack
from shipway.analysis.split import SplitTrack
from shipway.analysis.state import Track
from shipway.analysis.track import CountTrack
from shipway.analysis.verdict import IndicatorEvidence, Verdict

_ASYMPTOTIC = log(1e6)
"""A test that relies on a normal approximation claims no more than this, however large its evidence."""

_NAMES = ((1e12, "trillion"), (1e9, "billion"), (1e6, "million"))


def odds(evidence: float, indicators: int) -> str:
    """``1 in 2.3 million``: at most this likely, ever, if the canary were no worse (Ville), all indicators allowed for."""
    chance = evidence - log(indicators)
    if chance > log(1e15):
        return "less than 1 in a thousand trillion"
    one_in = exp(max(0.0, chance))
    for size, name in _NAMES:
        if one_in >= 0.9995 * size:
            return f"1 in {one_in / size:.3g} {name}"
    return f"1 in {one_in:,.0f}"


def evidence(policy: JudgePolicy, i: int, track: Track, verdict: Verdict) -> IndicatorEvidence:
    """The numbers of one indicator. A FAIL belongs to the indicators that crossed; the others merely did not."""
    indicator = policy.indicators[i]
    limit = tracks.evidence_limit(policy)
    if verdict is Verdict.FAIL and not track.crossed:
        verdict = Verdict.INCONCLUSIVE
    e_relative, e_absolute, phi = -inf, -inf, 1.0
    seen = (0.0, 0, 0.0, 0)
    if isinstance(track, CountTrack):
        e_relative, phi = track.e_relative, track.phi
        e_absolute = tracks.absolute_evidence(indicator, track.bad, track.good)
        seen = (
            track.seen.canary_bad,
            int(track.seen.canary_total),
            track.seen.baseline_bad,
            int(track.seen.baseline_total),
        )
    elif isinstance(track, DistributionTrack):
        e_relative = track.evidence
        seen = (0, sum(track.canary.values()), 0, sum(track.baseline.values()))
    elif isinstance(track, ContinuousTrack):
        e_relative, e_absolute = (track.evidence, -inf) if indicator.limit is None else (-inf, track.evidence)
        seen = (track.canary_mean, track.requests[0], track.baseline_mean, track.requests[1])
    else:
        e_absolute, seen = track.evidence, (0, track.requests, 0, 0)
    return IndicatorEvidence(
        name=indicator.name,
        kind=indicator.kind,
        verdict=verdict,
        canary_bad=seen[0],
        canary_total=seen[1],
        baseline_bad=seen[2],
        baseline_total=seen[3],
        e_relative=e_relative,
        e_absolute=e_absolute,
        limit=limit,
        phi=phi,
        level=policy.alpha / len(policy.indicators),
        sentence=_sentence(
            indicator, track, seen, min((e for e in (e_relative, e_absolute) if e > -inf), default=0.0), policy
        ),
    )


def _sentence(
    indicator: Indicator, track: Track, seen: tuple[float, int, float, int], strength: float, policy: JudgePolicy
) -> str:
    what = _what(indicator, track, seen)
    if not track.crossed:
        return what
    if isinstance(track, ContinuousTrack):
        strength = min(strength, log(len(policy.indicators)) + _ASYMPTOTIC)
    chance = odds(strength, len(policy.indicators))
    if indicator.limit is not None:
        return f"{what}: {chance} if it kept the limit of {_limit(indicator)}"
    return f"{what}: {chance} if it were no worse"


def _what(indicator: Indicator, track: Track, seen: tuple[float, int, float, int]) -> str:
    bad_c, total_c, bad_b, total_b = seen
    if isinstance(track, CountTrack):
        verb = "failed" if indicator.kind == "errors" else f"was slower than {indicator.threshold_ms:g} ms on"
        return f"canary {verb} {bad_c:,.0f} of {total_c:,} requests, baseline {bad_b:,.0f} of {total_b:,}"
    if isinstance(track, DistributionTrack):
        return f"latency of {total_c:,} canary requests against {total_b:,} of the baseline"
    if isinstance(track, RateTrack):
        return f"{track.requests / track.seconds if track.seconds else 0:,.3g} requests per second"
    return f"{indicator.measure} per request: canary {bad_c:.4g}, baseline {bad_b:.4g}"


def _limit(indicator: Indicator) -> str:
    value = indicator.limit or 0.0
    return (
        f"{value:.4g}"
        if indicator.kind in {"continuous", "requests"}
        else f"{value:.4%}".rstrip("0%").rstrip(".") + " %"
    )


def strongest(failed: Sequence[IndicatorEvidence]) -> str:
    """The sentence of the indicator with the most evidence, and the names of the others that failed."""
    first = max(failed, key=lambda one: one.e)
    rest = [one.name for one in failed if one is not first]
    return first.sentence + (f" (and {', '.join(rest)})" if rest else "")


def common(one: IndicatorEvidence) -> str:
    return f"both releases break the SLO of {one.name}: not this release's doing, but nothing moves until it is over"


def passed(indicators: Sequence[IndicatorEvidence], sample: int) -> str:
    return "; ".join(one.sentence for one in indicators[:1]) or f"{sample:,} canary requests, nothing against it"


def broken_split(split: SplitTrack) -> str:
    return (
        f"canary got {split.canary:,} of {split.both:,} requests ({split.canary / split.both:.1%}), "
        f"the weight says {split.weight:.1%}: the split is broken, so nothing can be compared"
    )


def few(sample: int, wanted: int) -> str:
    return f"{sample:,} of at least {wanted:,} canary requests seen"


def early(sample: int, left: float) -> str:
    return f"{sample:,} canary requests and nothing against it; {left:.0f} s of the step are left"


def unseen(sample: int, looks: int) -> str:
    return f"{sample:,} canary requests; {looks} more reading{'s' * (looks != 1)} to tell a bad release from one bad moment"


def suspicious(found: IndicatorEvidence) -> str:
    return f"{found.sentence}: too suspicious to go on with, not enough to take it back"


def not_shown(sample: int, more: int | None) -> str:
    seen = f"{sample:,} canary requests do not show yet that it is no worse"
    return (
        f"{seen}; about {more:,} more would" if more is not None else f"{seen}, and at the rates seen no number would"
    )

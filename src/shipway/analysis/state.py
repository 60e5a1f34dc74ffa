"""What the judge knows about one rollout. Made by ``judge``, read by ``ruling``; plain data, compared by value."""

from math import inf

import msgspec

from shipway.analysis.continuous import ContinuousTrack
from shipway.analysis.latency import DistributionTrack
from shipway.analysis.policy import Step
from shipway.analysis.rate import RateTrack
from shipway.analysis.readings import ArmReading
from shipway.analysis.split import SplitTrack
from shipway.analysis.track import CountTrack

Track = CountTrack | DistributionTrack | ContinuousTrack | RateTrack

Counts = tuple[tuple[int, int], ...]
"""Cumulative (bad, total) per indicator; zeros for indicators that are not counts."""


class Arm(msgspec.Struct, frozen=True):
    """One arm's last reading and what was counted in it."""

    raw: ArmReading
    counts: Counts


class JudgeState(msgspec.Struct, frozen=True, kw_only=True):
    """Everything a verdict depends on. Times in seconds."""

    begun: float
    tracks: tuple[Track, ...]
    """One per indicator of the policy, in its order."""
    step: Step | None = None
    step_at: float = 0.0
    step_number: int = 0
    read_at: float = -inf
    """When both arms were last read."""
    interval: float = 0.0
    """Seconds between the last two full readings."""
    missed: int = 0
    """Readings in a row that lacked an arm."""
    weight: float = -1.0
    """Canary share in force at the last reading, 0..1."""
    baseline: Arm | None = None
    canary: Arm | None = None
    looks: int = 0
    """Readings of both arms in this step."""
    sample: int = 0
    """Canary requests in this step."""
    others: int = 0
    """Baseline requests in this step."""
    split: SplitTrack = SplitTrack()

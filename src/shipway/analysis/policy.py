"""How a rollout is to be judged: indicators, limits and error budgets of the test. Made by ``rollout.plan``'s makers."""

from typing import Literal

import msgspec


class Indicator(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that may be worse on the canary. Ratios and shares are 0..1, times in ms."""

    name: str
    """As people write it: ``errorRate``, ``latency > 200ms``, ``latency``, ``costPerRequest``."""
    kind: Literal["errors", "latency", "distribution", "continuous", "requests"]
    """errors: 5xx of all requests. latency: requests slower than ``threshold_ms`` of all. distribution: a shift anywhere
    in the latency distribution. continuous: ``measure`` per request. requests: request rate (absolute limit only)."""
    threshold_ms: float = 0.0
    measure: str = ""
    """Name in ``ArmReading.values`` for a continuous indicator."""
    relative: bool = True
    """Compare with the baseline: harm is above ``tolerance x baseline`` and above ``floor``."""
    limit: float | None = None
    """Absolute limit that a person wrote (``errorRate < 1%`` is 0.01): harm is above it, whatever the baseline does."""
    slo: float | None = None
    """Largest bad ratio the SLO allows: when both arms are above it, the rollout holds."""
    tolerance: float = 1.0
    floor: float = 0.0005
    margin: float = 0.0
    """Relative increase that is still fine for a continuous indicator (``increase < 10%`` is 0.1)."""
    least_weight: float = 0.0
    """Continuous: canary share (0..1) below which nothing is judged. A process costs something without any request, and a
    canary with few requests looks dear for that alone."""


class JudgePolicy(msgspec.Struct, frozen=True, kw_only=True):
    """The judgement of one whole rollout."""

    indicators: tuple[Indicator, ...]
    alpha: float = 0.01
    """Chance of rolling back a release that is no worse, over the whole rollout; shared evenly by the indicators."""
    warm_up: float = 5.0
    """Seconds after an instance starts that do not count for latency."""
    advance: Literal["evidence", "time"] = "time"
    advance_margin: float = 0.005
    """Non-inferiority margin (absolute, added to tolerance x baseline) for ``advance: evidence``."""
    exposure_budget: float = 0.0
    """Failed requests a bad release may cost; 0 leaves the weights to the steps."""
    check_exposure: bool = True
    """Watch for a measured split that disagrees with the weights (off when affinity lets few clients decide it)."""


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """One stage of a canary. Times in seconds."""

    weight: float
    """Percent of traffic for the canary."""
    at_least: float = 0.0
    """Minimum duration."""
    at_most: float = 0.0
    """Maximum duration without enough evidence; 0 is ten times ``at_least``."""
    min_requests: int = 50
    """Requests the canary must have answered in this step."""
    approval: str = ""
    """Who must agree before this step begins; empty: nobody."""

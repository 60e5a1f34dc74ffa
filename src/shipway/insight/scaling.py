"""How many instances to run: for the load that is coming, with a margin that covers, within what the budget allows.

Called by ``shipway forecast`` and by the simulator beside it. Leaves out forecasting (``forecasting``) and acting.
"""

import math

import msgspec
import numpy as np

HOURS_PER_MONTH = 730.0
"""365 days of 24 hours over 12 months; what cloud price lists use."""
LEAST_MARGIN = 1.2
"""Peak over forecast that is always provided for."""
ROLLING = 168
"""Forecasts that the margin remembers: a week of hourly ones."""
_GAIN = 0.02
BEYOND = 1e15
"""Instances that nobody has: as far as is counted."""


class Margin(msgspec.Struct, frozen=True):
    """By how much a forecast must be exceeded so that the true peak stays below in ``coverage`` of cases.

    The factor is the larger of 1.2 and a rolling quantile of actual / forecast. A fixed 20 % alone covers only half to
    nine in ten of the peaks of request-like series. The quantile's level follows its own misses (adaptive conformal
    inference, Gibbs and Candes 2021: level += gain x (missed - allowed)), which keeps the long-run coverage whatever
    the series does.
    """

    coverage: float = 0.95
    level: float = 0.95
    ratios: tuple[float, ...] = ()

    @property
    def factor(self) -> float:
        """What to multiply a forecast by."""
        if not self.ratios:
            return LEAST_MARGIN
        if self.level >= 1:
            return max(LEAST_MARGIN, max(self.ratios) * self.level)
        return max(LEAST_MARGIN, float(np.quantile(self.ratios, self.level, method="higher")))

    def after(self, actual: float, forecast: float) -> "Margin":
        """The margin once the peak that was forecast is known; both in the same unit, at least 0."""
        if not (math.isfinite(actual) and math.isfinite(forecast) and forecast > 0 and actual >= 0):
            return self
        ratio = min(actual / forecast, BEYOND)
        missed = ratio > self.factor
        level = self.level + _GAIN * (missed - (1 - self.coverage))
        return Margin(self.coverage, min(max(level, 0.5), 1.5), (*self.ratios, ratio)[-ROLLING:])


class Bounds(msgspec.Struct, frozen=True):
    """What scaling may do."""

    capacity: float
    """Load that one instance carries within its objectives, in the unit of the series; more than 0."""
    least: int = 1
    most: int = 1000
    price: float | None = None
    """Of one instance for an hour; None: unknown."""
    budget: float | None = None
    """For a month, in the currency of the price; None: no limit."""

    @property
    def affordable(self) -> int | None:
        """Instances that cost at most budget / 730 in an hour; None when budget or price is unknown."""
        if self.budget is None or not self.price:
            return None
        # The tolerance is for a budget that divides exactly.
        return math.floor(self.budget / HOURS_PER_MONTH / self.price * (1 + 1e-9))


class Decision(msgspec.Struct, frozen=True):
    """How many instances, and whether that is as many as the load needs."""

    instances: int
    needed: int
    """For the load with its margin, whatever it costs."""
    conflict: str = ""
    """Why fewer than needed (or fewer than the least) run; empty when there is no conflict."""


def decide(load: float, margin: float, bounds: Bounds) -> Decision:
    """Instances for ``load`` (a forecast peak, in the unit of the capacity) times ``margin``. The budget always wins."""
    needed = max(bounds.least, math.ceil(min(max(0.0, load) * margin / bounds.capacity, BEYOND) - 1e-9))
    affordable = bounds.affordable
    instances = min(needed, bounds.most, needed if affordable is None else affordable)
    if instances == needed:
        return Decision(instances, needed)
    if affordable is not None and affordable <= bounds.most:
        hourly = (bounds.budget or 0.0) / HOURS_PER_MONTH
        why = f"{needed} instances are needed, the budget pays for {affordable} ({hourly:.4g} an hour)"
    else:
        why = f"{needed} instances are needed, {bounds.most} are allowed"
    return Decision(instances, needed, why)


def reactive(current: int, load: float, bounds: Bounds, target: float = 0.7, tolerance: float = 0.1) -> int:
    """The rule of Kubernetes' HorizontalPodAutoscaler for a utilisation ``target`` (share of an instance's capacity).

    desired = ceil(current x metric / target), and nothing within the tolerance
    (kubernetes.io/docs/tasks/run-application/horizontal-pod-autoscale, "Algorithm details").
    """
    running = max(1, current)
    ratio = load / (running * bounds.capacity) / target
    desired = running if abs(ratio - 1) <= tolerance else math.ceil(running * ratio - 1e-9)
    return min(max(desired, bounds.least), bounds.most)

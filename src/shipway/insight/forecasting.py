"""What comes next, with what certainty: the model that back-tests best, and intervals from its own recent errors.

Called for predictive scaling, budgets and ``shipway forecast``. Leaves out the models themselves (``models``).

Values are forecast on the scale asinh(value / median): close to logarithmic for large values, linear around zero, so
that errors grow with the level and a burst does not drown the rest, and zeros and negative values do no harm. On 5-minute
series of requests it lowered the mean error of the same ridge by 12 % (docs/measurements.md).
"""

import math
from collections.abc import Iterator, Sequence

import msgspec
import numpy as np

from shipway.insight.models import HoltWinters, LagRidge, Model, Origins, SeasonalNaive, SlotOfWeek
from shipway.insight.series import WEEK, Absent, Floats, Series, filled

WEEKS = 4
"""Weeks of history that are looked at; what is older tells little and costs time."""
MOST_ORIGINS, MOST_TESTED = 288, 8_000
"""Origins in a back-test, and values that are forecast from all of them together: horizons that overlap tell little more."""
HELD = 2016
"""Values that a back-test runs over, at least if there are so many; a week of 5 minutes."""
SLOW_POINTS = 2016
"""Holt-Winters costs about the values times the season, far more than the others for long ones: it sees no more than this."""
LEAST = 16
"""Values without which nothing is forecast."""
CLOSE = 0.5
"""A second model takes part when its back-test error is at most 1 + this / sqrt(k) times that of the best, where the
back-test held k independent horizons: the less it can tell them apart, the more the mean of two is worth having."""
MANY = 50
"""Independent horizons in a back-test from which each step ahead can have quantiles of its own."""


class Forecast(msgspec.Struct, frozen=True):
    """The values to come, one step apart."""

    start: float
    """Seconds since the epoch, of the first."""
    step: float
    mean: Floats
    low: Floats
    high: Floats
    level: float
    """Share of values that should lie between ``low`` and ``high``."""
    model: str
    """Name of the model, or of the two whose mean it is."""
    errors: dict[str, float]
    """Mean absolute error of every candidate in the back-test, in units of the series."""
    note: str = ""
    """What the reader should know, such as that history is short."""


class _Scale(msgspec.Struct, frozen=True):
    unit: float

    @classmethod
    def of(cls, values: Floats) -> "_Scale":
        size = np.abs(values)
        return cls(float(np.median(size)) or float(size.mean()) or 1.0)

    def there(self, values: Floats) -> Floats:
        return np.asarray(np.arcsinh(values / self.unit))

    def back(self, values: Floats) -> Floats:
        return np.asarray(np.sinh(np.clip(values, -700, 700)) * self.unit)


class _Tested(msgspec.Struct, frozen=True):
    model: Model
    forecasts: Floats
    """Of the back-test, on the scale; shape (origins, horizon)."""
    error: float
    """Mean absolute, in units of the series."""


class _Question(msgspec.Struct, frozen=True):
    """What is to be forecast from what; everything a back-test needs."""

    series: Series
    values: Floats
    """Without gaps."""
    scale: _Scale
    scaled: Floats
    horizon: int
    origins: Origins
    """Of the back-test."""

    @classmethod
    def of(cls, series: Series, horizon: int) -> "_Question":
        week = series.weekly or 7 * series.daily
        recent = series.last(WEEKS * week) if week else series
        values = filled(recent)
        scale = _Scale.of(values)
        return cls(recent, values, scale, scale.there(values), horizon, _origins(len(values), horizon))

    @property
    def independent(self) -> float:
        """Horizons in the back-test that do not overlap; at least 1."""
        return max(1.0, float(self.origins[-1] - self.origins[0]) / self.horizon)

    def truth(self, of: Floats) -> Floats:
        """What came after each origin, shape (origins, horizon); NaN where it is not known yet."""
        targets = self.origins[:, None] + 1 + np.arange(self.horizon)
        return np.where(targets < len(of), of[np.minimum(targets, len(of) - 1)], np.nan)


def forecast(series: Series, horizon: int, level: float = 0.9) -> Forecast | Absent:
    """The next ``horizon`` values, and an interval that holds ``level`` of them."""
    if horizon < 1 or not 0 < level < 1:
        return Absent(f"a horizon of {horizon} and a level of {level:g} cannot be forecast")
    known = int(np.isfinite(series.values).sum())
    if known < LEAST:
        return Absent(f"{known} values: at least {LEAST} are needed")
    question = _Question.of(series, horizon)
    return _assembled(question, _back_tests(question), level)


def candidates(series: Series, length: int, horizon: int) -> Iterator[Model]:
    """The models that may be tried on ``length`` values of ``series``."""
    day, week = series.daily, series.weekly
    yield SeasonalNaive("last value", 1)
    if day and length >= 2 * day:
        yield SeasonalNaive("same time yesterday", day)
        yield LagRidge("lag ridge", day, week if length >= 2 * week + 3 * day else 0)
    if week and length >= 2 * week:
        yield SeasonalNaive("same time last week", week)
        yield SlotOfWeek("hour of week", week, max(3 * day, 1))
    period = week if horizon > day and length >= 4 * week else day
    if period and length <= SLOW_POINTS:
        yield HoltWinters("Holt-Winters", period)


def _origins(length: int, horizon: int) -> Origins:
    """Where back-tests start: in the last part, far enough from the end to be checked."""
    held = min(max(3 * horizon, HELD), length // 2 if 6 * horizon > length else length // 3)
    last = length - 1 - horizon
    first = min(last, length - 1 - held)
    if first < 1:
        return np.array([max(0, length // 2)])
    most = max(1, min(MOST_ORIGINS, MOST_TESTED // horizon, last - first + 1))
    return np.unique(np.linspace(first, last, most).astype(np.int64))


def _back_tests(question: _Question) -> list[_Tested]:
    """Every candidate, fitted on what was known at the first origin; the best first."""
    known = question.scaled[: question.origins[0] + 1]
    truth = question.truth(question.values)
    found = []
    for model in candidates(question.series, len(known), question.horizon):
        fitted = model.fit(known, question.horizon)
        if fitted is not None:
            forecasts = fitted.predict(question.scaled, question.origins, question.horizon)
            error = float(np.nanmean(np.abs(question.scale.back(forecasts) - truth)))
            found.append(_Tested(model, forecasts, error))
    return sorted(found, key=lambda tested: tested.error)


def _assembled(question: _Question, tested: Sequence[_Tested], level: float) -> Forecast:
    series, scaled, scale = question.series, question.scaled, question.scale
    close = 1 + CLOSE / math.sqrt(question.independent)
    used = [one for one in tested[:2] if one.error <= close * tested[0].error]
    fitted = [one.model.fit(scaled, question.horizon) for one in used]
    now = np.array([len(scaled) - 1])
    middle = np.mean([one.predict(scaled, now, question.horizon)[0] for one in fitted if one is not None], axis=0)
    low, high = _band(question, np.mean([one.forecasts for one in used], axis=0), level)
    return Forecast(
        start=series.end,
        step=series.step,
        mean=scale.back(middle),
        low=scale.back(middle + low),
        high=scale.back(middle + high),
        level=level,
        model=" + ".join(one.model.name for one in used),
        errors={one.model.name: one.error for one in tested},
        note="" if len(scaled) * series.step >= 2 * WEEK else "less than two weeks of history: no weekly pattern",
    )


def _band(question: _Question, forecasts: Floats, level: float) -> tuple[Floats, Floats]:
    """How far below and above the middle: rolling quantiles of the back-test's residuals, shape (horizon,) each.

    With many origins each step ahead has its own, and the last day's count when they are wider than the whole week's.
    With few, all steps share one, widened by sqrt(1 + 1/k) for k independent horizons: the variance of a mean of k.
    """
    residuals = question.truth(question.scaled) - forecasts
    tails = [(1 - level) / 2, (1 + level) / 2]
    if question.independent < MANY:
        low, high = np.nanquantile(residuals, tails)
        middle, wider = (low + high) / 2, math.sqrt(1 + 1 / question.independent)
        edges = middle + (np.array([low, high]) - middle) * wider
        return np.full(question.horizon, edges[0]), np.full(question.horizon, edges[1])
    week = np.nanquantile(residuals, tails, axis=0)
    day = np.nanquantile(residuals[-len(residuals) // 7 :], tails, axis=0)
    return np.minimum(week[0], day[0]), np.maximum(week[1], day[1])

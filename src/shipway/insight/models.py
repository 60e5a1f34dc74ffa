"""Forecasting models, each a few lines of numpy: seasonal naive, slot of the week, Holt-Winters, lag ridge.

Called by :mod:`shipway.insight.forecasting`, which chooses among them by back-test. A model is fitted once and then
forecasts from any number of origins, so that a back-test costs little more than a forecast. All of them see values
on a scale where errors are comparable (see ``forecasting``); none sees NaN. Leaves out choosing, scales and intervals.
"""

from typing import Protocol

import msgspec
import numpy as np
from numpy.typing import NDArray

from shipway.insight.series import Floats

Origins = NDArray[np.int64]
"""Indices of the last known value of each forecast."""


class Fitted(Protocol):
    """A model that has seen history."""

    def predict(self, values: Floats, origins: Origins, horizon: int) -> Floats:
        """Forecasts of the ``horizon`` values after each origin, shape (origins, horizon); looks at nothing after it."""


class Model(Protocol):
    """A way to forecast."""

    @property
    def name(self) -> str:
        """What people call it."""

    def fit(self, values: Floats, horizon: int) -> Fitted | None:
        """None when there is too little history, or when the model is not for such a horizon."""


class _Repeat(msgspec.Struct, frozen=True):
    period: int

    def predict(self, values: Floats, origins: Origins, horizon: int) -> Floats:
        ahead = np.arange(horizon) % self.period
        return np.asarray(values[origins[:, None] + 1 - self.period + ahead])


class SeasonalNaive(msgspec.Struct, frozen=True):
    """As it was one period ago; with period 1, as it is now."""

    name: str
    period: int

    def fit(self, values: Floats, horizon: int) -> Fitted | None:  # noqa: ARG002  # one interface for all models
        return _Repeat(self.period) if 0 < self.period <= len(values) else None


class _Profile(msgspec.Struct, frozen=True):
    profile: Floats
    """Of one week, beginning where the fitted values began."""
    recent: int

    def predict(self, values: Floats, origins: Origins, horizon: int) -> Floats:
        week = len(self.profile)
        surplus = values - np.resize(self.profile, len(values))
        sums = np.concatenate([[0.0], np.cumsum(surplus)])
        level = (sums[origins + 1] - sums[np.maximum(origins + 1 - self.recent, 0)]) / np.minimum(
            self.recent, origins + 1
        )
        return np.asarray(self.profile[(origins[:, None] + 1 + np.arange(horizon)) % week] + level[:, None])


class SlotOfWeek(msgspec.Struct, frozen=True):
    """The median of the same hour of earlier weeks, moved to the level of the last days."""

    name: str
    week: int
    recent: int

    def fit(self, values: Floats, horizon: int) -> Fitted | None:  # noqa: ARG002  # one interface for all models
        weeks = len(values) // self.week if self.week else 0
        if weeks < 2:
            return None
        begun = len(values) - weeks * self.week
        profile = np.median(values[begun:].reshape(weeks, self.week), axis=0)
        return _Profile(np.roll(profile, begun % self.week), self.recent)


_LEVEL, _SEASON = np.array([0.02, 0.1, 0.3]), np.array([0.05, 0.15, 0.3, 0.5])
"""The grid of smoothing constants; a trend only hurt on operations data, so there is none."""


def _smoothed(values: Floats, period: int, level: Floats, season: Floats) -> tuple[Floats, Floats, Floats]:
    """(errors, levels, seasons) of exponential smoothing with each pair of constants: shape (level, values, season).

    ``errors[t]`` is of what was expected of value t before it was known, ``levels[t]`` is the level after it, and value t + h is
    then expected to be levels[t] + seasons[t + h], for h up to the period. A slot changes once in a period, so within one the
    errors are linear in the values: one product for all constants instead of a step for each value.
    """
    alpha, gain = level[:, None, None], season * (1 - level)[:, None, None]
    later = np.subtract.outer(np.arange(period), np.arange(period))
    # What an error of 1 takes off those that follow, as the level has moved by alpha and comes back by alpha a step.
    effect = np.where(later > 0, -alpha * (1 - alpha) ** np.maximum(later - 1, 0), np.eye(period))
    first = base = np.full((len(level), 1, len(season)), values[:period].mean())
    errors = np.zeros((len(level), len(values), len(season)))
    seasons = np.empty((len(level), len(values) + period, len(season)))
    seasons[:, : 2 * period] = np.resize(values[:period] - values[:period].mean(), 2 * period)[:, None]
    for begin in range(period, len(values), period):
        now = slice(begin, min(begin + period, len(values)))
        count = now.stop - begin
        found = effect[:, :count, :count] @ (values[now, None] - seasons[:, now] - base)
        errors[:, now] = found
        seasons[:, begin + period : now.stop + period] = seasons[:, now] + gain * found
        base = base + alpha * found.sum(axis=1, keepdims=True)
    return errors, first + alpha * np.cumsum(errors, axis=1), seasons


class _Smoothed(msgspec.Struct, frozen=True):
    period: int
    level: float
    season: float

    def predict(self, values: Floats, origins: Origins, horizon: int) -> Floats:
        known = values[: int(origins.max()) + 1]
        _, levels, seasons = _smoothed(known, self.period, np.array([self.level]), np.array([self.season]))
        ahead = origins[:, None] + 1 + np.arange(horizon) % self.period
        return np.asarray(levels[0, origins] + seasons[0, ahead, 0])


class HoltWinters(msgspec.Struct, frozen=True):
    """Additive exponential smoothing of level and season (Winters 1960), constants from a grid by one-step errors."""

    name: str
    period: int

    def fit(self, values: Floats, horizon: int) -> Fitted | None:  # noqa: ARG002  # one interface for all models
        if not self.period or len(values) < 3 * self.period:
            return None
        errors, _, _ = _smoothed(values, self.period, _LEVEL, _SEASON)
        losses = np.abs(errors[:, 2 * self.period :]).sum(axis=1)  # the first season only warms it up
        level, season = np.unravel_index(int(np.argmin(losses)), losses.shape)
        return _Smoothed(self.period, float(_LEVEL[level]), float(_SEASON[season]))


class _Linear(msgspec.Struct, frozen=True):
    day: int
    week: int
    weights: tuple[Floats, ...]
    """Of each step ahead."""

    def predict(self, values: Floats, origins: Origins, horizon: int) -> Floats:
        columns = [_features(values, origins, ahead + 1, self.day, self.week) for ahead in range(horizon)]
        return np.column_stack([x @ w for x, w in zip(columns, self.weights, strict=True)])


class LagRidge(msgspec.Struct, frozen=True):
    """A ridge regression on the last values, their means, the same time yesterday and last week, and the hour.

    One regression per step ahead, so it is for short horizons. Older values count less, by half every ``half_life``.
    """

    name: str
    day: int
    week: int
    """0 when there is too little history for one."""
    most: int = 12
    """Steps ahead that it is for."""
    ridge: float = 10.0

    def fit(self, values: Floats, horizon: int) -> Fitted | None:
        begun = _depth(self.day, self.week)
        if not self.day or horizon > self.most or len(values) < begun + 2 * self.day:
            return None
        return _Linear(self.day, self.week, tuple(self._weights(values, begun, ahead + 1) for ahead in range(horizon)))

    def _weights(self, values: Floats, begun: int, ahead: int) -> Floats:
        origins = np.arange(begun, len(values) - ahead)
        x, y = _features(values, origins, ahead, self.day, self.week), values[origins + ahead]
        scale = x.std(axis=0)
        scale[scale == 0] = 1.0
        scale[-1] = 1.0  # the constant
        x /= scale
        age = 0.5 ** ((origins[-1] - origins) / (14.0 * self.day))
        penalty = np.full(x.shape[1], self.ridge)
        penalty[-1] = 1e-9
        # Not `@`: on products this narrow a threaded BLAS waits for its threads longer than it counts.
        weighted = x * age[:, None]
        moments = np.einsum("ij,ik->jk", weighted, x)
        return np.asarray(np.linalg.solve(moments + np.diag(penalty), np.einsum("ij,i->j", weighted, y)) / scale)


def _depth(day: int, week: int) -> int:
    """Values before the first origin that every feature needs."""
    return max(day, week) + max(1, day // 24) + 3


def _features(values: Floats, origins: Origins, ahead: int, day: int, week: int) -> Floats:
    """Shape (origins, features); the last one is constant."""
    sums = np.concatenate([[0.0], np.cumsum(values)])
    hour = max(1, day // 24)

    def mean(length: int, last: Origins) -> Floats:
        return np.asarray((sums[last + 1] - sums[last + 1 - length]) / length)

    target = origins + ahead
    columns = [values[origins], values[origins - 1], values[origins - 2]]
    columns += [mean(length, origins) for length in (max(2, hour // 2), max(3, hour), max(4, 3 * hour), day)]
    for season in (day, week) if week else (day,):
        # Around the same time: the middle of five, as far as it lies before the origin.
        columns += [
            values[target - season],
            mean(5, np.minimum(target - season + 2, origins)),
            values[origins - season],
        ]
    turn = 2 * np.pi * target / day
    columns += [wave(k * turn) for k in (1, 2, 3) for wave in (np.sin, np.cos)]
    return np.column_stack([*columns, np.ones(len(origins))])

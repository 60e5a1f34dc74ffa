"""How likely a release is to be rolled back, before it goes, and why: a logistic model fitted on one's own history.

Called by ``shipway risk`` and by ``plan``. With little history the answer leans on a prior, and says so.

The prior's slopes for size, files and experience are the mean over six public projects (94,918 commits of Gerrit, Go, JDT,
OpenStack, Platform and Qt, labelled by whether a fix followed; Zeng et al., ISSTA 2021): one logistic regression on
log(1 + lines), log(1 + files) and log(1 + the author's earlier commits) per project. docs/know.md has the six fits. Those labels
are not rollbacks, so only slopes are taken, with spreads no narrower than those between the projects, and never the base
rate. Other slopes start at what the feature means: a record counts as it stands, the rest not at all.
"""

import math
from collections.abc import Iterable, Sequence
from collections.abc import Set as AbstractSet
from datetime import UTC, datetime, tzinfo

import msgspec
import numpy as np
from numpy.typing import NDArray

from shipway.insight.delivery import Result
from shipway.insight.series import Floats
from shipway.model.commits import Commit, Provenance, pseudonym


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """What is about to be released. None: unknown, which counts as usual."""

    application: str
    at: float
    """Seconds since the epoch."""
    author: str = ""
    lines: int | None = None
    """Added and removed since the release before."""
    files: int | None = None
    config_only: bool = False
    """The image or command is the same."""
    dependencies: bool = False
    """A dependency's version changes."""
    budget_left: float | None = None
    """Share of the error budget, 1 and less; below 0 when it is overspent."""


class Past(msgspec.Struct, frozen=True):
    """A release that is over."""

    change: Change
    result: Result


class Feature(msgspec.Struct, frozen=True):
    """One thing that the model looks at."""

    name: str
    usual: float
    """Where it adds nothing."""
    slope: float
    """Of the prior, in log odds."""
    spread: float
    """Standard deviation of the prior's slope."""
    more: str
    """The reason, when it speaks for more risk."""
    less: str


FEATURES: tuple[Feature, ...] = (
    Feature("size", math.log1p(50), 0.42, 0.15, "large change", "small change"),
    Feature("files", math.log1p(3), 0.38, 0.24, "many files", "few files"),
    Feature("experience", math.log1p(10), -0.06, 0.1, "new author", "experienced author"),
    Feature("configuration", 0, 0, 0.7, "configuration only", "configuration only"),
    Feature("dependencies", 0, 0, 0.7, "dependencies change", "dependencies change"),
    Feature("hour", 0, 0, 0.5, "out of hours", "out of hours"),
    Feature("service record", 0, 1.0, 0.4, "the service's releases fail often", "the service's releases rarely fail"),
    Feature("author record", 0, 0.5, 0.4, "the author's releases fail often", "the author's releases rarely fail"),
    Feature("error budget", 0, 0.5, 0.4, "the error budget is being spent", "the error budget is untouched"),
    Feature("last release", 0, 0.3, 0.4, "the release before failed", "the release before failed"),
)

BASE_RATE, BASE_WEIGHT = 0.1, 10.0
"""The base rate before there is history, worth so many releases: surveys put change failure rates at 5 to 15 %."""
RECORD_WEIGHT = 5.0
"""Releases that the base rate counts for in the record of a service or an author (Beta prior)."""
INTERVAL = 1.6448536269514722
"""Standard deviations of a 90 % interval."""


class Reason(msgspec.Struct, frozen=True):
    """What one feature adds."""

    text: str
    log_odds: float
    """Above 0: more risk."""


class Risk(msgspec.Struct, frozen=True):
    """The answer."""

    probability: float
    """Of a failure or rollback."""
    low: float
    high: float
    """Ends of a 90 % interval for that probability, from the fit's uncertainty."""
    reasons: tuple[Reason, ...]
    """The strongest first; only those that move the odds by a tenth or more."""
    releases: int
    """In the history it was fitted on."""
    note: str
    """How far the history carries."""


class Records:
    """Who has released what, with what end: the features of a change, from what came before it alone."""

    def __init__(self, zone: tzinfo = UTC) -> None:
        self._zone = zone
        self._all = [0, 0]
        self._services: dict[str, list[int]] = {}
        self._authors: dict[str, list[int]] = {}
        self._last: dict[str, bool] = {}

    @property
    def rate(self) -> float:
        """Share of failures so far, with the base rate's weight."""
        return (self._all[0] + BASE_RATE * BASE_WEIGHT) / (self._all[1] + BASE_WEIGHT)

    def features(self, change: Change) -> Floats:
        """In the order of ``FEATURES``, as distances from the usual."""
        author = self._authors.get(change.author, [0, 0]) if change.author else None
        raw = [
            None if change.lines is None else math.log1p(max(0, change.lines)),
            None if change.files is None else math.log1p(max(0, change.files)),
            None if author is None else math.log1p(author[1]),
            float(change.config_only),
            float(change.dependencies),
            float(self._out_of_hours(change.at)),
            self._record(self._services.get(change.application, [0, 0])),
            self._record(author or [0, 0]),
            0.0 if change.budget_left is None else min(max(0.5 - change.budget_left, -0.5), 1.0),
            float(self._last.get(change.application, False)),
        ]
        return np.array([0.0 if x is None else x - one.usual for x, one in zip(raw, FEATURES, strict=True)])

    def add(self, past: Past) -> None:
        """Once its end is known."""
        failed = past.result != "success"
        tallies = [self._all, self._services.setdefault(past.change.application, [0, 0])]
        if past.change.author:
            tallies.append(self._authors.setdefault(past.change.author, [0, 0]))
        for tally in tallies:
            tally[0] += failed
            tally[1] += 1
        self._last[past.change.application] = failed

    def _record(self, tally: Sequence[int]) -> float:
        """Log odds of the Beta posterior's mean over those of everybody."""
        rate = (tally[0] + self.rate * RECORD_WEIGHT) / (tally[1] + RECORD_WEIGHT)
        return _logit(rate) - _logit(self.rate)

    def _out_of_hours(self, at: float) -> bool:
        local = datetime.fromtimestamp(at, self._zone)
        return local.weekday() >= 5 or not 8 <= local.hour < 18


class Model(msgspec.Struct, frozen=True):
    """Slopes in the order of ``FEATURES``, then the intercept."""

    weights: Floats
    covariance: Floats
    records: Records
    releases: int

    def risk(self, change: Change) -> Risk:
        """Of a change that comes after everything the model was fitted on."""
        x = np.append(self.records.features(change), 1.0)
        middle = float(x @ self.weights)
        half = INTERVAL * math.sqrt(max(0.0, float(x @ self.covariance @ x)))
        added = zip(FEATURES, x * self.weights, strict=False)
        reasons = [Reason(one.more if part > 0 else one.less, float(part)) for one, part in added if abs(part) >= 0.1]
        return Risk(
            probability=_logistic(middle),
            low=_logistic(middle - half),
            high=_logistic(middle + half),
            reasons=tuple(sorted(reasons, key=lambda reason: -abs(reason.log_odds))),
            releases=self.releases,
            note=_note(self.releases),
        )


def fit(history: Iterable[Past], zone: tzinfo = UTC) -> Model:
    """The posterior mode and its curvature (Laplace), by Newton's method; ``history`` in order of time."""
    records, rows, failed = Records(zone), [], []
    for past in sorted(history, key=lambda one: one.change.at):
        rows.append(np.append(records.features(past.change), 1.0))
        failed.append(past.result != "success")
        records.add(past)
    start = np.array([*(one.slope for one in FEATURES), _logit(BASE_RATE)])
    # The intercept's spread: from half to twice the odds, times two.
    spread = np.array([*(one.spread for one in FEATURES), 1.0])
    x = np.array(rows).reshape(-1, len(start))
    weights, curvature = _newton(x, np.array(failed, float), start, spread**-2)
    return Model(weights, np.asarray(np.linalg.inv(curvature), float), records, len(rows))


def _newton(x: Floats, y: Floats, start: Floats, precision: Floats) -> tuple[Floats, Floats]:
    weights = start.copy()
    curvature = np.diag(precision)
    for _ in range(50):
        p = 1 / (1 + np.exp(-np.clip(x @ weights, -35, 35)))
        gradient = np.einsum("ij,i->j", x, y - p) - precision * (weights - start)
        curvature = np.einsum("ij,i,ik->jk", x, p * (1 - p), x) + np.diag(precision)
        step = np.linalg.solve(curvature, gradient)
        weights = weights + step
        if float(np.abs(step).max()) < 1e-9:
            break
    return weights, curvature


def _logit(rate: float) -> float:
    return math.log(rate / (1 - rate))


def _logistic(odds: float) -> float:
    return 1 / (1 + math.exp(-odds)) if odds >= 0 else math.exp(odds) / (1 + math.exp(odds))


def _note(releases: int) -> str:
    if not releases:
        return "no history: a prior from public data, and a base rate of 10 %"
    return f"fitted on {releases} releases" + ("; too few to outweigh the prior" if releases < 50 else "")


def auc(failed: NDArray[np.bool_], scores: Floats) -> float:
    """Chance that a failed release scores above a good one, ties by half (Mann and Whitney 1947); NaN without both."""
    bad, good = scores[failed], scores[~failed]
    if not len(bad) or not len(good):
        return math.nan
    ordered = np.sort(good)
    below = np.searchsorted(ordered, bad, "left") + np.searchsorted(ordered, bad, "right")
    return float(below.mean() / 2 / len(good))


def brier(failed: NDArray[np.bool_], probabilities: Floats) -> float:
    """Mean squared distance of probability and outcome (Brier 1950); 0 is perfect."""
    return float(np.mean((probabilities - failed) ** 2))


def reliability(failed: NDArray[np.bool_], probabilities: Floats, bins: int = 10) -> list[tuple[float, float, int]]:
    """(mean probability, share that failed, count) of equally large groups by rising probability."""
    groups = np.array_split(np.argsort(probabilities, kind="stable"), min(bins, len(probabilities)))
    return [(float(probabilities[one].mean()), float(failed[one].mean()), len(one)) for one in groups if len(one)]


def known_as(change: Change, authors: AbstractSet[str]) -> Change:
    """Under the name that the journal has of its author, where that is a digest."""
    digest = pseudonym(change.author)
    return msgspec.structs.replace(change, author=digest) if digest in authors else change


def described(change: Change, commit: Provenance | None) -> Change:
    """With what its commit says; one that is compared with nothing leaves size and kind unknown. ``plan`` may use it too."""
    if not isinstance(commit, Commit):
        return change
    return msgspec.structs.replace(
        change,
        # What nobody has committed yet is the work of whoever releases it.
        author=change.author if commit.dirty else commit.author or change.author,
        lines=commit.lines,
        files=commit.files,
        dependencies=bool(commit.dependencies),
        config_only=change.config_only if commit.config_only is None else commit.config_only,
    )

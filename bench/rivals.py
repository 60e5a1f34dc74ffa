"""Argo Rollouts, Flagger and Kayenta in the simulated world of ``bench.exposure``, from their documented rules.

Rules as of argoproj/argo-rollouts 2026-08, fluxcd/flagger 2026-07 and spinnaker/kayenta 2025-04, with the numbers of their
own documented examples, which a user would tune. Each returns (seconds to rollback or inf, failed canary requests).
"""

import numpy as np

from bench.traffic import Array, World

Outcome = tuple[Array, Array]


def argo(world: World) -> Outcome:
    """Argo Rollouts' documented canary example (docs/features/analysis.md).

    20/40/60/80 % for 10 min each; background analysis from the second weight on (``startingStep: 2``); every 5 min the
    canary's success rate over the last two scrapes (``irate``, 15 s apart) must be >= 0.95; ``failureLimit: 3`` fails on the
    fourth. No requests give NaN, which a ``successCondition`` alone counts as a failure.
    """
    repetitions = world.repetitions
    at, cost, failures = np.full(repetitions, np.inf), np.zeros(repetitions), np.zeros(repetitions)
    clock = 0.0
    for measured in np.arange(600.0, 2400.0, 300.0):
        for until in (measured - 15, measured):
            # Weights rise every ten minutes: at 600 s the analysis begins and the step of 40 % with it.
            weight = 0.2 * (1 + int(clock // 600))
            counts = world.draw(clock, until - clock, weight)
            cost += np.where(np.isinf(at), counts.canary_bad, 0)
            clock = until
        good = np.divide(
            counts.canary_total - counts.canary_bad,
            counts.canary_total,
            out=np.full(repetitions, -1.0),
            where=counts.canary_total > 0,
        )
        failures += good < 0.95
        at = np.where(np.isinf(at) & (failures > 3), clock, at)
    rest = world.draw(clock, 2400.0 - clock, 0.8)
    return at, cost + np.where(np.isinf(at), rest.canary_bad, 0)


def flagger(world: World) -> Outcome:
    """Flagger's README example: interval 1 min, threshold 10, stepWeight 5, maxWeight 50, success rate >= 99 % over 1 min.

    ``failedChecks`` never decays and is tested before the tick's metrics, so that a rollback comes one interval late; a
    failed check does not advance; no data is a failed check.
    """
    repetitions = world.repetitions
    at, cost, failed = np.full(repetitions, np.inf), np.zeros(repetitions), np.zeros(repetitions)
    weight, promoted = np.full(repetitions, 5.0), np.zeros(repetitions, dtype=bool)
    clock = 0.0
    while True:
        running = np.isinf(at) & ~promoted
        if not running.any():
            return at, cost
        counts = world.draw(clock, 60.0, weight / 100)
        clock += 60
        cost += np.where(running, counts.canary_bad, 0)
        back = running & (failed >= 10)
        at[back] = clock
        running &= ~back
        good = (counts.canary_total > 0) & (counts.canary_bad <= 0.01 * counts.canary_total)
        failed += running & ~good
        promoted |= running & good & (weight >= 50)
        weight = np.where(running & good, np.minimum(50, weight + 5), weight)


def kayenta(world: World) -> Outcome:
    """Kayenta's NetflixACAJudge on Spinnaker's advice: canary and a fresh baseline of 5 % each, 3 judgements over 3 h.

    One metric: the bad share per minute in percent, direction increase, critical or not making no difference for one.
    Mann-Whitney with a 98 % interval of the location shift on the window from the start; fails when the interval's lower
    end is above a quarter of the shift and the ratio of means is at least 1. Minutes without requests are removed.
    """
    minutes = 180
    canary, baseline = np.full((world.repetitions, minutes), np.nan), np.full((world.repetitions, minutes), np.nan)
    bad = np.zeros((world.repetitions, minutes))
    tenth = _tenth(world)
    for minute in range(minutes):
        # Half of 10 % each: the world's baseline here is the fresh one; the old one serves the rest, unseen.
        counts = tenth.draw(minute * 60.0, 60.0, 0.5)
        bad[:, minute] = counts.canary_bad
        for series, x, n in (
            (canary, counts.canary_bad, counts.canary_total),
            (baseline, counts.baseline_bad, counts.baseline_total),
        ):
            series[:, minute] = np.divide(100 * x, n, out=np.full(len(n), np.nan), where=n > 0)
    at = np.full(world.repetitions, np.inf)
    for hour in (60, 120, 180):
        for i in np.nonzero(np.isinf(at))[0]:
            x, y = canary[i, :hour], baseline[i, :hour]
            if _high(x[~np.isnan(x)], y[~np.isnan(y)]):
                at[i] = hour * 60.0
    lasted = np.minimum(at, minutes * 60.0) / 60
    cost = np.array([bad[i, : int(lasted[i])].sum() for i in range(world.repetitions)])
    return at, cost


def _tenth(world: World) -> World:
    """The same world with a tenth of its traffic, drawing from the same generator."""
    part = World(world.scenario, world.rps / 10, world.p0, world.p1, world.repetitions, world.seed)
    part.rng, part.phase, part.outage_at = world.rng, world.phase, world.outage_at
    return part


def _high(x: Array, y: Array) -> bool:
    """Whether Kayenta classifies the canary's series ``x`` as High against ``y``."""
    if not len(x) or not len(y):
        return False
    if np.array_equal(np.sort(x), np.sort(y)) or len(np.unique(np.concatenate([x, y]))) == 1:
        return False
    shifts = np.sort((x[:, None] - y[None, :]).ravel())[::-1]
    n_x, n_y = len(x), len(y)
    ties = sum(float((t**3 - t).sum()) for t in (np.unique(s, return_counts=True)[1] for s in (x, y)))
    n = n_x + n_y
    sigma = np.sqrt(n_x * n_y / 12 * (n + 1 - ties / (n * (n - 1))))
    # The root of z(mu) is the shift that so many of the pairwise differences exceed.
    rank = int(np.clip(np.ceil(n_x * n_y / 2 + 0.5 + 2.326 * sigma), 0, len(shifts) - 1))
    low, estimate = shifts[rank], shifts[len(shifts) // 2]
    mean_x, mean_y = x.mean(), y.mean()
    effect_is_high = mean_x == 0 or mean_y == 0 or mean_x / mean_y >= 1
    return bool(low > 0.25 * abs(estimate) and effect_is_high)

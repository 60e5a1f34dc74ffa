"""phi: what the blocks of the baseline say about clusters."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shipway.analysis.dispersion import PRIOR, Dispersion, learnt, pair


def after(blocks: list[tuple[float, float]], every: float = 10.0) -> Dispersion:
    state = Dispersion(opened=0.0)
    for i, (bad, total) in enumerate(blocks, 1):
        state = state.add(i * every, bad, total)
    return state


def phi(state: Dispersion) -> float:
    return float(learnt(state.spread, state.events, state.pairs))


def clustered(rng: np.random.Generator, size: int, blocks: int, per_block: float) -> list[tuple[float, float]]:
    causes = rng.poisson(per_block / size, blocks)
    bad = [int(rng.geometric(1 / size, k).sum()) if k else 0 for k in causes]
    return [(float(x), 1000.0) for x in bad]


def test_nothing_known_is_the_prior() -> None:
    assert phi(Dispersion(opened=0.0)) == PRIOR
    assert phi(after([(0, 1000)] * 50)) == PRIOR


@pytest.mark.parametrize(("size", "truth"), [(1, 1.0), (2, 3.0), (5, 9.0)])
def test_the_variance_to_mean_ratio_is_found(size: int, truth: float) -> None:
    rng = np.random.default_rng(size)
    assert phi(after(clustered(rng, size, 2000, 10.0))) == pytest.approx(truth, rel=0.15)


def test_clusters_that_last_for_seconds_and_straddle_blocks_are_found() -> None:
    """Clusters of 5 over ten seconds: compared with its neighbour, a block would give about 3.7 of the true 9."""
    rng = np.random.default_rng(6)
    seconds = np.zeros(20_010)
    for start in rng.integers(0, 20_000, 4000):
        np.add.at(seconds, start + rng.integers(0, 10, rng.geometric(1 / 5)), 1)
    blocks = [(float(one.sum()), 1000.0) for one in seconds[:20_000].reshape(-1, 10)]
    assert 5.5 < phi(after(blocks)) < 9


def test_a_slow_wave_and_a_change_of_traffic_are_not_dispersion() -> None:
    rng = np.random.default_rng(3)
    level = 20 * (1 + 0.8 * np.sin(2 * np.pi * np.arange(720) / 72))
    wave = [(float(rng.poisson(mean)), 1000.0) for mean in level]
    assert phi(after(wave)) < 1.3
    halves = [(float(rng.poisson(20 if i % 40 < 20 else 60)), 1000.0 if i % 40 < 20 else 3000.0) for i in range(720)]
    assert phi(after(halves)) < 1.3


def test_an_outage_does_not_blind_the_judge_for_the_rest_of_the_rollout() -> None:
    rng = np.random.default_rng(4)
    quiet = [(float(x), 1900.0) for x in rng.poisson(19, 180)]
    outage = [(float(x), 1900.0) for x in rng.poisson(570, 6)]
    assert phi(after([*quiet, *outage, *quiet])) < 4


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(50, 500)), max_size=40))
@settings(deadline=None)  # the machine may be busy
def test_phi_is_never_negative_or_undefined(blocks: list[tuple[int, int]]) -> None:
    state = after([(float(bad), float(total)) for bad, total in blocks])
    assert state.spread >= 0
    assert state.events >= 0
    assert phi(state) > 0


@given(st.integers(0, 200), st.integers(1, 1000), st.integers(0, 200), st.integers(1, 1000))
@settings(deadline=None)  # the machine may be busy
def test_a_pair_reads_the_same_in_both_directions(bad_1: int, n_1: int, bad_2: int, n_2: int) -> None:
    assert pair((bad_1, n_1), (bad_2, n_2), 2.0, 9.0) == pytest.approx(pair((bad_2, n_2), (bad_1, n_1), 2.0, 9.0))


def test_the_first_blocks_are_short_so_that_a_service_without_history_is_known_soon() -> None:
    state = Dispersion(opened=0.0)
    closed = []
    for second in range(1, 46):
        state = state.add(float(second), 1.0, 100.0)
        if state.opened == second:
            closed.append(second)
    assert closed == [1, 3, 7, 15, 25, 35, 45]


def test_a_burst_counts_as_one_cause_until_the_baseline_has_a_record() -> None:
    assert learnt(0.0, 0.0, 0, burst=12.0) == 12.0
    assert learnt(500.0, 500.0, 200, burst=12.0) == pytest.approx(1.3, abs=0.05)

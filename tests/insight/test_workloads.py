"""Workloads over time: what is said of them where there is too little, and what sharing machines saves."""

import math

import numpy as np
import pytest

from shipway.insight.delivery import Deployment, Recorded, measured
from shipway.insight.outlooks import outlooks
from shipway.insight.series import DAY
from shipway.insight.sizing.advice import observed, sized
from shipway.insight.sizing.pooling import Need, pooled
from shipway.insight.workloads import History, Moment, Now
from shipway.model.errors import BadInput

STEP = 300.0


def history(name: str, days: float, phase: float = 0.0) -> History:
    """A day's wave of one instance."""
    times = np.arange(0.0, days * DAY, STEP)
    wave = 1 + np.sin(2 * math.pi * (times / DAY + phase))
    moments = (Moment(at, ((1 + level, 2.0**27),), 50 * level) for at, level in zip(times, wave.tolist(), strict=True))
    return History(name, tuple(moments), STEP)


def test_nothing_is_said_of_nothing() -> None:
    nothing = History("shop", ())
    assert observed(nothing) is None
    assert all(one.absent for one in sized(nothing, Now()).advice)
    assert all(one.absent for one in outlooks(nothing))
    assert pooled([nothing], None).absent


def test_a_week_is_told_from_days_only() -> None:
    soon, later = outlooks(history("shop", 2.0))
    assert not soon.absent
    assert later.absent.startswith("2.0 days of history")


def test_what_peaks_at_other_hours_saves_cores() -> None:
    found = pooled([history("day", 4.0), history("night", 4.0, phase=0.5)], Need("", 8.0, 2.0**33))
    assert found.saving > 1
    assert found.nodes is not None
    assert sorted(name for node in found.nodes for name in node) == ["day-1", "night-1"]


def test_what_is_saved_needs_to_know_what_there_is() -> None:
    for present, known in ((Now(), False), (Now(cpu=8.0, memory=2.0**30), True)):
        advice = [one for one in sized(history("shop", 8.0), present).advice if one.recommendation]
        assert advice
        assert all((one.cpu_saved is not None) == known for one in advice)


def test_deliveries_are_measured_by_group_beside_the_time_before() -> None:
    many = [
        Deployment(id=f"{n}", application="shop", team="web", started_at=n * DAY, finished_at=n * DAY + 60)
        for n in range(20)
    ]
    past = Recorded(tuple(many)) + Recorded(notes=("one was left out",))
    (group,) = measured(past, "team", 10, 20 * DAY)
    assert (group.name, group.now.deployments) == ("web", 10)
    assert group.before is not None
    assert past.of(["blog"]).deployments == ()
    for by, days in (("colour", 10.0), ("team", 0.0)):
        with pytest.raises(BadInput):
            measured(past, by, days, 20 * DAY)

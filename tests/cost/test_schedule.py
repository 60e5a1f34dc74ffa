"""How often schedules fire, and what jobs cost by that; or why nobody knows."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from shipway.cost.demand import EXPECTED, demands
from shipway.cost.money import Unknown
from shipway.cost.schedule import runs_an_hour

DAY = Decimal(24)


@pytest.mark.parametrize(
    ("line", "a_day"),
    [
        ("0 3 * * *", Decimal(1)),
        ("*/15 * * * *", Decimal(96)),
        ("0 9-17/4 * * mon-fri", Decimal(3) * 5 / 7),
        ("30 4 * * 6", Decimal(1) / 7),
        ("0 0 1 * *", Decimal(48) / 1461),
        ("0 0 29 feb *", Decimal(1) / 1461),
        ("5/20 * * * *", Decimal(72)),
        ("0 0 * * 7", Decimal(1) / 7),
    ],
)
def test_the_mean_of_four_years(line: str, a_day: Decimal) -> None:
    assert float(runs_an_hour(line) * DAY) == pytest.approx(float(a_day), rel=2e-3)


def test_days_of_the_month_and_of_the_week_are_either_or_as_in_cron() -> None:
    days = [datetime(2025, 1, 1, tzinfo=UTC) + timedelta(days=n) for n in range(1461)]
    either = sum(day.day == 13 or day.isoweekday() == 5 for day in days)
    assert runs_an_hour("0 0 13 * 5") * 24 * 1461 == pytest.approx(either)


@pytest.mark.parametrize("line", ["release", "@daily", "0 3 * *", "61 * * * *", ""])
def test_what_is_no_schedule_is_refused(line: str) -> None:
    with pytest.raises(ValueError, match=r"expected|no times"):
        runs_an_hour(line)


def job(schedule: object = "0 3 * * *", usual: str | None = "30m", **spec: Any) -> dict[str, Any]:
    resources = {"requests": {"cpu": "2", "memory": "1Gi"}}
    template = {"spec": {"containers": [{"name": "a", "resources": resources}]}}
    job = {"spec": {"template": template, **spec.pop("job", {})}}
    metadata = {"name": "nightly", "annotations": {EXPECTED: usual} if usual else {}}
    return {"kind": "CronJob", "metadata": metadata, "spec": {"schedule": schedule, "jobTemplate": job, **spec}}


def test_a_job_counts_by_the_share_of_time_in_which_it_runs() -> None:
    cpu, memory = demands([job()])
    assert cpu.each == pytest.approx(Decimal(2) / 48)
    assert memory.each == pytest.approx(Decimal(1) / 48)
    assert cpu.instances == (1, 1)
    (wide, _) = demands([job(job={"parallelism": 3})])
    assert wide.instances == (3, 3)


def test_runs_that_overlap_count_once_where_they_are_forbidden() -> None:
    always = job("* * * * *", "10m")
    assert next(demands([always])).each == 20
    assert next(demands([job("* * * * *", "10m", concurrencyPolicy="Forbid")])).each == 2


@pytest.mark.parametrize(
    ("one", "said"),
    [
        (job(usual=None), "runs for a time that nobody has declared"),
        (job(usual="soon"), "runs nobody knows when"),
        (job("@daily"), "runs nobody knows when"),
        (job(schedule=None), "runs nobody knows when"),
        ({"kind": "Job", "metadata": {"name": "a"}}, "nobody knows how often that is"),
    ],
)
def test_what_nobody_knows_is_unknown(one: dict[str, Any], said: str) -> None:
    (found,) = demands([one])
    assert isinstance(found.each, Unknown)
    assert said in found.each.reason

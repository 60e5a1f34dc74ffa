"""Histories of releases that never were, for judging risk models on what they have not seen.

Called by tests and ``bench.know``. Services and authors differ, sizes are log-normal, most releases are good; chances of
failure follow a logistic law whose slopes are drawn anew for each history, so that no prior of ours is built in.
"""

import math

import numpy as np

from shipway.insight.risk import Change, Past

HOUR = 3600.0


def history(seed: int, releases: int = 1500) -> list[Past]:
    """One organisation's releases over about a year and a half, in order of time."""
    rng = np.random.default_rng(seed)
    services, authors = rng.normal(0, 0.9, 12), rng.normal(0, 0.6, 20)
    slope = {
        "size": rng.normal(0.45, 0.15),
        "files": rng.normal(0.2, 0.15),
        "config": rng.normal(-0.6, 0.4),
        "dependencies": rng.normal(0.5, 0.4),
        "hours": rng.normal(0.4, 0.3),
        "budget": rng.normal(0.8, 0.3),
        "last": rng.normal(0.5, 0.3),
    }
    past: list[Past] = []
    last: dict[int, bool] = {}
    at = 1.6e9
    for _ in range(releases):
        at += float(rng.exponential(8 * HOUR))
        service, author = int(rng.integers(12)), int(rng.integers(20))
        config = bool(rng.random() < 0.2)
        lines = 2 if config else int(math.exp(rng.normal(3.8, 1.3)))
        files = 1 if config else 1 + int(lines ** rng.uniform(0.2, 0.6))
        bump, budget = bool(rng.random() < 0.15), float(rng.uniform(-0.2, 1))
        hour, weekday = (at / HOUR) % 24, int(at // (24 * HOUR) + 3) % 7
        odds = -3.1 + services[service] + authors[author]
        odds += slope["size"] * (math.log1p(lines) - math.log1p(50)) + slope["files"] * (
            math.log1p(files) - math.log1p(3)
        )
        odds += slope["config"] * config + slope["dependencies"] * bump + slope["budget"] * (0.5 - budget)
        odds += slope["hours"] * (weekday >= 5 or not 8 <= hour < 18) + slope["last"] * last.get(service, False)
        failed = bool(rng.random() < 1 / (1 + math.exp(-odds)))
        change = Change(
            application=f"service-{service}",
            at=at,
            author=f"author-{author}",
            lines=lines,
            files=files,
            config_only=config,
            dependencies=bump,
            budget_left=budget,
        )
        past.append(Past(change, "rolled back" if failed else "success"))
        last[service] = failed
    return past

"""What each release answered, from the journal's readings and the counters that are kept. Called by what charges and compares."""

from pathlib import Path
from typing import NamedTuple

from shipway.engine.promises import Ledger
from shipway.engine.records import Records
from shipway.facts import released
from shipway.facts.counters import CounterFiles
from shipway.insight.performance import Estimate, error_rate, increases, percentile
from shipway.insight.series import Absent


class Served(NamedTuple):
    """One release."""

    requests: int
    p95: Estimate | Absent
    """Seconds."""
    error_rate: Estimate | Absent
    """0..1."""
    since: float
    """Time of the first reading, seconds since the epoch."""


def served(home: Path, journal: Records, app: str, at: float) -> dict[str, Served]:
    """By release of an application on record, up to ``at``."""
    ledger = Ledger(CounterFiles(home).read(app))
    ledger.read_on(journal.recorded(app), released.state(journal, app))
    found: dict[str, Served] = {}
    for release, readings in ledger.by_release(at).items():
        failed, requests, bins = increases([(one.errors, one.requests, dict(one.latency)) for _, one in readings])
        times = percentile({edge / 1000: count for edge, count in bins.items()})
        found[release] = Served(round(requests), times, error_rate(failed, requests), readings[0][0])
    return found

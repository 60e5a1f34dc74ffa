"""A MetricSource that plays readings written down beforehand. Used by tests, scenarios and replays of recorded rollouts."""

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence

from shipway.analysis.readings import ArmReading, Reading
from shipway.engine.ports import Absent, ArmQuery, Clock
from shipway.model.ids import AppName, ReleaseId

Script = Mapping[ArmQuery, Sequence[tuple[float, ArmReading | Absent]]]
"""Per release: (seconds since the epoch, what is read from then on), ascending."""


class ScriptedMetrics:
    """The MetricSource port over a script: each read gives what the script says for the clock's time.

    The last entry holds for ever; before the first entry, and for a release without a script, the answer is Absent.

    Raises:
        ValueError: the entries of a release are not in ascending order.
    """

    def __init__(self, script: Script, clock: Clock) -> None:
        self._clock = clock
        self._moments = {query: [moment for moment, _ in entries] for query, entries in script.items()}
        self._answers = {query: [answer for _, answer in entries] for query, entries in script.items()}
        for query, moments in self._moments.items():
            if moments != sorted(moments):
                raise ValueError(f"the script for {query.app} {query.release} is not in ascending order of time")

    async def read(self, queries: Sequence[ArmQuery]) -> Sequence[ArmReading | Absent]:
        """One answer per query, in order, all of this instant."""
        now = self._clock.now()
        return [self._at(query, now) for query in queries]

    def _at(self, query: ArmQuery, now: float) -> ArmReading | Absent:
        if query not in self._moments:
            return Absent(f"there is no script for {query.app} {query.release}")
        entry = bisect_right(self._moments[query], now) - 1
        return self._answers[query][entry] if entry >= 0 else Absent("the script begins later")


def script_of(
    readings: Iterable[Reading], app: AppName, baseline: ReleaseId, canary: ReleaseId, *, shift: float = 0.0
) -> dict[ArmQuery, list[tuple[float, ArmReading | Absent]]]:
    """The script that plays recorded readings of a rollout again, ``shift`` seconds later. A missing arm stays missing."""
    script: dict[ArmQuery, list[tuple[float, ArmReading | Absent]]] = {ArmQuery(app, r): [] for r in (baseline, canary)}
    for reading in readings:
        for release, arm in ((baseline, reading.baseline), (canary, reading.canary)):
            script[ArmQuery(app, release)].append((reading.at + shift, arm or Absent("missing in the recording")))
    return script

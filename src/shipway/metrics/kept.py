"""Writes the counters of the proxy down, so that they outlive it and the controller. Wired by ``cli.wiring``.

Stands before the proxy's metrics where the usage recorder reads them every ten seconds, and keeps what has changed. A controller
that is killed loses nothing, as the proxy counts on; a proxy that ends takes the last ten seconds with it.
"""

import asyncio
from collections.abc import Sequence

import structlog

from shipway.analysis.readings import ArmReading
from shipway.engine.ports import Absent, ArmQuery, Clock, MetricSource
from shipway.engine.promises import Count
from shipway.facts.counters import CounterFiles

log = structlog.get_logger(__name__)

PRUNE_EVERY = 3600.0
"""Seconds."""


class Kept:
    """A :class:`~shipway.engine.ports.MetricSource` that keeps what it reads."""

    def __init__(self, metrics: MetricSource, files: CounterFiles, clock: Clock) -> None:
        self._metrics, self._files, self._clock = metrics, files, clock
        self._last: dict[ArmQuery, ArmReading] = {}
        self._pruned = float("-inf")

    async def read(self, queries: Sequence[ArmQuery]) -> Sequence[ArmReading | Absent]:
        """As the source behind says. A disk that refuses is logged and changes no answer."""
        answers = await self._metrics.read(queries)
        try:
            await asyncio.to_thread(self._keep, queries, answers, self._clock.now())
        except OSError as error:
            log.warning("counters were not kept", error=str(error))
        return answers

    def _keep(self, queries: Sequence[ArmQuery], answers: Sequence[ArmReading | Absent], at: float) -> None:
        for query, answer in zip(queries, answers, strict=True):
            if isinstance(answer, Absent):
                continue
            counters = ArmReading(answer.requests, answer.errors, answer.latency)
            if self._last.get(query) != counters:
                self._files.append(query.app, [Count(at, query.release, counters)])
                self._last[query] = counters
        if abs(at - self._pruned) >= PRUNE_EVERY:
            self._pruned = at
            self._files.prune(at)

"""The counters of one release, as the proxy would count them: drawn for a whole interval, never request by request."""

import numpy as np

from shipway.analysis.readings import ArmReading
from shipway.runtimes.sim.behaviour import Behaviour, Outage
from shipway.runtimes.sim.histogram import EDGES, bins, sparse


class Arm:
    """Cumulative counters. ``chance`` is the arm's own generator: no other arm's draws shift it."""

    def __init__(self, chance: np.random.Generator) -> None:
        self._chance = chance
        self._pending = 0
        self.reset()

    def reset(self) -> None:
        """Start counting from zero, as a proxy does that was restarted."""
        self.requests = 0
        self.errors = 0
        self._latency = np.zeros(len(EDGES), np.int64)
        self._values: dict[str, float] = {}

    def reading(self, youngest: float | None = None) -> ArmReading:
        """The counters now; ``youngest`` is the age of the youngest instance in seconds."""
        values = tuple(self._values.items())
        return ArmReading(self.requests, self.errors, sparse(self._latency), values, youngest)

    def refuse(self, requests: int) -> None:
        """Count requests that found no instance: the proxy answers 503 at once."""
        self.requests += requests
        self.errors += requests
        self._latency[0] += requests

    def serve(self, requests: int, behaviour: Behaviour, age: float, outage: Outage | None) -> None:
        """Count requests answered by instances that behave like that; ``age`` is the youngest's, in seconds."""
        if not requests:
            return
        self.requests += requests
        self.errors += self._failed(requests, behaviour, outage)
        latency = behaviour.latency
        if age < behaviour.warm_up:
            latency = latency.scaled(behaviour.warm_up_factor)
        if outage and outage.latency_factor != 1.0:
            latency = latency.scaled(outage.latency_factor)
        bins(latency).draw(self._chance, requests, self._latency)
        for name, mean in behaviour.values:
            # The sum of `requests` exponential values.
            self._values[name] = self._values.get(name, 0.0) + mean * float(self._chance.gamma(requests))

    def _failed(self, requests: int, behaviour: Behaviour, outage: Outage | None) -> int:
        factor, extra = (outage.error_factor, outage.error_rate) if outage else (1.0, 0.0)
        rate = min(1.0, behaviour.error_rate * factor)
        failed = self._clustered(requests, rate, behaviour.cluster_size)
        if extra:
            failed += int(self._chance.binomial(requests - failed, extra))
        return failed

    def _clustered(self, requests: int, rate: float, size: float) -> int:
        """Errors in clusters of geometric size with mean ``size``; what does not fit waits for the next interval."""
        if size <= 1.0 or rate >= 1.0:
            return int(self._chance.binomial(requests, rate))
        clusters = int(self._chance.binomial(requests, rate / size))
        if clusters:
            # A geometric size is one plus the failures before a success: their sum is negative binomial.
            self._pending += clusters + int(self._chance.negative_binomial(clusters, 1 / size))
        failed = min(self._pending, requests)
        self._pending -= failed
        return failed

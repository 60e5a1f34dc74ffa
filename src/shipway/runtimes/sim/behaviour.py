"""What a virtual service does and what traffic it gets. Written by tests and benchmarks. Times in seconds unless said."""

from math import cos, erf, inf, log, pi, sqrt

import msgspec


class Latency(msgspec.Struct, frozen=True):
    """Lognormal response times, of which a share is slower by a factor."""

    median: float = 20.0
    """Milliseconds."""
    spread: float = 0.5
    """Standard deviation of the logarithm: 0.5 makes p95 2.3 and p99 3.2 times the median."""
    slow_share: float = 0.0
    """Share of requests (0..1) that take ``slow_factor`` times as long."""
    slow_factor: float = 10.0

    def share_from(self, ms: float) -> float:
        """Share of requests that take ``ms`` milliseconds or longer."""
        usual, slow = self._tail(ms, self.median), self._tail(ms, self.median * self.slow_factor)
        return (1 - self.slow_share) * usual + self.slow_share * slow

    def scaled(self, factor: float) -> "Latency":
        """Everything ``factor`` times as slow."""
        return msgspec.structs.replace(self, median=self.median * factor)

    def _tail(self, ms: float, median: float) -> float:
        return 0.5 * (1 - erf(log(ms / median) / (self.spread * sqrt(2)))) if ms > 0 else 1.0


class Behaviour(msgspec.Struct, frozen=True, kw_only=True):
    """What the instances of one release do."""

    error_rate: float = 0.001
    """Share of requests (0..1) answered 5xx."""
    cluster_size: float = 1.0
    """Mean number of errors that come together (geometric): one cause, many errors."""
    latency: Latency = Latency()
    warm_up: float = 0.0
    """How long a fresh instance is ``warm_up_factor`` times as slow."""
    warm_up_factor: float = 3.0
    values: tuple[tuple[str, float], ...] = ()
    """(name, mean per request) of continuous measures; each request's share is exponential."""
    start_delay: float = 0.5
    """From start to ready."""
    never_ready: bool = False
    crashes: tuple[float, ...] = ()
    """Moments after the start at which one instance dies, to be ready again ``restart_delay`` later."""
    restart_delay: float = 1.0
    crash_loop: float | None = None
    """Moment after the start from which no instance stays up."""
    log_tail: tuple[str, ...] = ("Traceback (most recent call last):", "RuntimeError: simulated crash")
    """What the log ends with when the release fails."""
    then: "tuple[float, Behaviour] | None" = None
    """(moment after the start, behaviour from then on): requests only, not starts and crashes."""

    def at(self, started: float, moment: float) -> "Behaviour":
        """The behaviour in force at ``moment`` of a release started at ``started``."""
        return self.then[1].at(started, moment) if self.then and moment >= started + self.then[0] else self

    def next_change(self, started: float, moment: float) -> float:
        """The next moment at which the behaviour changes; inf when it does not."""
        if self.then is None:
            return inf
        change = started + self.then[0]
        return change if change > moment else self.then[1].next_change(started, moment)


class Outage(msgspec.Struct, frozen=True, kw_only=True):
    """Trouble that every release of the application has at once: a shared database, a network."""

    start: float
    """Seconds since the epoch, as all moments of a simulation."""
    seconds: float
    error_factor: float = 1.0
    """Multiplies the releases' own error rates."""
    error_rate: float = 0.0
    """Comes on top of them."""
    latency_factor: float = 1.0


class Traffic(msgspec.Struct, frozen=True, kw_only=True):
    """Requests that an application gets: Poisson arrivals at ``rate`` a second, with a wave around it."""

    rate: float = 50.0
    wave: float = 0.0
    """Amplitude as a share of ``rate`` (0..1): 0.8 swings between 0.2 and 1.8 times the rate."""
    period: float = 720.0
    outages: tuple[Outage, ...] = ()

    def expected(self, start: float, end: float) -> float:
        """Mean number of requests between two moments: the integral of rate * (1 + wave * sin(2 pi t / period))."""
        flat = end - start
        if self.wave:
            turn = 2 * pi / self.period
            flat += self.wave / turn * (cos(turn * start) - cos(turn * end))
        return max(0.0, self.rate * flat)

    def outage_at(self, moment: float) -> Outage | None:
        """The outage going on at ``moment``; the first listed, if several."""
        return next((o for o in self.outages if o.start <= moment < o.start + o.seconds), None)

    def next_change(self, moment: float) -> float:
        """When the next outage begins or ends; inf when none does."""
        edges = (edge for o in self.outages for edge in (o.start, o.start + o.seconds))
        return min((edge for edge in edges if edge > moment), default=inf)

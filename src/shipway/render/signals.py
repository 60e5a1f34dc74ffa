"""What a service's requests are called in Prometheus, and the expressions made of them.

Used by the dashboards and by the translations for other rollout controllers. Holds names and arithmetic on text; which
limits apply is decided in :mod:`shipway.render.thresholds`.
"""

from collections.abc import Mapping
from types import MappingProxyType

import msgspec


class Signals(msgspec.Struct, frozen=True):
    """One source of request metrics: a counter of requests and a histogram of their durations."""

    requests: str
    """Counter with one increment per request."""
    failed: str
    """Label matcher of the requests that failed."""
    durations: str
    """Histogram of durations; its classic buckets are read."""
    second: float
    """What a bucket's bound is for one second: 1, or 1000 where durations are in milliseconds."""
    where: str = ""
    """Label matcher that every series of this source needs."""

    def total(self, side: str, window: str) -> str:
        """Requests per second."""
        return f"sum(rate({self._series(self.requests, side)}[{window}]))"

    def count(self, side: str, window: str) -> str:
        """Requests in the window."""
        return f"sum(increase({self._series(self.requests, side)}[{window}]))"

    def errors(self, side: str, window: str) -> str:
        """Failed requests as a share of all, 0..1; zero when none failed."""
        bad = f"sum(rate({self._series(self.requests, side, self.failed)}[{window}]))"
        return f"(({bad} or vector(0)) / {self.total(side, window)})"

    def slow(self, side: str, window: str, threshold: float) -> str:
        """Requests slower than ``threshold`` seconds as a share of all, 0..1; needs a bucket of exactly that bound."""
        bound = f'le="{self.bound(threshold)}"'
        fast = f"sum(rate({self._series(f'{self.durations}_bucket', side, bound)}[{window}]))"
        return f"(1 - {fast} / sum(rate({self._series(f'{self.durations}_count', side)}[{window}])))"

    def percentile(self, side: str, window: str, share: float) -> str:
        """Duration in seconds that ``share`` (0..1) of the requests do not exceed."""
        buckets = f"sum by (le) (rate({self._series(f'{self.durations}_bucket', side)}[{window}]))"
        quantile = f"histogram_quantile({share:g}, {buckets})"
        return quantile if self.second == 1 else f"{quantile} / {self.second:g}"

    def bound(self, seconds: float) -> str:
        """A bucket's bound as its ``le`` label writes it."""
        return f"{round(seconds * self.second, 9):g}"

    def _series(self, name: str, *matchers: str) -> str:
        return f"{name}{{{','.join(matcher for matcher in (self.where, *matchers) if matcher)}}}"


OWN = Signals("http_requests_total", 'code=~"5.."', "http_request_duration_seconds", 1)
"""What a service exposes itself, by the names that the Prometheus client libraries give them."""
ISTIO = Signals(
    "istio_requests_total",
    'response_code=~"5.."',
    "istio_request_duration_milliseconds",
    1000,
    'reporter="destination"',
)
"""What the side-car of the called service counts."""
SIGNALS: Mapping[str, Signals] = MappingProxyType({"gateway-api": OWN, "istio": ISTIO})
"""By the Platform's choice of a mesh."""

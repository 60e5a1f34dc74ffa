"""The counters of the local proxy: one scrape of Envoy's admin socket answers for every release. Made by ``cli.wiring``.

What counts as what, checked against Envoy 1.40 for each way in which a request can end:

    answered by the service        requests, 5xx also errors
    connection refused or reset, nobody ready, protocol error, silence (502, 503, 504 by the proxy)
                                   requests and errors: the router charges its own answers to the cluster
    answer broke off half-way      requests; Envoy's counters say 2xx, ``truncated`` makes it an error
    client left before the answer  in no counter of the cluster; ``abandoned`` adds it to requests, and to latency as
                                   slow as the client had waited: impatience is not proof of an error, but a release
                                   that hangs must not look fast because nobody stayed to see

Requests that chose their release by header or cookie run through a cluster of their own and are not read here.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence

import httpx
import msgspec

from shipway.analysis.readings import ArmReading
from shipway.engine.ports import Absent, ArmQuery
from shipway.model.ids import AppName, ReleaseId
from shipway.render.envoy import abandoned_stat, cluster_name, truncated_stat

Vitals = Callable[[AppName, ReleaseId], tuple[float | None, tuple[tuple[str, float], ...]]]
"""(age in seconds of the youngest ready instance or None, cumulative measures) of a release, from whoever runs it."""

_TIMEOUT = 2.0
"""Seconds; a reading that takes longer than the tick is a reading missed."""

Bins = tuple[tuple[float, int], ...]


class EnvoyMetrics:
    """Implements :class:`~shipway.engine.ports.MetricSource`.

    Latency bins are Envoy's own log-linear ones: edges with two significant digits (10, 11 … 99, 100, 110 … ms), so
    every threshold with two significant digits is an edge and its exceedance is exact. Resolution is 1 ms.

    Args:
        socket: path of the admin socket.
        vitals: what the proxy cannot know about a release.
    """

    def __init__(self, socket: str, vitals: Vitals) -> None:
        self._web = httpx.AsyncClient(
            transport=httpx.AsyncHTTPTransport(uds=socket), base_url="http://envoy", timeout=_TIMEOUT
        )
        self._vitals = vitals

    async def read(self, queries: Sequence[ArmQuery]) -> Sequence[ArmReading | Absent]:
        """One answer per query, of one instant."""
        scrape = await self._scrape([cluster_name(query.app, query.release) for query in queries])
        if isinstance(scrape, Absent):
            return [scrape] * len(queries)
        return [self._reading(query, scrape) for query in queries]

    async def close(self) -> None:
        """Release the connection."""
        await self._web.aclose()

    async def _scrape(self, clusters: Sequence[str]) -> "Scrape | Absent":
        try:
            # Asking makes Envoy merge its histograms, but it answers first: the second answer has what the first began.
            await self._web.get("/stats", params={"filter": "^$"})
            response = await self._web.get("/stats", params=_parameters(clusters))
            response.raise_for_status()
            return Scrape(msgspec.json.decode(response.content, type=_Stats))
        except (httpx.HTTPError, msgspec.DecodeError) as error:
            return Absent(f"the proxy's counters cannot be read: {error or type(error).__name__}")

    def _reading(self, query: ArmQuery, scrape: "Scrape") -> ArmReading | Absent:
        cluster = cluster_name(query.app, query.release)
        if not scrape.knows(cluster):
            return Absent(f"the proxy knows no release {query.release} of {query.app}")
        youngest, values = self._vitals(query.app, query.release)
        abandoned = scrape.bins(abandoned_stat(cluster))
        return ArmReading(
            requests=scrape.count(f"cluster.{cluster}.upstream_rq_completed") + sum(n for _, n in abandoned),
            errors=scrape.count(f"cluster.{cluster}.upstream_rq_5xx") + scrape.count(truncated_stat(cluster)),
            latency=_merged(scrape.bins(f"cluster.{cluster}.upstream_rq_time"), abandoned),
            values=values,
            youngest=youngest,
        )


class Scrape:
    """One answer of the admin interface, by name."""

    def __init__(self, stats: "_Stats") -> None:
        self._values: dict[str, int | str] = {}
        self._bins: dict[str, Bins] = {}
        for entry in stats.stats:
            if entry.histograms is not None:
                found = entry.histograms.details
                self._bins |= {h.name: tuple((b.lower_bound, b.count) for b in h.totals) for h in found}
            else:
                self._values[entry.name] = entry.value

    def knows(self, cluster: str) -> bool:
        """Whether there is such a cluster: it has a version once its endpoints are known, even if there are none."""
        return f"cluster.{cluster}.version_text" in self._values

    def count(self, name: str) -> int:
        """A counter's value; Envoy leaves out those that were never touched."""
        return int(self._values.get(name, 0))

    def bins(self, name: str) -> Bins:
        """A histogram's (lower edge, count)."""
        return self._bins.get(name, ())


class _Bin(msgspec.Struct):
    lower_bound: float
    count: int


class _Histogram(msgspec.Struct):
    name: str
    totals: list[_Bin] = []


class _Histograms(msgspec.Struct):
    details: list[_Histogram] = []


class _Stat(msgspec.Struct):
    name: str = ""
    value: int | str = 0
    histograms: _Histograms | None = None


class _Stats(msgspec.Struct):
    stats: list[_Stat]


def _parameters(clusters: Iterable[str]) -> dict[str, str]:
    names = "|".join(re.escape(cluster) for cluster in sorted(set(clusters)))
    own = rf"cluster\.({names})\.(upstream_rq_completed|upstream_rq_5xx|upstream_rq_time|version_text)"
    logged = rf"shipway\.(truncated|abandoned)\.arm\.({names})"
    return {
        "format": "json",
        "usedonly": "",
        "histogram_buckets": "detailed",
        "filter": f"^({own}|{logged})$",
    }


def _merged(first: Bins, second: Bins) -> Bins:
    """Both histograms added up, ascending."""
    if not second:
        return first
    total = Counter(dict(first))
    total.update(dict(second))
    return tuple(sorted(total.items()))

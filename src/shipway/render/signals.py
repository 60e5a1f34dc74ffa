"""What a service's requests are called in Prometheus, and the expressions made of them for dashboards and rollout controllers.

The metrics are those that the SLO rules count (:class:`shipway.render.slo.promises.Meters`), so that a dashboard, an alert
and an analysis cannot disagree. Which limits apply is decided in :mod:`shipway.render.thresholds`.
"""

from collections.abc import Mapping
from types import MappingProxyType

import msgspec

from shipway.render.slo.promises import ISTIO, OPENTELEMETRY, Meters

METERS: Mapping[str, Meters] = MappingProxyType({"gateway-api": OPENTELEMETRY, "istio": ISTIO})
"""By the Platform's choice of a mesh: the side-cars' metrics where there are any, else the application's own."""


class Signals(msgspec.Struct, frozen=True):
    """The requests of one application. A ``side`` is a label matcher that narrows them, or empty for all."""

    meters: Meters
    application: str

    def total(self, side: str, window: str) -> str:
        """Requests per second."""
        return f"sum(rate({self._series(self.meters.total, side)}[{window}]))"

    def count(self, side: str, window: str) -> str:
        """Requests in the window."""
        return f"sum(increase({self._series(self.meters.total, side)}[{window}]))"

    def errors(self, side: str, window: str) -> str:
        """Failed requests as a share of all, 0..1; zero when none failed."""
        bad = f"sum(rate({self._series(self.meters.bad, side)}[{window}]))"
        return f"(({bad} or vector(0)) / {self.total(side, window)})"

    def slow(self, side: str, window: str, threshold: float) -> str:
        """Requests slower than ``threshold`` seconds as a share of all, 0..1; needs a bucket of exactly that bound."""
        bound = f"{round(threshold / self.meters.unit, 9):.12g}"
        edge = f'le="{bound}"' if "." in bound else f'le=~"{bound}(\\\\.0)?"'
        fast = f"sum(rate({self._series(self.meters.buckets.replace('{le}', edge), side)}[{window}]))"
        return f"(1 - {fast} / {self.total(side, window)})"

    def percentile(self, side: str, window: str, share: float) -> str:
        """Duration in seconds that ``share`` (0..1) of the requests do not exceed."""
        buckets = self._series(self.meters.buckets.replace(", {le}", ""), side)
        quantile = f"histogram_quantile({share:g}, sum by (le) (rate({buckets}[{window}])))"
        return quantile if self.meters.unit == 1 else f"{quantile} * {self.meters.unit:g}"

    def _series(self, selector: str, side: str) -> str:
        chosen = selector.replace("{app}", self.application)
        return f"{chosen.removesuffix('}')}, {side}}}" if side else chosen

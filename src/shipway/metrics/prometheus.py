"""Numbers from a Prometheus (or what speaks its API: Thanos, Mimir, VictoriaMetrics), one instant query each.

Called by ``slo status --prometheus`` for promises about metrics that nothing on this machine counts.
"""

import math
from typing import Self

import httpx
import msgspec

from shipway.engine.ports import Absent

TIMEOUT = 10.0
"""Seconds for one query; months of a busy metric take some."""


class _Sample(msgspec.Struct):
    value: tuple[float, str]


class _Data(msgspec.Struct):
    resultType: str  # noqa: N815  # Prometheus' own name
    result: msgspec.Raw


class _Answer(msgspec.Struct):
    status: str
    data: _Data | None = None
    error: str = ""


class Prometheus:
    """Asks one server. Use as a context manager."""

    def __init__(self, url: str) -> None:
        self._web = httpx.Client(base_url=url, timeout=TIMEOUT, trust_env=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._web.close()

    def number(self, query: str, at: float) -> float | Absent:
        """What a query that comes to one number comes to at that time; 0 series are 0, as a sum of no counters is."""
        try:
            response = self._web.post("/api/v1/query", data={"query": query, "time": f"{at:.3f}"})
            answer = msgspec.json.decode(response.content, type=_Answer)
        except (httpx.HTTPError, httpx.InvalidURL, msgspec.MsgspecError) as error:
            return Absent(f"Prometheus cannot be asked: {error or type(error).__name__}")
        if answer.status != "success" or answer.data is None:
            return Absent(f"Prometheus says: {answer.error or 'no success'}")
        return _number(answer.data)


def _number(data: _Data) -> float | Absent:
    try:
        if data.resultType == "scalar":
            values = [msgspec.json.decode(data.result, type=tuple[float, str])[1]]
        elif data.resultType == "vector":
            values = [one.value[1] for one in msgspec.json.decode(data.result, type=list[_Sample])]
        else:
            return Absent(f"the query answers with a {data.resultType}; one number was expected")
        if len(values) > 1:
            return Absent(f"the query answers with {len(values)} series; one was expected: sum them up")
        found = float(values[0]) if values else 0.0
    except (msgspec.MsgspecError, ValueError) as error:
        return Absent(f"Prometheus' answer makes no sense: {error}")
    return found if math.isfinite(found) else Absent(f"the query answers with {found}")

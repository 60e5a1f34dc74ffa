"""The ``slo`` section of an Application as service levels.

Which metrics count its requests is the platform's choice (:class:`Meters`): what OpenTelemetry's instrumentation exports,
or what Istio's sidecars do. A latency promise is exact only where its threshold is an edge of the histogram; elsewhere the
bucket does not exist, and the service level has no data, which is said by an alert of its own and never looks like health.
"""

from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType

import msgspec
from msgspec import structs

from shipway.model.errors import BadInput
from shipway.model.quantities import format_duration, format_number
from shipway.render.slo.levels import (
    MIN_EVENTS,
    MONTH,
    WEEK,
    WINDOW,
    BadEvents,
    ErrorRatio,
    GoodEvents,
    ServiceLevel,
    Window,
)
from shipway.render.slo.rules import selector
from shipway.spec.application import SERVING, Application, Protocol
from shipway.spec.checks import LatencyObjective
from shipway.spec.platform import Journey, Metric

AVAILABILITY = "availability"
"""Name of the service level of requests answered without an error."""


class Meters(msgspec.Struct, frozen=True):
    """Metrics that count requests. ``{app}`` stands for the application's name."""

    total: str
    """Selector of the counter of requests."""
    bad: str
    """Selector of those that failed."""
    buckets: str
    """Selector of the latency histogram's buckets; ``{le}`` stands for the matcher of the edge."""
    unit: float = 1.0
    """Seconds of the histogram's unit."""


OPENTELEMETRY = Meters(
    total='http_server_request_duration_seconds_count{job="{app}"}',
    bad='http_server_request_duration_seconds_count{job="{app}", http_response_status_code=~"5.."}',
    buckets='http_server_request_duration_seconds_bucket{job="{app}", {le}}',
)
"""OpenTelemetry's semantic conventions for HTTP servers, as its Prometheus exporters name them."""

ISTIO = Meters(
    total='istio_requests_total{reporter="destination", destination_canonical_service="{app}"}',
    bad='istio_requests_total{reporter="destination", destination_canonical_service="{app}", response_code=~"5.."}',
    buckets='istio_request_duration_milliseconds_bucket{reporter="destination", destination_canonical_service="{app}", {le}}',
    unit=0.001,
)
"""Istio's standard metrics, seen from the service that answers."""


_GRPC_ERRORS = MappingProxyType(
    {"UNKNOWN": 2, "DEADLINE_EXCEEDED": 4, "UNIMPLEMENTED": 12, "INTERNAL": 13, "UNAVAILABLE": 14, "DATA_LOSS": 15}
)
"""Status codes that are the server's fault: https://opentelemetry.io/docs/specs/semconv/rpc/grpc/"""
OPENTELEMETRY_GRPC = Meters(
    total='rpc_server_call_duration_seconds_count{job="{app}"}',
    bad=f'rpc_server_call_duration_seconds_count{{job="{{app}}", rpc_response_status_code=~"{"|".join(_GRPC_ERRORS)}"}}',
    buckets='rpc_server_call_duration_seconds_bucket{job="{app}", {le}}',
)
"""OpenTelemetry's semantic conventions for gRPC servers. Older instrumentations count so with
``OTEL_SEMCONV_STABILITY_OPT_IN=rpc``."""
ISTIO_GRPC = structs.replace(
    ISTIO,
    bad=ISTIO.bad.replace(
        'response_code=~"5.."', f'grpc_response_status=~"{"|".join(map(str, _GRPC_ERRORS.values()))}"'
    ),
)
"""The same metrics: an answer over gRPC is 200 whatever happened, and says how it went in a status of its own."""
_OVER_GRPC: Mapping[Meters, Meters] = MappingProxyType({OPENTELEMETRY: OPENTELEMETRY_GRPC, ISTIO: ISTIO_GRPC})


def spoken(meters: Meters, protocol: Protocol) -> Meters:
    """The metrics that count what is spoken on the main port."""
    return _OVER_GRPC.get(meters, meters) if protocol == "grpc" else meters


def of_application(
    application: Application,
    meters: Meters = OPENTELEMETRY,
    *,
    metrics: Mapping[str, Metric] = {},
    labels: Mapping[str, str] = {},
    runbook: str = "",
    min_events: int = MIN_EVENTS,
) -> tuple[ServiceLevel, ...]:
    """Every promise of an application: availability and latencies when it answers requests, and those about ``metrics``.

    ``meters`` are those for HTTP; what speaks gRPC is counted by their counterparts (:func:`spoken`).
    ``metrics`` are the Platform's. ``labels`` (the environment, the cluster) go on every rule beside the owning team.
    ``runbook`` may hold ``{app}`` and ``{slo}``.

    Raises:
        BadInput: an objective names a metric without queries.
    """
    name, team = application.metadata.name, application.metadata.team
    owned = {**({"team": team} if team else {}), **labels}
    return tuple(
        ServiceLevel(
            service=name,
            name=slo,
            objective=objective,
            indicator=indicator,
            window=_window(application),
            description=description,
            labels=owned,
            alert=_camel(name, slo),
            min_events=min_events,
            runbook=runbook.replace("{app}", name).replace("{slo}", slo),
        )
        for slo, objective, description, indicator in (*_requests(application, meters), *_own(application, metrics))
    )


def of_journey(name: str, journey: Journey, members: Sequence[ServiceLevel]) -> ServiceLevel:
    """The promise of a journey through ``members`` (of one window each), as the share of journeys that fail somewhere.

    Failures of different applications are taken as independent: 1 - (1 - a)(1 - b)…; :mod:`shipway.slo.journeys` says what
    it is at best and at worst. Reads the members' own records, so their rules must be loaded too. While a member has no
    events, there is no journey to judge.
    """
    kept = " * ".join(f"(1 - {_alone(member)})" for member in members)
    return ServiceLevel(
        service=name,
        name="journey",
        objective=percent(journey.objective),
        indicator=ErrorRatio(f"1 - {kept}"),
        window=Window(journey.window),
        description=f"Journeys through {', '.join(member.service for member in members)}.",
        alert=_camel(name, "journey"),
    )


def _alone(member: ServiceLevel) -> str:
    """The share of failures of one member, without labels, so that members can be multiplied."""
    bad, total = (f"sum(slo:{what}_events:sum_{WINDOW}{selector(member)})" for what in ("bad", "total"))
    return f"{bad} / ({total} > 0)"


_Promise = tuple[str, float, str, BadEvents | GoodEvents]


def _own(application: Application, metrics: Mapping[str, Metric]) -> Iterator[_Promise]:
    name = application.metadata.name
    for objective, target in application.spec.slo.objectives.items():
        metric = metrics.get(objective)
        if metric is None or metric.good is None or metric.total is None:
            raise BadInput(
                f"{name} promises {objective}, of which the Platform says no `good` and `total` queries",
                hint=f"Write them under spec.metrics.{objective} of the Platform.",
            )
        queries = (query.replace("{app}", name) for query in (metric.good, metric.total))
        about = metric.description or f"Good events of {objective}."
        yield objective, percent(target), about, GoodEvents(*queries)


def _requests(application: Application, meters: Meters) -> Iterator[_Promise]:
    name, slo, protocol = application.metadata.name, application.spec.slo, application.spec.protocol
    if application.spec.archetype not in SERVING or protocol == "tcp":  # nothing counts requests in bare TCP
        return
    meters = spoken(meters, protocol)
    if slo.availability is not None:
        about = "Requests answered without an error."
        yield AVAILABILITY, percent(slo.availability), about, availability(meters, name)
    for objective in slo.latency:
        about = f"Requests answered within {format_duration(objective.threshold)}."
        yield latency_name(objective), percent(objective.share), about, latency(meters, name, objective.threshold)


def availability(meters: Meters, app: str) -> BadEvents:
    """Failed requests among all."""
    return BadEvents(_increase(meters.bad, app), _increase(meters.total, app))


def latency(meters: Meters, app: str, threshold: float) -> GoodEvents:
    """Requests answered within ``threshold`` seconds among all."""
    buckets = meters.buckets.replace("{le}", bucket(threshold / meters.unit))
    return GoodEvents(_increase(buckets, app), _increase(meters.total, app))


def latency_name(objective: LatencyObjective) -> str:
    """``latency-200ms``, with the share where two objectives have one threshold only in :attr:`ServiceLevel.objective`."""
    return f"latency-{format_duration(objective.threshold)}"


def percent(ratio: float) -> float:
    """0.999 is 99.9, without what the multiplication adds in the sixteenth digit."""
    return round(ratio * 100, 12)


def _window(application: Application) -> Window:
    slo = application.spec.slo
    return {"week": WEEK, "month": MONTH}.get(slo.calendar or "", Window(slo.window))


def _increase(chosen: str, app: str) -> str:
    return f"sum(increase({chosen.replace('{app}', app)}[{WINDOW}]))"


def bucket(value: float) -> str:
    """Matcher of a bucket's edge: whole numbers are written with and without their ``.0``, by version."""
    text = format_number(round(value, 9))
    return f'le="{text}"' if "." in text else f'le=~"{text}(\\\\.0)?"'


def _camel(*names: str) -> str:
    return "".join(part.capitalize() for name in names for part in name.replace(".", "-").split("-")) + "BurnsBudget"

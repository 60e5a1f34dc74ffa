"""The delivery section for Argo Rollouts: a Rollout in the place of the Deployment, and the AnalysisTemplates that judge it.

Called for ``--format argo-rollouts`` with what was compiled for one application. :func:`notes` says in sentences what the
controller cannot do; docs/delivery-translations.md has the whole table.
"""

from collections.abc import Iterable, Iterator
from math import ceil
from typing import Any

from shipway.render.context import Context
from shipway.render.editing import at, changed, put
from shipway.render.rendered import Rendered, rendered
from shipway.render.routes import backend
from shipway.render.thresholds import Sides, Threshold, guarded, own_series, priced_core, signals_of, thresholds
from shipway.render.thresholds import notes as common_notes
from shipway.render.tracing import Draft, derived, plain
from shipway.spec.delivery import Delivery, Step

INTERVAL = 30.0
"""Seconds between two measurements: two scrapes at the usual 15 s, so that every measurement sees new data."""
FAILED_MEASUREMENTS = 2
"""Bad measurements that are forgiven; the third ends the rollout. One may be a scrape that fell between two releases."""
NEVER = 2**31 - 1
"""The largest limit that the controllers read."""
WARM_UP = 30.0
"""Seconds, when the Platform does not say."""
PLUGIN = "argoproj-labs/gatewayAPI"

_API = "argoproj.io/v1alpha1"
_RULE = "the delivery section in the words of Argo Rollouts"
_CANARY, _STABLE = "{{args.canary-hash}}", "{{args.stable-hash}}"
_ROUTES = {"HTTPRoute": "httpRoute", "GRPCRoute": "grpcRoute"}


def argo_rollouts(objects: Iterable[Rendered]) -> tuple[Rendered, ...]:
    """The objects of one application with a Rollout instead of its Deployment; unchanged when no canary is asked for."""
    found = tuple(objects)
    if not applies(found):
        return found
    context = application_context(found)
    drafts = [draft for one in found for draft in _translated(context, one, found)]
    drafts += _templates(context)
    return tuple(rendered(draft, context) for draft in drafts)


def notes(objects: Iterable[Rendered]) -> tuple[str, ...]:
    """What the application's delivery section says and Argo Rollouts cannot do; empty when nothing is translated."""
    found = tuple(objects)
    if not applies(found):
        return ()
    context = application_context(found)
    return (*common_notes(context), *_own_notes(context, found))


def applies(objects: tuple[Rendered, ...]) -> bool:
    """Whether there is a Deployment with a canary to translate; ``direct`` and other workloads stay as they are."""
    kinds = {one.identity[1] for one in objects}
    return "Deployment" in kinds and application_context(objects).spec.delivery.strategy == "canary"


def application_context(objects: tuple[Rendered, ...]) -> Context:
    """The application that the objects were compiled for."""
    context = objects[0].context
    assert isinstance(context, Context)
    return context


def whole(weight: float) -> int:
    """A weight as the routers take it: whole percent, at least one."""
    return max(1, round(weight))


# -- objects


def _translated(context: Context, one: Rendered, objects: tuple[Rendered, ...]) -> Iterator[Draft]:
    kind, name = one.identity[1], one.identity[3]
    if name != context.name:
        yield one.draft
        return
    match kind:
        case "Deployment":
            yield _rollout(context, one.draft, objects)
        case "Service":
            yield from (one.draft, *_services(context, one.draft))
        case "VirtualService":
            yield _split_virtual_service(context, one.draft)
        case "DestinationRule":
            yield from (one.draft, *_destination_rules(context, one.draft))
        case "HTTPRoute" | "GRPCRoute":
            yield _split_route(context, one.draft)
        case "HorizontalPodAutoscaler" | "ScaledObject":
            yield retargeted(one.draft, "scaleTargetRef", "Rollout", _API)
        case "VerticalPodAutoscaler":
            yield retargeted(one.draft, "targetRef", "Rollout", _API)
        case _:
            yield one.draft


def retargeted(draft: Draft, field: str, kind: str, version: str) -> Draft:
    """A scaler that follows another workload."""
    return changed(draft, (f"spec.{field}.apiVersion", version), (f"spec.{field}.kind", kind))


def _rollout(context: Context, draft: Draft, objects: tuple[Rendered, ...]) -> Draft:
    rolling = at(draft.tree, "spec", "strategy", "rollingUpdate") or {}
    strategy = _strategy(context, _router(context, objects), rolling)
    spec = {**draft.tree["spec"], "strategy": derived(plain(strategy), _RULE, "spec.delivery", "spec.slo")}
    return Draft({**draft.tree, "apiVersion": _API, "kind": "Rollout", "spec": spec}, draft.rule)


def _strategy(context: Context, router: dict[str, Any] | None, rolling: dict[str, Any]) -> dict[str, Any]:
    delivery = context.spec.delivery
    header = bool(router and "managedRoutes" in router)
    judged = {
        "templates": [{"templateName": f"{context.name}-judgement"}],
        "startingStep": 1 + header + bool(delivery.steps[0].approval),  # when the first weight is set
        "args": [_hash("canary-hash", "Latest"), _hash("stable-hash", "Stable")],
    }
    canary: dict[str, Any] = {**rolling, "steps": list(_steps(context, header)), "analysis": judged}
    if router:
        services = {"stableService": f"{context.name}-stable", "canaryService": f"{context.name}-canary"}
        canary |= {**services, "trafficRouting": router, "scaleDownDelaySeconds": ceil(delivery.keep)}
        for without in ("maxSurge", "maxUnavailable"):  # the router decides who is asked, so nothing need make room
            canary.pop(without, None)
    return {"canary": canary}


def _steps(context: Context, header: bool) -> Iterator[dict[str, Any]]:
    """Approval, weight, time and enough requests, step by step."""
    delivery = context.spec.delivery
    if header:
        match = [{"headerName": delivery.match.header, "headerValue": {"exact": "always"}}]
        yield {"setHeaderRoute": {"name": "match", "match": match}}
    for step in delivery.steps:
        if step.approval:
            yield {"pause": {}}
        yield {"setWeight": whole(step.weight)}
        if step.at_least:
            yield {"pause": {"duration": _seconds(step.at_least)}}
        if delivery.min_requests and delivery.on_inconclusive != "advance":
            templates = [{"templateName": f"{context.name}-requests"}]
            yield {"analysis": {"templates": templates, "args": _patience(step, delivery)}}


def _patience(step: Step, delivery: Delivery) -> list[dict[str, Any]]:
    most = delivery.patience * max(step.at_least, INTERVAL)
    left = NEVER if delivery.on_inconclusive == "extend" else ceil(max(most - step.at_least, 0) / INTERVAL)
    said = {"least": str(delivery.min_requests), "window": _seconds(most), "patience": str(left)}
    return [_hash("canary-hash", "Latest"), *({"name": name, "value": value} for name, value in said.items())]


def _router(context: Context, objects: tuple[Rendered, ...]) -> dict[str, Any] | None:
    """Whatever splits requests by weight; None when nothing does and instances are counted instead."""
    kinds = {one.identity[1] for one in objects if one.identity[3] == context.name}
    found: dict[str, Any] = {}
    if "VirtualService" in kinds and context.spec.protocol != "tcp":
        others = [{"port": number} for name, number in context.ports.items() if name != context.main_port]
        service = {"name": context.name, "routes": ["primary"], **({"tcpRoutes": others} if others else {})}
        found["istio"] = {"virtualServices": [service]}
        if context.spec.delivery.match.header:
            found["managedRoutes"] = [{"name": "match"}]
    for kind in kinds & _ROUTES.keys():
        found["plugins"] = {PLUGIN: {_ROUTES[kind]: context.name, "namespace": context.namespace}}
    return found or None


def _services(context: Context, draft: Draft) -> Iterator[Draft]:
    """One Service for each side. Named apart by their labels, so that no monitor finds a pod three times."""
    for side in ("stable", "canary"):
        name = f"{context.name}-{side}"
        labels = {**draft.tree["metadata"]["labels"], "app.kubernetes.io/name": name}
        yield Draft(put(put(draft.tree, ["metadata", "name"], name), ["metadata", "labels"], labels), _RULE)


def _split_virtual_service(context: Context, draft: Draft) -> Draft:
    """Every port, so that a client of two ports does not meet two releases more than chance has it."""
    spec = draft.tree["spec"]
    split = {kind: [_split(context, route) for route in spec.get(kind) or ()] or None for kind in ("http", "tcp")}
    return changed(draft, *((f"spec.{kind}", routes) for kind, routes in split.items()))


def _split(context: Context, route: dict[str, Any]) -> dict[str, Any]:
    port = at(route, "route", 0, "destination", "port")
    sides = {"stable": 100, "canary": 0}
    to = [
        {"destination": {"host": _host(context, side), "port": port}, "weight": weight}
        for side, weight in sides.items()
    ]
    return {**route, "route": to}


def _destination_rules(context: Context, draft: Draft) -> Iterator[Draft]:
    for side in ("stable", "canary"):
        yield changed(draft, ("metadata.name", f"{context.name}-{side}"), ("spec.host", _host(context, side)))


def _host(context: Context, side: str) -> str:
    return f"{context.name}-{side}.{context.namespace}.svc.cluster.local"


def _split_route(context: Context, draft: Draft) -> Draft:
    sides = {f"{context.name}-stable": 100, f"{context.name}-canary": 0}
    to = [backend(name, context.spec.port, weight) for name, weight in sides.items()]
    rules = [{**rule, "backendRefs": to} for rule in draft.tree["spec"]["rules"]]
    return changed(draft, ("spec.rules", rules))


# -- judgement


def _templates(context: Context) -> Iterator[Draft]:
    delivery, signals = context.spec.delivery, signals_of(context)
    where = own_series(context)
    sides = Sides(
        f'{where},pod=~"{context.name}-{_CANARY}-[a-z0-9]+"',
        f'{where},pod=~"{context.name}-{_STABLE}-[a-z0-9]+"',
        _seconds(window(delivery)),
    )
    least = delivery.min_requests
    found = [
        _metric(context, threshold, guarded(threshold, signals, sides, least))
        for threshold in thresholds(context.application, signals, sides, priced_core(context))
    ]
    judged = {"args": [{"name": "canary-hash"}, {"name": "stable-hash"}], "metrics": found}
    yield _template(context, "judgement", judged)
    if any("analysis" in step for step in _steps(context, header=False)):
        yield _template(context, "requests", _requests(context, sides.canary))


def window(delivery: Delivery) -> float:
    """Seconds over which rates are taken: the longest step, between two and ten minutes.

    Shorter sees too few requests, longer would dilute a failure that begins late.
    """
    return min(max([120.0, *(step.at_least for step in delivery.steps)]), 600.0)


def _template(context: Context, name: str, spec: dict[str, Any]) -> Draft:
    traced = derived(plain(spec), "the checks as limits on PromQL", "spec.delivery", "spec.slo")
    metadata = context.metadata(f"{context.name}-{name}")
    return Draft({"apiVersion": _API, "kind": "AnalysisTemplate", "metadata": metadata, "spec": traced}, _RULE)


def _metric(context: Context, threshold: Threshold, query: str) -> dict[str, Any]:
    delivery = context.spec.delivery
    manual = delivery.rollback == "manual"
    # Not measured is not bad: an empty answer, no requests, or a Prometheus that is away ends no rollout.
    holds = f"len(result) == 0 || isNaN(result[0]) || result[0] {threshold.op} {threshold.limit:.9g}"
    return {
        "name": threshold.name,
        "interval": _seconds(INTERVAL),
        "initialDelay": _seconds(WARM_UP if delivery.warm_up is None else delivery.warm_up),
        "successCondition": holds,
        **({"failureCondition": "false"} if manual else {}),  # then it is inconclusive, which waits for a person
        "inconclusiveLimit" if manual else "failureLimit": FAILED_MEASUREMENTS,
        "consecutiveErrorLimit": NEVER,
        "provider": _prometheus(context, query),
    }


def _requests(context: Context, canary: str) -> dict[str, Any]:
    """Waits until the canary has answered enough requests. Never bad, only not yet good: out of time, the rollout pauses."""
    query = signals_of(context).count(canary, "{{args.window}}")
    metric = {
        "name": "enough-requests",
        "interval": _seconds(INTERVAL),
        "consecutiveSuccessLimit": 1,
        "inconclusiveLimit": "{{args.patience}}",
        "consecutiveErrorLimit": NEVER,
        "successCondition": "len(result) > 0 && result[0] >= {{args.least}}",
        "failureCondition": "false",
        "provider": _prometheus(context, query),
    }
    names = ("canary-hash", "least", "window", "patience")
    return {"args": [{"name": argument} for argument in names], "metrics": [metric]}


def _prometheus(context: Context, query: str) -> dict[str, Any]:
    return {"prometheus": {"address": context.components.monitoring.address, "query": query}}


def _hash(name: str, release: str) -> dict[str, Any]:
    return {"name": name, "valueFrom": {"podTemplateHashValue": release}}


def _seconds(value: float) -> str:
    """As Go reads it, in whole seconds."""
    return f"{ceil(value)}s"


def _own_notes(context: Context, objects: tuple[Rendered, ...]) -> Iterator[str]:
    delivery, router = context.spec.delivery, _router(context, objects)
    if router is None:
        yield "weights are shares of instances: nothing here splits requests (no mesh, and no host for a route)"
    elif "istio" not in router:
        yield "only requests through the gateway follow the weights: calls from inside reach either release"
    if router is not None:
        yield "weights, and the selectors of both Services, are the controller's: tell Argo CD or Flux to leave them alone"
    if any(step.weight != whole(step.weight) for step in delivery.steps):
        yield "weights are rounded to whole percents"
    if any(step.approval for step in delivery.steps):
        yield "`approval` becomes a pause: anybody with the right to promote the Rollout may end it"
    if delivery.match.cookie or (delivery.match.header and "managedRoutes" not in (router or {})):
        yield "`match` is left out: no route by header or cookie is made"
    elif delivery.match.header:
        yield f"`match`: the header {delivery.match.header} chooses the canary by `always`; `never` is not known"
    if delivery.affinity.cookie or delivery.affinity.header:
        yield "`affinity` is left out: a client may see both releases in turn"

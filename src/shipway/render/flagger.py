"""The delivery section for Flagger: a Canary beside the Deployment, and the MetricTemplates that judge it.

Called for ``--format flagger`` with what was compiled for one application. Flagger keeps the live release in a copy called
``<name>-primary``, with that name in the label ``app.kubernetes.io/name`` of its pods, and makes Services and routes
itself; so whatever finds pods by that label is told of both names, and our own routes are left out. :func:`notes` says in
sentences what the controller cannot do; docs/delivery-translations.md has the whole table.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from math import ceil
from typing import Any

from shipway.model.quantities import format_duration
from shipway.render.argo import NEVER, application_context, applies, retargeted, whole
from shipway.render.context import Context
from shipway.render.editing import at, changed, everywhere, put
from shipway.render.rendered import Rendered, rendered
from shipway.render.thresholds import Sides, Threshold, guarded, own_series, priced_core, signals_of, thresholds
from shipway.render.thresholds import notes as common_notes
from shipway.render.tracing import Draft, Traced, derived, plain, said
from shipway.render.workload import SCALED_BY

LEAST_INTERVAL = 60.0
"""Seconds; Flagger looks once per step, and needs a few scrapes to have something to look at."""

_NAME = "app.kubernetes.io/name"
_RULE = "the delivery section in the words of Flagger"
_MADE_BY_FLAGGER: Mapping[str | None, frozenset[str]] = {
    "gatewayapi:v1": frozenset({"Service", "HTTPRoute"}),
    "istio": frozenset({"Service", "VirtualService", "DestinationRule"}),
}
_SCALER = ("autoscaling/v2", "HorizontalPodAutoscaler")
_BY_LABELS_ONLY = frozenset({"AuthorizationPolicy", "PeerAuthentication"})
"""Selectors that know no expressions: an object for each of the two names."""


def flagger(objects: Iterable[Rendered]) -> tuple[Rendered, ...]:
    """The objects of one application for Flagger; those of others, too, know both names of a neighbour's pods."""
    found = tuple(objects)
    if not found or not isinstance(found[0].context, Context):
        return found
    context = application_context(found)
    drafts = [one.draft for one in found]
    if _applies(found):
        drafts = [draft for one in found for draft in _translated(context, one, found)]
        drafts += _templates(context)
    return tuple(rendered(_both_names(context, draft), context) for draft in drafts)


def notes(objects: Iterable[Rendered]) -> tuple[str, ...]:
    """What the application's delivery section says and Flagger cannot do; empty when nothing is translated."""
    found = tuple(objects)
    if not applies(found):
        return ()
    if not _applies(found):
        return ("nothing splits requests here (no mesh, and no HTTPRoute), so the Deployment stays as it is",)
    context = application_context(found)
    return (*common_notes(context), *_own_notes(context, _provider(context, found)))


# -- objects


def _applies(objects: tuple[Rendered, ...]) -> bool:
    """Whether Flagger has something to split requests with; it would roll back a canary that gets none."""
    return applies(objects) and _provider(application_context(objects), objects) is not None


def _translated(context: Context, one: Rendered, objects: tuple[Rendered, ...]) -> Iterator[Draft]:
    kind, draft = one.identity[1], one.draft
    if kind == "Schedule":
        yield _struck(context, draft)
    elif one.identity[3] != context.name:
        yield draft
    elif kind == "Deployment":
        yield _counted_once(draft)
        yield from _held(context, objects)
        yield _canary(context, objects)
    elif kind == "ScaledObject":
        yield changed(draft, ("spec.triggers", _named(one.object["spec"]["triggers"])))
    elif kind == "GRPCRoute":
        yield _to_primary(context, draft)
    elif kind in _BY_LABELS_ONLY:
        yield from (draft, _for_primary(context, draft))
    elif kind == "VerticalPodAutoscaler":
        yield changed(
            retargeted(draft, "targetRef", "Deployment", "apps/v1"), ("spec.targetRef.name", _primary(context))
        )
    elif kind in {"ServiceMonitor", "PodMonitor", "PodDisruptionBudget"}:
        yield put_selector(draft, _selected(context, kind))
    elif kind not in _MADE_BY_FLAGGER[_provider(context, objects)]:
        yield draft


def put_selector(draft: Draft, selector: dict[str, Any]) -> Draft:
    """The draft with another ``spec.selector``."""
    return changed(
        draft, ("spec.selector", derived(selector, "the live release runs under a second name", "spec.delivery"))
    )


def _primary(context: Context) -> str:
    return f"{context.name}-primary"


def _counted_once(draft: Draft) -> Draft:
    """Flagger scales the Deployment; and a side-car reports both copies as the same service."""
    without = changed(draft, ("spec.replicas", None))
    template = without.tree["spec"]["template"]
    labels = {**template["metadata"]["labels"], "service.istio.io/canonical-name": at(draft.tree, "metadata", "name")}
    relabelled = changed(without, ("spec.template", put(template, ["metadata", "labels"], labels)))
    scaled = at(draft.tree, "metadata", "annotations", SCALED_BY) or "Canary"
    return Draft(put(relabelled.tree, ["metadata", "annotations", SCALED_BY], scaled), draft.rule)


def _held(context: Context, objects: tuple[Rendered, ...]) -> Iterator[Draft]:
    """A fixed number of instances as a scaler with no room: Flagger copies a scaler for the live release, and no number.

    Without one the live release would start with the one instance that a Deployment without ``replicas`` has.
    """
    number = context.application.replicas
    if number < 2 or _scaler(context, objects):
        return
    signal = {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 80}}  # one is needed; none counts
    spec = {
        "scaleTargetRef": context.workload_reference,
        "minReplicas": said(number, "spec.replicas"),
        "maxReplicas": said(number, "spec.replicas"),
        "metrics": [{"type": "Resource", "resource": signal}],
    }
    tree = {"apiVersion": _SCALER[0], "kind": _SCALER[1], "metadata": context.metadata(), "spec": spec}
    yield Draft(tree, "a fixed number of instances, where Flagger would keep one")


def _named(triggers: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Names, by which the live release's queries are found."""
    return [{"name": f"signal-{number}", **trigger} for number, trigger in enumerate(triggers, start=1)]


def _to_primary(context: Context, draft: Draft) -> Draft:
    """A route that Flagger does not know leads to the live release."""
    rules = [
        {**rule, "backendRefs": [{**to, "name": _primary(context)} for to in rule["backendRefs"]]}
        for rule in draft.tree["spec"]["rules"]
    ]
    return changed(draft, ("spec.rules", rules))


def _for_primary(context: Context, draft: Draft) -> Draft:
    selector = {"matchLabels": {_NAME: _primary(context)}}
    return changed(draft, ("metadata.name", _primary(context)), ("spec.selector", selector))


def _struck(context: Context, draft: Draft) -> Draft:
    """A fault is for the live release: under the other name there are only instances that are being judged."""

    def live(found: dict[str, Any]) -> dict[str, Any]:
        return {**found, "labelSelectors": {_NAME: _primary(context)}} if "labelSelectors" in found else found

    return Draft(everywhere(draft.tree, live), draft.rule)


def _selected(context: Context, kind: str) -> dict[str, Any]:
    """What is scraped: pods of both releases, or their two Services; the third leads to the pods of the live one again."""
    if kind == "PodDisruptionBudget":
        return {"matchLabels": {_NAME: _primary(context)}}
    names = [f"{context.name}-canary" if kind == "ServiceMonitor" else context.name, _primary(context)]
    return {"matchExpressions": [{"key": _NAME, "operator": "In", "values": names}]}


def _both_names(context: Context, draft: Draft) -> Draft:
    """A NetworkPolicy that finds pods by either name, of this application or of a neighbour."""
    if draft.tree["kind"] != "NetworkPolicy":
        return draft

    def both(found: dict[str, Any]) -> dict[str, Any]:
        labels = found.get("matchLabels", {})
        labels = labels.value if isinstance(labels, Traced) else labels
        name = plain(labels.get(_NAME))
        if name is None or not _delivered_by_flagger(context, name):
            return found
        rest = {key: value for key, value in labels.items() if key != _NAME}
        asked = {"key": _NAME, "operator": "In", "values": [name, f"{name}-primary"]}
        return {**found, "matchLabels": rest or None, "matchExpressions": [asked]}

    return Draft(everywhere(draft.tree, both), draft.rule)


def _delivered_by_flagger(context: Context, name: str) -> bool:
    """What :func:`_applies` says, of an application whose objects are not at hand."""
    if name not in context.organisation.names(context.environment):
        return False
    other = context.place.neighbour(name)
    spec = other.spec
    routed = spec.protocol == "http" and other.host is not None
    split = routed or (context.components.mesh == "istio" and spec.protocol != "tcp")
    return other.serving and spec.delivery.strategy == "canary" and spec.disk is None and split


def _canary(context: Context, objects: tuple[Rendered, ...]) -> Draft:
    provider = _provider(context, objects)
    spec = {
        "provider": provider,
        "targetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": context.name},
        "autoscalerRef": _autoscaler(context, objects),
        "progressDeadlineSeconds": _deadline(objects),
        "service": _service(context, provider, objects),
        "analysis": _analysis(context),
    }
    traced = derived(plain(spec), _RULE, "spec.delivery", "spec.slo", "spec.port")
    tree = {"apiVersion": "flagger.app/v1beta1", "kind": "Canary", "metadata": context.metadata(), "spec": traced}
    return Draft(tree, _RULE)


def _provider(context: Context, objects: Iterable[Rendered]) -> str | None:
    """What splits the requests; of the Gateway API's routes Flagger knows HTTPRoute alone."""
    kinds = {one.identity[1] for one in objects}
    if "HTTPRoute" in kinds:
        return "gatewayapi:v1"
    return "istio" if "VirtualService" in kinds and context.spec.protocol != "tcp" else None


def _deadline(objects: tuple[Rendered, ...]) -> int:
    """As long as the Deployment itself may take: machines and images come late at times."""
    (found,) = (one.object["spec"]["progressDeadlineSeconds"] for one in objects if one.identity[1] == "Deployment")
    return int(found)


def _scaler(context: Context, objects: tuple[Rendered, ...]) -> Rendered | None:
    kinds = {"HorizontalPodAutoscaler", "ScaledObject"}
    return next((one for one in objects if one.identity[1] in kinds and one.identity[3] == context.name), None)


def _autoscaler(context: Context, objects: tuple[Rendered, ...]) -> dict[str, Any] | None:
    """The scaler that Flagger copies. All requests count for the copy, too: its own guess asks for another name's."""
    found = _scaler(context, objects)
    if found is None:
        return _reference(*_SCALER, context.name) if context.application.replicas > 1 else None
    queries = {
        trigger["name"]: trigger["metadata"]["query"]
        for trigger in _named(found.object["spec"].get("triggers", ()))
        if "query" in trigger["metadata"]
    }
    version, kind, _, name = found.identity
    return {**_reference(version, kind, name), "primaryScalerQueries": queries or None}


def _reference(version: str, kind: str, name: str) -> dict[str, str]:
    return {"apiVersion": version, "kind": kind, "name": name}


def _service(context: Context, provider: str | None, objects: tuple[Rendered, ...]) -> dict[str, Any]:
    service = next((one.object for one in objects if one.identity[1] == "Service"), {})
    ports = at(service, "spec", "ports") or [{}]
    labels = {key: value for key, value in plain(context.labels()).items() if key != _NAME}
    found: dict[str, Any] = {
        "name": context.name,
        "port": context.spec.port,
        "portName": context.main_port,
        "targetPort": ports[0].get("targetPort"),
        "appProtocol": ports[0].get("appProtocol"),
        "portDiscovery": True,
        **{side: {"labels": labels} for side in ("apex", "primary", "canary")},
    }
    if provider == "gatewayapi:v1":
        route = next(one.object for one in objects if one.identity[1] == "HTTPRoute")
        found |= {"hosts": at(route, "spec", "hostnames"), "gatewayRefs": at(route, "spec", "parentRefs")}
    if provider == "istio":
        rule = next(one.object for one in objects if one.identity[1] == "DestinationRule")
        http = next(one.object for one in objects if one.identity[1] == "VirtualService")
        pool = {"http": at(rule, "spec", "trafficPolicy", "connectionPool", "http")}  # Flagger knows no pool of TCP
        found |= {"gateways": ["mesh"], "retries": at(http, "spec", "http", 0, "retries")}
        found["trafficPolicy"] = {**at(rule, "spec", "trafficPolicy"), "connectionPool": pool}
    return found


# -- judgement


def interval(context: Context) -> str:
    """Time between two steps: the longest ``for``, since Flagger knows one time for all and shorter would promise less."""
    return f"{ceil(max([LEAST_INTERVAL, *(step.at_least for step in context.spec.delivery.steps)]))}s"


def _analysis(context: Context) -> dict[str, Any]:
    delivery = context.spec.delivery
    weights = list(dict.fromkeys(whole(step.weight) for step in delivery.steps))
    metrics = [
        {
            "name": threshold.name,
            "interval": interval(context),
            "templateRef": {"name": _template(context, threshold), "namespace": context.namespace},
            "thresholdRange": {"min" if threshold.op[0] == ">" else "max": threshold.limit},
        }
        for threshold in _thresholds(context)
    ]
    cookie = delivery.affinity.cookie
    return {
        "interval": interval(context),
        # One look sees a whole step, so one that fails is enough; `manual` waits for a person, for ever.
        "threshold": NEVER if delivery.rollback == "manual" else 1,
        "maxWeight": weights[-1],
        "stepWeights": weights,
        "metrics": metrics,
        "sessionAffinity": {"cookieName": cookie} if cookie else None,
    }


def _sides(context: Context) -> Sides:
    # The last five are the pod's own; shorter is the number of an instance of a database.
    pod, where = "[0-9a-z]+-[0-9a-z]{5}", own_series(context)
    return Sides(f'{where},pod=~"{context.name}-{pod}"', f'{where},pod=~"{_primary(context)}-{pod}"', "{{ interval }}")


def _thresholds(context: Context) -> Iterator[Threshold]:
    return thresholds(context.application, signals_of(context), _sides(context), priced_core(context))


def _template(context: Context, threshold: Threshold) -> str:
    return f"{context.name}-{threshold.name}"


def _templates(context: Context) -> Iterator[Draft]:
    least = context.spec.delivery.min_requests
    for threshold in _thresholds(context):
        query = guarded(threshold, signals_of(context), _sides(context), least)
        spec = {"provider": {"type": "prometheus", "address": context.components.monitoring.address}, "query": query}
        traced = derived(plain(spec), f"the limit `{threshold.text}` as PromQL", "spec.delivery", "spec.slo")
        metadata = context.metadata(_template(context, threshold))
        tree = {"apiVersion": "flagger.app/v1beta1", "kind": "MetricTemplate", "metadata": metadata, "spec": traced}
        yield Draft(tree, _RULE)


def _own_notes(context: Context, provider: str | None) -> Iterator[str]:
    delivery = context.spec.delivery
    if provider != "istio":
        yield "only requests through the gateway are split: calls from inside go to the live release"
    elif context.host is not None:
        yield "requests through the gateway go to the live release: of its routes Flagger knows HTTPRoute alone"
    times = {step.at_least for step in delivery.steps}
    if len(times) > 1 or min(times) < LEAST_INTERVAL:
        yield f"every step lasts {interval(context)}: Flagger knows one time for all steps"
    yield f"a new application answers {interval(context)} after it was applied: Flagger looks once in that time, also at the first release"
    if any(step.weight != whole(step.weight) for step in delivery.steps):
        yield "weights are rounded to whole percents"
    if any(step.approval for step in delivery.steps):
        yield "`approval` is left out: Flagger asks an address, not a person, and before every step"
    if delivery.min_requests:
        yield "`minRequests` guards the checks: with fewer requests a step passes, as with `onInconclusive: advance`"
    if delivery.match.header or delivery.match.cookie:
        yield "`match` is left out: a canary by weight has no matches"
    if delivery.affinity.header:
        yield f"`affinity` by the header {delivery.affinity.header} is left out: only a cookie can keep a client"
    if delivery.keep:
        yield f"`keep: {format_duration(delivery.keep)}` is left out: the canary's instances end with the rollout"

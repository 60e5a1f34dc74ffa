"""Admission policies in the clusters: what the policy room exports, as objects beside those of the applications.

The export itself is above this room (it knows rules, not objects), so whoever compiles hands in what is ready, in the form
that the Platform chooses (``components.admission``). Here they get labels, a reason and a place, and are kept to the
namespaces that we write: a rule of ours must not stop the cluster's own pods.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from shipway.render.context import MANAGER, Place
from shipway.render.editing import at, put
from shipway.render.rendered import Rendered, rendered
from shipway.render.tracing import Draft, derived

Object = Mapping[str, Any]
KINDS: Mapping[str, frozenset[str]] = {
    "native": frozenset(
        {
            "ValidatingAdmissionPolicy",
            "ValidatingAdmissionPolicyBinding",
            "MutatingAdmissionPolicy",
            "MutatingAdmissionPolicyBinding",
            "ConfigMap",
        }
    ),
    "kyverno": frozenset(
        {"ValidatingPolicy", "MutatingPolicy", "GeneratingPolicy", "ImageValidatingPolicy", "PolicyException"}
    ),
}
"""What each form consists of, parameters included; both at once would check everything twice."""
NAMESPACE = "shipway-policies"
"""Of the parameters; policies themselves belong to the cluster."""
_MANAGED = "app.kubernetes.io/managed-by"
_WHERE: Mapping[str, str] = {
    "ValidatingAdmissionPolicyBinding": "matchResources",
    "MutatingAdmissionPolicyBinding": "matchResources",
    "ValidatingPolicy": "matchConstraints",
    "MutatingPolicy": "matchConstraints",
    "ImageValidatingPolicy": "matchConstraints",
}
"""The field that says what a policy is for."""
_SCOPE: Mapping[str, Object] = {
    "namespaceSelector": {"matchLabels": {_MANAGED: MANAGER}},
    # Pods of databases are made by their operator, with an image of its choice.
    "objectSelector": {"matchExpressions": [{"key": "cnpg.io/cluster", "operator": "DoesNotExist"}]},
}
_RULE = "exported from the organisation's policies, for the namespaces that shipway writes"


def policies(place: Place, ready: Iterable[Object]) -> tuple[Rendered, ...]:
    """The ready objects of the chosen form, in the order of kinds and names; a Namespace for parameters, if there are some."""
    chosen = [one for one in ready if one["kind"] in KINDS[place.components.admission]]
    parameters = frozenset(one["metadata"]["name"] for one in chosen if one["kind"] == "ConfigMap")
    found = [rendered(_labelled(one, parameters), place) for one in [*_namespace(parameters), *chosen]]
    return tuple(sorted(found, key=lambda one: one.identity[1:]))


def _namespace(parameters: frozenset[str]) -> Iterator[Object]:
    if parameters:
        yield {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}


def _labelled(ready: Object, parameters: frozenset[str]) -> Draft:
    placed = _placed(ready, parameters)
    metadata = placed["metadata"]
    labels = {**metadata.get("labels", {}), _MANAGED: MANAGER}
    order = {"apiVersion": placed["apiVersion"], "kind": placed["kind"], "metadata": {**metadata, "labels": labels}}
    rest = {
        key: derived(value, _RULE, "platform.spec.components.admission")
        for key, value in placed.items()
        if key not in order
    }
    return Draft({**order, **rest}, _RULE)


def _placed(ready: Object, parameters: frozenset[str]) -> Object:
    """Parameters in their namespace, and everything else for the namespaces that it is for."""
    if ready["kind"] == "ConfigMap":
        return put(ready, ["metadata", "namespace"], NAMESPACE)
    spec = ready.get("spec", {})
    where = _WHERE.get(ready["kind"])
    if where:
        missing = {selector: wanted for selector, wanted in _SCOPE.items() if not at(spec, where, selector)}
        ready = put(ready, ["spec", where], {**spec.get(where, {}), **missing})
    if at(spec, "paramRef", "name") in parameters and not at(spec, "paramRef", "namespace"):
        ready = put(ready, ["spec", "paramRef", "namespace"], NAMESPACE)
    return ready

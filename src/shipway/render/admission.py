"""Admission policies in the clusters: what the policy room exports, as objects beside those of the applications.

The export itself is above this room (it knows rules, not objects), so whoever compiles hands in what is ready, in the form
that the Platform chooses (``components.admission``). Here they only get labels, a reason and a place.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from shipway.render.context import MANAGER, Place
from shipway.render.rendered import Rendered, rendered
from shipway.render.tracing import Draft, derived

KINDS: Mapping[str, frozenset[str]] = {
    "native": frozenset(
        {
            "ValidatingAdmissionPolicy",
            "ValidatingAdmissionPolicyBinding",
            "MutatingAdmissionPolicy",
            "MutatingAdmissionPolicyBinding",
        }
    ),
    "kyverno": frozenset(
        {"ValidatingPolicy", "MutatingPolicy", "GeneratingPolicy", "ImageValidatingPolicy", "PolicyException"}
    ),
}
"""What each form consists of; both at once would check everything twice."""


def policies(place: Place, ready: Iterable[Mapping[str, Any]]) -> tuple[Rendered, ...]:
    """The ready objects of the chosen form, in the order of kinds and names."""
    chosen = KINDS[place.components.admission]
    found = [rendered(_labelled(one), place) for one in ready if one["kind"] in chosen]
    return tuple(sorted(found, key=lambda one: one.identity[1:]))


def _labelled(ready: Mapping[str, Any]) -> Draft:
    rule = "exported from the organisation's policies"
    metadata = ready["metadata"]
    labels = {**metadata.get("labels", {}), "app.kubernetes.io/managed-by": MANAGER}
    rest = {
        key: derived(value, rule, "platform.spec.components.admission")
        for key, value in ready.items()
        if key != "metadata"
    }
    order = {"apiVersion": ready["apiVersion"], "kind": ready["kind"], "metadata": {**metadata, "labels": labels}}
    return Draft({**order, **{key: value for key, value in rest.items() if key not in order}}, rule)

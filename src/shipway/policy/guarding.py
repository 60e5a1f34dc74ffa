"""What a Platform gives the rules for parameters, and how its clusters enforce them. Used by ``render``, ``plan``,
``policy check`` and the controller.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from shipway.policy import native
from shipway.policy.exporting import Target, export
from shipway.policy.loading import PACK, Policies
from shipway.policy.resources import name
from shipway.policy.rules import Document
from shipway.render.admission import KINDS
from shipway.render.databases import IMAGE
from shipway.spec.organisation import Organisation
from shipway.spec.platform import Platform

_TARGETS: Mapping[str, Target] = {"native": "vap", "kyverno": "kyverno"}
_NATIVE = frozenset({native.POLICY, native.BINDING})


def parameters_of(platform: Platform) -> Mapping[str, str]:
    """What the Platform says for parameters of rules."""
    registries = platform.spec.components.registries
    allowed = [
        one.removesuffix("/") for one in (*registries, IMAGE.rpartition("/")[0])
    ]  # and where databases come from
    return {"allowed-registries": ",".join(dict.fromkeys(allowed))} if registries else {}


def admission(organisation: Organisation, policies: Policies) -> Callable[[str], Sequence[Mapping[str, Any]]]:
    """Environment to the objects that enforce the policies in its clusters, in the form that the Platform chooses.

    What that form has no words for is left out, as ``policy export`` says.
    """
    form = organisation.platform.spec.components.admission
    documents = {kind: [one for one in policies.documents if one.data.get("kind") == kind] for kind in _NATIVE}

    def ready(environment: str) -> Sequence[Mapping[str, Any]]:
        rules = policies.evaluator(environment).rules
        made = export(rules, documents[native.POLICY], documents[native.BINDING], _TARGETS[form])
        return [*made.manifests, *_as_written(policies, environment, KINDS[form] - _NATIVE)]

    return ready


def _as_written(policies: Policies, environment: str, kinds: frozenset[str]) -> Iterator[Mapping[str, Any]]:
    """What is in the cluster's own words already: parameters, and policies that no PolicySet decides otherwise on."""
    changed = {rule.policy for rule in policies.rules}
    changed -= {rule.policy for rule, action in policies.evaluator(environment).rules if action == rule.action}
    for one in policies.documents:
        if one.data.get("kind") in kinds and name(one.data) not in changed and not _built_in(one):
            yield one.data


def _built_in(document: Document) -> bool:
    return bool(document.file) and Path(document.file).parent == PACK

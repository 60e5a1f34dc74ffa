"""What a template sees: ``input.review`` and ``data.inventory`` of a request. Called by ``engines``."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from shipway.policy.rego.values import plain
from shipway.policy.resources import group_version, is_namespaced, metadata, name, plural, subject_of
from shipway.policy.rules import Object, Request

Plain = dict[str, Any]
_AROUND = re.compile(r"""\bdata\s*(\.\s*inventory\b|\[\s*["']inventory["'])""")


def review(request: Request) -> Plain:
    """The AdmissionRequest, with the object that goes in the place of ``object`` when it is deleted, as Gatekeeper does."""
    about = subject_of(request)
    group, version = group_version(about)
    kind = str(about.get("kind", ""))
    resource, _, sub = (request.resource or plural(kind)).partition("/")
    found: Plain = {
        "uid": "",
        "kind": {"group": group, "version": version, "kind": kind},
        "resource": {"group": group, "version": version, "resource": resource},
        "name": name(about),
        "operation": request.operation,
        "userInfo": request.user_info,
        "dryRun": request.dry_run,
        "object": about,
    }
    if sub:
        found["subResource"] = sub
    if metadata(about).get("namespace"):
        found["namespace"] = metadata(about)["namespace"]
    if request.old_object is not None:
        found["oldObject"] = request.old_object
    if request.namespace_object is not None:
        found["_unstable"] = {"namespace": request.namespace_object}
        found["namespaceObject"] = request.namespace_object
    given = {
        key: value
        for key, value in request.admission.items()
        if value is not None and key not in ("object", "oldObject")
    }
    return plain({**found, **given})  # type: ignore[no-any-return]  # a mapping gives a dict


def looks_around(text: str) -> bool:
    """Whether Rego asks for other objects."""
    return bool(_AROUND.search(text))


def inventory(objects: Sequence[Object]) -> Plain:
    """``cluster[apiVersion][kind][name]`` and ``namespace[namespace][apiVersion][kind][name]``."""
    found: Plain = {"cluster": {}, "namespace": {}}
    for one in objects:
        meta = metadata(one)
        within = meta.get("namespace") or ("default" if is_namespaced(one) else "")
        place = found["namespace"].setdefault(within, {}) if within else found["cluster"]
        by_kind = place.setdefault(str(one.get("apiVersion", "")), {}).setdefault(str(one.get("kind", "")), {})
        by_kind[str(meta.get("name", ""))] = plain(one)
    return found


class Reviews:
    """Remembers the last request: many constraints ask about one object."""

    def __init__(self) -> None:
        self._last: tuple[Request | None, Plain] = (None, {})
        self._stock: tuple[Sequence[Object] | None, Plain] = (None, {})

    def review(self, request: Request) -> Plain:
        """``input.review``."""
        known, found = self._last
        if known is not request:
            found = review(request)
            self._last = (request, found)
        return found

    def data(self, request: Request) -> Mapping[str, Any]:
        """``data``: the inventory and nothing else."""
        known, found = self._stock
        if known is not request.inventory:
            found = {"inventory": inventory(request.inventory)}
            self._stock = (request.inventory, found)
        return found

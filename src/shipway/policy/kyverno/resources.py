"""Objects of the inventory as a cluster would answer for them: by URL, by resource and name, as parameters.

Called by ``context``, ``celrules`` and the library ``resource``.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from shipway.policy.matching import selects
from shipway.policy.resources import labels, metadata, namespace, plural, subject_of
from shipway.policy.rules import Object, Request


def is_param(item: Object, kind: Mapping[str, Any], reference: Mapping[str, Any], request: Request) -> bool:
    """Whether an object of the inventory is one that ``paramRef`` points to."""
    if item.get("apiVersion") != kind.get("apiVersion") or item.get("kind") != kind.get("kind"):
        return False
    within = reference.get("namespace") or namespace(subject_of(request))
    if metadata(item).get("namespace", within) != within:
        return False
    if reference.get("name"):
        return bool(metadata(item).get("name") == reference["name"])
    return selects(reference.get("selector"), labels(item))


_URL = re.compile(r"/(?:api|apis/([^/]+))/([^/?]+)(?:/namespaces/([^/?]+))?/([^/?]+)(?:/([^/?]+))?(?:\?.*)?")


def answer(inventory: Sequence[Object], url: str) -> Mapping[str, Any] | None:
    """What a cluster with these objects answers to GET: an object, or a list of them; None for an object not among them.

    A list is only answered when the inventory has any object of the resource: an empty one would be a guess.
    """
    match = _URL.fullmatch(url)
    if match is None:
        return None
    version = f"{match[1]}/{match[2]}" if match[1] else match[2]
    found = looked_up(inventory, version, match[4], match[3] or "")
    if not match[5]:
        return {"apiVersion": version, "kind": "List", "items": [dict(item) for item in found]} if found else None
    return next((dict(item) for item in found if (item.get("metadata") or {}).get("name") == match[5]), None)


def looked_up(inventory: Sequence[Object], api_version: str, resource: str, namespace: str) -> list[Object]:
    """Objects of the inventory of one resource; an empty namespace means all."""
    found = []
    for item in inventory:
        metadata = item.get("metadata")
        own = str(metadata.get("namespace") or "") if isinstance(metadata, Mapping) else ""
        same = item.get("apiVersion") == api_version and plural(str(item.get("kind", ""))) == resource.lower()
        if same and (not namespace or own in {namespace, ""}):
            found.append(item)
    return found

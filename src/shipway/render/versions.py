"""Which release a pod is of, as the recommended label says it. Used by :mod:`.workload` and :mod:`.pods`; makes no object itself.

https://kubernetes.io/docs/concepts/overview/working-with-objects/common-labels/. Never in a selector, which cannot change;
metrics take it over (:mod:`.monitors`), and the mesh calls it the canonical revision.
"""

import re

from shipway.render.context import Context
from shipway.render.tracing import derived

VERSION = "app.kubernetes.io/version"
_LONGEST = 63
"""Characters of a label's value."""
_DIGITS = 12
"""Of a digest, when there is no tag."""
_OUTSIDE = re.compile(r"^[^0-9A-Za-z]+|[^0-9A-Za-z]+$")


def labels(context: Context) -> dict[str, object]:
    """The one label."""
    image = context.spec.image or ""
    return {VERSION: derived(version(image), "the image's tag, or the beginning of its digest", "spec.image")}


def version(image: str) -> str:
    """Tag of an image reference, else the beginning of its digest, else ``latest``: what a runtime would take."""
    named, _, digest = image.partition("@")
    _, _, tag = named.rpartition("/")[2].partition(":")
    found = tag or digest.rpartition(":")[2][:_DIGITS] or "latest"
    return _OUTSIDE.sub("", _OUTSIDE.sub("", found)[:_LONGEST]) or "latest"

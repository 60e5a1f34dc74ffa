"""What images say of themselves, from an OCI image layout on disk: ``<home>/images``, as ``skopeo copy`` or ``buildx`` writes it.

Used wherever releases are judged. Registries are not asked: an answer would depend on the network and the moment. What is read
is checked against its digest, so that a fact is about the very image of the release.
"""

from collections.abc import Callable, Iterator, Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec

IMAGES = "images"
"""Directory of the layout below a state directory."""
_NAMES = ("org.opencontainers.image.ref.name", "io.containerd.image.name")
_LARGEST = 4 * 2**20
"""Bytes of a manifest, as registries limit them."""


class _Descriptor(msgspec.Struct, frozen=True, rename="camel"):
    digest: str
    size: int = 0
    annotations: dict[str, str] = {}


class _Document(msgspec.Struct, frozen=True):
    """An index or a manifest."""

    manifests: tuple[_Descriptor, ...] = ()
    config: _Descriptor | None = None
    layers: tuple[_Descriptor, ...] = ()


class _Inner(msgspec.Struct, frozen=True, rename="pascal"):
    labels: dict[str, str] | None = None


class _Config(msgspec.Struct, frozen=True):
    created: str | None = None
    config: _Inner | None = None


class _Broken(Exception):
    """A blob that is not there or not what it says."""


def images_in(home: Path) -> Callable[[str], Mapping[str, Any] | str]:
    """``created`` (RFC 3339), ``size`` in bytes and ``labels`` of an image by its reference; a reason when they are not known."""
    layout = home / IMAGES

    def find(reference: str) -> Mapping[str, Any] | str:
        if not (layout / "index.json").is_file():
            return f"registries are not asked, and there is no OCI image layout in {layout}"
        try:
            manifest = _found(layout, reference)
            if manifest is None:
                return f"the OCI image layout in {layout} does not hold it"
            return _facts(layout, manifest)
        except (_Broken, OSError, msgspec.DecodeError) as error:
            return f"the OCI image layout in {layout} cannot be used: {error}"

    return find


def _facts(layout: Path, manifest: _Document) -> Mapping[str, Any]:
    if manifest.config is None:
        raise _Broken("a manifest names no config")
    config = msgspec.json.decode(_blob(layout, manifest.config.digest), type=_Config)
    size = manifest.config.size + sum(layer.size for layer in manifest.layers)
    labels = (config.config.labels if config.config else None) or {}
    return {"size": size, "labels": labels, **({"created": config.created} if config.created else {})}


def _found(layout: Path, reference: str) -> _Document | None:
    """The image's manifest; of one for several machines, that for the first."""
    name, _, digest = reference.partition("@")
    index = msgspec.json.decode((layout / "index.json").read_bytes(), type=_Document)
    for one in _descriptors(layout, index):
        if one.digest == digest or (not digest and name in (one.annotations.get(key) for key in _NAMES)):
            return next(iter(_manifests(layout, one)), None)
    return None


def _descriptors(layout: Path, index: _Document, depth: int = 2) -> Iterator[_Descriptor]:
    for one in index.manifests:
        yield one
        if depth and (inner := _document(layout, one)).manifests:
            yield from _descriptors(layout, inner, depth - 1)


def _manifests(layout: Path, one: _Descriptor, depth: int = 2) -> Iterator[_Document]:
    document = _document(layout, one)
    if document.config is not None:
        yield document
    for inner in document.manifests if depth else ():
        yield from _manifests(layout, inner, depth - 1)


def _document(layout: Path, one: _Descriptor) -> _Document:
    return msgspec.json.decode(_blob(layout, one.digest), type=_Document)


def _blob(layout: Path, digest: str) -> bytes:
    algorithm, _, value = digest.partition(":")
    if algorithm != "sha256" or not value.isalnum():
        raise _Broken(f"expected a digest sha256:..., got {digest[:80]}")
    with (layout / "blobs" / algorithm / value).open("rb") as file:
        found = file.read(_LARGEST + 1)
    if sha256(found).hexdigest() != value:
        raise _Broken(f"{digest} is not what is in its file")
    return found

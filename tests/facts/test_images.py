"""Facts about images from an OCI image layout."""

import json
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from shipway.facts.images import images_in


class Layout:
    """An OCI image layout as tools write it."""

    def __init__(self, home: Path) -> None:
        self.home, self.blobs = home, home / "images" / "blobs" / "sha256"
        self.blobs.mkdir(parents=True)
        self.manifests: list[dict[str, Any]] = []

    def blob(self, value: object) -> dict[str, Any]:
        data = json.dumps(value).encode()
        digest = sha256(data).hexdigest()
        (self.blobs / digest).write_bytes(data)
        return {"digest": f"sha256:{digest}", "size": len(data)}

    def image(self, created: str | None = "2026-11-01T10:00:00Z") -> dict[str, Any]:
        config = self.blob({"created": created, "config": {"Labels": {"team": "sales"}}})
        return self.blob({"config": config, "layers": [{"digest": "sha256:aa", "size": 1000}]})

    def add(self, descriptor: dict[str, Any], name: str = "") -> None:
        notes = {"annotations": {"org.opencontainers.image.ref.name": name}} if name else {}
        self.manifests.append({**descriptor, **notes})
        (self.home / "images" / "index.json").write_text(json.dumps({"manifests": self.manifests}))


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    return Layout(tmp_path)


def test_an_image_by_its_digest_its_name_and_within_an_index(layout: Layout) -> None:
    one, other = layout.image(), layout.image("2026-10-01T10:00:00Z")
    layout.add(one, "registry.example.com/shop:1")
    index = layout.blob({"manifests": [other]})
    layout.add(index)
    find = images_in(layout.home)
    found = find(f"shop:1@{one['digest']}")
    assert not isinstance(found, str)
    assert (found["created"], found["labels"]) == ("2026-11-01T10:00:00Z", {"team": "sales"})
    assert found["size"] > 1000
    assert find("registry.example.com/shop:1") == found
    assert find(f"shop@{index['digest']}") == find(f"shop@{other['digest']}") != found


def test_what_is_not_known_has_a_reason(layout: Layout, tmp_path: Path) -> None:
    assert "there is no OCI image layout" in images_in(tmp_path / "elsewhere")("shop:1")
    layout.add(layout.image(None))
    assert "does not hold it" in images_in(layout.home)("shop:1")
    found = images_in(layout.home)(f"shop@{layout.manifests[0]['digest']}")
    assert "created" not in found


def test_what_was_tampered_with_is_no_fact(layout: Layout) -> None:
    image = layout.image()
    layout.add(image)
    (layout.blobs / image["digest"].removeprefix("sha256:")).write_text("{}")
    assert "is not what is in its file" in images_in(layout.home)(f"shop@{image['digest']}")
    (layout.home / "images" / "index.json").write_text('{"manifests": [{"digest": "../../etc/passwd"}]}')
    assert "expected a digest" in images_in(layout.home)("shop:1")
    (layout.home / "images" / "index.json").write_text("[")
    assert "cannot be used" in images_in(layout.home)("shop:1")

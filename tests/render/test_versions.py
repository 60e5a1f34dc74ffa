"""Every pod says its release, and nothing is found by it."""

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipway.render.truth import WORKLOADS, pod_of
from shipway.render.versions import VERSION, version
from tests.render.test_example import everything

LABEL = re.compile(r"[0-9A-Za-z]([-_.0-9A-Za-z]{0,61}[0-9A-Za-z])?")
DIGEST = "sha256:" + "0123456789abcdef" * 4


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        ("registry.example.com/shop:1.4.2", "1.4.2"),
        ("registry.example.com:5000/shop", "latest"),
        (f"registry.example.com:5000/shop@{DIGEST}", "0123456789ab"),
        (f"ghcr.io/acme/shop:2.0@{DIGEST}", "2.0"),
        ("shop:" + "a" * 62 + "-b", "a" * 62),
        ("shop:_x", "x"),
        ("shop:__", "latest"),
    ],
)
def test_the_version_is_the_tag_or_the_digest(image: str, expected: str) -> None:
    assert version(image) == expected


@given(st.from_regex(r"[a-z]{1,5}(:[A-Za-z0-9_][A-Za-z0-9_.-]{0,127})?(@sha256:[a-f0-9]{64})?", fullmatch=True))
def test_it_is_always_a_label(image: str) -> None:
    assert LABEL.fullmatch(version(image))


def selectors(tree: Any, inside: bool = False) -> Any:
    if isinstance(tree, dict):
        for key, value in tree.items():
            yield from selectors(value, inside or "elector" in key or key == "matchLabels")
            if inside:
                yield key
    elif isinstance(tree, list):
        for item in tree:
            yield from selectors(item, inside)


def test_every_pod_has_it_and_no_selector_does() -> None:
    for one in everything():
        for each in one.objects:
            assert VERSION not in set(selectors(each.object))
            if each.identity[1] in WORKLOADS:
                pod, image = pod_of(each.object), pod_of(each.object)["spec"]["containers"][0]["image"]
                assert pod["metadata"]["labels"][VERSION] == version(image)
                assert each.object["metadata"]["labels"][VERSION] == version(image)
            if each.identity[1] in {"ServiceMonitor", "PodMonitor"} and each.identity[3] == one.application:
                assert each.object["spec"]["podTargetLabels"] == [VERSION]

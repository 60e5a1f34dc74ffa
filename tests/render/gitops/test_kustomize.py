"""Building an overlay gives what was compiled, and nothing is said twice on the way."""

import copy
import shutil
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from shipway.render.compiling import Compiled
from shipway.render.formats import layout
from shipway.render.gitops.kustomize import overlay
from shipway.render.gitops.layers import MISSING, additions, common
from tests.render.gitops.building import apply, build, by_identity
from tests.render.test_example import everything, organisation

scalars = st.sampled_from(["a", "b", 1, 1.0, True, "a/b~"])
trees = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["name", "a/b", "~", "c"]), inner),
    max_leaves=8,
)
objects = st.dictionaries(st.sampled_from(["name", "a/b", "~", "c"]), trees, max_size=3)


def exactly(tree: Any) -> str:
    """Told apart as JSON tells: 1, 1.0 and true."""
    return repr(sorted((key, exactly(value)) for key, value in tree.items()) if isinstance(tree, dict) else
                [exactly(item) for item in tree] if isinstance(tree, list) else tree)  # fmt: skip


def patched(base: Any, tree: Any) -> Any:
    base = copy.deepcopy(base)
    for operation in additions(base, copy.deepcopy(tree)):
        apply(base, operation)
    return base


@given(st.lists(st.lists(objects, min_size=1, max_size=2), min_size=1, max_size=3))
def test_two_layers_of_additions_lead_to_every_tree(groups: list[list[dict[str, Any]]]) -> None:
    base = common([tree for group in groups for tree in group])
    for group in groups:
        middle = common(group)
        assert exactly(patched(base, middle)) == exactly(middle)
        for tree in group:
            assert exactly(patched(middle, tree)) == exactly(tree)


def test_items_are_common_when_they_are_the_same_things() -> None:
    first = {"env": [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}], "args": ["x"]}
    second = {"env": [{"name": "A", "value": "9"}, {"name": "C", "value": "2"}], "args": ["y"]}
    assert common([first, second]) == {"env": [{"name": "A"}]}
    assert list(additions(common([first, second]), second)) == [
        {"op": "add", "path": "/env/0/value", "value": "9"},
        {"op": "add", "path": "/env/-", "value": {"name": "C", "value": "2"}},
        {"op": "add", "path": "/args", "value": ["y"]},
    ]
    assert common([1, True]) is MISSING


@cache
def files() -> dict[str, bytes]:
    written = list(layout("kustomize")(organisation(), everything()))
    assert len(dict(written)) == len(written)
    return dict(written)


def compiled(one: Compiled) -> dict[tuple[str, ...], dict[str, Any]]:
    return by_identity(each.object for each in one.objects)


def test_every_overlay_is_what_was_compiled() -> None:
    for one in everything():
        assert build(files(), overlay(one.application, one.environment, one.cluster)) == compiled(one)


def test_clusters_with_nothing_in_common_have_no_base() -> None:
    found = [one for one in everything() if one.application == "cart" and one.environment == "prod"]
    apart = [structs.replace(one, application="", objects=one.objects[n::2]) for n, one in enumerate(found)]
    made = dict(layout("kustomize")(organisation(), apart))
    assert not [path for path in made if "/overlays/" not in path]
    for one in apart:
        assert build(made, f"_shared/overlays/prod/{one.cluster}") == compiled(one)


def test_nothing_is_said_again_that_a_lower_layer_says() -> None:
    written = sum(len(content) for path, content in files().items())
    assert written < 0.75 * sum(len(content) for _, content in layout("yaml")(organisation(), everything()))
    for path, content in files().items():
        for patch in yaml.load(content, yaml.CSafeLoader).get("patches", []) if "kustomization" in path else []:
            assert {operation["op"] for operation in yaml.load(patch["patch"], yaml.CSafeLoader)} == {"add"}


def write(made: dict[str, bytes], directory: Path) -> None:
    for path, content in made.items():
        (directory / path).parent.mkdir(parents=True, exist_ok=True)
        (directory / path).write_bytes(content)


def kustomize(directory: Path) -> list[dict[str, Any]]:
    """What the real one builds."""
    command = shutil.which("kustomize")
    if command is None:
        pytest.skip("`kustomize` is not on PATH")
    built = subprocess.run([command, "build", str(directory)], check=True, capture_output=True)
    return list(yaml.load_all(built.stdout, yaml.CSafeLoader))


@pytest.mark.slow
def test_kustomize_itself_builds_what_was_compiled(tmp_path: Path) -> None:
    write(files(), tmp_path)
    for one in everything():
        built = kustomize(tmp_path / overlay(one.application, one.environment, one.cluster))
        assert by_identity(built) == compiled(one)
        assert len(built) == len(one.objects)

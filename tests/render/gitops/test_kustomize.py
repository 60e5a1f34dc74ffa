"""Building an overlay gives what was compiled, and nothing is said twice on the way."""

import copy
import shutil
import subprocess
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec import structs

from shipway.render.compiling import Compiled, compile_organisation
from shipway.render.formats import layout
from shipway.render.gitops.kustomize import overlay
from shipway.render.gitops.layers import MISSING, Part, common, parts
from shipway.spec.organisation import Organisation, read_organisation
from shipway.spec.reading import Source
from tests.render.gitops.building import apply, build, by_identity
from tests.render.test_any_application import BACKEND, applications, platforms
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
    if isinstance(tree, dict):
        return f"{{{sorted((key, exactly(value)) for key, value in tree.items())}}}"
    return repr([exactly(item) for item in tree] if isinstance(tree, list) else tree)


Cut = dict[frozenset[str], Part]


def together(cut: Cut, place: str) -> dict[str, Any]:
    """Objects of a place from the parts of all sets that it is in, large before small."""
    found: dict[str, Any] = {}
    for where in sorted((where for where in cut if place in where), key=len, reverse=True):
        assert not found.keys() & cut[where].objects.keys()
        found |= copy.deepcopy(cut[where].objects)
        for name, listed in cut[where].operations.items():
            for operation in listed:
                apply(found[name], operation)
    return found


named = st.dictionaries(st.sampled_from(["one", "two"]), objects, max_size=2)


@given(st.lists(named, min_size=1, max_size=4))
def test_parts_lead_to_the_objects_of_every_place(everywhere: list[dict[str, Any]]) -> None:
    places = dict(zip("abcd", everywhere, strict=False))
    cut = parts(places)
    for place, wanted in places.items():
        assert exactly(together(cut, place)) == exactly(wanted)


@given(st.lists(named, min_size=1, max_size=4))
def test_nothing_is_said_in_two_parts(everywhere: list[dict[str, Any]]) -> None:
    """What two places add at one place of a tree is added for both at once, or differs."""
    said: set[tuple[str, str, str]] = set()
    for part in parts(dict(zip("abcd", everywhere, strict=False))).values():
        here = {
            (name, operation["path"], exactly(operation["value"]))
            for name, listed in part.operations.items()
            for operation in listed
            if not operation["path"].endswith("/-")  # a list may have an item twice
        }
        assert not said & here
        said |= here


def test_items_are_common_when_they_are_the_same_things() -> None:
    first = {"env": [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}], "args": ["x"]}
    second = {"env": [{"name": "A", "value": "9"}, {"name": "C", "value": "2"}], "args": ["y"]}
    assert common([first, second]) == {"env": [{"name": "A"}]}
    cut = parts({"here": {"pod": first}, "there": {"pod": second}})
    assert cut[frozenset({"there"})].operations["pod"] == [
        {"op": "add", "path": "/env/0/value", "value": "9"},
        {"op": "add", "path": "/env/-", "value": {"name": "C", "value": "2"}},
        {"op": "add", "path": "/args", "value": ["y"]},
    ]


def test_what_some_places_share_is_added_for_them_at_once() -> None:
    pods = {
        "a": {"x": 1, "env": ["A", "B"]},
        "b": {"x": 1, "env": ["A", "C"]},
        "c": {"x": 2, "env": ["A", "B"]},
        "d": {},
    }
    cut = parts({place: {"pod": pod} for place, pod in pods.items()})
    said = {"".join(sorted(where)): part.operations.get("pod") for where, part in cut.items()}
    assert said == {
        "abcd": None,
        "abc": [{"op": "add", "path": "/env", "value": ["A"]}],
        "ab": [{"op": "add", "path": "/x", "value": 1}],
        "ac": [{"op": "add", "path": "/env/-", "value": "B"}],
        "c": [{"op": "add", "path": "/x", "value": 2}],
        "b": [{"op": "add", "path": "/env/-", "value": "C"}],
    }


def test_one_and_true_are_two_values() -> None:
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


def said(made: dict[str, bytes], application: str) -> Counter[tuple[str, str, str]]:
    """How many files say each (object, path, value) of an application: values down to the last leaf, by their path."""
    found: Counter[tuple[str, str, str]] = Counter()
    for path, content in made.items():
        if not path.startswith(f"{application}/"):
            continue
        here: set[tuple[str, str, str]] = set()
        for document in yaml.load_all(content, yaml.CSafeLoader):
            if path.endswith("objects.yaml"):
                here |= {(str(key), *leaf) for key in by_identity([document]) for leaf in leaves(document, "")}
            for patch in document.get("patches", []):
                key = "/".join(patch["target"].values())
                for operation in yaml.load(patch["patch"], yaml.CSafeLoader):
                    assert operation["op"] == "add"
                    here |= {(key, *leaf) for leaf in leaves(operation["value"], operation["path"])}
        found.update(here)
    return found


def leaves(tree: Any, path: str) -> Iterator[tuple[str, str]]:
    if isinstance(tree, dict | list) and tree:
        for key, value in tree.items() if isinstance(tree, dict) else enumerate(tree):
            yield from leaves(value, f"{path}/{key}")
    else:
        yield path, repr(tree)


def test_no_value_of_an_object_stands_in_two_files() -> None:
    for application in organisation().declared:
        (_, most), *_ = said(files(), application).most_common(1)
        assert most == 1


def test_an_overlay_is_what_a_cluster_has_alone() -> None:
    """Lines of all overlays and components together, against the objects that they lead to."""
    plain = sum(content.count(b"\n") for _, content in layout("yaml")(organisation(), everything()))
    base = sum(content.count(b"\n") for path, content in files().items() if "/base/" in path)
    rest = sum(content.count(b"\n") for path, content in files().items() if "/base/" not in path)
    assert base + rest < 0.45 * plain
    assert rest < 0.15 * plain


@settings(max_examples=40, deadline=None)
@given(platforms, applications)
def test_whatever_an_application_says_its_overlays_are_what_was_compiled(
    platform: dict[str, Any], application: dict[str, Any]
) -> None:
    known = made_up(platform, application)
    written = dict(layout("kustomize")(organisation_of(known), known))
    for one in known:
        assert build(written, overlay(one.application, one.environment, one.cluster)) == compiled(one)


@pytest.mark.slow
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(platforms, applications)
def test_kustomize_itself_agrees_about_any_application(
    tmp_path: Path, platform: dict[str, Any], application: dict[str, Any]
) -> None:
    known = made_up(platform, application)
    with TemporaryDirectory(dir=tmp_path) as directory:
        write(dict(layout("kustomize")(organisation_of(known), known)), Path(directory))
        for one in known:
            built = kustomize(Path(directory, overlay(one.application, one.environment, one.cluster)))
            assert by_identity(built) == compiled(one)
            assert len(built) == len(one.objects)


def made_up(platform: dict[str, Any], application: dict[str, Any]) -> list[Compiled]:
    """Everything of an organisation with three environments and four clusters."""
    dev = platform["spec"]["environments"]["dev"]
    clusters = {"eu": "eu-west-1", "us": "us-east-1"}
    staging = {"defaults": {"resources": {"factor": 0.6}}}
    environments = {"dev": dev, "staging": staging, "prod": {"clusters": clusters}}
    spec = {**platform["spec"], "environments": environments}
    text = yaml.safe_dump_all([{**platform, "spec": spec}, application, BACKEND])
    found, _ = read_organisation([Source("all.yaml", text)])
    assert found is not None
    return [one for environment in found.environments for one in compile_organisation(found, environment)]


def organisation_of(known: list[Compiled]) -> Organisation:
    return known[0].objects[0].context.organisation


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

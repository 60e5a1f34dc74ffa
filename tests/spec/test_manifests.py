"""Manifests: fast where they are ordinary, right where they are not, bounded where they are hostile."""

import time
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from shipway.spec.manifests import Manifest, Positions, _fast, read_manifests
from shipway.spec.reading import Source, read


def data(text: str | bytes) -> list[Any]:
    """The objects of a text that must be readable."""
    found, problems = read_manifests(Source("f.yaml", text))
    assert not problems, problems
    return [one.data for one in found]


@pytest.mark.parametrize(
    ("scalar", "value"),
    [
        ("yes", True), ("Off", False), ("y", True), ("n", False), ("true", True), ('"yes"', "yes"), ("yes please", "yes please"),
        ("017", 15), ("0o17", 15), ("0x1F", 31), ("08", 8), ("1_000", 1000), ("0", 0), ("1.0", 1.0), ("1e3", 1000.0),
        ("~", None), ("2026-01-01", "2026-01-01"), ("5:30", "5:30"), ("0644", 420), ("v1_2", "v1_2"), ("=", "="),
    ],
)  # fmt: skip
def test_scalars_mean_what_kubectl_makes_of_them(scalar: str, value: object) -> None:
    (found,) = data(f"a: {scalar}\n")
    assert (found["a"], type(found["a"])) == (value, type(value))
    (in_flow,) = data(f"a: [{scalar}]\nb: x\n")
    assert in_flow["a"] == [value]


@pytest.mark.parametrize(
    "text",
    ["1: a\n", "a: {1: b}\n", "- 1: a\n", "true: a\n", "~: a\n", ": a\n", "? a\n", "-1.5: x\n", "a:\n  0x1F: b\n"],
)
def test_keys_that_are_no_text_are_read_with_care(text: str) -> None:
    assert _fast(text) is None


def test_a_host_namespace_cannot_hide_behind_a_word() -> None:
    assert data("spec: {hostNetwork: yes}\n") == [{"spec": {"hostNetwork": True}}]


def test_documents_lists_aliases_and_merges() -> None:
    assert data("# nothing\n---\na: 1\n---\n---\nb: 2\n...\n") == [{"a": 1}, {"b": 2}]
    assert data("kind: List\nitems: [{a: 1}, {b: 2}]\n") == [{"a": 1}, {"b": 2}]
    assert data("x: &x {a: 1, b: 2}\ny: {<<: *x, b: 3}\n") == [{"x": {"a": 1, "b": 2}, "y": {"a": 1, "b": 3}}]
    assert data("x: &x {a: 1}\ny:\n  <<: [*x, {a: 2, c: 3}]\n")[0]["y"] == {"a": 1, "c": 3}
    assert data(b"\xef\xbb\xbfa: 1\r\nb: 2\r\n") == [{"a": 1, "b": 2}]
    assert data('{"a": [1, {"b": null}]}') == [{"a": [1, {"b": None}]}]


@pytest.mark.parametrize(
    ("text", "code", "line"),
    [
        ("a: 1\n b: 2\n", "not-yaml", 2),
        ("a: 1\na: 2\n", "duplicate-key", 2),
        ("- 1\n", "wrong-type", 1),
        ("text\n", "wrong-type", 1),
        (b"\xff\xfe", "not-utf-8", 1),
        ("a: *b\n", "bad-alias", 1),
        ("a: &a [*a]\n", "bad-alias", 1),
    ],
)
def test_what_cannot_be_read_is_a_problem_with_its_line(text: str | bytes, code: str, line: int) -> None:
    _, problems = read_manifests(Source("f.yaml", text))
    assert [(problem.code, problem.line) for problem in problems] == [(code, line)]


@pytest.mark.parametrize(
    "text",
    [
        "[" * 20_000,
        "a: " + "[" * 3_000 + "]" * 3_000,
        "- " * 5_000 + "x",
        "a: &a [x,x,x,x,x,x,x,x,x,x]\n" + "".join(f"{b}: &{b} [{','.join([f'*{a}'] * 10)}]\n" for a, b in zip("abcdefgh", "bcdefghi", strict=True)),
        "a: " + "x" * (9 * 1024 * 1024),
        "{" * 1_000,
        "? " * 5_000,
        "a: |\n" + " x\n" * 200_000 + "b: 1\n",
    ],
    ids=["brackets", "balanced", "dashes", "laughs", "huge", "braces", "keys", "long-block"],
)  # fmt: skip
def test_hostile_text_ends_soon(text: str) -> None:
    began = time.process_time()
    read_manifests(Source("f.yaml", text))
    Positions(Source("f.yaml", text)).place(Manifest({}, 0), ("a", 0, "b"))
    assert time.process_time() - began < 30  # no measurement: the alternative is hours


WORDS = st.text("abcxz", min_size=1, max_size=4)
SCALARS = st.one_of(
    WORDS, st.integers(-999, 999), st.booleans(), st.none(), st.sampled_from(["a: b", "# x", "- y", "", "yes", "it's"])
)
TREES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=3), max_leaves=12
)


@given(st.lists(st.dictionaries(WORDS, TREES, min_size=1, max_size=3), min_size=1, max_size=3), st.booleans())
def test_fast_and_careful_reading_agree_and_so_do_places(documents: list[dict[str, Any]], flow: bool) -> None:
    text = yaml.safe_dump_all(documents, sort_keys=False, default_flow_style=flow or None)
    assert data(text) == documents
    fast = _fast(text)
    assert fast is None or fast == documents
    positions = Positions(Source("f.yaml", text))
    for index, document in enumerate(documents):
        for path in _paths(document):
            quick = positions._quickly(index, path)
            assert quick is None or tuple(quick) == positions._surely(index, path), (path, text)


def _paths(value: Any, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    missing = [(*path, "missing", "deeper")] if isinstance(value, dict) else []
    return [path, *missing, *(one for key, inner in inside for one in _paths(inner, (*path, key)))]


def test_what_is_no_object_is_told_with_its_line_and_not_judged() -> None:
    text = "kind: [a]\napiVersion: 3\n---\nhello\n---\nkind: List\nitems:\n- 5\n- {kind: Pod}\n"
    found, problems = read_manifests(Source("f.yaml", text))
    assert [one.data for one in found] == [{"kind": "Pod"}]
    assert [(one.line, one.message) for one in problems] == [
        (2, "expected text, got a number"),
        (1, "expected text, got a list"),
        (4, "expected an object with apiVersion and kind, got text"),
        (8, "expected an object with apiVersion and kind, got a number"),
    ]


@given(st.binary(max_size=200))
def test_nothing_is_raised_for_any_bytes(raw: bytes) -> None:
    found, problems = read_manifests(Source("f.yaml", raw))
    assert isinstance(found, list)
    assert isinstance(problems, list)


@given(st.text("{}[]:,-&*!|>'\"%@` \nab01#?<~", max_size=60))
def test_the_fast_reader_never_contradicts_the_careful_one(text: str) -> None:
    fast = _fast(text)
    nodes, problems = read(Source("f.yaml", text))
    if fast is not None and not problems:
        careful = [node.data() for node in nodes]
        assert repr(fast) == repr([one for one in careful if one is not None])

"""YAML 1.2 to data with positions; what is hostile is refused quickly."""

import json
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shipway.spec import Source
from shipway.spec.reading import MAX_BYTES, MAX_DEPTH, read, scalar


def data(text: str) -> object:
    (node,), problems = read(Source("f.yaml", text))
    assert problems == []
    return node.data()


@pytest.mark.parametrize(
    "text", ["no", "yes", "on", "off", "5:30", "1_000", "0b1", "2026-01-02", "=", "NaN", "1.2.3", "0o8", "09:00"]
)
def test_what_yaml_1_1_would_mangle_stays_text(text: str) -> None:
    assert scalar(text) == text


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("true", True),
        ("False", False),
        ("null", None),
        ("~", None),
        ("", None),
        ("0", 0),
        ("-7", -7),
        ("010", 10),
        ("0o17", 15),
        ("0x10", 16),
        ("1e3", 1000.0),
        ("1.10", 1.1),
        (".5", 0.5),
        ("-.inf", -math.inf),
    ],
)
def test_the_core_schema(text: str, value: object) -> None:
    assert scalar(text) == value
    assert type(scalar(text)) is type(value)


def test_a_number_too_long_to_mean_anything_is_text() -> None:
    assert scalar("9" * 5000) == "9" * 5000


def test_quotes_make_text() -> None:
    assert data("""{a: "1", b: 'no', c: 1, d: !!str 1, e: ! 2}""") == {"a": "1", "b": "no", "c": 1, "d": "1", "e": "2"}


def test_keys_are_always_text() -> None:
    assert data("1: a\nno: b\nnull: c\n") == {"1": "a", "no": "b", "null": "c"}


def test_aliases_repeat_their_value() -> None:
    assert data("a: &x {b: [1, 2]}\nc: *x\n") == {"a": {"b": [1, 2]}, "c": {"b": [1, 2]}}


def test_several_documents_and_empty_ones_between() -> None:
    nodes, problems = read(Source("f.yaml", "---\n---\na: 1\n--- # nothing\n...\n---\nb: 2\n"))
    assert [node.data() for node in nodes] == [{"a": 1}, {"b": 2}]
    assert problems == []


def test_anchors_end_with_their_document() -> None:
    _, (problem,) = read(Source("f.yaml", "a: &x 1\n---\nb: *x\n"))
    assert (problem.code, problem.line, problem.column) == ("bad-alias", 3, 4)


@pytest.mark.parametrize(
    "text",
    [
        "a:\n  b: 1\n  cé: [x, 'y z', \"w\"]\n",
        "a:\r\n  b: 1\r\n  cé: [x, 'y z', \"w\"]\r\n",
        "\ufeffa:\n  b: 1\n  cé: [x, 'y z', \"w\"]\n",
    ],
)
def test_positions_count_characters_from_one(text: str) -> None:
    (node,), _ = read(Source("f.yaml", text))
    key, value, depth = node.at(("a", "cé", 1))
    assert (key, value.line, value.column, value.exact, depth) == (None, 3, 11, 12, 3)
    key, value, depth = node.at(("a", "b", "deeper"))
    assert key is not None
    assert (key.line, key.column, value.column, depth) == (2, 3, 6, 2)


def test_a_position_inside_escaped_text_is_not_claimed() -> None:
    (node,), _ = read(Source("f.yaml", "a: \"x\\ty\"\nb: 'it''s'\nc: |\n  text\n"))
    assert [node.at((key,))[1].exact for key in "abc"] == [None, None, None]


HOSTILE = {
    "flow depth": ("[" * 1_000_000, "too-deep"),
    "block depth": ("- " * 500_000, "too-deep"),
    "map depth": ("{a: " * 200_000, "too-deep"),
    "size": ("a" * (MAX_BYTES + 1), "too-large"),
    "values": ("- 1\n" * 300_000, "too-large"),
    "aliases": (
        "a: &a [x, x, x, x, x, x, x, x, x, x]\n"
        + "".join(f"{b}: &{b} [{', '.join([f'*{a}'] * 10)}]\n" for a, b in zip("abcdefgh", "bcdefghi", strict=True)),
        "too-large",
    ),
    "recursion": ("&a [*a]", "bad-alias"),
    "python tag": ("!!python/object/apply:os.system [id]", "unsupported-tag"),
    "surrogate": ("a: \ud800", "not-text"),
    "directive": ("%YAML 3.0\n--- a\n", "not-yaml"),
}


@pytest.mark.parametrize(("text", "code"), HOSTILE.values(), ids=HOSTILE)
@pytest.mark.timeout(20)
def test_what_is_hostile_is_refused(text: str, code: str) -> None:
    _, problems = read(Source("f.yaml", text))
    assert code in {problem.code for problem in problems}


def test_depth_below_the_limit_is_fine() -> None:
    assert data("[" * MAX_DEPTH + "]" * MAX_DEPTH)


@pytest.mark.parametrize(
    ("raw", "where"),
    [
        (b"a: 1\nb: \xff", (2, 4)),
        ("é: ".encode() + b"\xe9", (1, 4)),
        ("a: 1".encode("utf-16"), (1, 1)),
        (b"\x7fELF\0", (1, 1)),
    ],
)
def test_bytes_that_are_no_utf_8(raw: bytes, where: tuple[int, int]) -> None:
    nodes, (problem,) = read(Source("f.yaml", raw))
    assert nodes == []
    assert (problem.line, problem.column) == where
    assert problem.code in {"not-utf-8", "not-text"}


# DEL must be escaped in YAML and is not by JSON; beyond the BMP JSON writes pairs of surrogates, which libyaml refuses.
texts = st.text(st.characters(max_codepoint=0xD7FF, exclude_characters="\x7f"), max_size=20)
plain = st.one_of(
    st.none(), st.booleans(), st.integers(-(10**15), 10**15), st.floats(allow_nan=False, allow_infinity=False), texts
)
trees = st.recursive(
    plain, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4), max_leaves=20
)


@settings(deadline=None)
@given(st.dictionaries(texts, trees, min_size=1, max_size=4))
def test_json_reads_as_itself(tree: dict[str, object]) -> None:
    """JSON is YAML 1.2; reading it as anything else would be a bug. Control characters are escaped in JSON."""
    (node,), problems = read(Source("f.yaml", json.dumps(tree)))
    assert problems == []
    assert node.data() == tree


yaml_like = st.text(st.sampled_from("abc01:-[]{}&*!|>'\"%@#,? \n\t\\<=.~"), max_size=200)


@settings(deadline=None, max_examples=500)
@given(st.one_of(yaml_like, st.text(max_size=100), st.binary(max_size=100)))
def test_no_text_makes_it_raise(text: str | bytes) -> None:
    nodes, problems = read(Source("f.yaml", text))
    assert nodes or problems
    for node in nodes:
        node.data()

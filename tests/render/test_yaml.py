"""What is written is read back equal, by YAML 1.1 as kubectl has it and by 1.2."""

from typing import Any

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from shipway.render.yaml import to_yaml

WORDS = """no yes on off y n NO Yes True false null Null ~ 1e3 1E3 +1 -1 0x10 0o7 010 0b1 1_000 .5 1. .inf -.Inf .NaN 1:30 12:30:00
190:20:30.15 2020-01-01 2001-12-14t21:59:43.10-05:00 = << - ? : | > ! & * % @ ` # [ ] { } , ' " \\ --- ... <<: a: :a a# #a -a ?a 1.4.2
250m 256Mi 1e3m 5m 99.9% NaN INF 0 00 0. 1e 0xg 12e03 !!str"""
TRAPS = WORDS.split()
ODD = ["", " ", " a", "a ", "a: b", "a #b", "a:", "\n", "a\n", "a\n\n", "\na", "a\nb", "a\n b\n", " a\nb", "a \nb", "a\n\n\nb",
    "a\n \nb", "a\tb", "\ta", "a\n\tb", "a\r\nb", "a\x85b", "a\u2028b", "\x00\x07\x1b\x7f", "\ufeffa", "😀", "é", "a\n---\nb", "a\n# b\n",
    "-\n-", "\\", '"', "a" * 5000, "a b " * 2000, "\ufffe", "a\n\u2028"]  # fmt: skip

text = st.one_of(
    st.sampled_from(TRAPS + ODD),
    st.text(st.characters(exclude_categories=["Cs"])),
    st.text("0123456789_.:-+eExob \n", max_size=12),
    st.text("ab \n\t#:-|>'\"", max_size=12),
    st.from_regex(r"[-+]?[0-9][0-9_]*(\.[0-9_]*)?([eE][-+]?[0-9]+)?|[0-9]{4}-[0-9]{2}-[0-9]{2}", fullmatch=True),
)
keys = st.one_of(st.sampled_from([*TRAPS, ""]), st.text(st.characters(exclude_categories=["Cs"]), max_size=40))
leaves = st.one_of(text, st.booleans(), st.none(), st.integers(), st.floats(allow_nan=False, allow_infinity=False))
data = st.dictionaries(
    keys,
    st.recursive(leaves, lambda inner: st.lists(inner) | st.dictionaries(keys, inner), max_leaves=20),
    max_size=5,
)


@given(st.lists(data, max_size=3))
@example([{"a": [[], {}, [[1]], [{"b": ["x\ny"]}]]}, {}, {"a": {"b": {}}}])
@example([{"k": [1e16, 1e-7, 1.5e300, -0.0, 10**30]}])
def test_what_is_written_is_read_back_equal(documents: list[dict[str, Any]]) -> None:
    written = to_yaml(documents)
    assert list(yaml.load_all(written, yaml.CSafeLoader)) == documents
    assert to_yaml(documents) == written


@pytest.mark.parametrize("trap", TRAPS + ODD)
def test_a_trap_is_a_text_as_value_as_key_and_in_a_list(trap: str) -> None:
    document = {"value": trap, "list": [trap, {"in": trap}]} | ({trap: 1} if len(trap) < 900 else {})
    for loader in (yaml.CSafeLoader, yaml.SafeLoader):
        assert yaml.load(to_yaml([document]), loader) == document  # noqa: S506  # both are safe


def test_it_looks_as_people_write_it() -> None:
    document = {
        "kind": "Deployment",
        "metadata": {"labels": {"app.kubernetes.io/name": "shop", "on": "no"}, "annotations": {}},
        "spec": {
            "containers": [{"image": "registry.example.com/shop:1.4.2", "args": ["--port", "8080"], "cpu": "250m"}],
            "script": "set -e\necho hi\n",
            "share": 0.5,
            "time": "12:30",
        },
    }
    assert (
        to_yaml([document, {"kind": "List", "items": []}])
        == """\
kind: Deployment
metadata:
  labels:
    app.kubernetes.io/name: shop
    "on": "no"
  annotations: {}
spec:
  containers:
  - image: registry.example.com/shop:1.4.2
    args:
    - "--port"
    - "8080"
    cpu: 250m
  script: |
    set -e
    echo hi
  share: 0.5
  time: "12:30"
---
kind: List
items: []
"""
    )


@pytest.mark.parametrize(
    ("document", "kind", "words"),
    [
        ({"a": float("inf")}, ValueError, "finite"),
        ({"a" * 1001: 1}, ValueError, "1000 characters"),
        ({1: 1}, TypeError, "text as key"),
        ({"a": {1}}, TypeError, "plain data, got set"),
        ({"a": b"x"}, TypeError, "plain data, got bytes"),
    ],
)
def test_what_is_not_plain_data_is_refused(document: Any, kind: type[Exception], words: str) -> None:
    with pytest.raises(kind, match=words):
        to_yaml([document])

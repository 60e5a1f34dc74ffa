"""Plain data as YAML, for everything that Shipway writes as files. Called by ``cli`` and by ``render/gitops``.

A writer of our own, because none of the libraries is right and fast at once. 1,000 Deployments on one core of two
(`python -m bench.render` measures it again):

    PyYAML CSafeDumper   0.33 s   right
    ryaml, py-yaml12     0.04 s   `no`, `yes`, `on`, `12:30`, `2020-01-01` stay plain: YAML 1.1 reads another value
    yaml-rs              0.02 s   `2020-01-01`, `1_000`, `0b1` stay plain
    this                 0.02 s   right for YAML 1.1 (kubectl, PyYAML) and 1.2

It is as fast as the Rust ones since it writes what Kubernetes objects are made of and nothing else: maps with text keys,
lists, text, numbers, booleans and null; no anchors, tags or line folding. Text is plain only where no reader of either
version could take it for something else; otherwise it is quoted as in JSON, or a literal block when it has lines.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from json.encoder import encode_basestring
from math import isfinite
from typing import Any

_LONGEST_KEY = 1000
"""Characters. YAML's simple keys end at 1,024, quotes and escapes included."""

_PLAIN = re.compile(
    r"[A-Za-z/_][\w./@=+,*()%-]*+(?:[: ][\w./@=+,*()%-]++)*+"  # names, paths, images, addresses, simple sentences
    r"|[0-9]+(?:\.[0-9]+)?(?:m|ms|s|h|d|%|[KMGTP]i?)",  # quantities, durations, shares
    re.ASCII,
).fullmatch

_WORDS = frozenset(
    form
    for word in ("y", "n", "yes", "no", "on", "off", "true", "false", "null", "nan", "inf")
    for form in (word, word.upper(), word.capitalize())
)
"""What one of the versions reads as a boolean, as null or as a number."""

_UNPRINTABLE = re.compile("[\x7f-\x9f\u2028\u2029\ud800-\udfff\ufeff\ufffe\uffff]")
"""Escaped by us; JSON escapes what is below U+0020 by itself."""

_UNFIT = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\ufeff\ufffe\uffff]|[ \t](?:\n|\\Z)|\n\t")
"""What a literal block cannot hold, or would hide from its reader: control characters, spaces at the end of a line."""

_FIT = b"\n" + bytes(range(0x20, 0x7F))
"""Of these most texts are made, which is seen ten times as fast."""

_FILLED_LINE = re.compile(r"\n(?!\n)")
"""The start of a line that has something in it."""

_SHORT = 400
"""Characters; longer texts seldom come twice."""

_REMEMBERED = 100_000
"""Texts, 100 MB at the very worst; then they are forgotten."""

_BREAK = "\n"
_Out = Callable[[str], None]


def to_yaml(documents: Iterable[Mapping[str, Any]]) -> str:
    """The documents in their order, keys in theirs, separated by ``---``; the same input gives the same bytes.

    Raises:
        TypeError: something that JSON has not, or a key that is no text.
        ValueError: a number that is not finite, or a key longer than 1,000 characters.
    """
    return "---\n".join(map(_document, documents))


def _document(document: Mapping[str, Any]) -> str:
    if not document:
        return "{}\n"
    parts: list[str] = []
    _map(document, "", "", parts.append)
    return "".join(parts)


def _map(value: Mapping[str, Any], lead: str, pad: str, out: _Out) -> None:
    """One line per key; before the first stands ``lead`` (the dashes of a list), before the others ``pad``."""
    for key, item in value.items():
        kind = type(item)
        if kind is str:
            out(f"{lead}{_keys[key]} {_lines(item, pad) if _BREAK in item else _texts[item]}")
        elif kind is dict and item:
            out(f"{lead}{_keys[key]}\n")
            _map(item, pad + "  ", pad + "  ", out)
        elif (kind is list or kind is tuple) and item:
            out(f"{lead}{_keys[key]}\n")
            _list(item, pad, pad, out)  # as kubectl does: the dash stands under its key
        else:
            out(f"{lead}{_keys[key]} {_other(item)}\n")
        lead = pad


def _list(value: Iterable[Any], lead: str, pad: str, out: _Out) -> None:
    """As :func:`_map`, a dash before each item."""
    for item in value:
        kind = type(item)
        if kind is str:
            out(f"{lead}- {_lines(item, pad) if _BREAK in item else _texts[item]}")
        elif kind in (dict, list, tuple) and item:
            (_map if kind is dict else _list)(item, lead + "- ", pad + "  ", out)
        else:
            out(f"{lead}- {_other(item)}\n")
        lead = pad


def _name(key: object) -> str:
    if not isinstance(key, str):
        raise TypeError(f"expected a text as key, got {key!r}")
    if len(text := _scalar(key)) > _LONGEST_KEY:
        raise ValueError(f"a key of more than {_LONGEST_KEY} characters: {key[:40]}…")
    return text + ":"


def _line(text: str) -> str:
    return f"{_scalar(text)}\n"


def _scalar(text: str) -> str:
    if _PLAIN(text) and text not in _WORDS:
        return text
    quoted = encode_basestring(text)
    if quoted.isprintable():
        return quoted
    return _UNPRINTABLE.sub(lambda found: f"\\u{ord(found[0]):04x}", quoted)


class _Written(dict[str, str]):
    """Text to how it is written: nine in ten come again. A subclass of dict, as its look-up is the hot spot."""

    def __init__(self, write: Callable[[str], str]) -> None:
        self._write = write

    def __missing__(self, text: str) -> str:
        written = self._write(text)
        if len(text) < _SHORT:
            if len(self) >= _REMEMBERED:
                self.clear()
            self[text] = written
        return written


_keys, _texts = _Written(_name), _Written(_line)


def _lines(text: str, pad: str) -> str:
    """A text with line breaks, two columns further in than ``pad``, and the line break after it."""
    body = text.rstrip("\n")
    if text[0] in " \t\n" or not _fits(text, body):
        return _line(text)
    keep = {0: "-", 1: ""}.get(ends := len(text) - len(body), "+")
    start = f"\n{pad}  "
    lines = _FILLED_LINE.sub(start, body) if "\n\n" in body else body.replace("\n", start)
    return f"|{keep}{start}{lines}\n" + "\n" * (ends - 1)


def _fits(text: str, body: str) -> bool:
    """Whether a literal block shows the text as it is."""
    if text.isascii() and not text.encode().translate(None, _FIT) and " \n" not in text and not body.endswith(" "):
        return True
    return not _UNFIT.search(text)


def _other(item: Any) -> str:
    """What is neither text nor a filled map or list; types derived from plain ones count as these."""
    if item is None:
        return "null"
    if isinstance(item, int):
        return int.__repr__(item) if item is not True and item is not False else "true" if item else "false"
    if isinstance(item, float):
        if not isfinite(item):
            raise ValueError(f"expected a finite number, got {item!r}")
        mantissa, exponent, power = repr(float(item)).partition("e")
        return mantissa + ".0" * (exponent != "" and "." not in mantissa) + exponent + power  # YAML 1.1 wants the dot
    if isinstance(item, str):
        return _scalar(item)
    if isinstance(item, dict | list | tuple) and not item:
        return "{}" if isinstance(item, dict) else "[]"
    raise TypeError(f"expected plain data, got {type(item).__name__} ({item!r:.80})")

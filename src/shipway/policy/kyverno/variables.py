"""``{{ expressions }}`` and ``$(./references)`` in a policy's values. Called by ``validation`` and ``context``.

The innermost braces are evaluated first; a value that is one expression and nothing else keeps its type, inside text it
is written as JSON. Text that came out of an expression is searched again, unless the expression starts with ``-``.
"""

import json
import posixpath
import re
from collections.abc import Callable
from typing import Any

from shipway.policy.kyverno.faults import RuleFault, Unresolved
from shipway.policy.kyverno.patterns import anchor
from shipway.policy.rules import Path

Query = Callable[[str], Any]
"""Evaluates one expression, without its braces; may raise :class:`RuleFault`."""
_BRACES = r"\{(?!\{)[^{}]*+\}"
for _ in range(6):  # JSON that was put in has braces of its own; deeper than this it stays as it is
    _BRACES = rf"\{{(?!\{{)(?:[^{{}}]|{_BRACES})*+\}}"
_VARIABLE = re.compile(rf"(?<!\\)\{{\{{((?:[^{{}}]|{_BRACES})*+)\}}\}}")
_ESCAPED = re.compile(r"\\(\{\{|\$\()")
_REFERENCE = re.compile(r"(?<!\\)\$\(\s*([<>=!]{0,2})\s*([^\s()][^()]*?)\s*\)")
MOST_ROUNDS = 64
"""Of substitution in one text: what a resource says must not keep us busy."""
LONGEST = 1_000_000


def varies(value: object) -> bool:
    """Whether :func:`substitute` changes anything in ``value``."""
    if isinstance(value, str):
        return "{{" in value or "\\" in value
    if isinstance(value, dict):
        return any(varies(key) or varies(below) for key, below in value.items())
    return isinstance(value, list) and any(varies(item) for item in value)


def substitute(value: object, query: Query, *, lenient: bool = False, path: Path = ()) -> Any:
    """``value`` with its variables replaced. ``lenient``: what has no value is null (or empty inside text).

    Raises :class:`Unresolved` when not lenient and a variable has no value, :class:`RuleFault` for a broken one.
    """
    if isinstance(value, str):
        return _substitute_text(value, query, lenient, path) if "{{" in value or "\\" in value else value
    if isinstance(value, dict):
        return {
            _key(key, query, lenient): substitute(below, query, lenient=lenient, path=(*path, anchor(key)[1]))
            for key, below in value.items()
        }
    if isinstance(value, list):
        return [substitute(item, query, lenient=lenient, path=(*path, i)) for i, item in enumerate(value)]
    return value


def whole(value: object) -> bool:
    """Whether ``value`` is one expression and nothing else."""
    return isinstance(value, str) and _VARIABLE.fullmatch(value) is not None


def expressions(value: object) -> list[str]:
    """Every innermost expression in ``value``, for checks at load."""
    if isinstance(value, str):
        return [found.strip().removeprefix("-").strip() for found in _VARIABLE.findall(value)]
    if isinstance(value, dict):
        return [found for key, below in value.items() for found in (*expressions(key), *expressions(below))]
    return [found for item in value for found in expressions(item)] if isinstance(value, list) else []


def refer(pattern: object) -> Any:
    """``pattern`` with ``$(./../sibling)`` replaced by what stands there in the pattern itself."""
    return _refer(pattern, pattern, ())


def _key(key: str, query: Query, lenient: bool) -> str:
    if "{{" not in key:
        return key
    found = _substitute_text(key, query, lenient, ())
    return found if isinstance(found, str) else json.dumps(found)


def _substitute_text(text: str, query: Query, lenient: bool, path: Path) -> Any:
    for _ in range(MOST_ROUNDS):
        found = list(_VARIABLE.finditer(text))
        if not found:
            return _ESCAPED.sub(r"\1", text)
        if len(found) == 1 and found[0][0] == text:
            return _value(found[0][1], query, lenient, path)
        text = _VARIABLE.sub(lambda match: written(_value(match[1], query, lenient, path)), text)
        if len(text) > LONGEST:
            raise RuleFault("the text is too long after its variables were replaced")
        if all(match[1].strip().startswith("-") for match in found):
            return text
    raise RuleFault(f"variables within variables: more than {MOST_ROUNDS} rounds")


def _value(expression: str, query: Query, lenient: bool, path: Path) -> Any:
    expression = expression.strip()
    expression = expression[1:].strip() if expression.startswith("-") else expression
    try:
        found = query(_here(path) if expression == "@" else expression)
    except Unresolved:
        if lenient:
            return None
        raise
    if found is None and not lenient:
        raise Unresolved(f"the variable `{expression[:120]}` has no value")
    return found


def _here(path: Path) -> str:
    """``@`` is the value of the object at the place where it stands in the pattern."""
    parts = (f"[{part}]" if isinstance(part, int) else f".{json.dumps(part)}" for part in path)
    return f"request.object{''.join(parts)}"


def written(value: object) -> str:
    """As a value stands in text: JSON, and text as it is."""
    return value if isinstance(value, str) else json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def _refer(value: object, root: object, path: tuple[str, ...]) -> Any:
    if isinstance(value, dict):
        return {key: _refer(below, root, (*path, anchor(key)[1])) for key, below in value.items()}
    if isinstance(value, list):
        return [_refer(item, root, (*path, str(i))) for i, item in enumerate(value)]
    if not isinstance(value, str) or "$(" not in value:
        return value
    replaced = _REFERENCE.sub(lambda match: match[1] + written(_referred(match[2], root, path)), value)
    return _ESCAPED.sub(r"\1", replaced)


def _referred(reference: str, root: object, path: tuple[str, ...]) -> object:
    joined = posixpath.normpath(posixpath.join("/", *path, reference))
    found = root
    for part in joined.strip("/").split("/"):
        if isinstance(found, dict):
            found = next((below for key, below in found.items() if anchor(key)[1] == part), None)
        elif isinstance(found, list) and part.isdecimal() and int(part) < len(found):
            found = found[int(part)]
        else:
            found = None
    if found is None or isinstance(found, dict | list):
        raise RuleFault(f"the reference $({reference[:80]}) leads to no value")
    return found

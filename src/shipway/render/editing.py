"""Drafts changed into other drafts: copies with something else in one place, their reasons kept.

Used by the translations for other rollout controllers, which replace some of what the concerns made.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from shipway.render.tracing import Draft, Traced, plain

Tree = Mapping[str, Any]


def put(tree: Tree, path: Sequence[str], value: Any) -> dict[str, Any]:
    """A copy with ``value`` at ``path``; what is missing on the way is made, and None takes the value away."""
    key, *rest = path
    inner = _opened(tree.get(key))
    return {**tree, key: put(inner, rest, value) if rest else value}


def at(tree: Any, *path: str | int) -> Any:
    """What stands at ``path`` as plain data; None when nothing does."""
    for key in path:
        tree = tree.value if isinstance(tree, Traced) else tree
        try:
            tree = tree[key]
        except (KeyError, IndexError, TypeError):
            return None
    return plain(tree)


def everywhere(tree: Any, change: Callable[[dict[str, Any]], dict[str, Any]]) -> Any:
    """A copy in which ``change`` was asked about every map, innermost first."""
    if isinstance(tree, Traced):
        return Traced(everywhere(tree.value, change), tree.rule, tree.fields)
    if isinstance(tree, dict):
        return change({key: everywhere(value, change) for key, value in tree.items()})
    if isinstance(tree, list | tuple):
        return [everywhere(value, change) for value in tree]
    return tree


def changed(draft: Draft, *changes: tuple[str, Any]) -> Draft:
    """The draft with other values at dotted paths (of keys without dots)."""
    tree = draft.tree
    for path, value in changes:
        tree = put(tree, path.split("."), value)
    return Draft(tree, draft.rule)


def _opened(value: Any) -> Tree:
    inner = value.value if isinstance(value, Traced) else value
    return inner if isinstance(inner, dict) else {}

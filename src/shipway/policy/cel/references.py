"""Which variables, and which fields of them, an expression uses. Called by ``program``."""

from shipway.policy.cel.tree import Bind, Comprehension, Has, Ident, Index, Literal, Node, OptionalMap, Select, children

Path = tuple[str, ...]


def references(root: Node) -> frozenset[Path]:
    """Free names of the tree with the fields selected from them, as far as these are constant."""
    found: set[Path] = set()
    _collect(root, frozenset(), found)
    return frozenset(found)


def _collect(node: Node, bound: frozenset[str], found: set[Path]) -> None:
    chain = _chain(node)
    if chain is not None:
        if chain[0] not in bound:
            found.add(chain)
        return
    for below, names in _scoped(node):
        _collect(below, bound | names, found)


def _scoped(node: Node) -> list[tuple[Node, frozenset[str]]]:
    """The children, each with the names that the node binds for it."""
    match node:
        case Comprehension():
            names = frozenset(name for name in (node.first, node.second) if name)
            inner = [part for part in (node.condition, node.body) if part is not None]
            return [(node.over, frozenset()), *((part, names) for part in inner)]
        case Bind():
            return [(node.value, frozenset()), (node.body, frozenset([node.name]))]
        case OptionalMap():
            return [(node.target, frozenset()), (node.body, frozenset([node.name]))]
    return [(below, frozenset()) for below in children(node)]


def _chain(node: Node) -> Path | None:
    fields: list[str] = []
    while True:
        match node:
            case Select() | Has():
                fields.append(node.field)
                node = node.operand
            case Index(key=Literal(value=str() as key)):
                fields.append(key)
                node = node.operand
            case Ident():
                return (node.name.lstrip("."), *reversed(fields))
            case _:
                return None

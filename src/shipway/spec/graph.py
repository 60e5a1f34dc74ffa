"""Cycles in a graph of names. Used by :mod:`shipway.spec.crossing`; knows nothing of applications."""

from collections.abc import Iterator, Mapping, Sequence


def cycles(graph: Mapping[str, Sequence[str]]) -> Iterator[tuple[str, ...]]:
    """One shortest cycle of every knot (strongly connected component), from its first name on, in the order of names.

    One of each is enough: when it is cut, the next one shows. All of them may be exponentially many.
    """
    for knot in sorted(_knots(graph), key=min):
        first = min(knot)
        yield _shortest(graph, first, knot)


def _shortest(graph: Mapping[str, Sequence[str]], start: str, within: frozenset[str]) -> tuple[str, ...]:
    """Breadth first from ``start`` back to it."""
    before: dict[str, str] = {}
    wave = [start]
    while wave:
        following = []
        for name in wave:
            for other in graph[name]:
                if other == start:
                    return tuple(reversed(list(_back(before, name))))
                if other in within and other not in before:
                    before[other] = name
                    following.append(other)
        wave = following
    raise AssertionError("a knot leads back to each of its names")


def _back(before: Mapping[str, str], name: str) -> Iterator[str]:
    yield name
    while name in before:
        name = before[name]
        yield name


def _knots(graph: Mapping[str, Sequence[str]]) -> Iterator[frozenset[str]]:
    """Strongly connected components with a cycle in them. Tarjan's algorithm (SIAM J. Comput. 1, 1972), without recursion."""
    number: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    inside: set[str] = set()
    for root in sorted(graph):
        work = [(root, iter(graph[root]))] if root not in number else []
        if work:
            number[root] = low[root] = len(number)
            stack.append(root)
            inside.add(root)
        while work:
            name, others = work[-1]
            for other in others:
                if other not in number:
                    number[other] = low[other] = len(number)
                    stack.append(other)
                    inside.add(other)
                    work.append((other, iter(graph[other])))
                    break
                if other in inside:
                    low[name] = min(low[name], number[other])
            else:
                work.pop()
                if work:
                    low[work[-1][0]] = min(low[work[-1][0]], low[name])
                if low[name] == number[name]:
                    knot = _popped(stack, name)
                    inside -= knot
                    if len(knot) > 1 or name in graph[name]:
                        yield knot


def _popped(stack: list[str], down_to: str) -> frozenset[str]:
    at = stack.index(down_to)
    knot = frozenset(stack[at:])
    del stack[at:]
    return knot

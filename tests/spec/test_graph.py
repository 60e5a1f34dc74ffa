"""Cycles: one for every knot, and none where there is none."""

from graphlib import CycleError, TopologicalSorter

from hypothesis import given
from hypothesis import strategies as st

from shipway.spec.graph import cycles

NAMES = st.sampled_from("abcdefgh")
GRAPHS = st.dictionaries(NAMES, st.lists(NAMES, max_size=4)).map(
    lambda graph: {name: list(graph.get(name, ())) for name in "abcdefgh"}
)


@given(GRAPHS)
def test_a_graph_has_a_cycle_exactly_when_it_cannot_be_ordered(graph: dict[str, list[str]]) -> None:
    found = list(cycles(graph))
    for cycle in found:
        assert len(set(cycle)) == len(cycle)
        assert cycle[0] == min(cycle)
        assert all(after in graph[name] for name, after in zip(cycle, (*cycle[1:], cycle[0]), strict=True))
    assert [cycle[0] for cycle in found] == sorted(cycle[0] for cycle in found)
    try:
        TopologicalSorter(graph).prepare()
    except CycleError:
        assert found
    else:
        assert not found


def test_the_shortest_way_round_is_named() -> None:
    assert list(cycles({"a": ["b", "c"], "b": ["c"], "c": ["a"], "d": ["d"]})) == [("a", "c"), ("d",)]


def test_a_long_chain_is_no_deep_recursion() -> None:
    length = 5_000
    graph = {f"{index:05}": [f"{(index + 1) % length:05}"] for index in range(length)}
    assert [len(cycle) for cycle in cycles(graph)] == [length]

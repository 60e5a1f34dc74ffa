"""Equality of PromQL as syntax trees: what the parser understood, with numbers equal within a tolerance."""

import math
import re

import promql_parser

_NUMBER = re.compile(r"(val: )(-?[\w.+-]+)(?=,\n)")


def same(one: str, other: str) -> bool:
    """Whether both parse to the same tree."""
    (shape, numbers), (other_shape, others) = _tree(one), _tree(other)
    return shape == other_shape and all(
        math.isclose(a, b, rel_tol=1e-9, abs_tol=1e-12) for a, b in zip(numbers, others, strict=True)
    )


def _tree(query: str) -> tuple[str, list[float]]:
    """The parser's own account of the tree, its numbers taken out of it."""
    account = repr(promql_parser.parse(query))
    return _NUMBER.sub(r"\1#", account), [float(number) for _, number in _NUMBER.findall(account)]

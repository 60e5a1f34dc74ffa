"""The bench of CEL runs, on both engines; its figures are not judged here."""

import pytest

from bench.cel_mix import EXPRESSIONS, measure


def test_both_engines_are_measured() -> None:
    pytest.importorskip("cel_expr_python.cel", reason="cel-expr-python is not installed")
    rates = measure(rounds=1, seconds=0.01)
    assert rates.each.keys() == EXPRESSIONS.keys()
    assert min(rates.mix, rates.rival_mix, rates.compile_microseconds, *rates.each.values()) > 0

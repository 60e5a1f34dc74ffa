"""The check grammar: what lines mean, and errors to the column."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipway.spec.checks import (
    INDICATORS,
    Check,
    LatencyObjective,
    Unit,
    format_objective,
    parse_check,
    parse_objective,
)
from shipway.spec.fields import Misspelt

METRICS: dict[str, Unit] = {"cartAbandonment": "ratio", "queueLag": "duration", "heap": "number"}


@pytest.mark.parametrize(
    ("text", "check"),
    [
        ("errorRate < 0.1%", Check("errorRate", "<", 0.001, "ratio", text="errorRate < 0.1%")),
        ("latencyP95<200ms", Check("latencyP95", "<", 0.2, "duration", text="latencyP95 < 200ms")),
        ("availability >= 99.9%", Check("availability", ">=", 0.999, "ratio", text="availability >= 99.9%")),
        ("requestRate > 10/s", Check("requestRate", ">", 10.0, "rate", text="requestRate > 10/s")),
        ("requestRate <= 10", Check("requestRate", "<=", 10.0, "rate", text="requestRate <= 10")),
        ("costPerRequest < $0.002", Check("costPerRequest", "<", 0.002, "money", text="costPerRequest < $0.002")),
        (
            "  costPerRequest   increase <  10% ",
            Check("costPerRequest", "<", 0.1, "ratio", True, "costPerRequest increase < 10%"),
        ),
        ("errorRate increase < 150%", Check("errorRate", "<", 1.5, "ratio", True, "errorRate increase < 150%")),
        ("cartAbandonment > 5%", Check("cartAbandonment", ">", 0.05, "ratio", text="cartAbandonment > 5%")),
        ("heap < 12.5", Check("heap", "<", 12.5, "number", text="heap < 12.5")),
    ],
)
def test_what_a_check_means(text: str, check: Check) -> None:
    assert parse_check(text, METRICS) == check


@pytest.mark.parametrize(
    ("text", "code", "at"),
    [
        ("", "bad-check", "^"),
        ("errorRate", "bad-check", "         ^"),
        ("errorRate <", "bad-check", "           ^"),
        ("errorRate = 1%", "bad-check", "          ^"),
        ("errorRate increase 1%", "bad-check", "                   ^"),
        ("errorRate < 1% now", "bad-check", "               ^"),
        ("< 1%", "bad-check", "^"),
        ("  errrRate < 1%", "unknown-indicator", "  ^"),
        ("errorRate < 200ms", "wrong-unit", "            ^"),
        ("queueLag < 5%", "wrong-unit", "           ^"),
        ("latencyP95 increase < 20ms", "wrong-unit", "                      ^"),
        ("errorRate > 1%", "wrong-direction", "          ^"),
        ("errorRate increase >= 1%", "wrong-direction", "                   ^"),
        ("availability < 99%", "wrong-direction", "             ^"),
        ("__import__('os') < 1", "bad-check", "^"),
    ],
)
def test_an_error_points_at_the_first_wrong_character(text: str, code: str, at: str) -> None:
    with pytest.raises(Misspelt) as wrong:
        parse_check(text, METRICS)
    assert (wrong.value.code, wrong.value.offset) == (code, at.index("^"))


def test_a_unit_mismatch_says_what_is_wanted() -> None:
    with pytest.raises(Misspelt, match=r"^latencyP95 wants a duration such as 200ms, got 5%$"):
        parse_check("latencyP95 < 5%")


def test_a_misspelt_indicator_is_recognised() -> None:
    with pytest.raises(Misspelt, match=r"did you mean `cartAbandonment`\?$"):
        parse_check("cartAbandonmnt < 5%", METRICS)


@pytest.mark.parametrize(("quantity", "unit"), [("5%", "ratio"), ("5s", "duration"), ("$5", "money"), ("5", "number")])
def test_without_declarations_the_quantity_tells_the_unit(quantity: str, unit: str) -> None:
    assert parse_check(f"anything < {quantity}", None).unit == unit


quantities = st.sampled_from(["0.1%", "5%", "200ms", "1m30s", "10/s", "10", "$0.002", "nonsense", "<"])
words = st.sampled_from([*INDICATORS, "increase", "heap", "<", "<=", ">", ">=", "=", "5%", "200ms", "$1"]) | st.text(
    max_size=6
)


@given(
    st.one_of(
        st.lists(words, max_size=6).map(" ".join),
        st.tuples(words, st.sampled_from(["<", ">="]), quantities).map(" ".join),
    )
)
def test_a_line_is_a_check_or_an_error_inside_the_line(text: str) -> None:
    try:
        check = parse_check(text, METRICS)
    except Misspelt as error:
        wrong = error
    else:
        assert parse_check(check.text, METRICS) == check
        return
    assert 0 <= wrong.offset <= len(text)


@pytest.mark.parametrize("text", ["95% < 200ms", "95%<200ms", " 95%  <  0.2s "])
def test_latency_objectives(text: str) -> None:
    assert parse_objective(text) == LatencyObjective(0.95, 0.2)
    assert format_objective(parse_objective(text)) == "95% < 200ms"


@pytest.mark.parametrize(
    "text",
    [
        "95% under 200ms",
        "200ms < 95%",
        "95 < 200ms",
        "95% < 200",
        "",
        "<",
        "95% <= 200ms",
        "0% < 1s",
        "100% < 1s",
        "5% < 0s",
    ],
)
def test_bad_objectives(text: str) -> None:
    with pytest.raises(Misspelt, match="expected"):
        parse_objective(text)

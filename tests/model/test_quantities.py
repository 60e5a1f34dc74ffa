"""Quantities as people write them: what they mean, what is refused, and that they survive a round trip."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipway.model import quantities
from shipway.model.quantities import Money, QuantityError

PARSERS: dict[str, tuple[Callable[[str], Any], str]] = {
    "duration": (quantities.parse_duration, quantities.DURATION_PATTERN),
    "ratio": (quantities.parse_ratio, quantities.RATIO_PATTERN),
    "percent": (quantities.parse_percent, quantities.RATIO_PATTERN),
    "cpu": (quantities.parse_cpu, quantities.CPU_PATTERN),
    "memory": (quantities.parse_memory, quantities.MEMORY_PATTERN),
    "money": (quantities.parse_money, quantities.MONEY_PATTERN),
}


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        ("duration", "200ms", 0.2),
        ("duration", "90s", 90.0),
        ("duration", "1h30m", 5400.0),
        ("duration", "30d", 2_592_000.0),
        ("duration", "1.5m", 90.0),
        ("duration", "250us", 0.00025),
        ("duration", "0s", 0.0),
        ("ratio", "99.9%", 0.999),
        ("ratio", "5 %", 0.05),
        ("ratio", "100%", 1.0),
        ("percent", "150%", 150.0),
        ("cpu", "500m", 0.5),
        ("cpu", "2", 2.0),
        ("cpu", "0.1", 0.1),
        ("memory", "1Gi", 2**30),
        ("memory", "1.5Gi", 3 * 2**29),
        ("memory", "500M", 500_000_000),
        ("memory", "0.0001k", 1),
        ("money", "$300/month", Money(300.0, "USD", "month")),
        ("money", "€0.002", Money(0.002, "EUR")),
    ],
)
def test_what_a_text_means(kind: str, text: str, value: object) -> None:
    assert PARSERS[kind][0](text) == value


@pytest.mark.parametrize(
    ("kind", "text", "message"),
    [
        ("duration", "300", 'expected a duration such as 200ms, 30s, 5m or 30d, got "300"; did you mean `300s`?'),
        ("duration", "5:30", 'expected a duration such as 200ms, 30s, 5m or 30d, got "5:30"'),
        ("duration", "-5s", 'expected a duration such as 200ms, 30s, 5m or 30d, got "-5s"'),
        ("duration", "5s\n", 'expected a duration such as 200ms, 30s, 5m or 30d, got "5s\n"'),
        ("duration", "36501d", 'expected at most 36500d, got "36501d"'),
        ("cpu", "1000001", 'expected at most a million CPU cores, got "1000001"'),
        ("money", "$1000000001", 'expected at most a billion, got "$1000000001"'),
        ("ratio", "99.9", 'expected a percentage such as 5% or 99.9%, got "99.9"; did you mean `99.9%`?'),
        ("ratio", "101%", 'expected a percentage from 0% to 100%, got "101%"'),
        ("cpu", "1core", 'expected CPU cores such as 500m, 0.5 or 2, got "1core"'),
        ("memory", "512MB", 'expected memory such as 512Mi or 1Gi, got "512MB"; did you mean `512Mi`?'),
        ("memory", "1gb", 'expected memory such as 512Mi or 1Gi, got "1gb"; did you mean `1Gi`?'),
        ("memory", "1024", 'expected memory such as 512Mi or 1Gi, got "1024"'),
        (
            "money",
            "300/month",
            'expected an amount such as $300/month or $0.002, got "300/month"; did you mean `$300/month`?',
        ),
        ("money", "$300/week", 'expected an amount such as $300/month or $0.002, got "$300/week"'),
    ],
)
def test_what_is_refused_and_how(kind: str, text: str, message: str) -> None:
    with pytest.raises(QuantityError) as refused:
        PARSERS[kind][0](text)
    assert str(refused.value) == message


def test_a_message_shows_little_of_a_long_text() -> None:
    with pytest.raises(QuantityError) as refused:
        quantities.parse_cpu("x" * 1_000_000)
    assert len(str(refused.value)) < 150


@pytest.mark.parametrize(
    ("written", "text"),
    [
        (quantities.format_duration(5400.0), "1h30m"),
        (quantities.format_duration(0.2), "200ms"),
        (quantities.format_duration(1.5), "1.5s"),
        (quantities.format_duration(0.0), "0s"),
        (quantities.format_duration(86_461.0), "1d1m1s"),
        (quantities.format_ratio(0.999), "99.9%"),
        (quantities.format_ratio(0.0005), "0.05%"),
        (quantities.format_percent(12.5), "12.5%"),
        (quantities.format_cpu(0.25), "250m"),
        (quantities.format_cpu(3.0), "3"),
        (quantities.format_memory(3 * 2**29), "1536Mi"),
        (quantities.format_memory(1537), "1.537k"),
        (quantities.format_memory(0), "0k"),
        (quantities.format_money(Money(300.0, "USD", "month")), "$300/month"),
        (quantities.format_number(10.0), "10"),
        (quantities.format_number(1e-5), "0.00001"),
    ],
)
def test_how_a_value_is_written(written: str, text: str) -> None:
    assert written == text


# Nine significant digits are more than anybody writes and well inside what a float holds exactly.
decimals = st.decimals(min_value=0, max_value=10**6, places=6, allow_nan=False, allow_infinity=False).map(float)


@given(decimals)
def test_durations_survive_a_round_trip(seconds: float) -> None:
    assert quantities.parse_duration(quantities.format_duration(seconds)) == seconds


@given(st.floats(min_value=1e-9, max_value=1))
def test_ratios_survive_a_round_trip(ratio: float) -> None:
    assert quantities.parse_ratio(quantities.format_ratio(round(ratio, 12))) == round(ratio, 12)


@given(decimals)
def test_cpu_survives_a_round_trip(cores: float) -> None:
    assert quantities.parse_cpu(quantities.format_cpu(cores)) == cores


@given(st.integers(min_value=0, max_value=2**60))
def test_memory_survives_a_round_trip(size: int) -> None:
    assert quantities.parse_memory(quantities.format_memory(size)) == size


@given(decimals, st.sampled_from(["USD", "EUR", "GBP"]), st.sampled_from(["", "hour", "day", "month", "year"]))
def test_money_survives_a_round_trip(amount: float, currency: str, per: str) -> None:
    money = Money(amount, currency, per)
    assert quantities.parse_money(quantities.format_money(money)) == money


@given(st.sampled_from(sorted(PARSERS)), st.text(max_size=30) | st.from_regex(r"\A[$€]?[0-9.]{1,6} ?[a-zA-Z%/]{0,6}\Z"))
def test_a_parser_accepts_what_the_published_pattern_accepts(kind: str, text: str) -> None:
    parse, pattern = PARSERS[kind]
    try:
        parse(text)
    except QuantityError:
        assert "%" in text or "d" in text or not re.fullmatch(pattern, text)  # a pattern cannot say "at most"
    else:
        assert re.fullmatch(pattern, text)


def test_money_as_a_rate() -> None:
    assert quantities.parse_money("$3600/hour").per_second() == 1.0
    assert quantities.parse_money("$12/year").per_second() == pytest.approx(
        quantities.parse_money("$1/month").per_second()
    )
    assert quantities.parse_money("$5").per_second() == 5.0

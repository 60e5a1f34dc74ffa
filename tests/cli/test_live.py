"""What people see in the terminal: complete, at most 80 columns wide, and never obeying what a service says."""

from io import StringIO

import pytest
from msgspec.structs import replace
from rich.console import Console, RenderableType

from shipway.analysis.policy import Indicator, JudgePolicy
from shipway.cli.delivering.live import final_table, live
from shipway.cli.output import plain
from shipway.engine.timeline import Timeline, line, present, timelines
from shipway.model.ids import AppName
from shipway.rollout.events import Event, Observed, PauseRequested
from shipway.rollout.evolve import evolve, initial
from shipway.testing.recordings import APP, GOOD, Version, record, shop


def screen(what: RenderableType, width: int = 80) -> list[str]:
    console = Console(width=width, file=StringIO(), color_system=None, legacy_windows=False)
    console.print(what)
    assert isinstance(console.file, StringIO)
    return console.file.getvalue().splitlines()


def at_reading(events: list[Event], number: int) -> tuple[Timeline, float]:
    """The latest rollout after so many readings, and when that was."""
    end = [i for i, event in enumerate(events) if isinstance(event, Observed)][number - 1]
    return timelines(events[: end + 1], APP)[-1], events[end].at


@pytest.fixture(scope="module")
def events() -> list[Event]:
    return shop()


@pytest.fixture(scope="module")
def demo(events: list[Event]) -> tuple[Timeline, ...]:
    return timelines(events, APP)


def test_a_good_release_on_its_way(events: list[Event]):
    text = "\n".join(screen(live(*at_reading(events, 9))))
    assert "storefront 1.1 v2 against 1.0" in text
    assert "● observing  106 canary requests and nothing against it" in text
    assert "25 % canary, 28 % measured" in text
    assert "1 of 127" in text
    assert "2 of 829" in text
    assert "0.0 of 5.3" in text
    assert "8.5 s  canary 42 requests; baseline 85 requests" in text
    assert "traffic follows: v1 75 %, v2 25 %  → observing" in text


def test_the_steps_fill_up(events: list[Event]):
    def filled(number: int) -> list[str]:
        """The colours of the steps' bars, with how many cells each has."""
        console = Console(width=80, file=StringIO(), color_system="standard", force_terminal=True, _environ={})
        console.print(live(*at_reading(events, number)))
        assert isinstance(console.file, StringIO)
        steps = next(row for row in console.file.getvalue().splitlines() if "steps" in row)
        return [part.split("m")[0] for part in steps.split("\x1b[") if "━" in part]

    first, second = filled(4), filled(9)
    green, blue = "32", "94"
    assert green not in first
    assert first.count(blue) == 1
    assert second[:2] == [green, blue], "the first step is done, the second on its way"


def test_a_failing_release_at_its_verdict(demo: tuple[Timeline, ...]):
    one = demo[2]
    text = "\n".join(screen(live(one, now=one.started_at + 1000)))
    assert "✘ rolled back  canary failed 7 of 33 requests" in text
    assert "7.5 of 5.3" in text
    assert "0 % canary" in text
    assert "→ rolled back" in text
    assert "5.8 s  ─╯" in text, "the clock stops at the end"


def test_an_install_has_neither_steps_nor_evidence(demo: tuple[Timeline, ...]):
    text = "\n".join(screen(live(demo[0], now=demo[0].started_at)))
    assert "✔ promoted  installed" in text
    assert "steps" not in text
    assert "indicator" not in text


@pytest.mark.parametrize("width", [60, 80, 120])
def test_it_fits(events: list[Event], demo: tuple[Timeline, ...], width: int):
    screens = [live(*at_reading(events, n)) for n in range(1, 20)] + [final_table(demo)]
    assert all(len(row) <= width for what in screens for row in screen(what, width))


def test_what_was_paused_says_by_whom():
    events = shop()
    until = next(i for i, event in enumerate(events) if isinstance(event, Observed)) + 2
    paused = [*events[:until], PauseRequested(at=events[until - 1].at + 0.1, by="bob")]
    one = timelines(paused, APP)[-1]
    text = "\n".join(screen(live(one, now=one.phase_at)))
    assert "● paused  paused by bob" in text


def test_the_present_needs_no_history(events: list[Event]):
    """What ``present`` makes of the state alone shows the same numbers as the whole story."""
    state, lines = initial(AppName("storefront")), []
    assert present(state) is None
    for event in events[:20]:
        before, state = state, evolve(state, event)
        lines.append(line(event, before, state))
    now, whole = present(state, lines), timelines(events[:20], APP)[-1]
    assert now is not None
    assert screen(live(now, events[19].at)) == screen(live(whole, events[19].at))
    assert (now.requests, now.failed_requests) == (whole.requests, whole.failed_requests)
    assert now.points[-1] == whole.points[-1]


def test_the_table_at_the_end(demo: tuple[Timeline, ...]):
    rows = screen(final_table(demo))
    assert rows[1].split() == ["release", "verdict", "time", "requests", "failed", "evidence"]
    text = "\n".join(rows)
    for words in ("✔ promoted", "✘ rolled back", "15.0 s", "513", "33", "installed"):
        assert words in text
    assert screen(final_table([])), "nothing released is a table, too"


def test_no_text_is_obeyed(demo: tuple[Timeline, ...]):
    nasty = "\x1b[2J\x07[bold red]oops[/]\u202e\n"
    one = replace(
        demo[2],
        app=AppName(nasty),
        label=nasty,
        baseline_label=nasty,
        evidence=nasty,
        events=tuple(replace(event, sentence=nasty) for event in demo[2].events),
        indicators=tuple(replace(series, name=nasty) for series in demo[2].indicators),
    )
    text = "\n".join(screen(live(one, 0.0), 200) + screen(final_table([one]), 200))
    assert not {"\x1b", "\x07", "\u202e"} & set(text)
    assert "[bold red]oops[/]" in text, "no markup either"
    assert plain("a\tb\x1b") == "a b\N{REPLACEMENT CHARACTER}"


def test_indicators_that_are_no_shares():
    policy = JudgePolicy(
        indicators=(
            Indicator(name="cost", kind="continuous", measure="cost"),
            Indicator(name="latency", kind="distribution"),
        ),
        warm_up=0.0,
    )
    priced = replace(GOOD, values=(("cost", 0.002),))
    one = timelines(record([Version("a", priced), Version("b", priced, policy)]), APP)[-1]
    rows = screen(live(one, one.ended_at or 0.0))
    cost = next(row for row in rows if "cost" in row)
    assert "0.002" in cost or "0.001" in cost
    assert any("latency" in row and "requests" in row for row in rows)

"""The picture says what the table says, no more and no less."""

from typing import get_args
from xml.etree import ElementTree as ET

from shipway.rollout import diagram
from shipway.rollout.events import Event
from shipway.rollout.states import TRIAL, Phase
from shipway.rollout.transitions import REST, TABLE

SVG = "{http://www.w3.org/2000/svg}"
FRAMES = {"on trial": set(TRIAL), "at rest": set(REST)}


def parsed() -> ET.Element:
    return ET.fromstring(diagram.svg())  # noqa: S314  # our own text


def test_every_row_is_in_exactly_one_arrow() -> None:
    drawn = [row for arrow in diagram.arrows() for row in arrow.rows]
    assert sorted(map(id, drawn)) == sorted(map(id, TABLE))


def test_an_arrow_begins_where_its_rows_do() -> None:
    for arrow in diagram.arrows():
        sources = {row.source for row in arrow.rows}
        assert sources <= FRAMES.get(arrow.source, {arrow.source}), arrow
        assert {row.target for row in arrow.rows} == {arrow.target}
        for row in arrow.rows:
            event = diagram._EVENTS[row.event.__name__] if row.event else "as soon as"
            assert any(label.startswith(event) for label in arrow.labels)


def test_an_arrow_from_a_frame_names_the_phase_that_it_leaves_out() -> None:
    for arrow in diagram.arrows():
        if arrow.source not in FRAMES:
            continue
        for label in arrow.labels:
            its = [row for row in arrow.rows if diagram._label(row) == label.partition(" (not from")[0]]
            left_out = FRAMES[arrow.source] - {row.source for row in its} - {arrow.target}
            assert [phase.value for phase in left_out] == label.partition("(not from ")[2].rstrip(")").split(", ")[
                : len(left_out)
            ]


def test_words_for_every_event_that_moves_something() -> None:
    moving = {row.event.__name__ for row in TABLE if row.event}
    assert moving <= set(diagram._EVENTS) <= {kind.__name__ for kind in get_args(Event)}


def test_every_condition_is_explained_in_a_sentence() -> None:
    for name, meaning in diagram.conditions().items():
        assert meaning.endswith("."), name


def test_the_picture_is_whole_and_the_same_again() -> None:
    assert diagram.svg() == diagram.svg()
    root = parsed()
    texts = [element.text or "" for element in root.iter(f"{SVG}text")]
    assert {phase.value for phase in Phase} <= set(texts)
    numbers = [str(number) for number in range(1, len(diagram.arrows()) + 1)]
    assert [text for text in texts if text.isdigit()] == numbers
    assert len(list(root.iter(f"{SVG}path"))) == len(numbers) + len(diagram._COLOURS)


def test_everything_lies_within_the_picture() -> None:
    root = parsed()
    _, _, width, height = map(float, root.attrib["viewBox"].split())
    for element in root.iter(f"{SVG}text"):
        assert 0 < float(element.attrib["x"]) < width
        assert 0 < float(element.attrib["y"]) < height

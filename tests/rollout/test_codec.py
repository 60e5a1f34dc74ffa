"""Every event survives the journal, and whatever else is found there is an error that says where."""

from types import UnionType
from typing import Any, Literal, NewType, Union, get_args, get_origin, get_type_hints

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shipway.analysis.readings import ArmReading, Reading
from shipway.model.errors import JournalError
from shipway.rollout.codec import decode, encode
from shipway.rollout.events import Event, InstancesChanged, Observed
from tests.rollout.samples import V1, release

PLAIN: dict[Any, st.SearchStrategy[Any]] = {
    str: st.text(max_size=8),
    int: st.integers(-(2**53), 2**53),
    float: st.floats(allow_nan=False, allow_infinity=False),
    bool: st.booleans(),
    type(None): st.none(),
}


def anything(kind: Any) -> st.SearchStrategy[Any]:
    """Any value of an annotated type, every field filled."""
    if kind in PLAIN:
        return PLAIN[kind]
    if isinstance(kind, NewType):
        return anything(kind.__supertype__)
    if get_origin(kind) is not None:
        return _any_of(get_origin(kind), get_args(kind))
    assert issubclass(kind, msgspec.Struct), kind
    return st.builds(kind, **{name: anything(hint) for name, hint in get_type_hints(kind).items()})


def _any_of(origin: Any, args: tuple[Any, ...]) -> st.SearchStrategy[Any]:
    if origin is Literal:
        return st.sampled_from(args)
    if origin in {Union, UnionType}:
        return st.one_of([anything(one) for one in args])
    if origin is tuple and args[1:] == (...,):
        return st.lists(anything(args[0]), max_size=2).map(tuple)
    assert origin is tuple, origin
    return st.tuples(*[anything(one) for one in args])


@pytest.mark.parametrize("kind", get_args(Event), ids=lambda kind: kind.__name__)
def test_every_event_survives_the_journal(kind: type[Event]) -> None:
    @settings(max_examples=max(25, settings().max_examples // 10))  # a whole release is large
    @given(anything(kind))
    def survives(event: Event) -> None:
        written = encode(event)
        assert decode(written) == event
        assert encode(decode(written)) == written
        assert b"\n" not in written, "a history is lines"

    survives()


def test_an_infinite_age_is_read_as_unknown() -> None:
    """JSON has no infinity; a reading that cannot be read back would take the whole journal with it."""
    event = Observed(at=1.0, reading=Reading(1.0, ArmReading(1, 0, youngest=float("inf")), None, 0.05))
    read = decode(encode(event))
    assert isinstance(read, Observed)
    assert read.reading.baseline == ArmReading(1, 0, youngest=None)


def test_fields_that_came_later_have_defaults() -> None:
    written = b'{"type":"InstancesChanged","at":1.0,"release":"v1","ready":1,"wanted":1}'
    assert decode(written) == InstancesChanged(at=1.0, release=V1, ready=1, wanted=1)
    short = b'{"type":"Observed","at":2.0,"reading":[2.0,[10,0],null,0.05]}'
    assert decode(short) == Observed(at=2.0, reading=Reading(2.0, ArmReading(10, 0), None, 0.05))


def test_a_field_of_a_newer_version_is_passed_over() -> None:
    assert decode(encode(release(0.0)).replace(b'"by"', b'"mood":"sunny","by"')) == release(0.0)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{",
        b"null",
        b"[]",
        b'{"type":"Teleported","at":1.0}',
        b'{"type":"AbortRequested","at":"noon","by":"ann"}',
        b'{"type":"ReleaseStopped","at":1.0}',
        b"\xff\xfe",
    ],
)
def test_what_is_no_event_says_where_and_what_to_do(data: bytes) -> None:
    with pytest.raises(JournalError) as caught:
        decode(data, where="event 17 (shop)")
    assert "event 17 (shop)" in caught.value.message
    assert "newer Shipway" in caught.value.hint

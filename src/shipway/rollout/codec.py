"""Events to bytes and back. Called by ``engine`` around the journal. Adding a field with a default keeps old journals readable."""

import msgspec

from shipway.model.errors import JournalError
from shipway.rollout.events import Event

_ENCODER = msgspec.json.Encoder()
_DECODER: msgspec.json.Decoder[Event] = msgspec.json.Decoder(Event)


def encode(event: Event) -> bytes:
    """Canonical JSON with the event's type under ``type``; infinities (an age nobody knows) as null are not used."""
    return _ENCODER.encode(event)


def decode(data: bytes, *, where: str = "") -> Event:
    """The event; ``where`` names its place for the message.

    Raises:
        JournalError: written by a newer Shipway, or not an event at all.
    """
    try:
        return _DECODER.decode(data)
    except (msgspec.ValidationError, msgspec.DecodeError) as error:
        raise JournalError(
            f"{where or 'an event'} cannot be read: {error}",
            hint="It was probably written by a newer Shipway; run that version, or `shipway journal check`.",
        ) from error

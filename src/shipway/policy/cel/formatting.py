"""``text.format(args)`` of the strings extension: ``%s %d %f %e %b %o %x %X`` and ``%%``."""

import math
import re
from collections.abc import Callable, Mapping, Sequence

from shipway.policy.cel.errors import CelError
from shipway.policy.cel.operators import sized
from shipway.policy.cel.standard import fixed_double
from shipway.policy.cel.values import CelType, Duration, Timestamp, UInt, Value, plain, type_name

_CLAUSE = re.compile(r"%(?:\.([0-9]*))?(.?)", re.DOTALL)
MAX_PRECISION = 1000


def format_(template: str, args: Sequence[Value]) -> str:
    """The template with its clauses replaced by the arguments in order."""
    out: list[str] = []
    at = used = 0
    for found in _CLAUSE.finditer(template):
        out.append(template[at : found.start()])
        at = found.end()
        if found[0] == "%%":
            out.append("%")
            continue
        if used >= len(args):
            raise CelError(f"index {used} out of range: the format has more clauses than arguments")
        out.append(_clause(found[2], found[1], plain(args[used])))
        used += 1
    return str(sized("".join([*out, template[at:]])))


def _clause(letter: str, precision: str | None, value: Value) -> str:
    if letter not in _CLAUSES:
        raise CelError(f'could not parse formatting clause: unrecognized formatting clause "{letter}"')
    digits = 6 if precision is None else int(precision[:5] or 0)
    if digits > MAX_PRECISION:
        raise CelError(f"could not parse formatting clause: precision over {MAX_PRECISION}")
    return _CLAUSES[letter](value, digits)


def _refuse(what: str, value: Value) -> CelError:
    return CelError(f"error during formatting: {what}, was given {type_name(value)}")


def _special(value: Value) -> str | None:
    if type(value) is not float or math.isfinite(value):
        return None
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"


def text_of(value: Value, _: int = 0) -> str:  # noqa: PLR0911  # one kind of value after the other
    """``%s``: any value as text, maps in the order of their keys."""
    value = plain(value)
    special = _special(value)
    if special is not None:
        return special
    match value:
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case float():
            return fixed_double(value)
        case bytes():
            return value.decode("utf-8", "replace")
        case list():
            return f"[{', '.join(map(text_of, value))}]"
        case Mapping():
            return f"{{{', '.join(sorted(f'{text_of(key)}: {text_of(item)}' for key, item in value.items()))}}}"
        case int():
            return str(int(value))
        case str() | Timestamp() | Duration() | CelType():
            return str(value)
    raise _refuse(
        "string clause can only be used on strings, bools, bytes, ints, doubles, maps, lists, types, durations, and timestamps",
        value,
    )


def _decimal(value: Value, _: int) -> str:
    special = _special(value)
    if special is not None:
        return special
    if type(value) not in (int, UInt, float):
        raise _refuse("decimal clause can only be used on integers", value)
    return fixed_double(value) if type(value) is float else str(int(value))


def _number(value: Value, clause: str) -> float:
    if type(value) not in (int, UInt, float):
        raise _refuse(f"{clause} clause can only be used on doubles", value)
    return float(value)


def _fixed(value: Value, digits: int) -> str:
    return _special(value) or f"{_number(value, 'fixed-point'):.{digits}f}"


def _scientific(value: Value, digits: int) -> str:
    return _special(value) or f"{_number(value, 'scientific'):.{digits}e}"


def _binary(value: Value, _: int) -> str:
    if type(value) is bool or type(value) in (int, UInt):
        return f"{int(value):b}"
    raise _refuse("only integers and bools can be formatted as binary", value)


def _octal(value: Value, _: int) -> str:
    if type(value) in (int, UInt):
        return f"{int(value):o}"
    raise _refuse("octal clause can only be used on integers", value)


def _hexadecimal(value: Value, _: int) -> str:
    if type(value) in (int, UInt):
        return f"{int(value):x}"
    if type(value) is str:
        return value.encode().hex()
    if type(value) is bytes:
        return value.hex()
    raise _refuse("only integers, byte buffers, and strings can be formatted as hex", value)


_CLAUSES: dict[str, Callable[[Value, int], str]] = {
    "s": text_of,
    "d": _decimal,
    "f": _fixed,
    "e": _scientific,
    "b": _binary,
    "o": _octal,
    "x": _hexadecimal,
    "X": lambda value, digits: _hexadecimal(value, digits).upper(),
}

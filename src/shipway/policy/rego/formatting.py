"""Values as text: Rego's own notation, and ``sprintf`` with the verbs of Go's ``fmt``. Called by the builtins."""

import re
from decimal import Decimal
from typing import Final

from shipway.policy.rego.faults import Budget
from shipway.policy.rego.values import Set, Value, ordered, pairs_ordered

WIDEST: Final = 10_000
"""Width or precision of a verb."""
_ESCAPES: Final = {"\a": "\\a", "\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t", "\v": "\\v"}
_VERB: Final = re.compile(r"%([-+# 0]*)(\*|\d+)?(?:\.(\*|\d*))?(\[\d+\])?(.)?", re.DOTALL)


def shown(value: Value) -> str:
    """The value as Rego prints it: ``{"a": [1, "b"]}``, sets in braces."""
    kind = type(value)
    if kind is str:
        return quoted(value)
    if kind is list:
        return f"[{', '.join(map(shown, value))}]"
    if kind is Set:
        return f"{{{', '.join(map(shown, ordered(value)))}}}" if value else "set()"
    if kind is dict:
        return f"{{{', '.join(f'{shown(key)}: {shown(item)}' for key, item in pairs_ordered(value))}}}"
    return scalar(value)


def quoted(text: str) -> str:
    """A string in double quotes as Go's strconv.Quote writes it."""
    return f'"{"".join(map(_escaped, text))}"'


def _escaped(letter: str) -> str:
    if letter.isprintable():
        return f"\\{letter}" if letter in '"\\' else letter
    point = ord(letter)
    wide = f"\\x{point:02x}" if point < 0x80 else f"\\u{point:04x}" if point < 0x10000 else f"\\U{point:08x}"
    return _ESCAPES.get(letter, wide)


def scalar(value: Value) -> str:
    """null, a boolean or a number."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, int) else general(float(value))


def general(value: float, most: float = 1e21) -> str:
    """The shortest digits, with an exponent below 1e-4 and from ``most`` on (1e21 in JSON, 1e6 in Go's %v)."""
    text = repr(value)
    if value == 0 or 1e-4 <= abs(value) < most:
        return f"{Decimal(text):f}".removesuffix(".0")
    mantissa, _, power = text.partition("e")
    if not power:
        mantissa, _, power = f"{Decimal(text):e}".lower().partition("e")
    return f"{mantissa}e{int(power):+03}"


def sprintf(template: str, values: list[Value]) -> str:
    """Go's ``fmt.Sprintf``: numbers and strings as such, any other value as Rego prints it."""
    pieces: list[str] = []
    used = at = 0
    for match in _VERB.finditer(template):
        pieces.append(template[at : match.start()])
        at = match.end()
        flags, width, precision, index, verb = match.groups()
        if verb == "%":
            pieces.append("%")
            continue
        if verb is None:
            pieces.append("%!(NOVERB)")
            continue
        if index:
            used = int(index[1:-1]) - 1
        if width == "*":
            width, used = str(values[used]) if used < len(values) else "0", used + 1
        if precision == "*":
            precision, used = str(values[used]) if used < len(values) else "0", used + 1
        if used >= len(values):
            pieces.append(f"%!{verb}(MISSING)" if not index else f"%!{verb}(BADINDEX)")
            continue
        pieces.append(_one(verb, flags or "", width, precision, values[used]))
        used += 1
    pieces.append(template[at:])
    if used < len(values) and "%[" not in template:
        extra = ", ".join(f"{_kind(value)}={_plain(value)}" for value in values[used:])
        pieces.append(f"%!(EXTRA {extra})")
    return "".join(pieces)


def _kind(value: Value) -> str:
    if type(value) is int:
        return "int"
    return "float64" if type(value) is float else "string"


def _plain(value: Value) -> str:
    if type(value) is float:
        return general(value, 1e6)
    return value if type(value) is str else shown(value)


def _one(verb: str, flags: str, width: str | None, precision: str | None, value: Value) -> str:
    places = int(precision or 0) if precision is not None else None
    size = int(width or 0)
    if abs(size) > WIDEST or (places or 0) > WIDEST:
        raise Budget("sprintf: a width or precision is too large")
    text = _verb(verb, flags, places, value)
    if text is None:
        text = f"%!{verb}({_kind(value)}={_plain(value)})"
    return _padded(text, flags, size, numeric=type(value) in (int, float))


def _padded(text: str, flags: str, size: int, *, numeric: bool) -> str:
    if "-" in flags or size < 0:
        return text.ljust(abs(size))
    if "0" in flags and numeric:
        sign = text[:1] if text[:1] in ("+", "-", " ") else ""
        return sign + text[len(sign) :].rjust(size - len(sign), "0")
    return text.rjust(size)


def _verb(verb: str, flags: str, places: int | None, value: Value) -> str | None:
    if verb == "v":
        text = _plain(value) if type(value) is not float or places is None else f"{value:.{places}g}"
        return _signed(text, flags) if type(value) in (int, float) else text
    if verb == "T":
        return _kind(value)
    if type(value) is int:
        return _integer(verb, flags, places, value)
    if type(value) is float:
        return _signed(_float(verb, places, value), flags)
    return _string(verb, flags, places, _plain(value))


def _signed(text: str | None, flags: str) -> str | None:
    if text is None or text.startswith("-"):
        return text
    return f"+{text}" if "+" in flags else f" {text}" if " " in flags else text


def _integer(verb: str, flags: str, places: int | None, value: int) -> str | None:
    prefix = {"x": "0x", "X": "0X", "o": "0", "b": "0b"}.get(verb, "") if "#" in flags else ""
    if verb in "dxXob":
        digits = format(abs(value), verb)
        text = ("-" if value < 0 else "") + prefix + digits.rjust(places or 0, "0")
        return _signed(text, flags)
    if verb == "O":
        return _signed(f"{'-' if value < 0 else ''}0o{abs(value):o}", flags)
    if verb == "s" and abs(value) >> 63:
        return str(value)  # Go's big.Int writes itself under any verb
    if verb in ("c", "q", "U") and 0 <= value < 0x110000:
        quote = "\\'" if value == 39 else '"' if value == 34 else _escaped(chr(value))
        return {"c": chr(value), "q": f"'{quote}'", "U": f"U+{value:04X}"}[verb]
    return None


def _float(verb: str, places: int | None, value: float) -> str | None:
    if verb in "fF":
        return f"{value:.{6 if places is None else places}f}"
    if verb in "eE":
        return f"{value:.{6 if places is None else places}{verb}}"
    if verb in "gG":
        return general(value, 1e6) if places is None else f"{value:.{places}{verb}}"
    return None


def _string(verb: str, flags: str, places: int | None, text: str) -> str | None:
    if places is not None:
        text = text[:places]
    if verb == "s":
        return text
    if verb == "q":
        return f"`{text}`" if "#" in flags and "`" not in text else quoted(text)
    if verb in "xX":
        found = text.encode(errors="replace").hex(" ") if " " in flags else text.encode(errors="replace").hex()
        return found.upper() if verb == "X" else found
    return None

"""The strings extension: ``charAt``, ``indexOf``, ``split``, ``join``, ``replace``, ``substring``, ``quote`` and so on."""

from collections.abc import Sequence

from shipway.policy.cel.errors import CelError, CelLimitError
from shipway.policy.cel.formatting import format_
from shipway.policy.cel.functions import LIST, Library, function, method
from shipway.policy.cel.operators import MAX_SIZE, no_overload, sized
from shipway.policy.cel.values import Value

_WHITE = "\t\n\v\f\r \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000"
_QUOTED = {"\a": r"\a", "\b": r"\b", "\f": r"\f", "\n": r"\n", "\r": r"\r", "\t": r"\t", "\v": r"\v",
           "\\": r"\\", '"': r"\""}  # fmt: skip
_LOWER = {ord(char): char.lower() for char in "ABCDEFGHIJKLMNOPQRSTUVWXYZ"}
_UPPER = {ord(char): char.upper() for char in "abcdefghijklmnopqrstuvwxyz"}


def _out_of_range(at: int) -> CelError:
    return CelError(f"index out of range: {at}")


def char_at(text: str, at: int) -> str:
    """``text.charAt(i)``: empty at the end."""
    if not 0 <= at <= len(text):
        raise _out_of_range(at)
    return text[at : at + 1]


def index_of(text: str, part: str, start: int = 0) -> int:
    """``text.indexOf(part, start)``; -1 when absent."""
    if not part and 0 <= start <= len(text):
        return start
    if not 0 <= start < len(text):
        if start == 0 or (start == len(text) and start >= 0):
            return -1
        raise _out_of_range(start)
    return text.find(part, start)


def last_index_of(text: str, part: str, start: int | None = None) -> int:
    """``text.lastIndexOf(part, start)``: the last that begins at ``start`` or before; -1 when absent."""
    if start is not None and not 0 <= start <= len(text):
        raise _out_of_range(start)
    if start is None:
        return text.rfind(part)
    return text.rfind(part, 0, start + len(part))


def join(parts: Sequence[Value], separator: str = "") -> str:
    """``parts.join(separator)``."""
    if not all(type(part) is str for part in parts):
        return no_overload("join", *[part for part in parts if type(part) is not str][:1])
    if sum(map(len, parts)) + len(separator) * len(parts) > MAX_SIZE:
        raise CelLimitError(f"join() would make more than {MAX_SIZE} characters")
    return separator.join(parts)


def replace(text: str, old: str, new: str, count: int = -1) -> str:
    """``text.replace(old, new, count)``; a negative count is all."""
    if (text.count(old)) * max(len(new), 1) + len(text) > MAX_SIZE:
        raise CelLimitError(f"replace() would make more than {MAX_SIZE} characters")
    return text.replace(old, new, count)


def split(text: str, separator: str, limit: int = -1) -> list[str]:
    """``text.split(separator, limit)``: at most ``limit`` parts; a negative limit is no limit."""
    if limit == 0:
        return []
    if not separator:
        parts = list(text)
        return parts if limit < 0 or limit >= len(parts) else [*parts[: limit - 1], text[limit - 1 :]]
    return text.split(separator, limit - 1 if limit > 0 else -1)


def substring(text: str, start: int, end: int | None = None) -> str:
    """``text.substring(start, end)``."""
    stop = len(text) if end is None else end
    for at in (start, stop):
        if not 0 <= at <= len(text):
            raise _out_of_range(at)
    if start > stop:
        raise CelError(f"invalid substring range. start: {start}, end: {stop}")
    return text[start:stop]


def quote(text: str) -> str:
    """``strings.quote(text)``: as a literal in double quotes."""
    clean = text.encode("utf-8", "replace").decode()
    return str(sized('"' + "".join(_QUOTED.get(char, char) for char in clean) + '"'))


FUNCTIONS: Library = (
    method("charAt", char_at, str, int, kind="string"),
    method("indexOf", index_of, str, str, kind="int"),
    method("indexOf", index_of, str, str, int, kind="int"),
    method("lastIndexOf", last_index_of, str, str, kind="int"),
    method("lastIndexOf", last_index_of, str, str, int, kind="int"),
    method("join", join, LIST, kind="string"),
    method("join", join, LIST, str, kind="string"),
    method("lowerAscii", lambda text: text.translate(_LOWER), str, kind="string"),
    method("upperAscii", lambda text: text.translate(_UPPER), str, kind="string"),
    method("replace", replace, str, str, str, kind="string"),
    method("replace", replace, str, str, str, int, kind="string"),
    method("split", split, str, str, kind="list"),
    method("split", split, str, str, int, kind="list"),
    method("substring", substring, str, int, kind="string"),
    method("substring", substring, str, int, int, kind="string"),
    method("trim", lambda text: text.strip(_WHITE), str, kind="string"),
    method("reverse", lambda text: text[::-1], str, kind="string"),
    function("strings.quote", quote, str, kind="string"),
    method("format", format_, str, LIST, kind="string"),
)

"""Text of a Rego module to tokens. Called by the parser; knows no grammar.

Keywords are plain names here: which of them are keywords depends on the version and the imports.
"""

import json
import re
from typing import Final, Literal

import msgspec

from shipway.policy.rego.faults import Fault, RegoError
from shipway.policy.rules import Place

LONGEST: Final = 1_000_000
"""Characters of a module; the largest policies in the wild have some 100,000."""
DEEPEST_TEMPLATE: Final = 40
Kind = Literal["name", "number", "string", "template", "symbol", "end"]

_TOKEN: Final = re.compile(
    r"""(?P<space>[ \t\r]+)|(?P<line>\n)|(?P<comment>\#[^\n]*)
    |(?P<name>[A-Za-z_][A-Za-z0-9_]*)
    |(?P<number>(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?)
    |(?P<raw>`[^`]*`)|(?P<string>"(?:[^"\\\n]|\\.)*")
    |(?P<symbol>:=|==|!=|<=|>=|[-+*/%&|=<>\[\](){}.,:;])""",
    re.VERBOSE,
)


class Token(msgspec.Struct, frozen=True):
    """``touches``: nothing stands between this token and the one before it. ``fresh``: it is the first on its line."""

    kind: Kind
    text: str
    place: Place
    touches: bool = False
    fresh: bool = False
    value: str = ""
    """The contents of a string, escapes resolved; of a template, raw."""


def tokens(text: str, file: str) -> list[Token]:
    """All tokens, the last of kind ``end``. Raises RegoError at what is no token."""
    if len(text) > LONGEST:
        raise RegoError([Fault(Place(file, 1, 1), f"the module is longer than {LONGEST} characters")])
    found: list[Token] = []
    at, line, start, touches, fresh = 0, 1, 0, False, True
    while at < len(text):
        place = Place(file, line, at - start + 1)
        begin, group, at = at, *_next(text, at, place)
        piece = text[begin:at]
        if group in ("space", "comment", "line"):
            touches = False
        else:
            found.append(_token(group, piece, place, touches=touches, fresh=fresh))
            touches, fresh = True, False
        breaks = piece.count("\n")
        if breaks:
            line, start, fresh = line + breaks, begin + piece.rindex("\n") + 1, group == "line"
    return [*found, Token("end", "end of file", Place(file, line, at - start + 1), fresh=True)]


def _next(text: str, at: int, place: Place) -> tuple[str, int]:
    """Group and end of the token that begins here."""
    if text[at] == "$" and text[at + 1 : at + 2] in ('"', "`"):
        end = template_end(text, at)
        if end is None:
            raise RegoError([Fault(place, "a template is not closed")])
        return "string", end
    match = _TOKEN.match(text, at)
    if match is None:
        raise RegoError([Fault(place, _what(text, at))])
    return str(match.lastgroup), match.end()


def template_end(text: str, at: int) -> int | None:
    """Position after a template; strings and templates may stand inside its braces."""
    closing = [text[at + 1]]
    at += 2
    while at < len(text) and len(closing) <= DEEPEST_TEMPLATE:
        at += _step(text, at, closing)
        if not closing:
            return at
    return None


def _step(text: str, at: int, closing: list[str]) -> int:
    """Open or close what the character opens or closes; returns how many characters were read.

    ``closing``: a brace for code, a quote for a template, a quote twice for a string.
    """
    symbol, inside = text[at], closing[-1]
    if inside == "}":
        if symbol in '"`':
            closing.append(symbol if text[at - 1] == "$" else symbol * 2)
        elif symbol == "{":
            closing.append("}")
        elif symbol == "}":
            closing.pop()
    elif symbol == inside[0]:
        closing.pop()
    elif symbol == "{" and len(inside) == 1:
        closing.append("}")
    return 2 if symbol == "\\" and inside != "}" else 1


def _what(text: str, at: int) -> str:
    if text[at] in '"`':
        return "a string is not closed"
    return f"{text[at]!r} is not part of any token"


def _token(group: str, text: str, place: Place, *, touches: bool, fresh: bool) -> Token:
    if group in ("raw", "string"):
        kind: Kind = "template" if text[0] == "$" else "string"
        return Token(kind, text, place, touches, fresh, _contents(text, place))
    return Token(group, text, place, touches, fresh)  # type: ignore[arg-type]  # the groups of _TOKEN are the kinds


def _contents(text: str, place: Place) -> str:
    if text[0] == "$":
        return text[2:-1]
    if text[0] == "`":
        return text[1:-1]
    try:
        return str(json.loads(text, strict=False))
    except ValueError as error:
        raise RegoError([Fault(place, f"the string {text} has a wrong escape")]) from error

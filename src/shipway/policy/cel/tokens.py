"""Source text to tokens, after the lexical grammar of the CEL language definition. Called by ``parser`` only."""

import re
from typing import NamedTuple

from shipway.policy.cel.errors import CelSyntaxError
from shipway.policy.cel.values import INT_MAX, UINT_MAX, UInt, Value

RESERVED = frozenset(
    [
        "as",
        "break",
        "const",
        "continue",
        "else",
        "for",
        "function",
        "if",
        "import",
        "let",
        "loop",
        "package",
        "namespace",
        "return",
        "var",
        "void",
        "while",
    ]
)
MAX_LENGTH = 100_000
"""Characters in an expression, as in Kubernetes' own limits on policies (its requests are bounded at about 3 MB)."""


class Token(NamedTuple):
    """``kind`` is ``name``, ``quoted`` (a name in backticks), ``value``, ``end`` or the operator itself."""

    kind: str
    text: str
    value: Value
    line: int
    column: int


_OPERATORS = ("&&", "||", "==", "!=", "<=", ">=", *"+-*/%!<>?:.,()[]{}")
_LEXEME = re.compile(
    r"""(?P<space>[ \t\r\n\f]+|//[^\n]*)
      |(?P<string>(?:[rR][bB]?|[bB][rR]?)?(?:\"\"\"|'''|"|'))
      |(?P<number>0[xX][0-9a-fA-F]+[uU]?|(?:[0-9]+\.[0-9]+|\.[0-9]+|[0-9]+)(?:[eE][+-]?[0-9]+)?[uU]?)
      |(?P<name>[_a-zA-Z][_a-zA-Z0-9]*)
      |(?P<quoted>`[a-zA-Z0-9_.\-/ ]+`)
      |(?P<operator>"""
    + "|".join(re.escape(operator) for operator in _OPERATORS)
    + ")",
    re.VERBOSE | re.ASCII,
)
_ENDS = {
    quote: re.compile(rf"{re.escape(quote)}|\\.", re.DOTALL) if len(quote) == 3 else re.compile(rf"{quote}|\\.|[\r\n]")
    for quote in ('"', "'", '"""', "'''")
}
_RAW_ENDS = {
    quote: re.compile(re.escape(quote)) if len(quote) == 3 else re.compile(rf"{quote}|[\r\n]")
    for quote in ('"', "'", '"""', "'''")
}
_ESCAPE = re.compile(r"\\(?:[xX]([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|([0-3][0-7]{2})|(.))", re.DOTALL)
_SIMPLE = dict(zip("abfnrtv\\?\"'`", "\a\b\f\n\r\t\v\\?\"'`", strict=True))


def tokenize(source: str) -> list[Token]:
    """All tokens, the last of kind ``end``."""
    return list(_Lexer(source).run())


class _Lexer:
    def __init__(self, source: str) -> None:
        self.source = source
        self.at = 0
        self.line = 1
        self.line_start = 0
        if len(source) > MAX_LENGTH:
            raise CelSyntaxError(f"the expression has {len(source)} characters; the limit is {MAX_LENGTH}", 1, 1)

    def run(self) -> list[Token]:
        tokens = []
        while self.at < len(self.source):
            found = _LEXEME.match(self.source, self.at)
            if found is None:
                raise self.error(
                    f"unexpected character {self.source[self.at]!r}; expected a name, a value or an operator"
                )
            token = self.token(str(found.lastgroup), found.group())
            if token is not None:
                tokens.append(token)
        tokens.append(Token("end", "the end of the expression", None, self.line, self.at - self.line_start + 1))
        return tokens

    def error(self, message: str) -> CelSyntaxError:
        return CelSyntaxError(message, self.line, self.at - self.line_start + 1)

    def token(self, group: str, text: str) -> Token | None:
        line, column = self.line, self.at - self.line_start + 1
        if group == "string":
            value = self.string(text)
            return Token("value", "a string", value, line, column)
        token = None
        if group == "number":
            token = Token("value", text, self.number(text), line, column)
        elif group == "name":
            token = Token("name", text, None, line, column)
        elif group == "quoted":
            token = Token("quoted", text[1:-1], None, line, column)
        elif group == "operator":
            token = Token(text, text, None, line, column)
        self.advance(self.at + len(text))
        return token

    def advance(self, to: int) -> None:
        newlines = self.source.count("\n", self.at, to)
        if newlines:
            self.line += newlines
            self.line_start = self.source.rindex("\n", self.at, to) + 1
        self.at = to

    def number(self, text: str) -> Value:
        unsigned = text[-1] in "uU"
        digits = text[:-1] if unsigned else text
        if digits[:2] in ("0x", "0X"):
            return self.integer(int(digits[2:], 16) if len(digits) < 40 else UINT_MAX + 1, text, unsigned=unsigned)
        if digits.isdigit():
            return self.integer(int(digits) if len(digits) < 40 else UINT_MAX + 1, text, unsigned=unsigned)
        if unsigned:
            raise self.error(f"{text}: a number with a fraction or an exponent cannot be unsigned")
        value = float(digits)
        if value == float("inf"):
            raise self.error(f"{text} does not fit a double")
        return value

    def integer(self, value: int, text: str, *, unsigned: bool) -> Value:
        # 2^63 itself is let through: the parser accepts it after a minus only.
        if value > (UINT_MAX if unsigned else INT_MAX + 1):
            raise self.error(f"{text} does not fit 64 bits")
        return UInt(value) if unsigned else value

    def string(self, opening: str) -> Value:
        quote = opening.lstrip("rRbB")
        prefix = opening[: -len(quote)].lower()
        start = position = self.at + len(opening)
        pattern = (_RAW_ENDS if "r" in prefix else _ENDS)[quote]
        while True:
            found = pattern.search(self.source, position)
            if found is None or found.group() in ("\r", "\n"):
                raise self.error(f"the string is not closed; expected {quote}")
            if found.group() == quote:
                break
            position = found.end()
        body = self.source[start : found.start()]
        value = self.decode(body, raw="r" in prefix, binary="b" in prefix)
        self.advance(found.end())
        return value

    def decode(self, body: str, *, raw: bool, binary: bool) -> Value:
        try:
            body.encode()
        except UnicodeEncodeError:
            raise self.error("the string has a lone surrogate") from None
        if raw or "\\" not in body:
            return body.encode() if binary else body
        parts: list[bytes] = []
        at = 0
        while (slash := body.find("\\", at)) >= 0:
            parts.append(body[at:slash].encode())
            found = _ESCAPE.match(body, slash)
            if found is None:
                raise self.error("a backslash at the end of the string")
            parts.append(self.escape(found, binary=binary))
            at = found.end()
        parts.append(body[at:].encode())
        joined = b"".join(parts)
        return joined if binary else joined.decode()

    def escape(self, found: "re.Match[str]", *, binary: bool) -> bytes:
        two, four, eight, octal, simple = found.groups()
        if simple is not None:
            if simple not in _SIMPLE:
                raise self.error(
                    rf"unknown escape \{simple}; expected one of \a \b \f \n \r \t \v \\ \? \" \' \` \x \u \U or three octal digits"
                )
            return _SIMPLE[simple].encode()
        if binary and (four or eight):
            raise self.error(r"\u and \U are not allowed in bytes; write \x or octal")
        code = int(octal, 8) if octal else int(two or four or eight, 16)
        if binary:
            return bytes([code])
        if code > 0x10FFFF or 0xD800 <= code <= 0xDFFF:
            raise self.error(f"U+{code:04X} is not a Unicode character")
        return chr(code).encode()

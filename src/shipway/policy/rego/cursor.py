"""A position in the tokens of one module, with what every part of the parser asks of it. Called by the parser only."""

from typing import Final, NoReturn

from shipway.policy.rego.faults import Fault, RegoError
from shipway.policy.rego.lexer import Token, tokens
from shipway.policy.rules import Place

DEEPEST: Final = 70
"""Nested brackets: each costs some eight Python frames of the thousand that there are."""
ALWAYS: Final = frozenset(
    {"as", "default", "else", "import", "not", "package", "some", "with", "true", "false", "null"}
)
FUTURE: Final = frozenset({"if", "contains", "in", "every"})


class Cursor:
    """Reads tokens forward; ``seek`` goes back. ``keywords``: the names among FUTURE that are keywords here."""

    def __init__(self, text: str, file: str, keywords: frozenset[str]) -> None:
        self.tokens = tokens(text, file)
        self.at = 0
        self.depth = 0
        self.keywords = keywords
        self.strict = False
        """Version 1: bodies need ``if``, sets need ``contains``."""

    @property
    def token(self) -> Token:
        return self.tokens[self.at]

    @property
    def place(self) -> Place:
        return self.tokens[self.at].place

    def following(self) -> Token:
        """The token after the present one."""
        return self.tokens[min(self.at + 1, len(self.tokens) - 1)]

    def take(self) -> Token:
        """The present token; go on to the next one."""
        token = self.tokens[self.at]
        if token.kind != "end":
            self.at += 1
        return token

    def sees(self, *texts: str) -> bool:
        """Whether the present token is one of these symbols or names."""
        token = self.tokens[self.at]
        return token.text in texts and token.kind in ("symbol", "name") and not self.begins_reference()

    def begins_reference(self) -> bool:
        """A name directly before a dot is no keyword, whatever it is: ``not.a``."""
        after = self.following()
        return self.tokens[self.at].kind == "name" and after.text == "." and after.touches

    def accept(self, *texts: str) -> bool:
        """Take the token if it is one of these."""
        if self.sees(*texts):
            self.at += 1
            return True
        return False

    def expect(self, text: str) -> Token:
        """Take this symbol or name, or fail."""
        if not self.sees(text):
            self.fail(f"expected {text!r}, found {self.token.text!r}")
        return self.take()

    def keyword(self, name: str) -> bool:
        """Whether the present token is this keyword, and it is one here."""
        return name in self.keywords and self.sees(name)

    def name(self) -> str:
        """Take a name that is free to be used as one."""
        token = self.token
        if token.kind != "name" or token.text in ALWAYS or token.text in self.keywords:
            self.fail(f"expected a name, found {token.text!r}")
        return self.take().text

    def deeper(self) -> None:
        """Enter a bracket."""
        self.depth += 1
        if self.depth > DEEPEST:
            self.fail(f"more than {DEEPEST} brackets inside each other")

    def fail(self, message: str, place: Place | None = None) -> NoReturn:
        """Stop with a fault at the present token."""
        raise RegoError([Fault(place or self.place, message)])

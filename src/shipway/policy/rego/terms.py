"""Parser of terms and expressions: everything that can stand on one side of an operator. Called by ``parser``."""

from collections.abc import Callable
from decimal import Decimal
from typing import Final

from shipway.policy.rego.cursor import ALWAYS, Cursor
from shipway.policy.rego.faults import RegoError
from shipway.policy.rego.lexer import template_end
from shipway.policy.rego.tree import (
    Array,
    Call,
    Comprehension,
    Literal_,
    Object,
    Ref,
    Scalar,
    SetTerm,
    Template,
    Term,
    Var,
)

OPERATORS: Final = {
    "==": (2, "equal"), "!=": (2, "neq"), "<": (2, "lt"), "<=": (2, "lte"), ">": (2, "gt"), ">=": (2, "gte"),
    "|": (3, "or"), "&": (4, "and"), "+": (5, "plus"), "-": (5, "minus"), "*": (6, "mul"), "/": (6, "div"), "%": (6, "rem"),
}  # fmt: skip
"""Symbol to precedence and function; ``in`` has precedence 1."""
WORDS: Final = {"true": True, "false": False, "null": None}
LONGEST_NUMBER: Final = 4_000
Bodies = Callable[[Cursor, str], list[Literal_]]


class Terms:
    """Terms at a cursor. ``bodies`` parses the body of a comprehension up to a closing bracket."""

    def __init__(self, cursor: Cursor, bodies: Bodies) -> None:
        self.c = cursor
        self.bodies = bodies

    def expression(self, level: int = 1, *, bars: bool = True, left: Term | None = None) -> Term:
        """A term with operators that bind at least as tightly as ``level``. Without ``bars``, ``|`` ends it.

        ``left``: a first operand that has been read already.
        """
        c = self.c
        left = left or self.operand()
        while True:
            place = c.place
            if level <= 1 and c.keyword("in"):
                c.take()
                left = Call(name="internal.member_2", args=[left, self.expression(2, bars=bars)], place=place)
                continue
            precedence, function = OPERATORS.get(c.token.text, (0, "")) if c.token.kind == "symbol" else (0, "")
            if precedence < max(level, 2) or (not bars and function == "or"):
                return left
            c.take()
            right = self.expression(precedence + 1, bars=bars)
            left = Call(name=function, args=[left, right], place=place)

    def operand(self) -> Term:
        """A term with a sign and whatever reference follows it without a space."""
        c = self.c
        if c.sees("-"):
            return self._negative()
        token = c.token
        if token.kind == "name" and (c.begins_reference() or (token.text not in ALWAYS and self._free(token.text))):
            c.take()
            return self.reference(Var(name=token.text, place=token.place))
        return self.reference(self._closed())

    def _free(self, name: str) -> bool:
        """A keyword is still a function's name: ``contains(a, b)``."""
        return name not in self.c.keywords or (name == "contains" and self.c.following().text == "(")

    def _negative(self) -> Term:
        place = self.c.take().place
        if self.c.token.kind == "number":
            return Scalar(value=-self._number(), place=place)
        self.c.deeper()
        term = Call(name="minus", args=[Scalar(value=0, place=place), self.operand()], place=place)
        self.c.depth -= 1
        return term

    def _number(self) -> int | float:
        text = self.c.take().text
        if text.isdigit():
            if len(text) > LONGEST_NUMBER:
                self.c.fail("the number is too long")
            return int(text)
        number = float(text)
        if number in (float("inf"), -float("inf")):
            # An exponent of this length makes no number at all, of a Decimal neither.
            exact = Decimal(text) if len(text) <= LONGEST_NUMBER and len(text.lower().partition("e")[2]) < 9 else None
            if exact is None or exact.adjusted() > LONGEST_NUMBER:
                self.c.fail("the number is too large")
            return int(exact)
        return number

    def _closed(self) -> Term:
        """A term that shows its own end: a scalar or something in brackets."""
        c, token = self.c, self.c.token
        if token.kind == "string":
            return Scalar(value=c.take().value, place=token.place)
        if token.kind == "number":
            return Scalar(value=self._number(), place=token.place)
        if token.kind == "template":
            return self._template()
        if token.kind == "name" and token.text in WORDS:
            c.take()
            return Scalar(value=WORDS[token.text], place=token.place)
        if not c.sees("[", "{", "("):
            c.fail(f"expected a term, found {token.text!r}")
        c.deeper()
        term = {"[": self._array, "{": self._braces, "(": self._parentheses}[token.text]()
        c.depth -= 1
        return term

    def reference(self, head: Term) -> Term:
        """What follows without a space: ``.name``, ``[term]`` and ``(operands)``, any number of times."""
        c = self.c
        parts: list[Term] = []
        dots: list[bool] = []
        place = head.place
        while c.token.touches and c.sees(".", "[", "("):
            symbol = c.take().text
            if symbol == "(":
                head = self._call(_joined(head, parts, dots))
                parts, dots = [], []
                continue
            dots.append(symbol == ".")
            parts.append(self._dotted() if symbol == "." else self._bracketed())
        return Ref(head=head, parts=parts, dots=dots, place=place) if parts else head

    def _dotted(self) -> Term:
        if self.c.token.kind != "name":
            self.c.fail(f"expected a name after '.', found {self.c.token.text!r}")
        token = self.c.take()
        return Scalar(value=token.text, place=token.place)

    def _bracketed(self) -> Term:
        self.c.deeper()
        term = self.expression()
        self.c.expect("]")
        self.c.depth -= 1
        return term

    def _call(self, head: Term) -> Term:
        name = dotted(head)
        if name is None:
            self.c.fail("only a function can be called", head.place)
        self.c.deeper()
        args = self.listed(")")
        self.c.depth -= 1
        if name == "set" and not args:
            return SetTerm(items=[], place=head.place)
        return Call(name=name, args=args, place=head.place)

    def listed(self, end: str) -> list[Term]:
        """Terms up to the closing bracket, which is taken. A comma may follow the last one."""
        found: list[Term] = []
        while not self.c.accept(end):
            found.append(self.expression())
            if not self.c.accept(","):
                self.c.expect(end)
                break
        return found

    def _comprehension(self, end: str, kind: str) -> Comprehension | None:
        """The comprehension that starts here, or None with the cursor where it was."""
        c, back, depth = self.c, self.c.at, self.c.depth
        place = c.place
        try:
            head = self.expression(bars=False)
            key = None
            if kind == "set" and c.accept(":"):
                key, head, kind = head, self.expression(bars=False), "object"
            if c.accept("|"):
                body = self.bodies(c, end)
                return Comprehension(kind=kind, value=head, key=key, body=body, place=place)  # type: ignore[arg-type]  # three words
        except RegoError:
            if c.tokens[back].kind == "end" or not self._bar_within(back):
                raise
        c.at, c.depth = back, depth
        return None

    def _bar_within(self, back: int) -> bool:
        """Whether a second reading, with ``|`` as the operator, can differ from the first."""
        return any(token.text == "|" for token in self.c.tokens[back : self.c.at + 1])

    def _array(self) -> Term:
        place = self.c.take().place
        found = None if self.c.sees("]") else self._comprehension("]", "array")
        return found or Array(items=self.listed("]"), place=place)

    def _braces(self) -> Term:
        place = self.c.take().place
        if self.c.accept("}"):
            return Object(pairs=[], place=place)
        found = self._comprehension("}", "set")
        if found:
            return found
        first = self.expression()
        if not self.c.sees(":"):
            return SetTerm(items=[first, *self._more("}")], place=place)
        return Object(pairs=self._pairs(first), place=place)

    def _more(self, end: str) -> list[Term]:
        if self.c.accept(","):
            return self.listed(end)
        self.c.expect(end)
        return []

    def _pairs(self, key: Term) -> list[tuple[Term, Term]]:
        found: list[tuple[Term, Term]] = []
        while True:
            self.c.expect(":")
            found.append((key, self.expression()))
            if not self.c.accept(","):
                self.c.expect("}")
                return found
            if self.c.accept("}"):
                return found
            key = self.expression()

    def _parentheses(self) -> Term:
        place = self.c.take().place
        term = self.expression()
        if self.c.sees(","):
            self.c.take()
            value = self.expression(2)
            self.c.expect("in")
            term = Call(name="internal.member_3", args=[term, value, self.expression(2)], place=place)
        elif self.c.accept(
            "=",
        ):
            term = Call(name="eq", args=[term, self.expression()], place=place)
        self.c.expect(")")
        return term

    def _template(self) -> Term:
        """``$"a {x} b"``: the terms in braces are parsed on their own."""
        token = self.c.take()
        items: list[str | Term] = []
        for text, code in _pieces(token.value):
            if code is None:
                try:
                    items.append(_unescaped(text, raw=token.text[1] == "`"))
                except ValueError:
                    self.c.fail("the template has an escape that is none", token.place)
                continue
            inner = Cursor(text, token.place.file, self.c.keywords)
            inner.depth = self.c.depth
            inner.deeper()
            items.append(Terms(inner, self.bodies).expression())
            if inner.token.kind != "end":
                self.c.fail("expected one term in the braces of a template", token.place)
        return Template(items=items, place=token.place)


def _pieces(text: str) -> list[tuple[str, bool | None]]:
    """Literal text (None) and code (True) of a template in turn; ``\\{`` is a brace."""
    found: list[tuple[str, bool | None]] = []
    at = start = 0
    while at < len(text):
        if text[at] == "\\":
            at += 2
        elif text[at] == "{":
            end = _code_end(text, at + 1)
            found += [(text[start:at], None), (text[at + 1 : end], True)]
            at = start = end + 1
        else:
            at += 1
    return [*found, (text[start:], None)]


def _code_end(text: str, at: int) -> int:
    """Position of the brace that closes the code which begins at ``at``."""
    depth = 1
    while at < len(text):
        if text[at] in '"`':
            templated = text[at - 1] == "$"
            at = (template_end(text, at - 1) if templated else _string_end(text, at)) or len(text)
            continue
        depth += (text[at] == "{") - (text[at] == "}")
        if depth == 0:
            break
        at += 1
    return at


def _string_end(text: str, at: int) -> int:
    quote, at = text[at], at + 1
    while at < len(text) and text[at] != quote:
        at += 2 if text[at] == "\\" and quote == '"' else 1
    return at + 1


def _unescaped(text: str, *, raw: bool) -> str:
    import json

    text = text.replace("\\{", "{")
    return text if raw else str(json.loads(f'"{text}"', strict=False))


def _joined(head: Term, parts: list[Term], dots: list[bool]) -> Term:
    return Ref(head=head, parts=parts, dots=dots, place=head.place) if parts else head


def dotted(term: Term) -> str | None:
    """``a.b.c`` as a string; None for any other term."""
    if isinstance(term, Var):
        return term.name
    if isinstance(term, Ref) and isinstance(term.head, Var) and all(_is_name(part) for part in term.parts):
        return ".".join([term.head.name, *[str(part.value) for part in term.parts if isinstance(part, Scalar)]])
    return None


def _is_name(part: Term) -> bool:
    return isinstance(part, Scalar) and isinstance(part.value, str)

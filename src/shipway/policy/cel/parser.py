"""Tokens to a tree, after the grammar of the CEL language definition. Macros go to ``macros`` as soon as they are read.

Binary operators are read by precedence climbing, so that depth of the stack is a few frames for each bracket.
"""

from shipway.policy.cel.errors import CelSyntaxError
from shipway.policy.cel.macros import expand, placed
from shipway.policy.cel.tokens import RESERVED, Token, tokenize
from shipway.policy.cel.tree import (
    Call,
    Conditional,
    Entry,
    Ident,
    Index,
    ListOf,
    Literal,
    Logic,
    MapOf,
    Message,
    Node,
    Not,
    Operation,
    Select,
)
from shipway.policy.cel.values import INT_MAX

MAX_NESTING = 80
"""Brackets within brackets: five frames of the stack each. The specification asks for 12 at least."""

_PRECEDENCE = {
    "||": 1, "&&": 2,
    "==": 3, "!=": 3, "<": 3, "<=": 3, ">": 3, ">=": 3, "in": 3,
    "+": 4, "-": 4, "*": 5, "/": 5, "%": 5,
}  # fmt: skip
_CONSTANTS = {"true": True, "false": False, "null": None}


def parse(source: str, *, macros: bool = True) -> Node:
    """The tree of one expression. Raises CelSyntaxError."""
    return _Parser(tokenize(source), macros=macros).whole()


class _Parser:
    def __init__(self, tokens: list[Token], *, macros: bool) -> None:
        self.tokens = tokens
        self.next = 0
        self.nesting = 0
        self.macros = macros

    # -- moving through the tokens

    @property
    def token(self) -> Token:
        return self.tokens[self.next]

    def take(self) -> Token:
        token = self.tokens[self.next]
        self.next += 1
        return token

    def accept(self, kind: str) -> bool:
        if self.token.kind != kind:
            return False
        self.next += 1
        return True

    def expect(self, kind: str, why: str) -> Token:
        if self.token.kind != kind:
            raise self.error(f"expected {kind!r} {why}, found {self.token.text}")
        return self.take()

    def error(self, message: str, token: Token | None = None) -> CelSyntaxError:
        where = token or self.token
        return CelSyntaxError(message, where.line, where.column)

    # -- operators

    def whole(self) -> Node:
        node = self.expression()
        if self.token.kind != "end":
            raise self.error(f"expected an operator or the end of the expression, found {self.token.text}")
        return node

    def expression(self) -> Node:
        self.nesting += 1
        if self.nesting > MAX_NESTING:
            raise self.error(f"the expression is nested more than {MAX_NESTING} levels deep")
        node = self.binary(1)
        if self.token.kind == "?":
            mark = self.take()
            then = self.binary(1)
            self.expect(":", "after the second part of a condition (a ? b : c)")
            otherwise = self.expression()
            where = placed(mark.line, mark.column, node, then, otherwise)
            node = Conditional(condition=node, then=then, otherwise=otherwise, **where)
        self.nesting -= 1
        return node

    def binary(self, lowest: int) -> Node:
        left = self.unary()
        while True:
            token = self.token
            operator = token.text if token.kind in _PRECEDENCE or (token.kind, token.text) == ("name", "in") else ""
            precedence = _PRECEDENCE.get(operator, 0)
            if precedence < lowest or not precedence:
                return left
            self.take()
            left = self.joined(operator, token, left, self.binary(precedence + 1))

    def joined(self, operator: str, token: Token, left: Node, right: Node) -> Node:
        if operator not in ("&&", "||"):
            where = placed(token.line, token.column, left, right)
            return Operation(operator=operator, args=(left, right), **where)
        chain = left.args if isinstance(left, Logic) and left.operator == operator else (left,)
        where = placed(token.line, token.column, *chain, right)
        return Logic(operator="&&" if operator == "&&" else "||", args=(*chain, right), **where)

    def unary(self) -> Node:
        token = self.token
        if token.kind not in ("!", "-"):
            return self.member()
        count = 0
        while self.accept(token.kind):
            count += 1
        if token.kind == "-" and self.token.kind == "value" and type(self.token.value) in (int, float):
            return self.negated(token, count)
        node = self.member() if self.token.kind not in ("!", "-") else self.nested_unary()
        if token.kind == "!":
            return self.flipped(token, node, count)
        for _ in range(count):
            node = Operation(operator="-", args=(node,), **placed(token.line, token.column, node))
        return node

    def nested_unary(self) -> Node:
        raise self.error(f"expected a value, found {self.token.text}; write brackets between ! and -")

    def flipped(self, token: Token, node: Node, count: int) -> Node:
        for _ in range(count):
            node = Not(operand=node, **placed(token.line, token.column, node))
        return node

    def negated(self, token: Token, count: int) -> Node:
        """A minus before a number belongs to the number, so that the smallest integer can be written."""
        number = self.tokens[self.next]
        self.tokens[self.next] = number._replace(value=-number.value)
        node = self.member()
        for _ in range(count - 1):
            node = Operation(operator="-", args=(node,), **placed(token.line, token.column, node))
        return node

    # -- members and primaries

    def member(self) -> Node:
        node = self.primary()
        while True:
            token = self.token
            if self.accept("."):
                node = self.selected(node, token)
            elif self.accept("["):
                optional = self.accept("?")
                key = self.expression()
                self.expect("]", "after an index")
                node = Index(operand=node, key=key, optional=optional, **placed(token.line, token.column, node, key))
            elif token.kind == "{" and (name := self.type_name(node)):
                node = self.message(name, token)
            else:
                return node

    def selected(self, node: Node, dot: Token) -> Node:
        optional = self.accept("?")
        field = self.take()
        if field.kind not in ("name", "quoted"):
            raise self.error(f"expected a field name after '.', found {field.text}", field)
        if field.kind == "name" and field.text in ("in", *_CONSTANTS):
            raise self.error(f"{field.text!r} cannot be a field name; write it in backticks or as an index", field)
        if field.kind == "quoted" or optional or self.token.kind != "(":
            where = placed(field.line, field.column, node)
            return Select(operand=node, field=field.text, optional=optional, **where)
        return self.called(node, field, dot)

    def called(self, target: Node | None, name: Token, where: Token) -> Node:
        self.expect("(", "")
        args = tuple(entry.value for entry in self.list_of(")", "arguments", optionals=False))
        if self.macros:
            expanded = expand(target, name.text.lstrip("."), args, name.line, name.column)
            if expanded is not None:
                return expanded
        below = args if target is None else (target, *args)
        return Call(function=name.text, target=target, args=args, **placed(where.line, name.column, *below))

    def primary(self) -> Node:
        token = self.take()
        where = placed(token.line, token.column)
        if token.kind == "value":
            if type(token.value) is int and token.value > INT_MAX:
                raise self.error(f"{token.text} does not fit 64 bits", token)
            return Literal(value=token.value, **where)
        if token.kind == "(":
            node = self.expression()
            self.expect(")", "to close the bracket")
            return node
        if token.kind == "[":
            items = self.list_of("]", "elements", optionals=True)
            return ListOf(entries=items, **placed(token.line, token.column, *(item.value for item in items)))
        if token.kind == "{":
            return self.map_of(token)
        if token.kind == "." and self.token.kind == "name":
            name = self.take()
            return self.named(name._replace(text="." + name.text))
        if token.kind == "name":
            return self.named(token)
        raise self.error(f"expected a value, found {token.text}", token)

    def named(self, token: Token) -> Node:
        word = token.text
        if word in _CONSTANTS:
            return Literal(value=_CONSTANTS[word], **placed(token.line, token.column))
        if word.lstrip(".") in RESERVED or word.lstrip(".") == "in":
            raise self.error(f"{word!r} is a reserved word", token)
        if self.token.kind == "(":
            return self.called(None, token, token)
        return Ident(name=word, **placed(token.line, token.column))

    # -- lists, maps, messages

    def list_of(self, closing: str, what: str, *, optionals: bool) -> tuple[Entry, ...]:
        entries: list[Entry] = []
        while not self.accept(closing):
            optional = optionals and self.accept("?")
            entries.append(Entry(None, self.expression(), optional))
            if not self.accept(",") and self.token.kind != closing:
                raise self.error(f"expected ',' or {closing!r} after the {what}, found {self.token.text}")
            if not optionals and self.token.kind == closing and self.tokens[self.next - 1].kind == ",":
                raise self.error(f"expected a value after ',', found {closing}")
        return tuple(entries)

    def map_of(self, opening: Token) -> Node:
        entries: list[Entry] = []
        while not self.accept("}"):
            optional = self.accept("?")
            key = self.expression()
            self.expect(":", "between the key and the value of a map")
            entries.append(Entry(key, self.expression(), optional))
            if not self.accept(",") and self.token.kind != "}":
                raise self.error(f"expected ',' or '}}' after the entries, found {self.token.text}")
        below = [part for entry in entries for part in (entry.key, entry.value) if part is not None]
        return MapOf(entries=tuple(entries), **placed(opening.line, opening.column, *below))

    def message(self, name: str, opening: Token) -> Node:
        self.take()
        entries: list[Entry] = []
        while not self.accept("}"):
            optional = self.accept("?")
            field = self.take()
            if field.kind not in ("name", "quoted"):
                raise self.error(f"expected a field name, found {field.text}", field)
            self.expect(":", "between the field and its value")
            key = Literal(value=field.text, **placed(field.line, field.column))
            entries.append(Entry(key, self.expression(), optional))
            if not self.accept(",") and self.token.kind != "}":
                raise self.error(f"expected ',' or '}}' after the fields, found {self.token.text}")
        below = [entry.value for entry in entries]
        return Message(name=name, entries=tuple(entries), **placed(opening.line, opening.column, *below))

    @staticmethod
    def type_name(node: Node) -> str:
        parts: list[str] = []
        while isinstance(node, Select) and not node.optional:
            parts.append(node.field)
            node = node.operand
        return ".".join([node.name, *reversed(parts)]) if isinstance(node, Ident) else ""

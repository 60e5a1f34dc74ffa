"""Parser of modules, rules and bodies (the Rego grammar of version 0 and 1). Called by ``module``; resolves no names."""

from typing import Final

import msgspec

from shipway.policy.rego import annotations
from shipway.policy.rego.cursor import FUTURE, Cursor
from shipway.policy.rego.faults import RegoError
from shipway.policy.rego.terms import Terms
from shipway.policy.rego.tree import (
    Branch,
    Call,
    Import,
    Literal_,
    Module,
    Ref,
    Rule,
    Scalar,
    Term,
    Var,
    With,
)
from shipway.policy.rules import Place

MOST_RULES: Final = 20_000


def parse(text: str, file: str, version: int | None = None) -> Module:
    """The module. Without a version: 1, or 0 where only that fits. Raises RegoError."""
    try:
        if version is not None:
            return Parser(text, file, version).module()
        return _either(text, file)
    except RecursionError as error:
        from shipway.policy.rego.faults import Fault

        raise RegoError([Fault(Place(file, 1, 1), "the module is nested too deeply")]) from error


def _either(text: str, file: str) -> Module:
    """As version 1 or else as version 0; of two failures the one that got further is reported."""
    try:
        return Parser(text, file, 1).module()
    except RegoError as first:
        try:
            return Parser(text, file, 0).module()
        except RegoError as second:
            further = max(first, second, key=lambda error: (error.faults[0].place.line, error.faults[0].place.column))
            raise further from None


class Parser:
    """One module."""

    def __init__(self, text: str, file: str, version: int) -> None:
        self.text = text
        self.c = Cursor(text, file, FUTURE if version else frozenset())
        self.c.strict = bool(version)
        self.t = Terms(self.c, lambda cursor, end: Parser.inner(cursor).body(end))

    @classmethod
    def inner(cls, cursor: Cursor) -> "Parser":
        """A parser for a body in the middle of a term."""
        parser = cls.__new__(cls)
        parser.c = cursor
        parser.t = Terms(cursor, lambda inside, end: Parser.inner(inside).body(end))
        return parser

    def module(self) -> Module:
        """All of the text."""
        c = self.c
        place = c.expect("package").place
        package = self._path()
        imports: list[Import] = []
        rules: list[Rule] = []
        while c.token.kind != "end":
            if c.accept(";"):
                continue
            if c.sees("import"):
                imports += self._import()
            else:
                rules += self._rules()
            if len(rules) > MOST_RULES:
                c.fail(f"more than {MOST_RULES} rules")
        return Module(package=package, imports=imports, rules=rules, notes=self._notes(place), place=place)

    def _notes(self, place: Place) -> annotations.Notes:
        try:
            return annotations.read(self.text)
        except annotations.BadAnnotationError as error:
            self.c.fail(str(error), Place(place.file, error.line, 1))

    def _path(self) -> list[str]:
        if self.c.token.kind != "name":
            self.c.fail(f"expected a path, found {self.c.token.text!r}")
        token = self.c.take()
        term = self.t.reference(Var(name=token.text, place=token.place))
        if isinstance(term, Var):
            return [term.name]
        parts = term.parts if isinstance(term, Ref) else []
        if not parts or not all(isinstance(part, Scalar) and isinstance(part.value, str) for part in parts):
            self.c.fail("a path is made of names", token.place)
        return [token.text, *[str(part.value) for part in parts if isinstance(part, Scalar)]]

    def _import(self) -> list[Import]:
        c = self.c
        place = c.take().place
        path = self._path()
        alias = c.name() if c.accept("as") else path[-1]
        if path[0] == "rego":
            if path != ["rego", "v1"]:
                c.fail("only rego.v1 can be imported from rego", place)
            c.keywords, c.strict = FUTURE, True
            return []
        if path[0] == "future":
            self._future(path)
            return []
        if path[0] not in ("data", "input"):
            c.fail(f"an import begins with data, input, future or rego, not {path[0]!r}", place)
        return [Import(path=path, alias=alias, place=place)]

    def _future(self, path: list[str]) -> None:
        wanted = FUTURE if len(path) == 2 else frozenset(path[2:])
        if path[:2] != ["future", "keywords"] or not wanted <= FUTURE | {"not"}:
            self.c.fail(f"unknown import {'.'.join(path)}")
        self.c.keywords |= wanted & FUTURE
        if "every" in wanted:
            self.c.keywords |= {"in"}

    def _rules(self) -> list[Rule]:
        """One rule with its ``else`` branches, and the further bodies that version 0 allows after it."""
        c = self.c
        default = c.sees("default") and c.following().kind == "name"
        if default:
            c.take()
        place = c.place
        ref, args, dots = self._head()
        rule = Rule(ref=ref, args=args, branches=[], default=default, place=place)
        rule.contains = c.keyword("contains")
        value = self._set_element() if rule.contains else self._head_value()
        worded = self._accept_if()
        bodied = worded or c.sees("{")
        if bodied and not worded and c.strict:
            c.fail("`if` is needed before the body of a rule")
        if value is None and not rule.contains and len(ref) == 2 and not dots[0] and args is None and not worded:
            if c.strict:
                c.fail("`contains` is needed for a partial set")
            rule.contains, value = True, ref.pop()
        if not bodied and value is None:
            c.fail(f"expected a value or a body for the rule, found {c.token.text!r}")
        body = self._rule_body(worded=worded) if bodied else []
        rule.branches.append(Branch(value=value or Scalar(value=True, place=place), body=body, place=place))
        self._elses(rule)
        more: list[Rule] = []
        while bodied and not c.strict and c.sees("{"):
            branch = Branch(value=rule.branches[0].value, body=self._rule_body(worded=False), place=place)
            more.append(msgspec.structs.replace(rule, branches=[branch]))
        return [rule, *more]

    def _head(self) -> tuple[list[Term], list[Term] | None, list[bool]]:
        """The reference of a head (its first part a Scalar), operands, and which parts had dots."""
        c = self.c
        place = c.place
        keyword_name = c.token.kind == "name" and c.following().text in (".", "[") and c.following().touches
        name = c.take().text if keyword_name else c.name()
        term = self.t.reference(Var(name=name, place=place))
        if isinstance(term, Var):
            return [Scalar(value=name, place=place)], None, []
        if isinstance(term, Call):
            parts: list[Term] = [Scalar(value=part, place=place) for part in term.name.split(".")]
            return parts, term.args or None, [True] * (len(parts) - 1)
        if not isinstance(term, Ref) or not isinstance(term.head, Var):
            c.fail("this cannot be the head of a rule", place)
        return [Scalar(value=name, place=place), *term.parts], None, term.dots

    def _set_element(self) -> Term:
        self.c.take()
        return self.t.expression()

    def _head_value(self) -> Term | None:
        return self.t.expression() if self.c.accept(":=", "=") else None

    def _accept_if(self) -> bool:
        if self.c.keyword("if"):
            self.c.take()
            return True
        return False

    def _elses(self, rule: Rule) -> None:
        c = self.c
        while c.sees("else"):
            place = c.take().place
            value = self._head_value()
            worded = self._accept_if()
            bodied = worded or c.sees("{")
            if bodied and not worded and c.strict:
                c.fail("`if` is needed before the body of `else`")
            if not bodied and value is None:
                c.fail("`else` needs a value or a body")
            body = self._rule_body(worded=worded) if bodied else []
            rule.branches.append(Branch(value=value or Scalar(value=True, place=place), body=body, place=place))

    def _rule_body(self, *, worded: bool) -> list[Literal_]:
        """``{ ... }``, or after ``if`` one literal. ``if {`` begins a body wherever it can be one."""
        c, back = self.c, self.c.at
        if not c.sees("{"):
            return [self.literal()]
        try:
            c.take()
            return self.body("}")
        except RegoError:
            stopped, c.at, c.depth = c.at, back, 0
            if worded:
                try:
                    return [self.literal()]
                except RegoError:
                    c.at = stopped
            raise

    def body(self, end: str) -> list[Literal_]:
        """Literals up to the closing bracket, which is taken; ``;`` or a new line stands between them."""
        c = self.c
        found: list[Literal_] = []
        while True:
            while c.accept(";"):
                pass
            if found and c.accept(end):
                return found
            found.append(self.literal())
            if not (c.sees(end, ";") or c.token.fresh):
                c.fail(f"expected {end!r} or a new line, found {c.token.text!r}")

    def literal(self) -> Literal_:
        """One line of a body, with its ``with`` clauses."""
        c = self.c
        place = c.place
        negated = c.accept("not")
        if c.sees("some"):
            literal = self._some()
        elif c.sees("every") and ("every" in c.keywords or c.following().kind == "name"):
            literal = self._every()
        else:
            literal = self._plain()
        literal.negated, literal.place = negated, place
        while c.sees("with"):
            literal.withs.append(self._with())
        return literal

    def _plain(self) -> Literal_:
        c = self.c
        place = c.place
        term = self.t.expression()
        if c.sees(","):
            c.take()
            value = self.t.expression(2)
            c.expect("in")
            call = Call(name="internal.member_3", args=[term, value, self.t.expression(2)], place=place)
            return Literal_(kind="expr", terms=[self.t.expression(left=call)])
        if c.accept(":="):
            return Literal_(kind="assign", terms=[term, self.t.expression()])
        if c.accept("="):
            return Literal_(kind="expr", terms=[Call(name="eq", args=[term, self.t.expression()], place=place)])
        return Literal_(kind="expr", terms=[term])

    def _some(self) -> Literal_:
        self.c.take()
        terms = [self.t.expression(2)]
        while self.c.accept(","):
            terms.append(self.t.expression(2))
        if self.c.accept("in"):
            if len(terms) > 2:
                self.c.fail("`some` takes a value, or a key and a value, before `in`")
            return Literal_(kind="in", terms=[*terms, self.t.expression(2)])
        if not all(isinstance(term, Var) for term in terms):
            self.c.fail("`some` declares names")
        return Literal_(kind="some", terms=terms)

    def _every(self) -> Literal_:
        self.c.take()
        terms = [self.t.operand()]
        if self.c.accept(","):
            terms.append(self.t.operand())
        self.c.expect("in")
        terms.append(self.t.expression(2))
        self.c.expect("{")
        self.c.deeper()
        body = self.body("}")
        self.c.depth -= 1
        return Literal_(kind="every", terms=terms, body=body)

    def _with(self) -> With:
        place = self.c.take().place
        target = self.t.operand()
        if not isinstance(target, Ref | Var):
            self.c.fail("`with` replaces input, data or a function", place)
        self.c.expect("as")
        return With(target=target, value=self.t.expression(), place=place)

"""Gives every name its meaning: variable, rule, function, import. Called by ``module`` between parser and ``emit``.

A name declared with ``:=``, ``some``, ``every`` or as an operand is a variable of its scope, whatever else has that name.
Then come ``input``, ``data``, imports and rules of the package. Any other name is a variable of the outermost scope that
mentions it outside of a comprehension.
"""

from collections.abc import Iterator, Sequence
from typing import Final

import msgspec

from shipway.policy.rego import annotations
from shipway.policy.rego.faults import Fault
from shipway.policy.rego.index import Index
from shipway.policy.rego.tree import (
    Array,
    Branch,
    Call,
    Comprehension,
    Literal_,
    Module,
    Node,
    Object,
    Ref,
    Rule,
    Scalar,
    SetTerm,
    Template,
    Term,
    Var,
    With,
)
from shipway.policy.rules import Place

ROOTS: Final = ("input", "data")


class Scope:
    """Variables of one body."""

    def __init__(self, parent: "Scope | None" = None) -> None:
        self.parent = parent
        self.declared: dict[str, int] = {}
        self.later: dict[str, int] = {}
        """Declared by lines that are still to come: nothing before them sees these."""
        self.implicit: dict[str, int] = {}
        self.slots: list[int] = []

    def look(self, name: str, *, implicit: bool) -> int | None:
        """The variable of that name, here or further out."""
        scope: Scope | None = self
        while scope:
            slot = (scope.implicit if implicit else scope.declared).get(name)
            if slot is not None:
                return slot
            scope = scope.parent
        return None


class Scopes:
    """Resolves one module; ``mocked`` collects the functions that some ``with`` replaces."""

    def __init__(self, module: Module, index: Index, builtins: Sequence[str] | set[str], mocked: set[str]) -> None:
        self.module = module
        self.index = index
        self.builtins = builtins
        self.mocked = mocked
        self.faults: list[Fault] = []
        self.package = tuple(module.package)
        self.rules = index.names.get(self.package, set())
        self.imports = {item.alias: item.path for item in module.imports}
        self.count = 0
        self.scope = Scope()
        self.inside: Rule | None = None
        """The rule whose names are being resolved."""

    def run(self) -> list[Fault]:
        """Rewrite every rule in place; returns what is wrong."""
        for rule in self.module.rules:
            self.rule(rule)
        return self.faults

    def rule(self, rule: Rule) -> None:
        """Each branch is a scope of its own, with copies of operands and keys."""
        self.inside = rule
        for branch in rule.branches:
            self.branch(rule, branch)

    def branch(self, rule: Rule, branch: Branch) -> None:
        """Operands first, then the body, then what the head says."""
        self.scope = Scope()
        args = rule.args or []
        for name in names(args):
            self._declare(name)
        self._enter(branch.body, [branch.value, *rule.ref[1:], *args])
        branch.args = [self.term(arg) for arg in args]
        branch.body = self.lines(branch.body)
        branch.keys = [self.term(key) for key in rule.ref[1:]]
        branch.value = self.term(branch.value)
        branch.slots = self.scope.slots

    def _fault(self, place: Place, message: str) -> None:
        self.faults.append(Fault(place, message))

    def _slot(self) -> int:
        self.count += 1
        self.scope.slots.append(self.count)
        return self.count

    def _declare(self, name: str) -> None:
        if name != "_" and name not in self.scope.declared:
            self.scope.declared[name] = self._slot()

    def _enter(self, body: Sequence[Literal_], head: Sequence[Term]) -> None:
        """Make the variables of a scope: the declared ones, then those that are only mentioned."""
        for literal in body:
            for name in declared(literal):
                if name != "_" and name not in self.scope.declared and name not in self.scope.later:
                    self.scope.later[name] = self._slot()
        mentioned = [*names(head)]
        for literal in body:
            mentioned += names(literal.terms)
            mentioned += names([clause.value for clause in literal.withs])
        for name in mentioned:
            known = (
                name == "_"
                or name in self.scope.later
                or self._global(name)
                or self.scope.look(name, implicit=False) is not None
            )
            if not known and self.scope.look(name, implicit=True) is None:
                self.scope.implicit[name] = self._slot()

    def _global(self, name: str) -> list[str] | None:
        if name in ROOTS:
            return [name]
        if name in self.imports:
            return self.imports[name]
        return ["data", *self.package, name] if name in self.rules else None

    def body(self, body: list[Literal_], head: Sequence[Term], extra: Sequence[Term] = ()) -> list[int]:
        """Open a scope for a nested body; the caller resolves within it and closes it with ``leave``."""
        self.scope = Scope(self.scope)
        for name in names(extra):
            self._declare(name)
        self._enter(body, head)
        return self.scope.slots

    def leave(self) -> None:
        """Close the innermost scope."""
        assert self.scope.parent
        self.scope = self.scope.parent

    def lines(self, body: Sequence[Literal_]) -> list[Literal_]:
        """Resolve the lines of a body in turn."""
        return [self.literal(literal) for literal in body]

    def _reveal(self, literal: Literal_) -> None:
        for name in declared(literal):
            if name in self.scope.declared and literal.kind == "assign":
                self._fault(literal.place, f"{name} has been assigned or declared above: `:=` declares a name once")
            if name in self.scope.later:
                self.scope.declared[name] = self.scope.later.pop(name)

    def literal(self, literal: Literal_) -> Literal_:
        """Resolve one line. What stands to the right of ``:=`` does not see the names that it declares."""
        literal = msgspec.structs.replace(literal)
        for clause in literal.withs:
            self._target(clause.target)
        literal.withs = [
            With(target=clause.target, value=self._replacement(clause.value), place=clause.place)
            for clause in literal.withs
        ]
        if literal.kind == "every":
            return self._every(literal)
        if literal.kind in ("assign", "in"):
            last = self.term(literal.terms[-1])
            self._reveal(literal)
            literal.terms = [*[self.term(term) for term in literal.terms[:-1]], last]
            return literal
        self._reveal(literal)
        literal.terms = [self.term(term) for term in literal.terms]
        return literal

    def _every(self, literal: Literal_) -> Literal_:
        domain = self.term(literal.terms[-1])
        literal.slots = self.body(literal.body, [], literal.terms[:-1])
        literal.terms = [*[self.term(term) for term in literal.terms[:-1]], domain]
        literal.body = self.lines(literal.body)
        self.leave()
        return literal

    def _target(self, target: Ref | Var) -> None:
        """Put the full path of a ``with`` target in its place, as ``Scalar`` parts below a root or a function's name."""
        head = target.head if isinstance(target, Ref) else target
        parts = target.parts if isinstance(target, Ref) else []
        path = [part.value for part in parts if isinstance(part, Scalar)]
        if not isinstance(head, Var) or len(path) != len(parts):
            self._fault(target.place, "`with` replaces a fixed path of input or data, or a function")
            return
        full = [*(self._global(head.name) or [head.name]), *path]
        dotted = ".".join(map(str, full))
        if full[0] not in ROOTS and dotted not in self.builtins:
            self._fault(target.place, f"`with` cannot replace {dotted}: it is neither input, data nor a function")
        if full[0] not in ROOTS or self.index.function([str(name) for name in full[1:]]):
            self.mocked.add(dotted)
        _resolve_target(target, head, full)

    def _replacement(self, value: Term) -> Term:
        """A function by its name, or any value."""
        from shipway.policy.rego.terms import dotted

        name = dotted(value)
        if name is not None:
            first, *rest = name.split(".")
            full = ".".join([*(self._global(first) or [first]), *rest])
            local = self.scope.look(first, implicit=False) is not None
            if not local and (full in self.builtins or self.index.function(full.split(".")[1:])):
                return Call(name=full, args=[], rule="name", place=value.place)
        return self.term(value)

    def term(self, term: Term) -> Term:  # noqa: PLR0911  # one line for each kind of term
        """The term with its names resolved."""
        match term:
            case Var():
                return self._variable(term)
            case Ref():
                return self._reference(term)
            case Array():
                return Array(items=[self.term(item) for item in term.items], place=term.place)
            case SetTerm():
                return SetTerm(items=[self.term(item) for item in term.items], place=term.place)
            case Object():
                pairs = [(self.term(key), self.term(value)) for key, value in term.pairs]
                return Object(pairs=pairs, place=term.place)
            case Comprehension():
                return self._comprehension(term)
            case Call():
                return self._call(term)
            case Template():
                items = [item if isinstance(item, str) else self.term(item) for item in term.items]
                return Template(items=items, place=term.place)
        return term

    def _variable(self, term: Var) -> Term:
        if term.slot >= 0:
            return term
        if term.name == "_":
            return Var(name="_", slot=self._slot(), place=term.place)
        slot = self.scope.look(term.name, implicit=False)
        if slot is None:
            path = self._global(term.name)
            if path:
                parts: list[Term] = [Scalar(value=name, place=term.place) for name in path[1:]]
                return Ref(head=Var(name=path[0], place=term.place), parts=parts, place=term.place)
            slot = self.scope.look(term.name, implicit=True)
        return Var(name=term.name, slot=self._slot() if slot is None else slot, place=term.place)

    def _reference(self, term: Ref) -> Ref:
        head = self.term(term.head)
        parts = [self.term(part) for part in term.parts]
        if isinstance(head, Ref):
            return Ref(head=head.head, parts=[*head.parts, *parts], place=term.place)
        return Ref(head=head, parts=parts, place=term.place)

    def _comprehension(self, term: Comprehension) -> Comprehension:
        head = [term.value] if term.key is None else [term.key, term.value]
        slots = self.body(term.body, head)
        body = self.lines(term.body)
        key = None if term.key is None else self.term(term.key)
        made = Comprehension(
            kind=term.kind, value=self.term(term.value), key=key, body=body, slots=slots, place=term.place
        )
        self.leave()
        return made

    def _call(self, term: Call) -> Term:
        args = [self.term(arg) for arg in term.args]
        first, *rest = term.name.split(".")
        path = None if self.scope.look(first, implicit=False) is not None else self._global(first)
        name = ".".join([*(path or [first]), *rest])
        if name in annotations.FUNCTIONS and not args and self.inside:
            return self._annotated(name, self.inside, term.place)
        group = self.index.function(name.split(".")[1:]) if name.startswith("data.") else None
        if not args and group is None and name.startswith("data."):  # version 0: `f() = x` is a rule like any other
            parts: list[Term] = [Scalar(value=part, place=term.place) for part in name.split(".")[1:]]
            return Ref(head=Var(name="data", place=term.place), parts=parts, place=term.place)
        return Call(name=name, args=args, rule=group, place=term.place)

    def _annotated(self, name: str, rule: Rule, place: Place) -> Term:
        """What the comments before the rule say, in the place of the call that asks for it."""
        if name == "rego.metadata.rule":
            return annotations.term(annotations.of_rule(self.module, rule.place.line), place)
        path = [*self.package, *annotations.names(rule.ref)]
        return annotations.term(annotations.chain(self.module, path, rule.place.line), place)


def _resolve_target(target: Ref | Var, head: Var, full: list[object]) -> None:
    head.name, head.slot = str(full[0]), -1
    if isinstance(target, Ref):
        target.parts = [Scalar(value=name, place=target.place) for name in full[1:]]
    else:
        target.name = ".".join(map(str, full))


def declared(literal: Literal_) -> Iterator[str]:
    """Names that a line declares in its body."""
    if literal.kind == "some":
        yield from names(literal.terms)
    elif literal.kind == "in":
        yield from names(literal.terms[:-1])
    elif literal.kind == "assign":
        yield from names(literal.terms[:1], targets=True)


def names(terms: Sequence[Node | str], *, targets: bool = False) -> Iterator[str]:
    """Names of variables in terms, without those inside comprehensions. ``targets``: only where a pattern can bind."""
    for term in terms:
        match term:
            case Var():
                yield term.name
            case Ref() if not targets:
                yield from names([term.head, *term.parts])
            case Array() | SetTerm() | Template():
                yield from names([item for item in term.items if not isinstance(item, str)], targets=targets)
            case Object():
                yield from names([item for _, item in term.pairs], targets=targets)
                if not targets:
                    yield from names([key for key, _ in term.pairs])
            case Call() if not targets:
                yield from names(term.args)

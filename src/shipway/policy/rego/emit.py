"""Bodies and rules to Python functions, lines in an order in which every variable is bound before it is needed.

Called by ``module``. A body that has no such order is unsafe: a fault. The other half is ``emit_terms``.
"""

from collections.abc import Callable, Sequence
from typing import Literal, cast

from shipway.policy.rego.emit_terms import TermEmitter, equality
from shipway.policy.rego.faults import Fault, RegoError
from shipway.policy.rego.frames import Frame, Kind, TooDeepError, Unready
from shipway.policy.rego.index import Clause, Group
from shipway.policy.rego.tree import Array, Branch, Call, Done, Literal_, Object, Ref, Scalar, SetTerm, Term, Var, With

COMPARED = frozenset({"neq", "lt", "lte", "gt", "gte"})
IGNORED = frozenset({"print", "trace"})


class Emitter(TermEmitter):
    """Writes the functions of all groups; ``lines`` is the text of the Python module."""

    lines: list[str]

    def group(self, group: Group) -> list[list[str]]:
        """Names of the functions of each clause, a branch after another."""
        self.uses, self.work = set(), 0
        names: list[list[str]] = []
        for number, clause in enumerate(group.clauses):
            names.append(self._clause(group, clause, f"c{group.number}_{number}"))
        if group.default is not None:
            names.append(self._clause(group, group.default, f"d{group.number}"))
        group.uses = self.uses
        return names

    def _clause(self, group: Group, clause: Clause, name: str) -> list[str]:
        found: list[str] = []
        for number, branch in enumerate(clause.rule.branches):
            self._function(group, clause, branch, f"{name}_{number}")
            found.append(f"{name}_{number}")
        return found

    def _function(self, group: Group, clause: Clause, branch: Branch, name: str) -> None:
        """One body with its head. Raises RegoError when it is unsafe or too deep."""
        fixed = isinstance(branch.value, Scalar)
        kind: Kind = "collect" if group.kind in ("set", "object") else "first" if fixed else "merge"
        end = {"collect": "return", "first": "return U", "merge": "return val"}[kind]
        bound: set[int] = set()
        params = self._params(branch.args, bound)
        out = ["out"] if kind == "collect" else []
        self.frame = Frame(kind, 1, end, bound, set(branch.slots))
        self.cx, self.sorted = "cx", False
        self.lines.append(f"def {name}({', '.join(['cx', *params, *out])}):")
        if kind == "merge":
            self.frame.write("val = U")
        try:
            self._head_and_body(group, clause, branch, params)
        except Unready as unready:
            raise self._unsafe(branch, unready) from None
        except TooDeepError:
            raise self.fault(branch.place, "the rule is nested too deeply") from None
        self.lines += self.frame.lines

    def _head_and_body(self, group: Group, clause: Clause, branch: Branch, params: list[str]) -> None:
        patterns: list[Callable[[], object]] = [
            lambda arg=arg, name=name: self.unify(arg, Done(code=name))  # type: ignore[misc]  # bound early
            for arg, name in zip(branch.args, params, strict=True)
            if not (isinstance(arg, Var) and name == f"v{arg.slot}")
        ]
        self.all([*patterns, *self._jobs(branch.body)])
        self.frame_leaf(group, clause, branch)
        self.frame.close()

    def _params(self, args: Sequence[Term], bound: set[int]) -> list[str]:
        params: list[str] = []
        for number, arg in enumerate(args):
            if isinstance(arg, Var) and arg.slot not in bound:
                bound.add(arg.slot)
                params.append(f"v{arg.slot}")
            else:
                params.append(f"a{number}")
        return params

    def _unsafe(self, branch: Branch, unready: Unready) -> RegoError:
        names = sorted(set(unready.names.values()))
        sentence = ", ".join(names) + (" is" if len(names) == 1 else " are")
        place = branch.body[0].place if branch.body else branch.place
        return RegoError([Fault(place, f"{sentence} unsafe: no line gives a value")])

    def frame_leaf(self, group: Group, clause: Clause, branch: Branch) -> None:
        """The innermost lines of a rule: what one solution means."""
        fixed = len(clause.keys) - clause.variable
        keys = [*clause.keys[:fixed], *branch.keys[len(branch.keys) - clause.variable :]]
        self.at(branch)
        *names, value = self.values([*keys, branch.value])
        self.reached()
        if group.kind == "object":
            contains = "True" if clause.rule.contains else "False"
            self.frame.write(f"cx.place(out, [{', '.join(names)}], {value}, {contains}, {group.number})")
        elif group.kind == "set":
            self.frame.write(self.added("out", value, array=False))
        elif self.frame.kind == "first":
            self.frame.write(f"return {value}")
        else:
            self.frame.write(f"val = agree(val, {value}, {group.title!r})")

    def reached(self) -> None:
        """A solution is about to be used. For ``tracing``."""

    # Lines of a body

    def _jobs(self, body: Sequence[Literal_]) -> list[Callable[[], object]]:
        return [lambda literal=literal: self.literal(literal) for literal in body]  # type: ignore[misc]  # bound early

    def nested(self, kind: str, slots: list[int], body: Sequence[Literal_], leaf: Callable[[], None], end: str) -> str:
        name = self.temp("f")
        outer = self.frame
        self.define(name)
        self.frame = Frame(cast("Kind", kind), outer.indent + 1, end, set(outer.bound), set(slots))
        try:
            self.all(self._jobs(body))
            leaf()
            self.frame.close()
            outer.lines += self.frame.lines
        finally:
            self.frame = outer
        return name

    def literal(self, literal: Literal_) -> None:
        """One line, under its ``with`` clauses."""
        self.at(literal)
        if not literal.withs:
            self._line(literal)
            return
        before = self.cx
        try:
            self.cx = self._within(literal.withs)
            self._line(literal)
        finally:
            self.cx = before

    def _within(self, withs: Sequence[With]) -> str:
        replacements: list[str] = []
        for clause in withs:
            path = _path(clause.target)
            value, is_function = self._replacement(clause.value)
            if path[0] == "input" or (path[0] == "data" and ".".join(path) not in self.mocked):
                replacements.append(f"({tuple(path)!r}, {value})")
            else:
                replacements.append(f"({'.'.join(path)!r}, {value}, {is_function})")
        name = self.temp("cx")
        self.frame.write(f"{name} = {self.cx}.within(({', '.join(replacements)},))")
        return name

    def _replacement(self, value: Term) -> tuple[str, bool]:
        if isinstance(value, Call) and value.rule == "name":
            group = self.index.function(value.name.split(".")[1:]) if value.name.startswith("data.") else None
            if group is not None:
                self.uses.add(group.number)
                return str(group.number), True
            name = f"b_{value.name.replace('.', '_')}"
            self.constants[name] = self.builtin(value)
            return name, True
        return self.value(value), False

    def _line(self, literal: Literal_) -> None:
        kind: Literal["expr", "assign", "some", "in", "every"] = literal.kind
        if kind == "some":
            return
        if literal.negated:
            self._negated(literal)
        elif kind == "assign":
            self.unify(*literal.terms)
        elif kind == "in":
            self._some_in(literal.terms)
        elif kind == "every":
            self._every(literal)
        else:
            self._expression(literal.terms[0])

    def _some_in(self, terms: list[Term]) -> None:
        base = self.value(terms[-1])
        self.iterate(base, terms[0] if len(terms) == 3 else None, terms[-2])

    def _every(self, literal: Literal_) -> None:
        base = self.value(literal.terms[-1])
        self.fail_if(f"type({base}) not in COLLECTIONS")
        name = self.temp("f")
        outer = self.frame
        self.define(name)
        self.frame = Frame("test", outer.indent + 1, "return True", set(outer.bound), set(literal.slots))
        try:
            self.iterate(base, literal.terms[0] if len(literal.terms) == 3 else None, literal.terms[-2])
            inner = self.nested(
                "test", literal.slots, literal.body, lambda: self.frame.write("return True"), "return False"
            )
            self.frame.write(f"if not {inner}(): return False")
            self.frame.close()
            outer.lines += self.frame.lines
        finally:
            self.frame = outer
        self.fail_if(f"not {name}()")

    def _expression(self, term: Term) -> None:
        if isinstance(term, Call):
            self._call_line(term)
        elif isinstance(term, Scalar):
            if term.value is False:
                self.fail_if("True")
        else:
            self.fail_if(f"{self.value(term)} is False")

    def _call_line(self, term: Call) -> None:
        """A call as a line: it must be true, or bind its last operand when there is one more than it takes."""
        if term.name in IGNORED and term.name not in self.mocked:
            return
        if term.name == "eq":
            self.unify(*term.args)
            return
        if term.name == "equal" and len(term.args) == 2:
            self.same(*self.values(term.args), negate=True)
            return
        arity = term.rule.arity if term.rule is not None else self.builtin(term).arity
        if arity >= 0 and len(term.args) == arity + 1:
            *args, result = term.args
            self.unify(result, Call(name=term.name, args=args, rule=term.rule, place=term.place))
        else:
            self.fail_if(f"{self.value(term)} is False")

    def _negated(self, literal: Literal_) -> None:
        """No solution. As in OPA operands of calls are evaluated before: undefined there fails the body, not the ``not``."""
        term = self._hoisted(literal.terms[0]) if literal.kind == "expr" else literal.terms[0]
        simple = self._condition(term)
        if simple:
            self.fail_if(simple)
            return
        inner = Literal_(kind=literal.kind, terms=[term, *literal.terms[1:]], body=literal.body, slots=literal.slots)
        leaf = lambda: self.frame.write("return True")  # noqa: E731  # one statement
        name = self.nested("test", [], [inner], leaf, "return False")
        self.fail_if(f"{name}()")

    def _condition(self, term: Term) -> str | None:
        """A Python condition for a term that cannot iterate any more: no function needed."""
        if isinstance(term, Call) and term.name == "equal":
            return self._equal_condition(*term.args)
        if self._simple(term):
            assert isinstance(term, Ref)
            found = self._lookup(term)
            return f"{found} is not U and {found} is not False"
        return None

    def _equal_condition(self, left: Term, right: Term) -> str | None:
        """Undefined is equal to no scalar; two undefined sides would be equal, so they are not decided here."""
        for one, other in ((left, right), (right, left)):
            if isinstance(one, Scalar) and self._simple(other):
                assert isinstance(other, Ref)
                return equality(self._lookup(other), self.value(one))
        if isinstance(left, Scalar | Done) and isinstance(right, Scalar | Done):
            return equality(self.value(left), self.value(right))
        return None

    def _simple(self, term: Term) -> bool:
        """A path below the input or a value at hand, without iteration."""
        if not isinstance(term, Ref) or not all(isinstance(part, Scalar | Done) for part in term.parts):
            return False
        head = term.head
        return isinstance(head, Done) or (isinstance(head, Var) and (head.name == "input" or head.slot >= 0))

    def _lookup(self, term: Ref) -> str:
        head = f"{self.cx}.input" if isinstance(term.head, Var) and term.head.slot < 0 else self.value(term.head)
        parts = "".join(f"{part}, " for part in self.values(term.parts))
        return self.store(f"{self.DIG}({head}, ({parts}))")

    def _hoisted(self, term: Term) -> Term:
        """The term of a negated line with what OPA evaluates before it taken out."""
        if isinstance(term, Call):
            self.check_call(term)
            if term.name in ("eq", "equal") and len(term.args) == 2:
                return Call(name=term.name, args=[self._hoisted_side(arg) for arg in term.args], place=term.place)
            args: list[Term] = [self._evaluated(arg) for arg in term.args]
            return Call(name=term.name, args=args, rule=term.rule, place=term.place)
        return self._hoisted_side(term)

    def check_call(self, term: Call) -> None:
        """The function exists."""
        if term.rule is None and term.name not in ("eq", "equal"):
            self.builtin(term)

    def _hoisted_side(self, term: Term) -> Term:
        if isinstance(term, Ref):
            head = self._evaluated(term.head) if isinstance(term.head, Call) else term.head
            return Ref(head=head, parts=[self._evaluated(part) for part in term.parts], place=term.place)
        return self._evaluated(term) if isinstance(term, Call | Array | Object | SetTerm) else term

    def _evaluated(self, term: Term) -> Term:
        if isinstance(term, Scalar | Var):
            return term
        return Done(code=self.value(term), place=term.place)


def _path(target: Ref | Var) -> list[str]:
    if isinstance(target, Var):
        return target.name.split(".")
    if not isinstance(target.head, Var):
        raise RegoError([])  # ``scopes`` has said what is wrong with it
    return [target.head.name, *[str(part.value) for part in target.parts if isinstance(part, Scalar)]]

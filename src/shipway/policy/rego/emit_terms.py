"""Terms to Python: each method writes statements into the present frame and returns the expression that has the value.

Half of the compiler, the other half is ``emit``. Which variables are bound at a line is known here, so unification is
decided now: bind, compare or take apart. What needs a variable that is not bound yet raises ``Unready``.
The text holds nothing but generated names and the ``repr`` of strings and numbers.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from itertools import count
from typing import Final

from shipway.policy.rego.builtin import Builtin
from shipway.policy.rego.faults import Fault, RegoError
from shipway.policy.rego.frames import Frame, Unready
from shipway.policy.rego.index import Branching, Group, Index
from shipway.policy.rego.tree import (
    Array,
    Call,
    Comprehension,
    Done,
    Literal_,
    Node,
    Object,
    Ref,
    Scalar,
    SetTerm,
    Template,
    Term,
    Var,
)
from shipway.policy.rego.values import Set, Value, key_of
from shipway.policy.rules import Place

MOST_WORK: Final = 200_000
"""Terms translated for the rules of one name, each try counted; nested bodies out of order cost a power of their depth."""
COMPARISONS: Final = frozenset({"neq", "lt", "lte", "gt", "gte"})


class TermEmitter(ABC):
    """State of the translation of one set of modules. What can be overridden is what ``tracing`` writes otherwise."""

    frame: Frame
    DIG = "dig"
    LOOK = "look"

    def __init__(
        self, index: Index, builtins: Mapping[str, Builtin], refused: Mapping[str, str], mocked: set[str]
    ) -> None:
        self.index = index
        self.builtins = builtins
        self.refused = refused
        self.mocked = mocked
        self.constants: dict[str, Value] = {}
        self.numbers = count()
        self.work = 0
        self.uses: set[int] = set()
        self.cx = "cx"
        self.sorted = False
        """Inside an array comprehension, where the order of a set or an object shows."""

    def temp(self, prefix: str = "t") -> str:
        """A name that is not in use."""
        return f"{prefix}{next(self.numbers)}"

    def fault(self, place: Place, message: str) -> RegoError:
        """An error to raise."""
        return RegoError([Fault(place, message)])

    def constant(self, value: Value) -> str:
        """An expression for a value that never changes."""
        if value is None or isinstance(value, bool) or type(value) is str:
            return repr(value)
        if type(value) is int and abs(value) < 1 << 63:
            return repr(value)
        name = self.temp("k")
        self.constants[name] = value
        return name

    def fail_if(self, condition: str) -> None:
        """The line has no solution under that condition."""
        self.frame.write(f"if {condition}: {self.frame.give_up()}")

    def store(self, code: str) -> str:
        """Evaluate once, into a name of its own."""
        name = self.temp()
        self.frame.write(f"{name} = {code}")
        return name

    def defined(self, code: str) -> str:
        """Evaluate once; undefined is no solution."""
        name = self.store(code)
        self.fail_if(f"{name} is U")
        return name

    def unbound(self, term: Term) -> bool:
        """Whether it is a variable that has no value yet."""
        return isinstance(term, Var) and term.slot not in self.frame.bound

    def all(self, jobs: Sequence[Callable[[], object]]) -> None:
        """Do everything, in the order in which it becomes possible."""
        waiting = list(jobs)
        while waiting:
            left: list[Callable[[], object]] = []
            missing: dict[int, str] = {}
            for job in waiting:
                mark = self.frame.mark()
                try:
                    job()
                except Unready as unready:
                    self.frame.back(mark)
                    missing |= unready.names
                    left.append(job)
            if len(left) == len(waiting):
                raise Unready(missing)
            waiting = left

    def values(self, terms: Sequence[Term]) -> list[str]:
        """Expressions for all the terms."""
        codes = [""] * len(terms)

        def one(at: int) -> None:
            codes[at] = self.value(terms[at])

        self.all([lambda at=at: one(at) for at in range(len(terms))])  # type: ignore[misc]  # a default is how a loop's lambda keeps its number
        return codes

    def value(self, term: Term) -> str:  # noqa: PLR0911  # one line for each kind of term
        """An expression for the (defined) value of a term; evaluating it again costs nothing."""
        self.work += 1
        if self.work > MOST_WORK:
            raise self.fault(term.place, "the policy is too intricate to be compiled")
        match term:
            case Scalar():
                return self.constant(term.value)
            case Done():
                return term.code
            case Var():
                if self.unbound(term):
                    raise Unready({term.slot: term.name})
                return f"v{term.slot}"
            case Ref():
                return self._reference(term)
            case Call():
                return self.call(term)
            case Comprehension():
                return self._comprehension(term)
            case Template():
                return self._template(term)
        return self._composite(term)

    def _composite(self, term: Array | SetTerm | Object) -> str:
        fixed = ground(term)
        if fixed is not None:
            return self.constant(fixed)
        if isinstance(term, Object):
            return self._object(term)
        codes = ", ".join(self.values(term.items))
        return self.store(
            f"{self.cx}.made([{codes}])" if isinstance(term, Array) else f"{self.cx}.made(Set([{codes}]))"
        )

    def _object(self, term: Object) -> str:
        codes = self.values([part for pair in term.pairs for part in pair])
        keys = [part.value if isinstance(part, Scalar) else None for part, _ in term.pairs]
        if all(type(key) is str for key in keys) and len(set(keys)) == len(keys):
            items = ", ".join(f"{codes[at]}: {codes[at + 1]}" for at in range(0, len(codes), 2))
            return self.store(f"{self.cx}.made({{{items}}})")
        name = self.store("{}")
        for at in range(0, len(codes), 2):
            self.frame.write(f"{self.cx}.put({name}, {codes[at]}, {codes[at + 1]})")
        return self.store(f"{self.cx}.made({name})")

    # References

    def _reference(self, term: Ref) -> str:
        head = term.head
        if isinstance(head, Var) and head.slot < 0:
            if head.name == "data":
                return self._data(term)
            return self.path(f"{self.cx}.input", term.parts)
        return self.path(self.value(head), term.parts)

    def _data(self, term: Ref) -> str:
        node, at = self.index.root, 0
        while node.group is None and at < len(term.parts):
            part = term.parts[at]
            below = node.children.get(str(part.value)) if isinstance(part, Scalar) and type(part.value) is str else None
            if below is None:
                break
            node, at = below, at + 1
        rest = term.parts[at:]
        if node.group is not None:
            return self._group(node.group, rest, term.place)
        if rest and isinstance(rest[0], Scalar):
            return self.path(f"{self.cx}.data", term.parts)
        self.uses |= {below.group.number for below in node.walk() if below.group and below.group.kind != "function"}
        return self._package(node, rest)

    def _group(self, group: Group, rest: list[Term], place: Place) -> str:
        if group.kind == "function":
            raise self.fault(place, f"the function {group.title} is used without operands")
        self.uses.add(group.number)
        return self.path(f"{self.cx}.get({group.number})", rest)

    def _package(self, node: Branching, rest: list[Term]) -> str:
        if rest and not self.patterned(rest[0]):
            return self.path(f"{self.cx}.child({node.number}, {self.value(rest[0])})", rest[1:])
        return self.path(f"{self.cx}.document({node.number})", rest)

    def patterned(self, term: Term) -> bool:
        """Whether some variable in the term would be bound by matching it."""
        match term:
            case Var():
                return self.unbound(term)
            case Array():
                return any(self.patterned(item) for item in term.items)
            case Object():
                return any(self.patterned(item) for _, item in term.pairs)
        return False

    def path(self, base: str, parts: Sequence[Term]) -> str:
        """The value below ``base``, which may be undefined: look up what is known, iterate over what is not."""
        code, at = base, 0
        while at < len(parts):
            names: list[str] = []
            while at < len(parts) and isinstance(part := parts[at], Scalar):
                names.append(self.constant(part.value))
                at += 1
            if names:
                code = self.defined(f"{self.DIG}({code}, ({', '.join(names)},))")
                continue
            part = parts[at]
            at += 1
            if self.patterned(part):
                item = self.temp()
                self.iterate(code, part, Var(name=item, slot=-2), last=at == len(parts), item=item)
                code = item
            else:
                code = self.defined(f"{self.LOOK}({code}, {self.value(part)})")
        return code if code is not base or not base.startswith(("cx", self.cx)) else self.defined(code)

    def iterate(self, base: str, key: Term | None, value: Term | None, *, last: bool = True, item: str = "") -> None:
        """A loop over a collection that matches keys and values; ``item`` names the value instead of a pattern."""
        del last
        suffix = "_ordered" if self.sorted else ""
        target = item or self._target(value)
        wild = key is None or (isinstance(key, Var) and key.name == "_" and self._own(key))
        if wild:
            self.frame.loop(f"for {target} in {self.cx}.elements{suffix}({base}):")
        else:
            assert key is not None
            name = self._target(key)
            self.frame.loop(f"for {name}, {target} in {self.cx}.pairs{suffix}({base}):")
            self._match(key, name)
        if value is not None and not item:
            self._match(value, target)

    def _own(self, term: Var) -> bool:
        if term.slot not in self.frame.own:
            raise Unready({term.slot: term.name})
        return True

    def _target(self, term: Term | None) -> str:
        return f"v{term.slot}" if isinstance(term, Var) and self.unbound(term) and self._own(term) else self.temp()

    def _match(self, term: Term, code: str) -> None:
        if isinstance(term, Var) and code == f"v{term.slot}":
            self.frame.bound.add(term.slot)
        else:
            self.unify(term, Done(code=code))

    # Unification

    def unify(self, left: Term, right: Term) -> None:
        """Make both the same, binding what is unbound on either side."""
        if self.unbound(left):
            self._bind(left, right)
        elif self.unbound(right):
            self._bind(right, left)
        elif isinstance(left, Array | Object) and self.patterned(left):
            self._take_apart(left, right)
        elif isinstance(right, Array | Object) and self.patterned(right):
            self._take_apart(right, left)
        else:
            self.same(*self.values([left, right]), negate=True)

    def _bind(self, variable: Term, other: Term) -> None:
        assert isinstance(variable, Var)
        self._own(variable)
        self.frame.write(f"v{variable.slot} = {self.value(other)}")
        self.frame.bound.add(variable.slot)

    def same(self, left: str, right: str, *, negate: bool) -> None:
        """Give up unless equal."""
        self.fail_if(f"not {equality(left, right)}" if negate else equality(left, right))

    def _take_apart(self, pattern: Array | Object, other: Term) -> None:
        if isinstance(pattern, Array) and isinstance(other, Array):
            self.fail_if(str(len(pattern.items) != len(other.items)))
            pairs = list(zip(pattern.items, other.items, strict=False))
        elif isinstance(pattern, Array):
            code = self.value(other)
            self.fail_if(f"type({code}) is not list or len({code}) != {len(pattern.items)}")
            pairs = [(item, Done(code=self.store(f"{code}[{at}]"))) for at, item in enumerate(pattern.items)]
        else:
            pairs = self._object_parts(pattern, other)
        self.all([lambda pair=pair: self.unify(*pair) for pair in pairs])  # type: ignore[misc]  # as above

    def _object_parts(self, pattern: Object, other: Term) -> list[tuple[Term, Term]]:
        if isinstance(other, Object) and self.patterned(other):
            mine, yours = _by_key(pattern), _by_key(other)
            if mine is None or yours is None:
                raise Unready({0: "key"})
            self.fail_if(str(mine.keys() != yours.keys()))
            return [(mine[key], yours[key]) for key in mine.keys() & yours.keys()]
        code = self.value(other)
        self.fail_if(f"type({code}) is not dict or len({code}) != {len(pattern.pairs)}")
        return [
            (value, Done(code=self.defined(f"{self.LOOK}({code}, {self.value(key)})"))) for key, value in pattern.pairs
        ]

    # Calls

    def call(self, term: Call) -> str:
        """The result of a function."""
        if term.name in ("eq", "equal"):
            left, right = self.values(term.args)
            return self.store(equality(left, right))
        if term.rule is not None:
            self.arity(term, term.rule.arity)
            return self.defined(self.invocation(term, self.values(term.args)))
        builtin = self.builtin(term)
        self.arity(term, builtin.arity)
        codes = self.values(term.args)
        if term.name in COMPARISONS and term.name not in self.mocked:
            return self.store(f"{term.name}({', '.join(codes)})")
        result = self.defined(self.invocation(term, codes))
        if builtin.relation:
            item = self.temp()
            self.frame.loop(f"for {item} in {self.results(result, codes)}:")
            return item
        return result

    def builtin(self, term: Call) -> Builtin:
        """The builtin function of that name; an error names what we do not have."""
        found = self.builtins.get(term.name)
        if found is None:
            reason = self.refused.get(term.name)
            if reason:
                raise self.fault(term.place, f"{term.name} is not supported: {reason}")
            raise self.fault(term.place, f"undefined function {term.name}")
        return found

    def arity(self, term: Call, arity: int) -> None:
        """Check the number of operands; builtins with a negative one take any number."""
        if arity >= 0 and len(term.args) != arity:
            raise self.fault(term.place, f"{term.name} takes {arity} operands, not {len(term.args)}")

    def invocation(self, term: Call, codes: list[str]) -> str:
        """The call itself."""
        operands = "".join(f", {code}" for code in codes)
        if term.name in self.mocked:
            if term.rule is not None:
                self.uses.add(term.rule.number)
            return f"{self.cx}.dispatch({term.name!r}{operands})"
        if term.rule is not None:
            self.uses.add(term.rule.number)
            return f"{self.cx}.invoke({term.rule.number}{operands})"
        name = f"b_{term.name.replace('.', '_')}"
        self.constants[name] = self.builtins[term.name]
        return f"{self.cx}.call({name}{operands})"

    # What tracing writes otherwise

    def at(self, node: Node) -> None:  # noqa: B027  # nothing to write, unless it is traced
        """A line of a body or the head of one begins."""

    def define(self, name: str) -> None:
        """Begin a function inside of a function."""
        self.frame.write(f"def {name}():")

    def added(self, out: str, value: str, *, array: bool) -> str:
        """The statement that adds to a collection under construction."""
        return f"{out}.{'append' if array else 'add'}({value})"

    def results(self, code: str, operands: list[str]) -> str:
        """The results of a builtin function that has many, to iterate over."""
        del operands
        return code

    # Bodies inside of terms

    @abstractmethod
    def nested(self, kind: str, slots: list[int], body: Sequence[Literal_], leaf: Callable[[], None], end: str) -> str:
        """A function for a body inside of a term; returns its name. In ``emit``."""

    def _comprehension(self, term: Comprehension) -> str:
        out = self.temp("o")
        empty = {"array": "[]", "set": "Set()", "object": "{}"}[term.kind]
        before, self.sorted = self.sorted, term.kind == "array"

        def leaf() -> None:
            self.at(term)
            if term.key is not None:
                key, value = self.values([term.key, term.value])
                self.frame.write(f"{self.cx}.put({out}, {key}, {value})")
            else:
                self.frame.write(self.added(out, self.value(term.value), array=term.kind == "array"))

        try:
            self.frame.write(f"{out} = {empty}")
            name = self.nested("collect", term.slots, term.body, leaf, "return")
        finally:
            self.sorted = before
        self.frame.write(f"{name}()")
        return self.store(f"{self.cx}.made({out})")

    def _template(self, term: Template) -> str:
        pieces: list[str] = []
        for item in term.items:
            if isinstance(item, str):
                pieces.append(repr(item))
                continue

            def leaf(item: Term = item) -> None:
                self.frame.write(f"return {self.value(item)}")

            name = self.nested("first", sorted(_slots(item)), [], leaf, "return U")
            pieces.append(self.store(f"{self.cx}.shown({name}())"))
        return self.store(f"{self.cx}.text(({', '.join(pieces)},))")


def _slots(term: Term) -> set[int]:
    """Wildcards of a term, which nothing else can bind."""
    match term:
        case Var():
            return {term.slot} if term.name == "_" else set()
        case Ref():
            return set().union(*[_slots(part) for part in [term.head, *term.parts]])
        case Call():
            return set().union(*[_slots(part) for part in term.args])
    return set()


def equality(left: str, right: str) -> str:
    """A Python condition for Rego's ``==``; strings need no look at their kind."""
    for one, other in ((left, right), (right, left)):
        if one[0] in "'\"":
            return f"({one} == {other})"
        if one in ("None", "True", "False") and other[0].isalpha():
            return f"({other} is {one})"
    return f"equal({left}, {right})"


def ground(term: Term) -> Value | None:
    """The value of a term made of nothing but scalars; None for any other."""
    if isinstance(term, Array | SetTerm) and all(_fixed(item) for item in term.items):
        items = [_literal(item) for item in term.items]
        return items if isinstance(term, Array) else Set(items)
    if isinstance(term, Object) and all(_fixed(key) and _fixed(item) for key, item in term.pairs):
        found = {key_of(_literal(key)): _literal(item) for key, item in term.pairs}
        return found if len(found) == len(term.pairs) else None
    return None


def _fixed(term: Term) -> bool:
    return isinstance(term, Scalar) or (isinstance(term, Array | SetTerm | Object) and ground(term) is not None)


def _literal(term: Term) -> Value:
    return term.value if isinstance(term, Scalar) else ground(term)


def _by_key(term: Object) -> dict[object, Term] | None:
    if not all(_fixed(key) for key, _ in term.pairs):
        return None
    return {key_of(_literal(key)): value for key, value in term.pairs}

"""Evaluation once more, with a record of what each element of a result was derived from. Called by ``blame``.

The rules are compiled a second time, when one of them first fails: every look into the input is recorded with its path,
every line of a body with its number. A body is then summed up as what its last deciding line read, be it that it held or
that it failed; so what is left of a call, a negation or an element of a set is what decided it. Values that a function
makes are not followed further than into the collections that they were picked from.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, Literal, NamedTuple

from shipway.policy.rego.builtin import Builtin
from shipway.policy.rego.emit import Emitter
from shipway.policy.rego.index import Branching, Clause, Group
from shipway.policy.rego.library import REFUSED
from shipway.policy.rego.lines import Line, Lines
from shipway.policy.rego.module import Compiled, run
from shipway.policy.rego.runtime import Context, Limit, Program, agree, look
from shipway.policy.rego.tree import Branch, Node
from shipway.policy.rego.values import UNDEFINED, Set, Value, key_of
from shipway.policy.rules import Path

STEPS: Final = 400_000
"""Of one evaluation. Blame is not worth long evaluations."""
Kind = Literal["read", "turn", "around", "why", "beside"]


class Read(NamedTuple):
    """One look into a document."""

    root: str
    path: Path
    kind: Kind = "read"
    """``turn``: the element that a loop is at; ``around``: such an element, of a loop further out.

    ``why``: what an element of a collection was picked for, when that was made. ``beside``: in a line that decides as well.
    """


Reads = tuple[Read, ...]
_Entry = int | Read
"""The number of a line, or what was read in it."""


class Record:
    """What was read in one evaluation. Shared by all its contexts."""

    def __init__(self, roots: Mapping[str, Value], lines: Mapping[int, Line]) -> None:
        self.log: list[_Entry] = []
        self.marks: list[int] = []
        self.solved: list[Reads | None] = []
        self.lines = lines
        self.places: dict[int, tuple[str, Path]] = {}
        """Collections of the documents, by identity."""
        self.origins: dict[int, dict[Any, Reads]] = {}
        """What the elements of a collection made on the way were derived from: by their key, or index in an array."""
        self._kept: list[Value] = []
        for name, value in roots.items():
            self._register(name, value)

    def _register(self, root: str, value: Value) -> None:
        waiting: list[tuple[Path, Value]] = [((), value)]
        while waiting:
            path, one = waiting.pop()
            if type(one) is dict or type(one) is list:
                self.places[id(one)] = (root, path)
                pairs = one.items() if type(one) is dict else enumerate(one)
                waiting += [((*path, key), below) for key, below in pairs if isinstance(key, str | int)]

    def place(self, value: Value) -> tuple[str, Path] | None:
        """Where a collection stands."""
        return self.places.get(id(value)) if type(value) in (dict, list) else None

    def note(self, value: Value) -> None:
        """A collection is read as a whole."""
        place = self.place(value)
        if place is not None:
            self.log.append(Read(*place))

    def derive(self, out: Value, key: Any, reads: Reads) -> None:
        """Remember what an element was derived from; the first derivation counts."""
        known = self.origins.get(id(out))
        if known is None:
            known = self.origins[id(out)] = {}
            self._kept.append(out)  # so that its identity stays its own
        known.setdefault(key, reads)

    def elements(self, value: Value) -> dict[Any, Reads]:
        """What the elements of a collection were derived from, by their value as a key."""
        place, known = self.place(value), self.origins.get(id(value), {})
        if type(value) is list:
            below = ((key_of(one), at) for at, one in enumerate(value))
            if place is not None:
                return {key: (Read(place[0], (*place[1], at), "turn"),) for key, at in below}
            return {key: known[at] for key, at in below if at in known}
        return known if type(value) is Set else {}

    def settled(self, mark: int, *, heads: bool = True) -> Reads:
        """What the last line that decides has read since, with what it builds on; and the loops around it.

        ``heads``: the value of a head counts as a line.
        """
        lines, around = self._by_line(mark)
        chosen: list[Read] = []
        best = -1
        for number in reversed(lines):
            known = self.lines.get(number, _UNKNOWN)
            if known.said or (known.head and not heads):
                continue
            found = self._sum(number, lines)
            worth = max((_worth(read) for read in found), default=0)
            if worth > best:
                chosen, best = found, worth
            if best == _TELLING:
                break
        return tuple(dict.fromkeys([*around, *chosen]))

    def deciding(self, mark: int) -> list[Read]:
        """What all lines that decide have read since."""
        lines, _ = self._by_line(mark)
        known = [found for number, found in lines.items() if not self.lines.get(number, _UNKNOWN).said]
        return [read for found in known for read in found if read.kind == "read" and _worth(read) == _TELLING]

    def _by_line(self, mark: int) -> tuple[dict[int, list[Read]], list[Read]]:
        """What was read in each line, in their order, and the elements that loops were at."""
        lines: dict[int, list[Read]] = {}
        around: list[Read] = []
        number = 0
        for entry in self.log[mark:]:
            if isinstance(entry, int):
                number = entry
                lines.setdefault(number, [])
                continue
            if entry.kind in ("read", "turn"):
                lines.setdefault(number, []).append(entry)
            if entry.kind not in ("read", "beside"):
                around.append(entry if entry.kind == "why" else entry._replace(kind="around"))
        return lines, around

    def _sum(self, number: int, lines: Mapping[int, list[Read]]) -> list[Read]:
        found: list[Read] = []
        waiting, seen = [number], {number}
        while waiting:
            one = waiting.pop()
            found += lines.get(one, ())
            needs = self.lines.get(one, _UNKNOWN).needs & lines.keys() - seen
            seen |= needs
            waiting += needs
        return found


OBJECT: Final = "object"
_UNKNOWN: Final = Line(frozenset())
_TELLING: Final = 2


def _worth(read: Read) -> int:
    """How much a read tells: nothing of the object, what the object is called, anything else."""
    return 0 if read.root != OBJECT else 1 if identifies(read.path) else _TELLING


def identifies(path: Path) -> bool:
    """Whether it is a value by which a rule picks objects or names them, rather than what is wrong with them."""
    if path[:1] == ("metadata",):
        return path[1:] in ((), ("name",), ("namespace",), ("generateName",))
    is_name_of_item = len(path) > 1 and path[-1] == "name" and isinstance(path[-2], int)
    return is_name_of_item or path in {(), ("kind",), ("apiVersion",)}


class Tracing(Context):
    """An evaluation that keeps a record. The methods stand in for what compiled code calls otherwise."""

    __slots__ = ("cached", "record")

    def __init__(
        self, program: Program, input_: Value, data: Value, at: float, limit: Limit, *, strict: bool, record: Record
    ) -> None:
        super().__init__(program, input_, data, at, limit, strict=strict)
        self.record = record
        self.cached: dict[int, list[_Entry]] = {}

    def another(self) -> "Tracing":
        """A context of the same evaluation."""
        return Tracing(self.program, self.input, self.data, self.at, self.limit, strict=self.strict, record=self.record)

    def get(self, number: int) -> Value:
        """The value of a group; asked again, it was derived from the same."""
        log = self.record.log
        if number in self.cache:
            log += self.cached.get(number, ())
            return self.cache[number]
        mark = len(log)
        found = super().get(number)
        self.cached[number] = log[mark:]
        return found

    def line(self, number: int) -> None:
        """A line begins."""
        self.record.log.append(number)

    def scoped(self, function: Callable[..., Value]) -> Callable[..., Value]:
        """The function, summed up in the record when it is done."""

        def summed(*operands: Value) -> Value:
            return self.sum(function, *operands)

        return summed

    def sum(self, function: Callable[..., Value], *operands: Value) -> Value:
        """Call a body and leave in the record nothing but what decided it."""
        record, mark = self.record, len(self.record.log)
        record.marks.append(mark)
        record.solved.append(None)
        try:
            value = function(*operands)
        finally:
            record.marks.pop()
            solved = record.solved.pop()
        self.limit.spend(len(record.log) - mark)
        reads = record.settled(mark) if solved is None else solved
        record.log[mark:] = reads
        return value

    def reached(self) -> None:
        """A solution of the innermost body is about to be used: loops go on and forget what led to it."""
        self.record.solved[-1] = self.record.settled(self.record.marks[-1])

    def _derived(self, out: Value, key: Any) -> None:
        mark = self.record.marks[-1]
        reads = self.record.settled(mark)
        whys = [one._replace(kind="why") for one in self.record.settled(mark, heads=False) if one.kind == "read"]
        beside = [one._replace(kind="beside") for one in self.record.deciding(mark)]
        self.record.derive(out, key, tuple(dict.fromkeys([*reads, *whys, *beside])))

    def add(self, out: Set, value: Value) -> None:
        """Add to a set under construction."""
        out.add(value)
        self._derived(out, key_of(value))

    def append(self, out: list[Value], value: Value) -> None:
        """Add to an array under construction."""
        self._derived(out, len(out))
        out.append(value)

    def put(self, out: dict[Any, Value], key: Value, value: Value) -> None:
        """Add to an object under construction."""
        super().put(out, key, value)
        self._derived(out, key_of(key))

    def place(self, out: dict[Any, Value], keys: list[Value], value: Value, contains: bool, number: int) -> None:
        """Add to the (nested) object of a rule."""
        super().place(out, keys, value, contains, number)
        if keys:
            self._derived(out, key_of(keys[0]))

    def dig(self, value: Value, keys: Sequence[Value]) -> Value:
        """``value[key][key]...``, or undefined; what is not there is recorded as well."""
        found: Read | None = None
        for at, key in enumerate(keys):
            place = self.record.place(value)
            if place is not None:
                rest = keys[at:]
                found = (
                    Read(place[0], (*place[1], *rest)) if all(type(one) in (str, int) for one in rest) else Read(*place)
                )
            value = look(value, key)
            if value is UNDEFINED:
                break
        place = self.record.place(value)
        if place is not None:
            found = Read(*place)
        if found is not None:
            self.record.log.append(found)
        return value

    def look(self, value: Value, key: Value) -> Value:
        """``value[key]``, or undefined."""
        return self.dig(value, (key,))

    def call(self, builtin: Builtin, *operands: Value) -> Value:
        """The result of a builtin function; its elements come from where those of its operands do."""
        record = self.record
        if builtin.name == "object.get" and record.place(operands[0]) is not None:
            keys = operands[1] if type(operands[1]) is list else [operands[1]]
            self.dig(operands[0], keys)
            return super().call(builtin, *operands)
        for operand in operands:
            record.note(operand)
        result = super().call(builtin, *operands)
        if builtin.name == "count" and self._is_counted():
            for reads in record.elements(operands[0]).values():
                record.log += reads
        elif type(result) in (Set, list) and not builtin.relation and id(result) not in record.places:
            self._inherited(result, operands)
        return result

    def _is_counted(self) -> bool:
        number = next((one for one in reversed(self.record.log) if isinstance(one, int)), 0)
        return self.record.lines.get(number, _UNKNOWN).counted

    def _inherited(self, result: Value, operands: Sequence[Value]) -> None:
        known: dict[Any, Reads] = {}
        for operand in operands:
            for key, reads in self.record.elements(operand).items():
                known.setdefault(key, reads)
        for at, one in enumerate(result) if known else ():
            if key_of(one) in known:
                self.record.derive(result, at if type(result) is list else key_of(one), known[key_of(one)])

    def results(self, found: Iterable[Value], operand: Value = None) -> Iterator[Value]:
        """The results of a builtin that has many: of ``walk``, each is at its path."""
        log, mark = self.record.log, len(self.record.log)
        place = self.record.place(operand)
        for one in found:
            del log[mark:]
            if place is not None and type(one) is list and len(one) == 2 and type(one[0]) is list:
                log.append(Read(place[0], (*place[1], *one[0]), "turn"))
            yield one
        del log[mark:]
        self.record.note(operand)

    def elements(self, value: Value) -> Iterable[Value]:
        """The elements of a collection, each recorded while a loop is at it."""
        return self._turns(value, super().pairs(value), pairs=False)

    def elements_ordered(self, value: Value) -> Iterable[Value]:
        """The same in Rego's order."""
        return self._turns(value, super().pairs_ordered(value), pairs=False)

    def pairs(self, value: Value) -> Iterable[tuple[Value, Value]]:
        """Keys and elements of a collection."""
        return self._turns(value, super().pairs(value), pairs=True)

    def pairs_ordered(self, value: Value) -> Iterable[tuple[Value, Value]]:
        """The same in Rego's order."""
        return self._turns(value, super().pairs_ordered(value), pairs=True)

    def _turns(self, value: Value, found: Iterable[tuple[Value, Value]], *, pairs: bool) -> Iterator[Any]:
        """Each turn forgets what the one before has read; in the end the collection was read as a whole."""
        record = self.record
        place, origins = record.place(value), record.origins.get(id(value), {})
        mark = len(record.log)
        start = mark
        while origins and start and isinstance(record.log[start - 1], Read):
            start -= 1  # how the collection was made matters less than how the element came into it
        made, mark = record.log[start:mark], start
        turns: dict[_Entry, None] = {}
        own = place is not None and place[0] == OBJECT
        for key, one in found:
            if not own:
                turns |= self._failed(mark)
            del record.log[mark:]
            if place is not None:
                record.log.append(Read(place[0], (*place[1], key), "turn"))
            else:
                record.log += origins.get(key if type(value) is list else key_of(key), ())
            yield (key, one) if pairs else one
        if not own:
            made += [one for one in turns | self._failed(mark) if one not in made]
        record.log[mark:] = made
        record.note(value)

    def _failed(self, mark: int) -> dict[_Entry, None]:
        """What a turn has read that came to nothing; of a loop over what is no part of a document that is all there is."""
        self.limit.spend(len(self.record.log) - mark)
        return {one: None for one in self.record.settled(mark) if one.kind == "read"}


class TracingEmitter(Emitter):
    """Writes code that keeps a record."""

    DIG = "cx.dig"
    LOOK = "cx.look"
    numbers_of: Lines

    def at(self, node: Node) -> None:
        """Tell the number of the line that begins."""
        number = self.numbers_of.number.get(id(node))
        if number is not None:
            self.frame.write(f"cx.line({number})")

    def define(self, name: str) -> None:
        """A function whose record is summed up."""
        self.frame.write("@cx.scoped")
        super().define(name)

    def added(self, out: str, value: str, *, array: bool) -> str:
        """Through the context."""
        return f"cx.{'append' if array else 'add'}({out}, {value})"

    def results(self, code: str, operands: list[str]) -> str:
        """With what is walked through."""
        return f"cx.results({code}{''.join(f', {one}' for one in operands[:1])})"

    def reached(self) -> None:
        """Before the value is used."""
        self.frame.write("cx.reached()")


class Traced:
    """The rules of a ``Compiled``, compiled to keep a record. ``entries``: whether a rule's values are messages."""

    def __init__(self, compiled: Compiled, is_entry: Callable[[Group], bool]) -> None:
        self._compiled = compiled
        self._lines = Lines()
        emitter = TracingEmitter(compiled.index, compiled.program.builtins, REFUSED, compiled.mocked)
        emitter.lines, emitter.numbers_of = [], self._lines
        names: list[list[list[str]]] = []
        for group in compiled.index.groups:
            for branch in _branches(group):
                self._lines.branch(branch, message=is_entry(group))
            names.append(emitter.group(group))
        space = run("\n".join(emitter.lines), emitter.constants)
        evaluate = [
            _evaluator(group, [[space[one] for one in each] for each in found])
            for group, found in zip(compiled.index.groups, names, strict=True)
        ]
        nodes: Sequence[Branching] = compiled.index.nodes
        self._program = Program(evaluate, nodes, compiled.program.builtins)

    def derived(
        self, path: Sequence[str], input_: Value, data: Value, at: float, *, roots: Mapping[str, Value]
    ) -> tuple[Value, Callable[[Value], Reads]]:
        """The value of a path, and what each of its elements was derived from.

        ``roots`` are the parts of the input to record, by the name that reads of them get.

        Raises EvaluationError, like the rules themselves.
        """
        record = Record(roots, self._lines.table)
        context = Tracing(self._program, input_, data, at, Limit(STEPS), strict=False, record=record)
        found = self._compiled.found(context, path)
        whole = tuple(one for one in record.log if isinstance(one, Read))
        origins = record.origins.get(id(found), {})
        return found, lambda element: origins.get(key_of(element), whole)


def _branches(group: Group) -> Iterator[Branch]:
    clauses: list[Clause] = [*group.clauses, *([group.default] if group.default else [])]
    return (branch for clause in clauses for branch in clause.rule.branches)


def _evaluator(group: Group, functions: list[list[Callable[..., Value]]]) -> Callable[..., Value]:
    """The one function of a group from those of its clauses, as ``module`` makes it; its default's come last."""
    default = functions.pop()[0] if group.default is not None else None
    if group.kind in ("set", "object"):
        return _collector(group, [branches[0] for branches in functions], default)
    return _agreed(functions, default, group.title)


def _agreed(
    clauses: list[list[Callable[..., Value]]], default: Callable[..., Value] | None, title: str
) -> Callable[..., Value]:
    def evaluate(context: Tracing, *operands: Value) -> Value:
        log, mark, found = context.record.log, len(context.record.log), UNDEFINED
        held: list[_Entry] = []
        failed: list[_Entry] = []
        for clause in clauses:
            value = UNDEFINED
            for branch in clause:
                value = context.sum(branch, context, *operands)
                (failed if value is UNDEFINED else held).extend(log[mark:])
                del log[mark:]
                if value is not UNDEFINED:
                    break
            found = agree(found, value, title)
        if found is UNDEFINED and default:
            found = context.sum(default, context, *operands)
            del log[mark:]
        log += held or failed
        return found

    return evaluate


def _collector(
    group: Group, clauses: list[Callable[..., Value]], default: Callable[..., Value] | None
) -> Callable[..., Value]:
    def evaluate(context: Tracing) -> Value:
        out: Value = Set() if group.kind == "set" else {}
        for clause in clauses:
            context.sum(clause, context, out)
        if not out and default:
            context.sum(default, context, out)
        return context.made(out)

    return evaluate

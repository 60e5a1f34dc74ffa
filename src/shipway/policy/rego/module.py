"""Loads modules of Rego and evaluates their rules: the way into this package.

``load`` reports all problems at once as ``RegoError``; ``Compiled.evaluate`` raises ``EvaluationError`` at most.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from shipway.policy.rego.emit import Emitter
from shipway.policy.rego.faults import EvaluationError, Fault, RegoError
from shipway.policy.rego.index import Group, Index
from shipway.policy.rego.library import BUILTINS, REFUSED, STAND_INS
from shipway.policy.rego.parser import parse
from shipway.policy.rego.runtime import NAMES, STEPS, Context, Limit, Program, agree, dig
from shipway.policy.rego.scopes import Scopes
from shipway.policy.rego.tree import Module
from shipway.policy.rego.values import UNDEFINED, Set, Value, plain, to_json

MOST_MODULES: Final = 2_000


class Compiled:
    """A set of modules, ready to be evaluated any number of times; holds no state of an evaluation."""

    def __init__(self, modules: Mapping[str, Module], index: Index, program: Program, mocked: set[str]) -> None:
        self.modules = modules
        self.index = index
        self.program = program
        self.mocked = mocked
        """Functions that some ``with`` replaces."""

    def evaluate(
        self,
        ref: str,
        input_: object = UNDEFINED,
        data: object = None,
        at: float = 0.0,
        *,
        strict: bool = False,
        steps: int = STEPS,
    ) -> Any:
        """The JSON value of a path such as ``data.main.deny``, or ``UNDEFINED``.

        ``at``: now, in seconds since the epoch. ``strict``: a builtin that fails is an error instead of undefined.
        Raises EvaluationError: a conflict, the budget, data that is not JSON.
        """
        try:
            value = plain(input_) if input_ is not UNDEFINED else UNDEFINED
            base = plain(data) if data is not None else {}
        except TypeError as error:
            raise EvaluationError("eval_type_error", str(error)) from error
        found = self.value(ref.split(".")[1:], value, base, at, strict=strict, steps=steps)
        return found if found is UNDEFINED else to_json(found)

    def value(
        self, path: Sequence[str], input_: Value, data: Value, at: float, *, strict: bool = False, steps: int = STEPS
    ) -> Value:
        """The same for a path in parts, with values that are Rego values already, in and out."""
        return self.found(Context(self.program, input_, data, at, Limit(steps), strict=strict), path)

    def found(self, context: Context, path: Sequence[str]) -> Value:
        """The value of a path in parts, in a context."""
        data, node = context.data, self.index.root
        try:
            for number, name in enumerate(path):
                below = node.children.get(name)
                if below is None:
                    rest = path[number:]
                    return dig(context.document(node.number) if node.group else data, rest if node.group else path)
                node = below
            return context.document(node.number)
        except RecursionError as error:
            raise EvaluationError("eval_cancel_error", "the policy or its input is nested too deeply") from error

    def rules(self, package: Sequence[str]) -> dict[str, Group]:
        """Groups directly inside a package, by name."""
        node = self.index.find(package)
        return {name: below.group for name, below in (node.children if node else {}).items() if below.group}

    @property
    def packages(self) -> list[tuple[str, ...]]:
        """Packages of the modules, each once, in the order of their paths."""
        return sorted({tuple(module.package) for module in self.modules.values()})


def load(modules: Mapping[str, str], *, version: int | None = None) -> Compiled:
    """Compile modules, file name to text. Without a version each file is 1 where that parses, else 0.

    Raises RegoError with every problem found.
    """
    return compiled(_parsed(modules, version))


def compiled(trees: Mapping[str, Module]) -> Compiled:
    """Compile parsed modules. Raises RegoError."""
    try:
        return _compiled(trees)
    except RecursionError as error:
        place = next(iter(trees.values())).place
        raise RegoError([Fault(place, "the policy is nested too deeply")]) from error


def _parsed(modules: Mapping[str, str], version: int | None) -> dict[str, Module]:
    if len(modules) > MOST_MODULES:
        from shipway.policy.rules import Place

        raise RegoError([Fault(Place(), f"more than {MOST_MODULES} modules")])
    trees: dict[str, Module] = {}
    faults: list[Fault] = []
    for file, text in modules.items():
        try:
            trees[file] = parse(text, file, version)
        except RegoError as error:
            faults += error.faults
    if faults:
        raise RegoError(faults)
    return trees


def _compiled(trees: Mapping[str, Module]) -> Compiled:
    index = Index(list(trees.values()))
    faults = list(index.faults)
    mocked: set[str] = set()
    for module in trees.values():
        faults += Scopes(module, index, BUILTINS.keys() | STAND_INS.keys(), mocked).run()
    builtins = {**BUILTINS, **{name: one for name, one in STAND_INS.items() if name in mocked}}
    emitter = Emitter(index, builtins, REFUSED, mocked)
    emitter.lines = []
    names: list[list[list[str]]] = []
    for group in index.groups:
        try:
            names.append(emitter.group(group))
        except RegoError as error:
            faults += error.faults
    faults += _recursive(index.groups) if not faults else []
    if faults:
        raise RegoError(sorted(faults, key=lambda fault: (fault.place.file, fault.place.line, fault.place.column)))
    space = run("\n".join(emitter.lines), emitter.constants)
    evaluate = [
        _evaluator(group, [[space[one] for one in each] for each in found])
        for group, found in zip(index.groups, names, strict=True)
    ]
    return Compiled(trees, index, Program(evaluate, index.nodes, builtins), mocked)


def run(source: str, constants: Mapping[str, Value]) -> dict[str, Any]:
    """The functions of emitted source: it was generated from a checked tree and names nothing but NAMES."""
    space: dict[str, Any] = {"__builtins__": {}, **NAMES, **constants}
    exec(compile(source, "<rego>", "exec"), space)  # noqa: S102  # see above
    return space


def _recursive(groups: Sequence[Group]) -> list[Fault]:
    """Rules that need themselves: one fault for each cycle met, depth first without recursion."""
    done: set[int] = set()
    faults: list[Fault] = []
    for start in groups:
        stack: list[tuple[int, list[int]]] = [(start.number, sorted(start.uses))] if start.number not in done else []
        trail = {start.number}
        while stack:
            number, left = stack[-1]
            if not left:
                stack.pop()
                done.add(number)
                trail.discard(number)
                continue
            following = left.pop()
            if following in trail:
                faults.append(Fault(groups[following].place, f"the rule {groups[following].title} is recursive"))
            elif following not in done:
                trail.add(following)
                stack.append((following, sorted(groups[following].uses)))
    return faults


def _evaluator(group: Group, functions: list[list[Callable[..., Value]]]) -> Callable[..., Value]:
    """The one function of a group from the functions of its clauses; its default's come last."""
    default = functions.pop()[0] if group.default is not None else None
    if group.kind in ("set", "object"):
        return _collector(group, [branches[0] for branches in functions], default)
    clauses = [branches[0] if len(branches) == 1 else _first(branches) for branches in functions]
    if len(clauses) == 1 and default is None:
        return clauses[0]
    return _agreed(clauses, default, group.title)


def _first(branches: list[Callable[..., Value]]) -> Callable[..., Value]:
    """``else``: the first branch with a value."""

    def evaluate(context: Context, *operands: Value) -> Value:
        for branch in branches:
            value = branch(context, *operands)
            if value is not UNDEFINED:
                return value
        return UNDEFINED

    return evaluate


def _agreed(
    clauses: list[Callable[..., Value]], default: Callable[..., Value] | None, title: str
) -> Callable[..., Value]:
    """All clauses, which must not contradict each other; the default when none has a value."""

    def evaluate(context: Context, *operands: Value) -> Value:
        found: Value = UNDEFINED
        for clause in clauses:
            found = agree(found, clause(context, *operands), title)
        return default(context, *operands) if found is UNDEFINED and default else found

    return evaluate


def _collector(
    group: Group, clauses: list[Callable[..., Value]], default: Callable[..., Value] | None
) -> Callable[..., Value]:
    """All clauses into one set or object."""
    empty: Callable[[], Value] = Set if group.kind == "set" else dict

    def evaluate(context: Context) -> Value:
        out = empty()
        for clause in clauses:
            clause(context, out)
        if not out and default:
            default(context, out)
        return context.made(out)

    return evaluate

"""Every rule of a set of modules in one tree of paths below ``data``. Made by ``module``, read by ``scopes`` and ``emit``."""

from collections.abc import Iterator, Sequence
from typing import Literal

import msgspec

from shipway.policy.rego.faults import Fault
from shipway.policy.rego.tree import Module, Rule, Scalar, Term
from shipway.policy.rules import Place


class Clause(msgspec.Struct, eq=False):
    """A rule with the module that it stands in, and the keys of its head beyond its group's path."""

    rule: Rule
    module: Module
    keys: list[Term] = []
    variable: int = 0
    """How many of the keys, at the end, come from the head as it is written."""


class Group(msgspec.Struct, eq=False):
    """All rules of one path: together they make one value, or one function."""

    number: int
    path: tuple[str, ...]
    kind: Literal["complete", "set", "object", "function"] = "complete"
    clauses: list[Clause] = []
    default: Clause | None = None
    arity: int = 0
    uses: set[int] = set()
    """Numbers of the groups that it reads; filled by ``emit``."""

    @property
    def place(self) -> Place:
        first = self.clauses[0] if self.clauses else self.default
        return first.rule.place if first else Place()

    @property
    def title(self) -> str:
        """Its path as it is written: ``data.a.b``."""
        return ".".join(("data", *self.path))


class Branching(msgspec.Struct, eq=False):
    """A node of the tree: a package or a part of one, unless it has a group."""

    number: int
    path: tuple[str, ...]
    children: dict[str, "Branching"] = {}
    group: Group | None = None
    package: bool = False

    def walk(self) -> Iterator["Branching"]:
        """It and everything below, without recursion."""
        open_nodes = [self]
        while open_nodes:
            node = open_nodes.pop()
            yield node
            open_nodes.extend(node.children.values())


class Index:
    """The tree, its groups by number, and the faults found on the way."""

    def __init__(self, modules: Sequence[Module]) -> None:
        self.nodes: list[Branching] = []
        self.root = self._node(())
        self.groups: list[Group] = []
        self.faults: list[Fault] = []
        self.names: dict[tuple[str, ...], set[str]] = {}
        """First names of the rules of a package."""
        self._collect(modules)

    def _node(self, path: tuple[str, ...]) -> Branching:
        node = Branching(number=len(self.nodes), path=path)
        self.nodes.append(node)
        return node

    def at(self, path: Sequence[str]) -> Branching:
        """The node of a path, made where it is missing."""
        node = self.root
        for name in path:
            if name not in node.children:
                node.children[name] = self._node((*node.path, name))
            node = node.children[name]
        return node

    def find(self, path: Sequence[str]) -> Branching | None:
        """The node of a path, if there is one."""
        node: Branching | None = self.root
        for name in path:
            node = node.children.get(name) if node else None
        return node

    def function(self, path: Sequence[str]) -> Group | None:
        """The function of that path."""
        node = self.find(path)
        return node.group if node and node.group and node.group.kind == "function" else None

    def _collect(self, modules: Sequence[Module]) -> None:
        found: dict[tuple[str, ...], list[tuple[Clause, bool]]] = {}
        for module in modules:
            package = tuple(module.package)
            self.at(package).package = True
            for rule in module.rules:
                self.names.setdefault(package, set()).add(str(_text(rule.ref[0])))
                fixed, keys = _split(rule)
                found.setdefault((*package, *fixed), []).append((Clause(rule, module, keys, len(keys)), bool(keys)))
        roots = {path for path, clauses in found.items() if any(keyed for _, keyed in clauses)}
        for path, clauses in found.items():
            self._place(_root(path, roots | found.keys()), path, [clause for clause, _ in clauses])
        for group in self.groups:
            self._settle(group)

    def _place(self, home: tuple[str, ...], path: tuple[str, ...], clauses: list[Clause]) -> None:
        node = self.at(home)
        if node.group is None:
            node.group = Group(number=len(self.groups), path=home, clauses=[])
            self.groups.append(node.group)
        for clause in clauses:
            clause.keys = [Scalar(value=name, place=clause.rule.place) for name in path[len(home) :]] + clause.keys
            node.group.clauses.append(clause)

    def _settle(self, group: Group) -> None:
        """Its kind and its default; whatever does not fit together is a fault."""
        defaults = [clause for clause in group.clauses if clause.rule.default]
        group.clauses = [clause for clause in group.clauses if not clause.rule.default]
        if len(defaults) > 1:
            self._fault(defaults[1], f"more than one default for {group.title}")
        group.default = defaults[0] if defaults else None
        everything = group.clauses + defaults
        functions = [clause for clause in everything if clause.rule.args is not None]
        if functions:
            self._settle_function(group, everything, functions)
            return
        sets = [clause for clause in everything if clause.rule.contains and not clause.keys]
        if any(clause.keys for clause in everything):
            group.kind = "object"
            self._check_keyed(group)
        elif sets:
            group.kind = "set"
            for clause in everything:
                if clause not in sets:
                    self._fault(clause, f"{group.title} is a set here and a single value elsewhere")
        node = self.find(group.path)
        for below in node.walk() if node else ():
            if below.package and below.path != group.path and group.kind != "object":
                self._fault(everything[0], f"the rule {group.title} conflicts with the package {'.'.join(below.path)}")
                break

    def _check_keyed(self, group: Group) -> None:
        for clause in group.clauses:
            if not clause.keys:
                self._fault(clause, f"{group.title} is a single value here and an object with keys elsewhere")

    def _settle_function(self, group: Group, everything: list[Clause], functions: list[Clause]) -> None:
        group.kind = "function"
        group.arity = len(functions[0].rule.args or [])
        for clause in everything:
            if clause.rule.args is None or len(clause.rule.args) != group.arity:
                self._fault(clause, f"{group.title} has {group.arity} operands elsewhere")

    def _fault(self, clause: Clause, message: str) -> None:
        self.faults.append(Fault(clause.rule.place, message))


def _root(path: tuple[str, ...], homes: set[tuple[str, ...]]) -> tuple[str, ...]:
    """The shortest path among the homes that begins ``path``."""
    for size in range(1, len(path)):
        if path[:size] in homes:
            return path[:size]
    return path


def _split(rule: Rule) -> tuple[list[str], list[Term]]:
    """The names that a head begins with, and the rest of it."""
    size = 0
    while size < len(rule.ref) and isinstance(_text(rule.ref[size]), str):
        size += 1
    return [str(_text(term)) for term in rule.ref[:size]], list(rule.ref[size:])


def _text(term: Term) -> object:
    return term.value if isinstance(term, Scalar) else None

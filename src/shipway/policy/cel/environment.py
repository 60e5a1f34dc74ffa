"""What an expression may refer to: variables, functions, types; and the switches of the language.

Built by the loaders, one for each kind of policy; used by ``emitter`` while it compiles.
"""

import difflib
from collections.abc import Collection, Iterable
from copy import copy
from typing import Any

from shipway.policy.cel import libraries as known
from shipway.policy.cel.functions import Chosen, Library, Overload, chosen
from shipway.policy.cel.optionals import or_value_leniently
from shipway.policy.cel.values import CelType

TYPES = [
    "bool",
    "int",
    "uint",
    "double",
    "string",
    "bytes",
    "list",
    "map",
    "null_type",
    "type",
    "optional_type",
    "google.protobuf.Timestamp",
    "google.protobuf.Duration",
]


class Environment:
    """Names that expressions may use.

    ``variables``: declared names (dotted ones too); None: every name is allowed and looked up at evaluation.
    ``functions``: overloads added to the libraries'; one with the same name and types replaces.
    ``libraries``: groups of overloads; by default all that there are.
    ``constants``: names with a value known now, such as types of the caller's own libraries.
    ``container``: the namespace that names are looked up in first, as ``a.b``.
    ``lenient_or_value``: ``x.orValue(d)`` of an ``x`` that is not optional is ``x``, as cel-go, Kubernetes and Kyverno do;
    the language definition makes it an error.
    ``check``: undeclared names and functions are errors of compilation; without it, of evaluation.
    """

    def __init__(
        self,
        *,
        variables: Collection[str] | None = None,
        functions: Iterable[Overload] = (),
        libraries: Iterable[Library] | None = None,
        constants: dict[str, Any] | None = None,
        container: str = "",
        lenient_or_value: bool = False,
        check: bool = True,
        macros: bool = True,
        limit: int = 1_000_000,
    ) -> None:
        self.variables = None if variables is None else frozenset(variables)
        self.container = container
        self.check = check
        self.macros = macros
        self.limit = limit
        """Steps of comprehensions in one evaluation."""
        self.constants = {name: CelType(name) for name in (*TYPES, *known.TYPES)} | (constants or {})
        self._overloads: dict[tuple[str, bool], list[Overload]] = {}
        self._calls: dict[tuple[str, bool, int], Chosen | None] = {}
        for library in (*(known.ALL if libraries is None else libraries), tuple(functions)):
            for overload in library:
                self._add(overload)
        if lenient_or_value:
            self._calls["orValue", True, 2] = Chosen(or_value_leniently, charged=False)

    def without_checks(self, limit: int) -> "Environment":
        """The same for a part of an expression, whose names may be bound around it, with a ``limit`` of its own."""
        made = copy(self)
        made.variables, made.check, made.limit = None, False, limit
        return made

    def _add(self, overload: Overload) -> None:
        same = self._overloads.setdefault((overload.name, overload.member), [])
        same[:] = [one for one in same if one.params != overload.params]
        same.append(overload)

    # -- names

    def namespaces(self, name: str) -> list[str]:
        """The names that a name may stand for in the container, the innermost first."""
        if name.startswith("."):
            return [name[1:]]
        parts = self.container.split(".") if self.container else []
        return [".".join((*parts[:count], name)) for count in range(len(parts), -1, -1)]

    def candidates(self, name: str, fields: tuple[str, ...]) -> list[tuple[str, tuple[str, ...]]]:
        """Variables that a dotted name may begin with, in order, each with the fields that are left."""
        found = []
        for count in range(len(fields), -1, -1):
            joined = ".".join((name, *fields[:count]))
            found += [(candidate, fields[count:]) for candidate in self.namespaces(joined)]
        return found

    def constant(self, name: str, fields: tuple[str, ...]) -> Any:
        """The constant that the whole dotted name stands for, or None."""
        for candidate in self.namespaces(".".join((name, *fields))):
            if candidate in self.constants:
                return self.constants[candidate]
        return None

    def undeclared(self, name: str) -> str:
        """The message about an unknown name."""
        names = sorted(self.variables or ())
        root = name.lstrip(".").split(".")[0]
        return f"undeclared reference to '{root}'{_suggestion(root, names) or _listing(names)}"

    # -- functions

    def overloads(self, name: str, *, member: bool) -> list[Overload]:
        """The overloads of a function or a method; empty when there is none."""
        return self._overloads.get((name, member), [])

    def function_name(self, name: str) -> str:
        """The name of the function that ``name`` means in the container."""
        for candidate in self.namespaces(name):
            if (candidate, False) in self._overloads:
                return candidate
        return name.lstrip(".")

    def call(self, name: str, count: int, *, member: bool) -> Chosen | None:
        """What to call with ``count`` arguments, target included."""
        key = (name, member, count)
        if key not in self._calls:
            self._calls[key] = chosen(name, self.overloads(name, member=member), count)
        return self._calls[key]

    def undeclared_function(self, name: str, path: tuple[str, ...] = ()) -> str:
        """The message about an unknown function, called on the dotted name ``path`` or, when it is empty, on something else."""
        names = sorted({known for known, _ in self._overloads})
        dotted = ".".join((*path, name))
        close = _suggestion(dotted, names) or _suggestion(name, names)
        unknown = path and (self.variables is None or path[0] not in self.variables)
        return f"undeclared function '{dotted if unknown else name}'{close}"

    def wrong_count(self, name: str, *, member: bool, given: int) -> str:
        """The message about a call with the wrong number of arguments."""
        counts = sorted({len(overload.params) - member for overload in self.overloads(name, member=member)})
        expected = " or ".join(map(str, counts))
        return f"{name}() expects {expected} argument{'' if expected == '1' else 's'}, found {given}"


def _suggestion(name: str, names: list[str]) -> str:
    close = difflib.get_close_matches(name, names, n=1)
    return f"; did you mean '{close[0]}'?" if close else ""


def _listing(names: list[str]) -> str:
    return f"; expected one of {', '.join(names)}" if names else ""

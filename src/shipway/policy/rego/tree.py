"""The syntax tree of Rego. Made by the parser, rewritten by ``scopes``, read by ``emit``."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import msgspec

from shipway.policy.rules import Place


class Node(msgspec.Struct, kw_only=True, eq=False):
    """Anything with a place."""

    place: Place = Place()


class Scalar(Node):
    """null, a boolean, a number or a string; after ``scopes`` also any other ground value."""

    value: Any


class Var(Node):
    """A variable, or a name that ``scopes`` has yet to resolve. ``_`` is unique at each place."""

    name: str
    slot: int = -1
    """Number of the variable, given by ``scopes``; -1 before."""


class Ref(Node):
    """``head.part[part]``. The head is a Var or any other term; ``dots`` says which parts were written with a dot."""

    head: "Term"
    parts: list["Term"]
    dots: list[bool] = []


class Array(Node):
    """``[a, b]``."""

    items: list["Term"]


class SetTerm(Node):
    """``{a, b}`` or ``set()``."""

    items: list["Term"]


class Object(Node):
    """``{k: v}``."""

    pairs: list[tuple["Term", "Term"]]


class Comprehension(Node):
    """``[value | body]``, ``{value | body}``, ``{key: value | body}``."""

    kind: Literal["array", "set", "object"]
    value: "Term"
    body: list["Literal_"]
    key: "Term | None" = None
    slots: list[int] = []
    """Variables that belong to it alone, given by ``scopes``."""


class Call(Node):
    """A function with its operands; operators are calls of their function (``plus``, ``eq``)."""

    name: str
    args: list["Term"]
    rule: "Any" = None
    """The ``Group`` called, given by ``scopes``; None: a builtin."""


class Template(Node):
    """``$"text {term} text"``: strings and terms in turn."""

    items: list["str | Term"]


class Done(Node):
    """A value that the emitted code already has: a Python expression."""

    code: str


Term = Scalar | Var | Ref | Array | SetTerm | Object | Comprehension | Call | Template | Done


class With(Node):
    """``with target as value``."""

    target: Ref | Var
    value: Term


class Literal_(Node):  # noqa: N801  # `Literal` is Python's
    """One line of a body. ``kind`` says which fields count.

    expr: ``terms[0]``. assign: ``terms[0] := terms[1]``. some: names in ``terms``. in: ``some terms[:-1] in terms[-1]``.
    every: ``every terms[:-1] in terms[-1] { body }``.
    """

    kind: Literal["expr", "assign", "some", "in", "every"]
    terms: list[Term]
    negated: bool = False
    withs: list[With] = []
    body: list["Literal_"] = []
    slots: list[int] = []


class Branch(Node):
    """One body of a rule with the value that it gives; ``else`` adds further ones."""

    value: Term
    body: list[Literal_]
    slots: list[int] = []
    args: list[Term] = []
    keys: list[Term] = []


class Rule(Node):
    """``ref(args) := value { body } else ...``. Value and element both stand in ``branches[].value``."""

    ref: list[Term]
    """Its name as a Scalar, then the rest of the head's reference."""
    args: list[Term] | None
    branches: list[Branch]
    contains: bool = False
    default: bool = False


class Import(Node):
    """``import path as alias``."""

    path: list[str]
    alias: str


class Module(Node):
    """One file."""

    package: list[str]
    imports: list[Import]
    rules: list[Rule]
    notes: Mapping[int, Sequence[Mapping[str, Any]]] = {}
    """Annotations by the line of the rule (or the package) that follows them."""

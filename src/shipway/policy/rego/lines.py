"""Which lines of a body decide, and which only make its message; and what each line builds on. Used by ``tracing``.

A line such as ``name := input.metadata.name`` decides nothing when the name only goes into the message. So a line counts
if it can fail, or if something that it gives a value to is needed by a line that counts.
"""

from collections.abc import Iterator, Sequence
from itertools import count
from typing import Final, NamedTuple

from shipway.policy.rego.tree import (
    Array,
    Branch,
    Call,
    Comprehension,
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

WORDING: Final = frozenset({"sprintf", "concat"})
"""Functions that make a message when nothing but the head needs it."""
SAID: Final = frozenset({"msg", "message"})


class Line(NamedTuple):
    """What is known of a line, or of a head."""

    needs: frozenset[int]
    """Numbers of the lines that give a value to what it uses."""
    said: bool = False
    """It is only about the message."""
    counted: bool = False
    """It asks whether there is anything in a collection: then the elements are what is wrong."""
    head: bool = False


class Lines:
    """Numbers of the lines of all bodies, by the identity of their nodes."""

    def __init__(self) -> None:
        self.table: dict[int, Line] = {}
        self.number: dict[int, int] = {}
        self._numbers = count(1)
        self._kept: list[Node] = []

    def branch(self, branch: Branch, *, message: bool) -> None:
        """Number the lines of a rule. ``message``: its value is a message, nothing more."""
        self._body(branch.body, branch, [*branch.keys, branch.value], message=message, given=_slots(branch.args))

    def _body(
        self, body: Sequence[Literal_], head: Node, terms: Sequence[Term], *, message: bool, given: set[int]
    ) -> None:
        """``given``: variables that have a value from outside."""
        givers: dict[int, int] = {}
        lines = [(self._new(literal), literal) for literal in body]
        for number, literal in lines:
            for slot in _slots(literal.terms, deep=False) - given if literal.kind != "some" else ():
                givers.setdefault(slot, number)
        inside = given | givers.keys()
        needs = {number: _needs(literal, number, givers) for number, literal in lines}
        plain = {number: literal for number, literal in lines if _is_plain(literal, number, givers)}
        told = message or all(_is_wording(term, plain, givers) for term in terms)
        wanted = {givers[slot] for slot in _slots(terms) if slot in givers}
        counting = {number for number, _ in lines if number not in plain}
        waiting = [*counting, *(() if told else wanted)]
        while waiting:
            for number in needs[waiting.pop()] - counting:
                counting.add(number)
                waiting.append(number)
        counting |= set() if told else wanted
        for number, literal in lines:
            self.table[number] = Line(frozenset(needs[number]), number not in counting, _is_counted(literal))
            self._nested(literal, inside)
        self.table[self._new(head)] = Line(frozenset(wanted), told, head=True)
        for term in terms:
            self._within(term, inside)

    def _new(self, node: Node) -> int:
        self._kept.append(node)
        self.number[id(node)] = found = next(self._numbers)
        return found

    def _nested(self, literal: Literal_, given: set[int]) -> None:
        if literal.body:
            self._body(literal.body, literal.terms[-1], [], message=True, given=given)
        for term in (*literal.terms, *(clause.value for clause in literal.withs)):
            self._within(term, given)

    def _within(self, term: Term, given: set[int]) -> None:
        for one in _walk([term]):
            if isinstance(one, Comprehension):
                terms = [one.value] if one.key is None else [one.key, one.value]
                self._body(one.body, one, terms, message=False, given=given)


def _needs(literal: Literal_, number: int, givers: dict[int, int]) -> set[int]:
    inner = [term for one in literal.body for term in _terms_of(one)]
    slots = _slots([*_terms_of(literal), *inner])
    return {givers[slot] for slot in slots if slot in givers} - {number}


def _terms_of(literal: Literal_) -> list[Term]:
    nested = [term for one in literal.body for term in _terms_of(one)]
    return [*literal.terms, *(clause.value for clause in literal.withs), *nested]


def _is_plain(literal: Literal_, number: int, givers: dict[int, int]) -> bool:
    """Gives a variable a value and hardly fails: no iteration, no function of the policy."""
    target, value = _assigned(literal)
    if target is None or value is None or literal.negated or givers.get(target.slot) != number:
        return False
    for one in _walk([value]):
        if isinstance(one, Call) and one.rule is not None:
            return False
        if isinstance(one, Ref) and any(
            isinstance(part, Var) and givers.get(part.slot) == number for part in one.parts
        ):
            return False
    return True


def _assigned(literal: Literal_) -> tuple[Var | None, Term | None]:
    if literal.kind == "assign":
        target, value = literal.terms
    elif literal.kind == "expr" and isinstance(call := literal.terms[0], Call) and call.name == "eq":
        target, value = call.args
    else:
        return None, None
    return (target, value) if isinstance(target, Var) else (None, None)


def _is_wording(term: Term, plain: dict[int, Literal_], givers: dict[int, int]) -> bool:
    """Whether a part of a head is there to be read by people."""
    if isinstance(term, Var) and term.slot in givers and givers[term.slot] in plain:
        term = _assigned(plain[givers[term.slot]])[1] or term
    if isinstance(term, Object):
        return any(isinstance(key, Scalar) and key.value in SAID for key, _ in term.pairs)
    return isinstance(term, Scalar | Template) or (isinstance(term, Call) and term.name in WORDING)


def _is_counted(literal: Literal_) -> bool:
    """``count(x) > 0``, ``count(x) != 0`` and ``count(x) >= 1``."""
    call = literal.terms[0] if literal.kind == "expr" and not literal.negated else None
    if not isinstance(call, Call) or len(call.args) != 2:
        return False
    left, right = call.args
    if not isinstance(left, Call) or left.name != "count" or not isinstance(right, Scalar):
        return False
    return call.name in {"gt", "neq", "gte"} and right.value == (1 if call.name == "gte" else 0)


def _slots(terms: Sequence[Term], *, deep: bool = True) -> set[int]:
    return {one.slot for one in _walk(terms, deep=deep) if isinstance(one, Var) and one.slot >= 0}


def _walk(terms: Sequence[Term], *, deep: bool = True) -> Iterator[Term]:
    """The terms and all that is in them; ``deep``: in the bodies of comprehensions, too."""
    waiting = list(terms)
    while waiting:
        term = waiting.pop()
        yield term
        waiting += _parts(term)
        if deep and isinstance(term, Comprehension):
            waiting += [term.value, *([] if term.key is None else [term.key])]
            waiting += [one for literal in term.body for one in _terms_of(literal)]


def _parts(term: Term) -> Sequence[Term]:
    match term:
        case Ref():
            return [term.head, *term.parts]
        case Array() | SetTerm():
            return term.items
        case Object():
            return [one for pair in term.pairs for one in pair]
        case Call():
            return term.args
        case Template():
            return [one for one in term.items if not isinstance(one, str)]
    return ()

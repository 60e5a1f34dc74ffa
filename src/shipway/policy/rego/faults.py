"""What can go wrong with Rego: at load (a list of problems) and in an evaluation (one sentence).

Raised in this package, caught by the loaders of ``policy`` and by tests; nothing else leaves it.
"""

from collections.abc import Sequence

import msgspec

from shipway.policy.rules import Place


class Fault(msgspec.Struct, frozen=True):
    """One thing wrong in a module."""

    place: Place
    message: str

    def __str__(self) -> str:
        return f"{self.place.file}:{self.place.line}:{self.place.column}: {self.message}"


class RegoError(Exception):
    """The modules cannot be used. Carries every fault found."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        super().__init__("\n".join(str(fault) for fault in faults))
        self.faults = tuple(faults)


class EvaluationError(Exception):
    """An evaluation has no answer: a conflict, the budget, or (strict) a builtin that failed. ``code`` is OPA's."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class Budget(EvaluationError):
    """The evaluation was stopped: too many steps, or too large a value."""

    def __init__(self, message: str) -> None:
        super().__init__("eval_cancel_error", message)


class BuiltinError(Exception):
    """A builtin function cannot answer: its caller sees undefined."""

    code = "eval_builtin_error"


class OperandError(BuiltinError):
    """An operand has the wrong type."""

    code = "eval_type_error"

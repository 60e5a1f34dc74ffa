"""What goes wrong with a CEL expression: before it runs (``CelSyntaxError``) or while it runs (``CelError``).

Raised by every module of this room, caught by the loaders and evaluators of ``policy``, which know the file that the
expression is written in. They are not in the error tree of ``model``: no user sees one as it is.
"""


class CelSyntaxError(ValueError):
    """The expression cannot be compiled. ``line`` and ``column`` count from 1 and are in the file when it was given."""

    def __init__(self, message: str, line: int, column: int) -> None:
        super().__init__(message)
        self.message = message
        self.line = line
        self.column = column

    def __str__(self) -> str:
        return f"{self.line}:{self.column}: {self.message}"


class CelError(ValueError):
    """The evaluation has no value: a missing key, no overload for the types, an overflow. ``||`` and ``&&`` absorb it."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class CelLimitError(CelError):
    """The evaluation needs more than it may use. Nothing absorbs it."""

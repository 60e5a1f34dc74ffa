"""One thing wrong with what a user wrote. Made by ``spec`` (and later ``policy``), shown by ``cli`` like a compiler's."""

import msgspec


class Problem(msgspec.Struct, frozen=True, order=True):
    """``file:line:column severity path: message``. ``line`` and ``column`` count from 1; 0 means unknown."""

    file: str
    line: int
    column: int
    path: str
    """Dotted path of the value: ``spec.slo.latency``."""
    code: str
    """Stable kebab-case name of the kind of problem: ``unknown-field``."""
    message: str
    """What was expected, what was found, and a suggestion where there is one."""
    severity: str = "error"

    def __str__(self) -> str:
        where = f"{self.file}:{self.line}:{self.column}" if self.line else self.file
        path = f" {self.path}" if self.path else ""
        return f"{where} {self.severity}{path}: {self.message}"

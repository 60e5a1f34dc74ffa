"""The error tree. Inside, outcomes are values; these are raised at the edges and mapped to an exit code once, in ``cli``.

    ShipwayError                 exit 1   anything that failed
    ├── BadInput                 exit 2   a file or an argument is wrong; carries every problem found
    ├── NotFound                 exit 2   no such application, release or rollout
    ├── Refused                  exit 1   understood, but not allowed in this state (promote after a FAIL)
    │   └── Denied               exit 1   policy does not allow it; carries every finding that denies
    ├── ControllerUnreachable    exit 3   nobody answers on the controller's socket
    ├── ControllerConflict       exit 4   another controller owns this state directory
    ├── JournalError             exit 5   the journal cannot be read or written
    │   └── VersionConflict      exit 5   somebody else has written to the stream
    └── RuntimeFault             exit 6   a process, the proxy or a port

Every message says what happened; ``hint`` says what to do about it.
"""

from collections.abc import Sequence
from typing import ClassVar

from shipway.model.problems import Problem


class ShipwayError(Exception):
    """Base of every error a user may see. ``code`` is the stable name in JSON, ``exit_code`` the process's."""

    code: ClassVar[str] = "failed"
    exit_code: ClassVar[int] = 1

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class BadInput(ShipwayError):
    """What the user wrote cannot be used. All problems at once."""

    code = "bad-input"
    exit_code = 2

    def __init__(self, message: str, *, problems: Sequence[Problem] = (), hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.problems = tuple(problems)


class NotFound(ShipwayError):
    """The application, release or rollout named does not exist."""

    code = "not-found"
    exit_code = 2


class Refused(ShipwayError):
    """A valid request that the present state does not allow."""

    code = "refused"


class Denied(Refused):
    """Policy does not allow it. Every finding that denies."""

    code = "denied"

    def __init__(self, message: str, *, problems: Sequence[Problem] = (), hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.problems = tuple(problems)


class ControllerUnreachable(ShipwayError):
    """No controller answers."""

    code = "controller-unreachable"
    exit_code = 3


class ControllerConflict(ShipwayError):
    """Another controller holds this state directory; the message names it."""

    code = "controller-conflict"
    exit_code = 4


class JournalError(ShipwayError):
    """The journal refuses: full disk, damage, or somebody else's write."""

    code = "journal"
    exit_code = 5


class RuntimeFault(ShipwayError):
    """A process, a port or the proxy is not as it must be."""

    code = "runtime"
    exit_code = 6


class VersionConflict(JournalError):
    """The stream has moved on since it was read: another writer, or a programming error."""

    code = "version-conflict"

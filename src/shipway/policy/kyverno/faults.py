"""What goes wrong inside the engine. None of these reaches a caller: they become problems of a load or outcomes ``error``."""

from shipway.policy.rules import Path


class RuleFault(Exception):
    """The rule cannot be judged for this request; the message says why. Becomes an outcome ``error``."""


class Unresolved(RuleFault):
    """A variable has no value. Conditions read it as null, everything else is an error."""


class NoData(RuleFault):
    """What a cluster or a registry would have answered is not given. An error even in conditions, never a pass."""


class Unsupported(Exception):
    """The policy asks for something that this engine does not evaluate; ``path`` is where in the policy document."""

    def __init__(self, message: str, path: Path = ()) -> None:
        super().__init__(message)
        self.message = message
        self.path = path

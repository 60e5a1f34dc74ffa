"""The Common Expression Language: compiled to Python, with the libraries that Kubernetes has.

``compile_(source, Environment(...))`` gives a ``Program``; ``Program.evaluate(bindings)`` its value. Written from the language
definition of cel-spec and the Kubernetes documentation. Messages of protocol buffers are left out: policies see plain data.
"""

from shipway.policy.cel.environment import Environment
from shipway.policy.cel.errors import CelError, CelLimitError, CelSyntaxError
from shipway.policy.cel.functions import ANY, LIST, MAP, Overload, function, method
from shipway.policy.cel.program import Program, compile_

__all__ = [
    "ANY",
    "LIST",
    "MAP",
    "CelError",
    "CelLimitError",
    "CelSyntaxError",
    "Environment",
    "Overload",
    "Program",
    "compile_",
    "function",
    "method",
]

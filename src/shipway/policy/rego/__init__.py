"""Rego: policies in the Open Policy Agent's language, compiled to Python functions and run with a budget.

``module.load`` is the way in. Used by ``policy.gatekeeper`` and ``policy.conftest``. Leaves out everything that reads
the world (``http.send``, ``opa.runtime``, ``rand.intn`` ...): a rule is a function of its input, its data and ``at``.

    lexer -> parser -> tree -> scopes (names) -> emit (safety, order, Python) -> runtime (values, budget, builtins)
"""

"""Rules over objects and over platform facts: CEL, Rego and Kyverno, one compiled form, one evaluator, one result.

Used by the admission webhook, by ``plan`` and by the command line. Leaves out reading files and formatting findings.
"""

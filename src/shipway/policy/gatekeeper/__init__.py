"""Gatekeeper: ConstraintTemplates (Rego and CEL) with their Constraints, and gator's test suites.

``loading.load`` turns documents into rules; ``suites.run`` judges a suite. Used by ``policy.loading`` and
``policy.testing``. Leaves out mutation, external data and the audit of a cluster.
"""

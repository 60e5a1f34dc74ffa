"""Kyverno's policies: ``ClusterPolicy`` and ``Policy``, ``ValidatingPolicy``, and the exceptions from them.

``loading.load`` is the way in, ``suites.run_test`` the runner of ``kyverno-test.yaml``. Only validation is evaluated;
rules that mutate, generate, clean up or verify signatures are named and refused.
"""

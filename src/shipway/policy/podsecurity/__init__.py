"""The Pod Security Standards: what of a pod the levels ``baseline`` and ``restricted`` forbid, by version of Kubernetes.

Written from kubernetes.io/docs/concepts/security/pod-security-standards. ``standards.violations`` is the way in.
"""

"""The validating admission webhook: AdmissionReview in, AdmissionReview out, by the same evaluator as everywhere.

``reviewing``      one review, without HTTP
``app``            the ASGI application: /validate, /healthz, /metrics; policies swapped while it runs
``inventory``      other objects than the one under review, from files and from what was admitted
``watching``       what is read from files again when they change
``metrics``        counters in Prometheus' text format
``configuration``  the ValidatingWebhookConfiguration, with what to choose for failurePolicy
"""

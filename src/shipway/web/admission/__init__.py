"""The validating admission webhook: AdmissionReview in, AdmissionReview out, by the same evaluator as everywhere.

``reviewing``      one review, without HTTP
``app``            the ASGI application: /validate, /healthz, /metrics; policies swapped while it runs
``metrics``        counters in Prometheus' text format
``configuration``  the ValidatingWebhookConfiguration, with what to choose for failurePolicy
"""

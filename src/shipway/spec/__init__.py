"""What people write: ``Application`` and ``Platform``. Text in, models and problems out; no I/O, nothing raised for bad input.

    parsed = parse_documents([Source("checkout.yaml", text)])
    resolved = resolve(parsed.declared[0], parsed.declared_platform, "prod")

``resolved.application`` is complete; ``resolved.provenance`` says where each value came from.
"""

from shipway.spec.application import API_VERSION, SERVING, Application
from shipway.spec.checks import INDICATORS, Check, LatencyObjective, parse_check
from shipway.spec.delivery import Delivery, Step
from shipway.spec.documents import Parsed, parse_documents
from shipway.spec.platform import Platform
from shipway.spec.reading import Source
from shipway.spec.resolving import DeclaredApplication, DeclaredPlatform, Origin, Resolved, resolve

__all__ = [
    "API_VERSION",
    "INDICATORS",
    "SERVING",
    "Application",
    "Check",
    "DeclaredApplication",
    "DeclaredPlatform",
    "Delivery",
    "LatencyObjective",
    "Origin",
    "Parsed",
    "Platform",
    "Resolved",
    "Source",
    "Step",
    "parse_check",
    "parse_documents",
    "resolve",
]

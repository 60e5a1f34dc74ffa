"""Names of the environment variables by which a container is told what it depends on.

Here, below the compiler that fills them, so that two dependencies with one name are found before anything is compiled.
"""

from shipway.spec.application import SERVING, Application, Dependency


def of_call(called: Application, port: str | None) -> str:
    """``LEDGER_URL`` of a main port over HTTP, ``LEDGER_ADDRESS`` of another, ``LEDGER_ADMIN_ADDRESS`` of a further one."""
    spec, name = called.spec, upper(called.metadata.name)
    if port is not None and not (spec.archetype in SERVING and port == spec.protocol):
        return f"{name}_{upper(port)}_ADDRESS"
    return f"{name}_URL" if spec.protocol == "http" else f"{name}_ADDRESS"


def of_resource(dependency: Dependency) -> str:
    """``DATABASE_URL``, ``ORDERS_DATABASE_URL``, ``REPORTS_BUCKET``."""
    return prefix(dependency) + ("BUCKET" if dependency.bucket else f"{dependency.kind.upper()}_URL")


def prefix(dependency: Dependency) -> str:
    """What tells a resource from others of its kind: ``ORDERS_``, or nothing."""
    return f"{upper(dependency.name)}_" if dependency.name else ""


def upper(name: str) -> str:
    """As variables are written."""
    return name.upper().replace("-", "_")

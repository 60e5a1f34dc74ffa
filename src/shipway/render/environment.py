"""Environment variables of the container. Used by :mod:`.pods`; makes no object itself.

What the application says itself always wins over what is found for it. No secret is ever a value here: it is a reference
to a Secret that the secret store or the database operator fills.
"""

from collections.abc import Iterator
from typing import Any

from shipway.render.context import Callee, Context
from shipway.render.queues import queue_name
from shipway.render.tracing import derived, said
from shipway.spec.application import Dependency
from shipway.spec.variables import of_call, of_resource, prefix

SHARED_PORTS = {"redis": 6379, "memcached": 11211, "kafka": 9092, "rabbitmq": 5672, "nats": 4222, "mysql": 3306}
"""Well-known ports of what the platform team runs for everybody."""
_SCHEMES = {"redis": "redis://", "rabbitmq": "amqp://", "nats": "nats://", "mysql": "mysql://"}


def variables(context: Context) -> list[dict[str, Any]]:
    """By name, so that the order of a file leaves no trace."""
    spec = context.spec
    found = {entry["name"]: entry for entry in _found(context)}
    written = {name: {"name": name, "value": said(value, f"spec.env.{name}")} for name, value in spec.env.items()}
    secret = {name: _secret(context, name) for name in spec.secrets}
    return [entry for _, entry in sorted({**found, **written, **secret}.items())]


def _secret(context: Context, name: str) -> dict[str, Any]:
    field = f"spec.secrets.{name}"
    reference = {"name": said(context.secret_name, field), "key": said(name, field)}
    return {"name": name, "valueFrom": {"secretKeyRef": reference}}


def _found(context: Context) -> Iterator[dict[str, Any]]:
    """What an application may rely on without saying it: its port, itself, and the addresses of what it depends on."""
    if context.health_port or context.serving:
        yield {
            "name": "PORT",
            "value": derived(str(context.spec.port), "the port to listen on", context.port_field(context.main_port)),
        }
    if context.spec.command and any("{instance}" in word for word in context.spec.command):
        yield {"name": "INSTANCE", "valueFrom": {"fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.name"}}}
    for callee in context.callees():
        yield _address(callee)
    for dependency in context.resources("database", "cache", "queue", "bucket"):
        yield _resource(context, dependency)
        if dependency.queue:
            rule = "its logical name, or the application's"
            value = derived(queue_name(context, dependency), rule, "spec.dependsOn", "metadata.name")
            yield {"name": f"{prefix(dependency)}QUEUE_NAME", "value": value}


def _address(callee: Callee) -> dict[str, Any]:
    other = callee.context
    name = of_call(other.application, callee.port_name)
    address = f"{'http://' if name.endswith('_URL') else ''}{other.address}:{callee.port}"
    return {"name": name, "value": derived(address, "the address of an application that it depends on", callee.field)}


def _resource(context: Context, dependency: Dependency) -> dict[str, Any]:
    name = of_resource(dependency)
    if dependency.postgres:
        reference = {"name": f"{context.database_name(dependency)}-app", "key": "uri"}
        rule = "the database operator keeps address and credentials in this Secret"
        traced = {key: derived(value, rule, "spec.dependsOn") for key, value in reference.items()}
        return {"name": name, "valueFrom": {"secretKeyRef": traced}}
    if dependency.bucket:
        place = context.place
        bucket = place.platform.bucket_of(context.name, place.environment, dependency.name)
        rule = "organisation, environment, application and logical name make a bucket's name unique"
        return {"name": name, "value": derived(bucket, rule, "spec.dependsOn")}
    _, engine = shared_engine(dependency)
    address = f"{_SCHEMES.get(engine, '')}{engine}.{context.components.network.data}.svc:{SHARED_PORTS[engine]}"
    rule = "what the platform team runs for everybody is called like its engine"
    value = derived(address, rule, "spec.dependsOn", "platform.spec.components.network.data")
    return {"name": name, "value": value}


def shared_engine(dependency: Dependency) -> tuple[str, str]:
    """(kind, engine) of something that the platform team runs for everybody: ``("cache", "redis")``."""
    assert dependency.resource is not None
    return dependency.kind, dependency.resource.engine

"""A page about an application for Backstage's TechDocs, from what its file says. Called by :mod:`.catalog`.

What only its people know (why it is as it is, what to do at night) belongs into the runbook, to which the page leads.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from shipway.model.quantities import format_memory
from shipway.render.context import Context, Place
from shipway.render.formats import to_yaml
from shipway.render.sizes import cpu, mebibytes, memory, millicores
from shipway.spec.application import Application, Dependency, Spec
from shipway.spec.organisation import Organisation
from shipway.spec.texts import format_called, format_resource

Said = Mapping[str, Any]


def site(name: str) -> bytes:
    """``mkdocs.yml``."""
    return to_yaml([{"site_name": name, "nav": [{"Overview": "index.md"}], "plugins": ["techdocs-core"]}])


def page(organisation: Organisation, name: str, environments: Sequence[str]) -> bytes:
    """``docs/index.md``: what it is, needs and promises, and how it runs in each environment; as in the last of them."""
    here = [_context(organisation, name, one) for one in environments]
    application = here[-1].application
    last = application.document()
    callers = sorted({caller for one in environments for caller, _ in organisation.callers(name, one)})
    runbooks = organisation.platform.spec.components.monitoring.runbooks
    lines = [f"# {name}", "", last["metadata"].get("description", ""), "", *_table(_about(application, last))]
    for title, listed in (
        ("What it calls", [_dependency(application.spec, one) for one in application.spec.depends_on]),
        ("Who calls it", [f"`{caller}`" for caller in callers]),
        ("What is promised", list(_promises(last["spec"]["slo"])) if here[-1].serving else []),
        ("How a release becomes live", list(_delivery(last["spec"]["delivery"]))),
    ):
        lines += ["", f"## {title}", "", *(f"- {one}" for one in listed)] if listed else []
    lines += ["", "## Where it runs", "", *_table(list(_places(here)))]
    if runbooks:
        lines += ["", f"When something is wrong: [the runbook]({runbooks.rstrip('/')}/{name})."]
    return ("\n".join(lines) + "\n").encode()


def _context(organisation: Organisation, name: str, environment: str) -> Context:
    return Place(organisation, environment, next(iter(organisation.clusters(environment)))).neighbour(name)


def _about(application: Application, document: Said) -> list[tuple[str, ...]]:
    metadata, spec = document["metadata"], document["spec"]
    rows = {
        "owner": metadata.get("team"),
        "system": metadata.get("system"),
        "archetype": spec["archetype"],
        "speaks": ", ".join(f"{port} on {number}" for port, number in application.open_ports.items()),
        "schedule": spec.get("schedule"),
        "visibility": spec["visibility"],
        "data": spec["dataClass"],
        "budget": spec.get("budget"),
    }
    return [("", ""), *((key, str(value)) for key, value in rows.items() if value)]


def _dependency(spec: Spec, one: Dependency) -> str:
    if one.called:
        return f"`{format_called(one.called)}`"
    assert one.resource is not None
    size = spec.storage.get(one.resource.key) if one.postgres else None
    words = f"{one.kind} `{format_resource(one.resource)}`"
    return words if size is None else f"{words} (storage {format_memory(size)})"


def _promises(slo: Said) -> Iterator[str]:
    over = f"over the {slo['calendar']}" if "calendar" in slo else f"over {slo['window']}"
    if "availability" in slo:
        yield f"{slo['availability']} of requests are answered without an error, {over}"
    yield from (f"latency: {one}, {over}" for one in slo.get("latency", ()))
    yield from (f"{metric}: {share}, {over}" for metric, share in slo["objectives"].items())


def _delivery(delivery: Said) -> Iterator[str]:
    if delivery["strategy"] != "canary":
        yield "at once, when the new instances are ready"
        return
    for step in delivery["steps"]:
        asked = f", when {step['approval']} agrees" if "approval" in step else ""
        yield f"{step['weight']} of the requests for {step['for']}{asked}"
    yield f"taken back: {'by a person' if delivery['rollback'] == 'manual' else 'by itself'}, when it is worse"
    yield from (f"must hold: {one}" for one in delivery["check"])


def _places(here: Sequence[Context]) -> Iterator[tuple[str, ...]]:
    yield "environment", "instances", "CPU", "memory", "image"
    for context in here:
        scale, sizes = context.spec.scale, (millicores(cpu(context)), mebibytes(memory(context)))
        instances = f"{scale.min} to {scale.max} by {scale.signal}" if scale else str(context.application.replicas)
        yield context.environment, instances, *sizes, f"`{context.spec.image}`"


def _table(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    head, *others = (f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |" for row in rows)
    yield from (head, "|" + "---|" * len(rows[0]), *others)

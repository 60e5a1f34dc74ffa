"""The catalogue as Backstage would check it: its rules for names, required fields, and references that lead somewhere."""

import json
import re
from typing import Any

import yaml

from shipway.render.catalog import entities
from shipway.render.compiling import compile_organisation
from shipway.render.formats import layout
from tests.render.shop import organisation

REQUIRED = {
    "Component": {"type", "lifecycle", "owner"},
    "API": {"type", "lifecycle", "owner", "definition"},
    "Resource": {"type", "owner"},
    "System": {"owner"},
    "Domain": {"owner"},
    "Group": {"type", "children"},
}
"""Fields of `spec` without which Backstage refuses an entity of the kind."""
NAME = re.compile(r"([A-Za-z0-9][-A-Za-z0-9_.]{0,61})?[A-Za-z0-9]")
TAG = re.compile(r"[a-z0-9:+#]+(-[a-z0-9:+#]+)*")
REFERENCE = re.compile(r"(component|api|resource|system|domain|group):default/(.+)")


def found() -> list[dict[str, Any]]:
    known = organisation()
    return entities(known.platform, [known.application(name, "prod") for name in known.names("prod")])


def test_every_entity_has_what_its_kind_requires() -> None:
    for entity in found():
        assert entity["apiVersion"] == "backstage.io/v1alpha1"
        assert NAME.fullmatch(entity["metadata"]["name"])
        assert all(TAG.fullmatch(tag) and len(tag) <= 63 for tag in entity["metadata"].get("tags", []))
        assert all(isinstance(value, str) for value in entity["metadata"].get("annotations", {}).values())
        missing = REQUIRED[entity["kind"]] - entity["spec"].keys()
        assert not missing, entity
        assert all(value or key == "children" for key, value in entity["spec"].items())


def test_every_reference_leads_to_an_entity() -> None:
    known = {(entity["kind"].lower(), entity["metadata"]["name"]) for entity in found()}
    assert len(known) == len(found())
    for entity in found():
        for field in ("owner", "system", "domain", "dependsOn", "providesApis", "consumesApis"):
            said = entity["spec"].get(field, [])
            for reference in [said] if isinstance(said, str) else said:
                match = REFERENCE.fullmatch(reference)
                assert match is not None
                assert match.groups() in known, reference


def test_a_component_knows_what_it_offers_and_needs() -> None:
    checkout = next(
        entity for entity in found() if entity["kind"] == "Component" and entity["metadata"]["name"] == "checkout"
    )
    assert checkout["spec"] == {
        "type": "service",
        "lifecycle": "production",
        "owner": "group:default/payments",
        "system": "system:default/shop",
        "providesApis": ["api:default/checkout"],
        "consumesApis": ["api:default/inventory", "api:default/ranking"],
        "dependsOn": [
            "component:default/inventory",
            "component:default/ranking",
            "resource:default/checkout-db",
            "resource:default/checkout-redis",
        ],
    }
    assert checkout["metadata"]["annotations"]["backstage.io/techdocs-ref"] == "dir:."


def test_a_definition_is_one_of_its_kind() -> None:
    definitions = {entity["metadata"]["name"]: entity["spec"] for entity in found() if entity["kind"] == "API"}
    assert json.loads(definitions["checkout"]["definition"])["openapi"] == "3.1.0"
    assert definitions["ranking"]["type"] == "grpc"
    assert definitions["ranking"]["definition"].startswith('syntax = "proto3";')
    assert definitions.keys() == {"checkout", "inventory", "ranking"}


def test_the_order_of_applications_leaves_no_trace() -> None:
    known = organisation()
    names = known.names("prod")
    backwards = entities(known.platform, [known.application(name, "prod") for name in reversed(names)])
    assert yaml.safe_dump_all(backwards) == yaml.safe_dump_all(found())


def test_the_files_hold_every_entity_once_and_the_location_names_them_all() -> None:
    known = organisation()
    files = dict(layout("backstage")(known, compile_organisation(known, "prod")))
    (location,) = yaml.safe_load_all(files.pop("catalog-info.yaml"))
    listed = {path: content for path, content in files.items() if path.endswith(".yaml")}
    assert location["spec"]["targets"] == [f"./{path}" for path in listed]
    written = [entity for content in listed.values() for entity in yaml.safe_load_all(content)]
    assert sorted(map(str, written)) == sorted(map(str, found()))


def test_techdocs_find_a_page_beside_every_component() -> None:
    known = organisation()
    compiled = [one for name in known.environments for one in compile_organisation(known, name)]
    files = dict(layout("backstage")(known, compiled))
    for name in known.declared:
        site = yaml.safe_load(files[f"{name}/mkdocs.yml"])
        assert site["plugins"] == ["techdocs-core"]
        for path in (path for entry in site["nav"] for path in entry.values()):
            assert files[f"{name}/docs/{path}"].startswith(f"# {name}\n".encode())
    page = files["checkout/docs/index.md"].decode()
    for said in (
        "Takes orders.", "| owner | payments |", "| speaks | http on 8080, admin on 8081, metrics on 9090 |",
        "- `inventory`", "- database `postgres` (storage 20Gi)", "- cache `redis`\n", "- `mailer`", "- 99.9% of requests are answered",
        "- latency: 95% < 200ms, over 30d", "- 25% of the requests for 10m, when payments-leads agrees",
        "- must hold: errorRate < 0.1%", "| dev | 2 to 10 by cpu | 500m | 512Mi | `registry.example.com/checkout:1.4.2` |",
        "(https://runbooks.example.com/checkout)",
    ):  # fmt: skip
        assert said in page, (said, page)
    worker = files["mailer/docs/index.md"].decode()
    assert "- at once, when the new instances are ready" in worker
    assert "What is promised" not in worker
    assert "- `checkout:admin`" in worker
    assert "- rankedInTime: 99%, over 30d" in files["ranking/docs/index.md"].decode()
    assert "- database `postgres/stock`\n" in files["inventory/docs/index.md"].decode()

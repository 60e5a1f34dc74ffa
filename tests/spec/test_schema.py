"""The published JSON Schemas: complete, described, fresh."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest

from shipway.spec.schema import schema
from tools import generate, spec_reference

KINDS = ("Application", "Platform", "PriceCatalogue", "PolicySet")


def fields(node: Any, path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Every property anywhere in a schema."""
    if isinstance(node, dict):
        for name, field in node.get("properties", {}).items():
            yield f"{path}.{name}", field
        for key, inner in node.items():
            yield from fields(inner, f"{path}.{key}")
    elif isinstance(node, list):
        for inner in node:
            yield from fields(inner, path)


@pytest.mark.parametrize("kind", KINDS)
def test_it_is_a_schema_of_the_draft_it_names(kind: Any) -> None:
    assert schema(kind)["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    jsonschema_rs.meta.validate(schema(kind))


@pytest.mark.parametrize("kind", KINDS)
def test_every_field_is_described_and_has_an_example_that_is_valid(kind: Any) -> None:
    whole = schema(kind)
    found = list(fields(whole))
    assert len(found) > 15
    for path, field in found:
        target = whole["$defs"][field["$ref"].rpartition("/")[2]] if "$ref" in field else field
        assert field.get("description") or target.get("description"), path
        assert field.get("examples"), path
        validator = jsonschema_rs.Draft202012Validator({**field, "$defs": whole["$defs"]})
        for example in [*field["examples"], *([field["default"]] if "default" in field else [])]:
            assert validator.is_valid(example), (path, example)


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_unknown_is_allowed_anywhere(kind: Any) -> None:
    def maps(node: Any) -> Iterator[dict[str, Any]]:
        if isinstance(node, dict):
            if "properties" in node or "patternProperties" in node:
                yield node
            for inner in node.values():
                yield from maps(inner)

    for found in maps(schema(kind)):
        assert found["additionalProperties"] is False


def leaves(node: dict[str, Any], whole: dict[str, Any], path: str) -> Iterator[str]:
    """Every field that holds no further field, once however often it may be written; a map of names counts as one."""
    node = whole["$defs"][node["$ref"].rpartition("/")[2]] if "$ref" in node else node
    full = next((one for one in node.get("anyOf", ()) if "properties" in one or one.get("type") == "array"), node)
    if "properties" in full:
        for name, field in full["properties"].items():
            yield from leaves(field, whole, f"{path}.{name}")
    elif "items" in full:
        yield from leaves(full["items"], whole, path)
    elif not any("$ref" in inner for inner in node.get("patternProperties", {}).values()):  # not `environments`
        yield path


def test_an_application_has_few_fields() -> None:
    """Every one is a question to a developer. More is the Platform's to say (``PLATFORMS``)."""
    whole = schema("Application")
    found = list(leaves(whole, whole, ""))
    assert len(found) == len(set(found)) == 45
    tuned = {"spec.delivery.alpha", "spec.health.startup", "spec.slo.window", "spec.chaos", "spec.resources.factor"}
    assert not {f".{name}" for name in tuned}.intersection(found)


def test_the_generated_files_are_fresh() -> None:
    assert [str(path) for path, _ in generate.stale()] == []


def test_the_generator_writes_what_is_stale_and_checks_without_writing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert generate.main(["--check"], tmp_path) == 1
    assert list(tmp_path.iterdir()) == []
    assert generate.main([], tmp_path) == 0
    assert generate.main(["--check"], tmp_path) == 0
    name, make = generate.GENERATED[0]
    (tmp_path / name).write_text(make() + " ", encoding="utf-8")
    capsys.readouterr()
    assert generate.main(["--check"], tmp_path) == 1
    assert capsys.readouterr().out == f"stale: {name}; run `make generate`\n"


def test_the_reference_names_every_field() -> None:
    text = spec_reference.reference()
    for name in (
        "spec.delivery.steps[].weight",
        "spec.slo.latency",
        "spec.environments",
        "spec.metrics.<name>.unit",
        "metadata.team",
    ):
        assert f"| `{name}` |" in text
    assert "$ref" not in text

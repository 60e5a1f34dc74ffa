"""JSON Schema (draft 2020-12) of the files people write, for editors and other tools. Published under ``schemas/``.

Generated from the models, so it cannot drift from what is accepted; what a schema cannot say (rules between fields, the
Platform's metric names) only :mod:`shipway.spec.documents` checks. Called by ``tools.generate`` and ``shipway schema``.
"""

from typing import Any, Literal

from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

from shipway.spec.application import API_VERSION, Application
from shipway.spec.fields import fields_of, is_platforms
from shipway.spec.platform import Platform
from shipway.spec.policies import PolicySet
from shipway.spec.prices import PriceCatalogue

Kind = Literal["Application", "Platform", "PriceCatalogue", "PolicySet"]
KINDS: dict[Kind, type[Application] | type[Platform] | type[PriceCatalogue] | type[PolicySet]] = {
    "Application": Application,
    "Platform": Platform,
    "PriceCatalogue": PriceCatalogue,
    "PolicySet": PolicySet,
}


def schema(kind: Kind) -> dict[str, Any]:
    """The JSON Schema of one kind of document."""
    body = KINDS[kind].model_json_schema(schema_generator=_OfApplications if kind == "Application" else _Generator)
    identity = f"https://{API_VERSION}/{kind.lower()}.schema.json"
    return {"$schema": _Generator.schema_dialect, "$id": identity, **body}


class _Generator(GenerateJsonSchema):
    """Pydantic's, with defaults as people write them and without titles that repeat the field's name."""

    def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ARG002  # pydantic's signature
        return False

    def nullable_schema(self, schema: core_schema.NullableSchema) -> JsonSchemaValue:
        """Leaving a field out is how to say nothing; ``null`` is never written."""
        return self.generate_inner(schema["schema"])

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> JsonSchemaValue:
        return self.generate_inner(schema["schema"])

    def model_schema(self, schema: core_schema.ModelSchema) -> JsonSchemaValue:
        result = super().model_schema(schema)
        defaults = schema["cls"].model_construct().model_dump(mode="json", exclude_none=True)
        for name, field in result.get("properties", {}).items():
            default = defaults.get(name)
            if default not in (None, []) and not isinstance(default, dict):  # a map describes its own defaults
                field["default"] = int(default) if isinstance(default, float) and default.is_integer() else default
        result["description"] = result["description"].replace("``", "`")
        return result

    def dict_schema(self, schema: core_schema.DictSchema) -> JsonSchemaValue:
        result = super().dict_schema(schema)
        return {**result, "additionalProperties": False} if "patternProperties" in result else result


class _OfApplications(_Generator):
    """Without the fields that only a Platform sets."""

    def model_schema(self, schema: core_schema.ModelSchema) -> JsonSchemaValue:
        result = super().model_schema(schema)
        for name, field in fields_of(schema["cls"]).items():
            if is_platforms(field):
                result["properties"].pop(name, None)
        return result

"""``kind: PriceCatalogue``: what resources cost, where, how bought, according to whom and since when.

    apiVersion: shipway.dev/v1alpha1
    kind: PriceCatalogue
    metadata: {name: frankfurt}
    spec:
      source: https://example.com/prices
      date: 2026-11-01
      regions: [eu-central-1]
      cpu: {onDemand: $0.0316/hour, spot: $0.0067/hour}
      memory: $0.0042/hour

Read by ``cli`` beside the organisation; :mod:`shipway.cost.prices` looks prices up. A price that is left out is not known.
"""

from collections.abc import Iterator, Sequence
from datetime import date
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, GetJsonSchemaHandler, model_validator
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from shipway.model import quantities
from shipway.model.problems import Problem
from shipway.model.quantities import Money, QuantityError
from shipway.spec.application import API_VERSION
from shipway.spec.diagnosis import problem_at
from shipway.spec.fields import Closed, Line, Misspelt, Name, Written, describe, text_schema
from shipway.spec.reading import Node, Path, Source, read
from shipway.spec.resolving import Declared
from shipway.spec.validating import validated

KIND = "PriceCatalogue"
_RATE_PATTERN = quantities.MONEY_PATTERN.replace(")?$", ")$")
_FEE_PATTERN = quantities.MONEY_PATTERN.replace("(?:/(?:hour|day|month|year))?", "")
_PLACES = ("clusters", "regions")


def _money(text: str, expected: str, *, rate: bool) -> Money:
    try:
        found = quantities.parse_money(text)
    except QuantityError:
        found = None
    if found is None or bool(found.per) != rate:
        raise Misspelt("bad-price", f"expected {expected}, got {describe(text)}")
    return found


_RATE = "a price such as $0.03/hour or $25/month"
_FEE = "a price such as $0.09"
Rate = Annotated[
    Money,
    Written(
        lambda text: _money(text, _RATE, rate=True),
        quantities.format_money,
        _RATE,
        text_schema(_RATE_PATTERN, "$0.03/hour", "$25/month"),
    ),
]
Fee = Annotated[
    Money,
    Written(
        lambda text: _money(text, _FEE, rate=False), quantities.format_money, _FEE, text_schema(_FEE_PATTERN, "$0.09")
    ),
]


def _day(text: str) -> str:
    try:
        return date.fromisoformat(text).isoformat()
    except ValueError:
        raise Misspelt("bad-date", f"expected a date such as 2026-11-01, got {describe(text)}") from None


class Bought(Closed):
    """A price by the way in which the resource is bought; one price alone is that of on-demand."""

    on_demand: Rate | None = Field(default=None, description="By the hour, without a promise.", examples=["$0.03/hour"])
    spot: Rate | None = Field(
        default=None, description="For machines that can be taken away.", examples=["$0.007/hour"]
    )
    reserved: Rate | None = Field(
        default=None, description="Promised for a year or longer, nothing paid in advance.", examples=["$0.02/hour"]
    )

    @model_validator(mode="before")
    @classmethod
    def _one(cls, value: Any) -> Any:
        return value if isinstance(value, dict) else {"onDemand": value}

    @classmethod
    def __get_pydantic_json_schema__(cls, core: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        schema = handler.resolve_ref_schema(handler(core))
        return {
            "description": schema["description"],
            "anyOf": [text_schema(_RATE_PATTERN, "$0.03/hour"), schema],
        }


class PriceCatalogueSpec(Closed):
    """What resources cost in some places."""

    source: Line = Field(description="Where the prices are published.", examples=["https://example.com/prices"])
    date: Annotated[str, AfterValidator(_day)] = Field(
        description="Day on which they were looked up.", examples=["2026-11-01"]
    )
    regions: Annotated[tuple[Line, ...], Field(strict=False)] = Field(
        default=(), description="Regions where they hold; everywhere without regions and clusters.", examples=[["eu"]]
    )
    clusters: Annotated[tuple[Name, ...], Field(strict=False)] = Field(
        default=(), description="Clusters where they hold, before those of the region.", examples=[["prod-eu"]]
    )
    cpu: Bought | None = Field(default=None, description="One core.", examples=["$0.03/hour"])
    memory: Bought | None = Field(default=None, description="One GiB of memory.", examples=["$0.004/hour"])
    gpu: Bought | None = Field(default=None, description="One GPU.", examples=["$0.95/hour"])
    storage: Rate | None = Field(default=None, description="One GiB of disk.", examples=["$0.10/month"])
    load_balancer: Rate | None = Field(default=None, description="One load balancer.", examples=["$0.025/hour"])
    egress: Fee | None = Field(default=None, description="One GiB sent to the internet.", examples=["$0.09"])


class PriceCatalogueMetadata(Closed):
    """Which catalogue it is."""

    name: Name = Field(description="Name of the catalogue.", examples=["frankfurt"])


class PriceCatalogue(Closed):
    """What resources cost."""

    api_version: Literal["shipway.dev/v1alpha1"] = Field(description="Version of this format.", examples=[API_VERSION])
    kind: Literal["PriceCatalogue"] = Field(description="What the document is.", examples=[KIND])
    metadata: PriceCatalogueMetadata = Field(description="Which catalogue it is.", examples=[{"name": "frankfurt"}])
    spec: PriceCatalogueSpec = Field(
        description="What resources cost.",
        examples=[{"source": "https://example.com", "date": "2026-11-01", "cpu": "$0.03/hour"}],
    )

    @property
    def currency(self) -> str:
        """Of all of its prices; empty when it has none."""
        return next((money.currency for _, money in _prices(self.spec)), "")


def parse_prices(sources: Sequence[Source]) -> tuple[list[PriceCatalogue], list[Problem]]:
    """Every valid catalogue of every source, and all that is wrong with any. Documents of other kinds are passed over."""
    problems: list[Problem] = []
    found: list[tuple[Declared, PriceCatalogue]] = []
    for source in sources:
        nodes, wrong = read(source)
        problems += wrong
        found += [pair for node in nodes if _is_ours(node) for pair in _parsed(source.file, node, problems)]
    problems += _claimed_twice(found)
    return [catalogue for _, catalogue in found], problems


def _is_ours(node: Node) -> bool:
    return bool(node.entries) and "kind" in (node.entries or {}) and (node.entries or {})["kind"][1].value == KIND


def _parsed(file: str, node: Node, problems: list[Problem]) -> Iterator[tuple[Declared, PriceCatalogue]]:
    declared = Declared(file, node, node.data())
    instance, wrong, _ = validated(declared, PriceCatalogue, None)
    if instance is not None:
        wrong += _mixed(declared, instance)
    problems += wrong
    if instance is not None and not wrong:
        yield declared, instance


def _prices(spec: PriceCatalogueSpec) -> Iterator[tuple[Path, Money]]:
    """(path below ``spec``, price) of everything that has one."""
    for name in ("cpu", "memory", "gpu"):
        bought: Bought | None = getattr(spec, name)
        for way, field in ("on_demand", "onDemand"), ("spot", "spot"), ("reserved", "reserved"):
            if bought is not None and (money := getattr(bought, way)) is not None:
                yield (name, field), money
    for name, field in ("storage", "storage"), ("load_balancer", "loadBalancer"), ("egress", "egress"):
        if (money := getattr(spec, name)) is not None:
            yield (field,), money


def _mixed(declared: Declared, catalogue: PriceCatalogue) -> Iterator[Problem]:
    """Prices in another currency than the first."""
    for path, money in _prices(catalogue.spec):
        if money.currency != catalogue.currency:
            message = f"expected a price in {catalogue.currency} like the first, got {money.currency}; one catalogue has one currency"
            yield problem_at(declared.file, declared.node, ("spec", *path), "currency-mix", message)


def _claimed_twice(found: Sequence[tuple[Declared, PriceCatalogue]]) -> Iterator[Problem]:
    """Places for which two catalogues hold: which of them would depend on the order of files."""
    seen: dict[tuple[str, str], Declared] = {}
    for declared, catalogue in found:
        spec = catalogue.spec
        places: list[tuple[str, str]] = [(field, place) for field in _PLACES for place in getattr(spec, field)]
        for field, place in places or [("", "")]:
            first = seen.setdefault((field, place), declared)
            if first is not declared:
                where = f"`{place}`" if place else "everywhere"
                message = f"another catalogue holds for {where} already: {first.file}:{first.node.line}"
                yield problem_at(declared.file, declared.node, ("spec", field or "regions"), "duplicate", message)

"""``spec.delivery``: how a release becomes live, from one word to everything a demanding team would say.

Used by :mod:`shipway.spec.application`; made into a ``DeliveryPlan`` by the engine. Defaults are here, rules between
fields are in :mod:`shipway.spec.rules`. An application says what it wants; by which statistics, for how long and with
which headers is the platform's to say (``PLATFORMS``).
"""

from collections.abc import Mapping
from functools import cache
from types import MappingProxyType
from typing import Annotated, Any, Literal

from pydantic import Field, GetJsonSchemaHandler, SerializerFunctionWrapHandler, model_serializer, model_validator
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from shipway.model import routing
from shipway.model.suggestions import did_you_mean
from shipway.spec.checks import CheckLine
from shipway.spec.fields import (
    PLATFORMS,
    Closed,
    Duration,
    HeaderName,
    Line,
    Misspelt,
    Probability,
    Ratio,
    Weight,
    describe,
)

AFFINITY_COOKIE = "shipway-affinity"
"""Cookie that the proxy hands out under ``affinity: cookie``."""


class Step(Closed):
    """One stage of a canary."""

    instead = MappingProxyType(
        {
            "atMost": "the Platform says how long a step waits for evidence: `delivery.patience`",
            "minRequests": "the Platform says it for every step: `delivery.minRequests`",
        }
    )

    weight: Weight = Field(description="Percent of the traffic that the canary gets.", examples=["5%"])
    at_least: Duration = Field(
        default=0.0, alias="for", description="How long the step lasts at least.", examples=["5m"]
    )
    approval: Line | None = Field(
        default=None, description="Who must agree before the step begins.", examples=["payments-leads"]
    )


@cache
def default_steps() -> tuple[Step, ...]:
    """5 %, 25 % and 50 %: each small enough to be cheap when it fails and large enough to see more than the last."""
    return tuple(Step.model_validate({"weight": weight, "for": "1m"}) for weight in ("5%", "25%", "50%"))


class ClientAffinity(Closed):
    """What keeps one client on one release while the weights stand still."""

    cookie: HeaderName | None = Field(
        default=None, description="Cookie that identifies the client.", examples=["session"]
    )
    header: HeaderName | None = Field(
        default=None, description="Request header that identifies the client.", examples=["x-user-id"]
    )

    @model_validator(mode="before")
    @classmethod
    def _word(cls, value: Any) -> Any:
        value = from_word(value, {"none": {}, "cookie": {"cookie": AFFINITY_COOKIE}})
        if isinstance(value, dict) and {"cookie", "header"} <= value.keys():
            raise Misspelt("conflict", "expected a cookie or a header, got both; a client is known by one of them")
        return value

    @classmethod
    def __get_pydantic_json_schema__(cls, core: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return or_words(handler.resolve_ref_schema(handler(core)), "none", "cookie")

    @property
    def routing(self) -> routing.Affinity:
        """The same in the words of the routers."""
        if self.header:
            return routing.Affinity("header", self.header)
        return routing.Affinity("cookie", self.cookie) if self.cookie else routing.Affinity()


class Match(Closed):
    """Requests that choose their side themselves: ``always`` is the canary, ``never`` the baseline."""

    header: HeaderName | None = Field(default=None, description="Request header that decides.", examples=["x-canary"])
    cookie: HeaderName | None = Field(default=None, description="Cookie that decides.", examples=["canary"])

    @property
    def routing(self) -> routing.CanaryMatch:
        """The same in the words of the routers."""
        return routing.CanaryMatch(header=self.header or "", cookie=self.cookie or "")


class Delivery(Closed):
    """How a new release replaces the one that is live."""

    strategy: Literal["canary", "direct"] = Field(
        default="canary",
        description="canary: step by step, judged by evidence. direct: at once, when the new instances are ready.",
        examples=["canary"],
    )
    steps: Annotated[tuple[Step, ...], Field(strict=False, min_length=1)] = Field(
        default_factory=default_steps,
        description="Stages in ascending weight below 100%; promotion follows the last.",
        examples=[[{"weight": "5%", "for": "5m"}, {"weight": "50%", "for": "10m"}]],
    )
    check: Annotated[tuple[CheckLine, ...], Field(strict=False)] = Field(
        default=(),
        description="What must hold for the canary, on top of the SLOs, which are always checked.",
        examples=[["errorRate < 0.1%"]],
    )
    rollback: Literal["automatic", "manual"] = Field(
        default="automatic",
        description="Whether a failed check takes the release back or waits for a person.",
        examples=["automatic"],
    )
    advance: Literal["evidence", "time"] = Field(
        default="time",
        description="evidence: a step ends as soon as the canary is shown to be no worse. time: after `for`.",
        examples=["evidence"],
    )
    exposure_budget: Annotated[float, Field(ge=0)] = Field(
        default=0.0,
        description="Failed requests that a bad release may cost; 0 leaves the weights to the steps.",
        examples=[50],
    )
    patience: Annotated[float, Field(ge=1), PLATFORMS] = Field(
        default=10.0, description="How many times its `for` a step waits for enough evidence, at most.", examples=[10]
    )
    min_requests: Annotated[int, Field(ge=0), PLATFORMS] = Field(
        default=50, description="Requests that the canary must have answered in every step.", examples=[500]
    )
    on_inconclusive: Annotated[Literal["hold", "extend", "advance"], PLATFORMS] = Field(
        default="hold",
        description="When a step's time is over without enough evidence: ask a person, wait on, or go on.",
        examples=["hold"],
    )
    supersede: Annotated[Literal["replace", "queue"], PLATFORMS] = Field(
        default="replace",
        description="When a newer release arrives during a rollout: take this one's place, or wait for its end.",
        examples=["queue"],
    )
    keep: Annotated[Duration, PLATFORMS] = Field(
        default=600.0,
        description="How long the instances of the previous release stay up, ready for an undo.",
        examples=["10m"],
    )
    affinity: Annotated[ClientAffinity, PLATFORMS] = Field(
        default_factory=ClientAffinity,
        description="What keeps a client on one release: none, cookie, or a header of yours.",
        examples=["none", {"header": "x-user-id"}],
    )
    match: Annotated[Match, PLATFORMS] = Field(
        default_factory=Match,
        description="Lets a request choose its side by header or cookie.",
        examples=[{"header": "x-canary"}],
    )
    alpha: Annotated[Probability, PLATFORMS] = Field(
        default=0.01,
        description="Chance of rolling back a release that is no worse, over the whole rollout.",
        examples=[0.01],
    )
    tolerance: Annotated[float, Field(ge=1), PLATFORMS] = Field(
        default=1.0, description="How many times the baseline's bad ratio is still fine.", examples=[1.5]
    )
    floor: Annotated[Ratio, PLATFORMS] = Field(
        default=0.0005, description="A bad ratio below this stops nobody.", examples=["0.05%"]
    )
    warm_up: Annotated[Duration | None, PLATFORMS] = Field(
        default=None,
        description="Time after an instance starts that does not count for latency; when left out, 5s for processes on one machine and 30s in a cluster.",
        examples=["30s"],
    )

    @model_validator(mode="before")
    @classmethod
    def _word(cls, value: Any) -> Any:
        return {"strategy": value} if isinstance(value, str) else value

    @model_serializer(mode="wrap")
    def _without_idle_steps(self, handler: SerializerFunctionWrapHandler) -> Any:
        """Steps beside ``direct`` are refused in a file, so none are written."""
        written = handler(self)
        return {key: value for key, value in written.items() if key != "steps" or self.strategy != "direct"}

    @classmethod
    def __get_pydantic_json_schema__(cls, core: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return or_words(handler.resolve_ref_schema(handler(core)), "canary", "direct")


def from_word(value: Any, words: Mapping[str, object]) -> Any:
    """The map that a word stands for; anything that is no text is left to the model."""
    if isinstance(value, str) and value not in words:
        choices = ", ".join(words)
        raise Misspelt("not-one-of", f"expected {choices} or a map, got {describe(value)}{did_you_mean(value, words)}")
    return words[value] if isinstance(value, str) else value


def or_words(schema: JsonSchemaValue, *words: str) -> JsonSchemaValue:
    """The JSON Schema of a map that may be abbreviated to one of ``words``."""
    described: JsonSchemaValue = {key: schema.pop(key) for key in ("title", "description") if key in schema}
    full = dict(schema)
    schema.clear()
    schema.update(described, anyOf=[{"enum": list(words)}, full])
    return schema

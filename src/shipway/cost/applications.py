"""Estimates, budgets and advice of the applications of an organisation. Called by ``shipway cost estimate``."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal

import msgspec

from shipway.cost.advice import Advice, advice
from shipway.cost.estimate import Change, Estimate, cost_facts, estimate
from shipway.cost.money import Total
from shipway.cost.prices import PriceBook
from shipway.model.quantities import Money
from shipway.render.truth import compiled
from shipway.spec.organisation import Organisation


class Bounded(msgspec.Struct, frozen=True):
    """The budget of an application in an environment, and its estimate."""

    application: str
    environment: str
    budget: Money
    facts: Mapping[str, Any]
    """What policies are given."""
    state: Literal["within", "may exceed", "exceeds", "unknown"]
    """Of 1.1 times the budget: ``may exceed`` at the most instances, ``exceeds`` at the fewest already."""


def estimates(
    organisation: Organisation, apps: list[str] | None, env: list[str] | None, book: PriceBook
) -> Iterator[Estimate]:
    """Of each application on each cluster; see :func:`~shipway.render.truth.compiled`."""
    for one in compiled(organisation, apps, env):
        if one.application:
            region = organisation.clusters(one.environment)[one.cluster]
            objects = [rendered.object for rendered in one.objects]
            yield estimate(one.application, one.environment, one.cluster, objects, book.at(one.cluster, region))


def bounded(organisation: Organisation, found: Sequence[Estimate]) -> Iterator[Bounded]:
    """Of all clusters of an environment together."""
    for app, environment in dict.fromkeys((one.application, one.environment) for one in found):
        budget = organisation.application(app, environment).spec.budget
        if budget is not None:
            facts = cost_facts(
                [one for one in found if (one.application, one.environment) == (app, environment)], budget
            )
            yield Bounded(app, environment, budget, facts, _state(facts))


def _state(facts: Mapping[str, Any]) -> Literal["within", "may exceed", "exceeds", "unknown"]:
    if "budget" not in facts or "monthly" not in facts:
        return "unknown"
    most = 1.1 * facts["budget"]
    if facts["monthly"] > most:
        return "exceeds"
    return "unknown" if "highest" not in facts else "may exceed" if facts["highest"] > most else "within"


def advised(
    organisation: Organisation, apps: list[str] | None, env: list[str] | None, book: PriceBook
) -> Iterator[tuple[str, Advice]]:
    """(``application environment/cluster``, advice): where spot and reserved machines would save."""
    for one in compiled(organisation, apps, env):
        prices = book.at(one.cluster, organisation.clusters(one.environment)[one.cluster])
        for found in advice([rendered.object for rendered in one.objects], prices):
            yield f"{one.application} {one.environment}/{one.cluster}", found


class Estimated(msgspec.Struct, frozen=True):
    """The answer of ``cost estimate``."""

    estimates: tuple[Estimate, ...]
    monthly: Total
    budgets: tuple[Bounded, ...]
    changes: tuple[Change, ...] | None
    """Against what was asked for; None when nothing was."""
    advice: tuple[tuple[str, Advice], ...] | None
    """(``application environment/cluster``, advice)."""

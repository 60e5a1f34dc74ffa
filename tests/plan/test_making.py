"""A plan of two organisations: what changes, what somebody knows about it, and what is said of nothing."""

from collections.abc import Iterable, Sequence

import pytest

from shipway.cost.prices import price_book
from shipway.insight.risk import Change, fit
from shipway.plan.changes import ApplicationRisk, Plan
from shipway.plan.making import Side, Wanted, make
from shipway.plan.releasing import Asking, Known
from shipway.policy.loading import Policies
from shipway.render.compiling import Compiled
from shipway.spec.organisation import read_organisation
from shipway.spec.reading import Source

PLATFORM = """\
apiVersion: shipway.dev/v1alpha1
kind: Platform
metadata: {name: acme}
spec:
  environments:
    dev: {clusters: {kind: local}, production: false}
    prod: {clusters: {one: eu-west}, production: true}
"""
APPLICATION = """\
apiVersion: shipway.dev/v1alpha1
kind: Application
metadata: {name: NAME}
spec: {archetype: web-app, image: "registry.example/NAME:VERSION", port: 8080}
"""
AT = 1793491200.0


def side(platform: str = PLATFORM, **versions: str) -> Side:
    files = [
        Source(f"{name}.yaml", APPLICATION.replace("NAME", name).replace("VERSION", version))
        for name, version in versions.items()
    ]
    organisation, problems = read_organisation([Source("platform.yaml", platform), *files])
    assert organisation is not None, problems
    return Side(organisation, price_book(), Policies(()))


def risks(becoming: Sequence[Compiled]) -> Iterable[ApplicationRisk]:
    for name in dict.fromkeys(one.application for one in becoming):
        yield ApplicationRisk(name, fit([]).risk(Change(application=name, at=AT, author="ann")))


def made(before: Side | None, after: Side, **wanted: object) -> Plan:
    asking = Asking(at=AT, book=price_book(), by="ann", knows=lambda _app, _environment: Known())
    return make(before, after, Wanted(**wanted), asking, risks)  # type: ignore[arg-type]  # by name


def test_only_what_changes_is_in_it_with_its_cost_and_its_risk() -> None:
    plan = made(side(shop="v1", blog="v1"), side(shop="v2", blog="v1"))
    assert {(one.environment, one.application) for one in plan.places} == {("dev", "shop"), ("prod", "shop")}
    assert [one.application for one in plan.risks] == ["shop"]
    assert not plan.refused
    assert plan.detects == ()
    assert made(side(shop="v1"), side(shop="v1")).empty


def test_without_a_past_everything_is_new() -> None:
    plan = made(None, side(shop="v1"), environments=["prod"])
    assert [(one.environment, one.application) for one in plan.places] == [("prod", "shop")]
    assert len(plan.costs) == 1


def test_what_the_platform_alone_changes_is_named() -> None:
    other = PLATFORM.replace("{one: eu-west}", "{one: eu-west, two: us-east}")
    assert made(side(shop="v1"), side(other, shop="v1")).platform == ("shop",)


@pytest.mark.parametrize("apps", [["shop"], ["gone"]])
def test_an_application_that_goes_away_is_a_change_without_a_risk(apps: list[str]) -> None:
    plan = made(side(shop="v1", gone="v1"), side(shop="v1"), apps=apps)
    assert {one.application for one in plan.places} == {"gone"} & set(apps)
    assert plan.risks == ()

"""What a resource costs in a place: the organisation's catalogues, its Platform's prices, or a published list.

Used by :mod:`.estimate` and :mod:`.allocation`. Reading and checking catalogues is done by :mod:`shipway.spec.prices`.
"""

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from types import MappingProxyType
from typing import Literal

import msgspec

from shipway.cost.money import HOURS_PER_MONTH, Unknown, exact, one_currency
from shipway.model.errors import BadInput
from shipway.model.quantities import Money
from shipway.spec.organisation import Organisation
from shipway.spec.platform import Prices
from shipway.spec.prices import Bought, PriceCatalogue, PriceCatalogueSpec, parse_prices
from shipway.spec.reading import Source

Purchase = Literal["on-demand", "spot", "reserved"]
Resource = Literal["cpu", "memory", "gpu", "storage", "load balancer", "egress"]

UNITS: Mapping[Resource, str] = MappingProxyType(
    {
        "cpu": "core",
        "memory": "GiB",
        "gpu": "GPU",
        "storage": "GiB",
        "load balancer": "load balancer",
        "egress": "GiB sent",
    }
)
_PERIODS: Mapping[str, Decimal] = MappingProxyType(
    {"hour": Decimal(1), "day": Decimal(24), "month": HOURS_PER_MONTH, "year": 12 * HOURS_PER_MONTH}
)
Key = tuple[Resource, Purchase]


class PriceList(msgspec.Struct, frozen=True):
    """What holds in one place."""

    currency: str
    rates: Mapping[Key, Decimal]
    """Per hour of the unit; egress per GiB. What is missing is not known."""
    name: str
    """Of the catalogue, or of several: ``us-east or the Platform``."""
    source: str = ""
    """Where it is published; empty when it is the organisation's own."""
    date: str = ""
    """When the source said so; empty when it does not say."""

    def rate(self, resource: Resource, purchase: Purchase = "on-demand") -> Decimal | Unknown:
        """The price. What has none for spot or reserved is taken at on-demand's."""
        found = self.rates.get((resource, purchase), self.rates.get((resource, "on-demand")))
        return Unknown(f"no price for {resource} in {self.name}") if found is None else found


DEFAULT = PriceList(
    "USD",
    MappingProxyType(
        {
            ("cpu", "on-demand"): Decimal("0.031611"),
            ("cpu", "spot"): Decimal("0.006655"),
            ("memory", "on-demand"): Decimal("0.004237"),
            ("memory", "spot"): Decimal("0.000892"),
            ("gpu", "on-demand"): Decimal("0.95"),
            ("storage", "on-demand"): Decimal("0.00005479452"),
            ("egress", "on-demand"): Decimal("0.12"),
        }
    ),
    "OpenCost's defaults",
    "https://github.com/opencost/opencost/blob/develop/configs/default.json",
)
"""``configs/default.json`` of OpenCost. It names no usable price of a load balancer."""


class PriceBook(msgspec.Struct, frozen=True):
    """Every price that the organisation has given."""

    clusters: Mapping[str, PriceList]
    regions: Mapping[str, PriceList]
    everywhere: PriceList | None
    """From the catalogue without places and the Platform; None when there are neither."""

    def at(self, cluster: str = "", region: str = "") -> PriceList:
        """The list for a place: the cluster's, then the region's, then what holds everywhere.

        A price that one has not is looked for in the next with the same currency. OpenCost's list holds only where the
        organisation gives none: a mixture of one's own prices and somebody else's would be neither.
        """
        places = (self.clusters.get(cluster), self.regions.get(region), self.everywhere)
        found = [one for one in places if one is not None]
        if not found:
            return DEFAULT
        return _joined([one for one in found if one.currency == found[0].currency])


def price_book(catalogues: Sequence[PriceCatalogue] = (), platform: Prices | None = None) -> PriceBook:
    """Everything that was read; a catalogue that holds everywhere goes before the Platform's prices.

    Raises:
        BadInput: prices that hold everywhere are in several currencies, or one of the Platform has no period.
    """
    lists = [(one.spec, _list(one)) for one in catalogues]
    general = [found for spec, found in lists if not (spec.clusters or spec.regions)]
    general += [found] if (found := _platform(platform)) is not None else []
    one_currency((one.currency for one in general), "prices that hold everywhere")
    everywhere = _joined(general) if general else None
    return PriceBook(
        {cluster: found for spec, found in lists for cluster in spec.clusters},
        {region: found for spec, found in lists for region in spec.regions},
        everywhere,
    )


def priced(sources: Sequence[Source], organisation: Organisation | None) -> PriceBook:
    """The prices of these files, and of the organisation's Platform.

    Raises:
        BadInput: a catalogue is wrong; carries every problem of all.
    """
    catalogues, problems = parse_prices(sources)
    if any(problem.severity == "error" for problem in problems):
        raise BadInput("the price catalogues cannot be used", problems=problems)
    return price_book(catalogues, organisation.platform.spec.prices if organisation else None)


def _joined(lists: Sequence[PriceList]) -> PriceList:
    """One list in which the first with any price of a resource has the word: nobody buys spot here at a price of there."""
    rates: dict[Key, Decimal] = {}
    for one in lists:
        known = {resource for resource, _ in rates}
        rates |= {key: rate for key, rate in one.rates.items() if key[0] not in known}
    name = " or ".join(dict.fromkeys(one.name for one in lists))
    source = ", ".join(dict.fromkeys(one.source for one in lists if one.source))
    return PriceList(lists[0].currency, rates, name, source, lists[0].date)


def hourly(money: Money) -> Decimal:
    """Of a rate; a month has 730 hours."""
    return exact(money.amount) / _PERIODS[money.per]


def monthly(money: Money) -> Decimal:
    """Of a rate; an amount that is no rate is taken as one for a month."""
    return exact(money.amount) * HOURS_PER_MONTH / _PERIODS[money.per or "month"]


def _list(catalogue: PriceCatalogue) -> PriceList:
    spec = catalogue.spec
    return PriceList(catalogue.currency, dict(_rates(spec)), catalogue.metadata.name, spec.source, spec.date)


def _rates(spec: PriceCatalogueSpec) -> Iterator[tuple[Key, Decimal]]:
    bought: tuple[tuple[Resource, Bought | None], ...] = (("cpu", spec.cpu), ("memory", spec.memory), ("gpu", spec.gpu))
    for resource, prices in bought:
        yield from _ways(resource, prices) if prices else ()
    fixed: tuple[tuple[Resource, Money | None], ...] = (
        ("storage", spec.storage),
        ("load balancer", spec.load_balancer),
    )
    for resource, money in fixed:
        if money is not None:
            yield (resource, "on-demand"), hourly(money)
    if spec.egress is not None:
        yield ("egress", "on-demand"), exact(spec.egress.amount)


def _ways(resource: Resource, prices: Bought) -> Iterator[tuple[Key, Decimal]]:
    ways: tuple[tuple[Purchase, Money | None], ...] = (
        ("on-demand", prices.on_demand),
        ("spot", prices.spot),
        ("reserved", prices.reserved),
    )
    for purchase, money in ways:
        if money is not None:
            yield (resource, purchase), hourly(money)


def _platform(prices: Prices | None) -> PriceList | None:
    """The Platform's own.

    Raises:
        BadInput: one has no period, so that nobody can tell what an hour costs, or they are in several currencies.
    """
    given: tuple[tuple[Resource, Money | None], ...] = (
        ("cpu", prices.cpu if prices else None),
        ("memory", prices.memory if prices else None),
        ("storage", prices.storage if prices else None),
    )
    known = [(resource, money) for resource, money in given if money is not None]
    timeless = [f"spec.prices.{resource}" for resource, money in known if not money.per]
    if timeless:
        hint = "Write them by the hour, day, month or year: $25/month."
        raise BadInput(f"prices of the Platform without a period: {', '.join(timeless)}", hint=hint)
    if not known:
        return None
    rates: dict[Key, Decimal] = {(resource, "on-demand"): hourly(money) for resource, money in known}
    return PriceList(
        one_currency((money.currency for _, money in known), "prices of the Platform"), rates, "the Platform"
    )

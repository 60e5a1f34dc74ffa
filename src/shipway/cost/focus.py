"""Charges as rows in the columns of FOCUS 1.2, the FinOps Open Cost and Usage Specification: chargeback for other tools.

One row for every part of every charge. What FOCUS knows and an allocation does not is empty (null). A part whose cost is not
known has no row: ``BilledCost`` must be a number and must not be null, its sum is to match the invoice, and 0 would be a lie.
:func:`missing` says which parts those are; whoever writes the file has to tell it beside it.
"""

import csv
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from types import MappingProxyType

from shipway.cost.allocation import Charge, Part

COLUMNS = (
    "BilledCost",
    "BillingAccountId",
    "BillingAccountName",
    "BillingCurrency",
    "BillingPeriodEnd",
    "BillingPeriodStart",
    "ChargeCategory",
    "ChargeClass",
    "ChargeDescription",
    "ChargeFrequency",
    "ChargePeriodEnd",
    "ChargePeriodStart",
    "ConsumedQuantity",
    "ConsumedUnit",
    "ContractedCost",
    "EffectiveCost",
    "InvoiceIssuerName",
    "ListCost",
    "PricingCategory",
    "PricingQuantity",
    "PricingUnit",
    "ProviderName",
    "PublisherName",
    "RegionId",
    "ResourceId",
    "ResourceName",
    "ResourceType",
    "ServiceCategory",
    "ServiceName",
    "ServiceSubcategory",
    "SkuId",
    "SubAccountId",
    "SubAccountName",
    "Tags",
)
_CATEGORIES: Mapping[Part, tuple[str, str]] = MappingProxyType(
    {
        "storage": ("Storage", "Block Storage"),
        "network": ("Networking", "Other (Networking)"),
        "load balancer": ("Networking", "Application Networking"),
        "external": ("Other", "Other (Other)"),
    }
)
"""``ServiceCategory`` and ``ServiceSubcategory``; everything else is computing in containers."""
_UNITS: Mapping[Part, str] = MappingProxyType(
    {"cpu": "vCPU-Hours", "memory": "GiB-Hours", "gpu": "GPU-Hours", "storage": "GiB-Hours"}
)


def focus_csv(found: Sequence[Charge], account: str) -> str:
    """The whole file. ``account`` is whose bill it is: the platform's name."""
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows(found, account))
    return text.getvalue()


def rows(found: Sequence[Charge], account: str) -> Iterator[dict[str, str]]:
    """One for each part of each charge that is known; values by column."""
    for one in found:
        for part, cost in one.parts.items():
            yield _row(one, account, part, f"{cost:f}", f"{part} of {_named(one)}")


def missing(found: Sequence[Charge]) -> tuple[str, ...]:
    """What has no row because nobody knows what it costs: ``shop v2: no price for memory in the Platform``."""
    return tuple(dict.fromkeys(f"{_named(one)}: {reason}" for one in found for reason in one.unknown))


def _row(one: Charge, account: str, part: Part, cost: str, description: str) -> dict[str, str]:
    category, subcategory = _CATEGORIES.get(part, ("Compute", "Containers"))
    quantity = f"{one.quantities[part]:f}" if part in one.quantities else ""
    unit = _UNITS.get(part, "") if quantity else ""
    start, end = _month(one.start)
    owner = one.owner
    known = {
        **dict.fromkeys(("BilledCost", "ContractedCost", "EffectiveCost", "ListCost"), cost),
        **dict.fromkeys(("BillingAccountId", "BillingAccountName"), account),
        **dict.fromkeys(("InvoiceIssuerName", "ProviderName", "PublisherName"), account),
        **dict.fromkeys(("ConsumedQuantity", "PricingQuantity"), quantity),
        **dict.fromkeys(("ConsumedUnit", "PricingUnit"), unit),
        **dict.fromkeys(("SubAccountId", "SubAccountName"), owner.team),
        "BillingCurrency": one.currency,
        "BillingPeriodStart": _time(start),
        "BillingPeriodEnd": _time(end),
        "ChargeCategory": "Adjustment" if part == "adjustment" else "Usage",
        "ChargeDescription": description,
        "ChargeFrequency": "Usage-Based",
        "ChargePeriodStart": _time(one.start),
        "ChargePeriodEnd": _time(one.end),
        "PricingCategory": "" if part == "adjustment" else "Standard",
        "ResourceId": "/".join((owner.cluster or "-", owner.environment or "-", owner.app, owner.release or "-")),
        "ResourceName": owner.app,
        "ResourceType": "Application",
        "ServiceCategory": category,
        "ServiceName": "Kubernetes",
        "ServiceSubcategory": subcategory,
        "Tags": _tags(one, part),
    }
    return {column: known.get(column, "") for column in COLUMNS}


def _named(one: Charge) -> str:
    return f"{one.owner.app} {one.owner.release}".strip()


def _tags(one: Charge, part: Part) -> str:
    owner = one.owner
    tags = {"app": owner.app, "environment": owner.environment, "part": part, "release": owner.release}
    return json.dumps({key: value for key, value in {**tags, "team": owner.team}.items() if value})


def _month(at: float) -> tuple[float, float]:
    """First moment of the month of ``at``, and of the next."""
    when = datetime.fromtimestamp(at, UTC)
    start = datetime(when.year, when.month, 1, tzinfo=UTC)
    end = datetime(when.year + when.month // 12, when.month % 12 + 1, 1, tzinfo=UTC)
    return start.timestamp(), end.timestamp()


def _time(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def billed(found: Sequence[Mapping[str, str]]) -> Decimal:
    """Sum of ``BilledCost``."""
    return sum((Decimal(row["BilledCost"]) for row in found), Decimal(0))

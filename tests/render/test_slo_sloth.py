"""Rules in Sloth's style against what Sloth makes of the same files, and against its documented windows."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from shipway.render.slo import sloth
from shipway.render.slo.burning import AlertWindows, Burn, duration
from shipway.render.slo.levels import DAY, BadEvents, ServiceLevel, Window
from shipway.slo.reading import Document, parse
from shipway.spec.reading import Source
from tests import conformance
from tests.render.promql import same

MODES: dict[str, tuple[sloth.Mode, str]] = {
    "sloth": ("cli-gen-prom", "prometheus/v1"),
    "sloth-kubernetes": ("cli-gen-k8s", "sloth.slok.dev/v1"),
    "openslo/v1alpha": ("cli-gen-openslo", "openslo/v1alpha"),
}
LEVEL = ServiceLevel(
    service="shop", name="up", objective=99.9, indicator=BadEvents("bad[{{.window}}]", "all[{{ .window }}]"), alert="A"
)


def generated(document: Document) -> dict[str, Any]:
    mode, spec = MODES[document.form]
    provenance = sloth.Provenance("dev", mode, spec)
    extra = {"cmd": "examplesgen.sh"}
    groups = [one for level in document.levels for one in sloth.groups(level, None, provenance, extra)]
    return sloth.prometheus_rule(document.metadata, groups) if mode == "cli-gen-k8s" else {"groups": groups}


def require_equal(ours: Any, theirs: Any, where: str = "") -> None:
    """Equal data; expressions equal as trees."""
    if isinstance(theirs, dict):
        assert set(ours) == set(theirs), where
        for key, value in theirs.items():
            if key == "expr":
                assert same(ours[key], value), f"{where}\n{ours[key]}\n---\n{value}"
            else:
                require_equal(ours[key], value, f"{where}.{key}")
    elif isinstance(theirs, list):
        assert len(ours) == len(theirs), where
        for index, value in enumerate(theirs):
            require_equal(ours[index], value, f"{where}[{index}]")
    else:
        assert ours == theirs, where


@pytest.mark.parametrize("file", conformance.files("sloth", "in/*.yml") or [Path("absent")], ids=lambda file: file.stem)
def test_rules_equal_sloths(file: Path) -> None:
    expected = conformance.folder("sloth") / "out" / file.name
    parsed = parse([Source(file.name, file.read_bytes())])
    assert not parsed.errors
    theirs = [one for one in yaml.safe_load_all(expected.read_text()) if one]
    require_equal([generated(document) for document in parsed.documents], theirs)


def test_four_weeks_are_written_as_prometheus_writes_them_and_burn_as_the_workbook_says() -> None:
    rules = [rule for group in sloth.groups(with_days(28)) for rule in group["rules"]]
    assert "slo:sli_error:ratio_rate4w" in [rule.get("record") for rule in rules]
    factors = [float(one) for alert in rules[-2:] for one in re.findall(r"> \(([0-9.]+) \*", alert["expr"])]
    assert factors == pytest.approx([13.44, 13.44, 5.6, 5.6, 2.8, 2.8, 2.8 / 3, 2.8 / 3])


def test_windows_of_ones_own() -> None:
    week = AlertWindows(
        7 * DAY, Burn(8, 300, 3600), Burn(12.5, 1800, 21600), Burn(20, 7200, DAY), Burn(42, 21600, 3 * DAY)
    )
    rules = [rule for group in sloth.groups(with_days(7), week) for rule in group["rules"]]
    assert [factor for factor in ("(13.44 *", "(3.5 *") if factor in rules[-2]["expr"]] == ["(13.44 *", "(3.5 *"]
    assert "[1w]" in next(rule["expr"] for rule in rules if rule.get("record") == "slo:sli_error:ratio_rate1w")
    assert sloth.groups(with_days(7)) == sloth.groups(with_days(7), week)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0s"),
        (90, "1m30s"),
        (5400, "1h30m"),
        (7 * DAY, "1w"),
        (30 * DAY, "30d"),
        (28 * DAY, "4w"),
        (365 * DAY, "1y"),
    ],
)
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def with_days(days: float) -> ServiceLevel:
    return ServiceLevel(
        service=LEVEL.service,
        name="up",
        objective=99.9,
        indicator=LEVEL.indicator,
        alert="A",
        window=Window(days * DAY),
    )

"""Sloth's ``AlertWindows`` files: alert windows of one's own for a period. Used where rules are made in Sloth's style."""

import re

from shipway.model.problems import Problem
from shipway.render.slo.burning import AlertWindows, Burn
from shipway.slo.cursor import Cursor
from shipway.spec.fields import describe
from shipway.spec.reading import Source, read

_DURATION = re.compile(r"(?=\d)(?:(\d+)y)?(?:(\d+)w)?(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?")
_SECONDS = (31_536_000, 604_800, 86_400, 3600, 60, 1)


def seconds(text: str) -> float:
    """A duration as Prometheus writes it (``1h30m``, ``4w``); 0 when it is none."""
    match = _DURATION.fullmatch(text)
    parts = match.groups() if match else ()
    return float(sum(int(part or 0) * size for part, size in zip(parts, _SECONDS, strict=False)))


def parse_windows(source: Source) -> tuple[dict[float, AlertWindows], tuple[Problem, ...]]:
    """Alert windows by period in seconds, and what is wrong with the file."""
    nodes, problems = read(source)
    found: dict[float, AlertWindows] = {}
    for node in nodes:
        at = Cursor(source.file, node, problems)
        before = at.errors
        windows = _windows(at)
        if at.errors > before:
            continue
        if found.setdefault(windows.period, windows) != windows:
            (at / "spec" / "sloPeriod").wrong("duplicate", "expected each period once, got other windows for the same")
    return found, tuple(problems)


def _windows(at: Cursor) -> AlertWindows:
    (at / "apiVersion").one_of(["sloth.slok.dev/v1"])
    (at / "kind").one_of(["AlertWindows"])
    spec = at / "spec"
    page, ticket = spec / "page", spec / "ticket"
    pairs = [_burn(severity / speed) for severity in (page, ticket) for speed in ("quick", "slow")]
    return AlertWindows(_seconds(spec / "sloPeriod"), *pairs)


def _burn(at: Cursor) -> Burn:
    percent = (at / "errorBudgetPercent").number(required=True) or 0.0
    if (at / "errorBudgetPercent").exists and not percent > 0:
        (at / "errorBudgetPercent").wrong("out-of-range", f"expected a percentage above 0, got {percent:g}")
    short, long = _seconds(at / "shortWindow"), _seconds(at / "longWindow")
    if short >= long > 0:
        (at / "shortWindow").wrong("out-of-range", "expected a window shorter than longWindow")
    return Burn(percent, short, long)


def _seconds(at: Cursor) -> float:
    text = at.text(required=True)
    found = seconds(text)
    if text and not found:
        at.wrong("bad-duration", f"expected a duration such as 5m, 6h or 30d, got {describe(text)}")
    return found

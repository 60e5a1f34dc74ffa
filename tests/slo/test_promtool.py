"""Our rules in a real Prometheus: it loads them, and its alerts fire exactly when the arithmetic of ``slo.budget`` says so."""

import contextlib
import json
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest

from shipway.render.slo import rules, sloth
from shipway.render.slo.files import document
from shipway.render.slo.levels import DAY, MONTH, WEEK, BadEvents, ServiceLevel, Window
from shipway.slo.budget import BurnRate, Spending, Status, judge
from shipway.slo.counters import Sample
from shipway.slo.windows import seconds

pytestmark = pytest.mark.slow

LEVEL = ServiceLevel(
    service="shop",
    name="up",
    objective=99.9,
    indicator=BadEvents("sum(increase(bad_total[{{.window}}]))", "sum(increase(all_total[{{.window}}]))"),
    alert="ShopUp",
)
LABELS = 'slo="up", slo_service="shop"'
MINUTE = 60


def promtool(*words: str, where: Path) -> str:
    """Run it; its output. Skips when it is not installed."""
    if shutil.which("promtool") is None:
        pytest.skip("promtool is not installed (Debian's package prometheus)")
    done = subprocess.run(["promtool", *words], cwd=where, capture_output=True, text=True, timeout=110, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


class Piece(NamedTuple):
    """So many minutes of so many events a minute; ``reset`` starts the counters from nothing; None: nothing is scraped."""

    minutes: int
    bad: float | None
    total: float | None
    reset: bool = False


def counters(pieces: Sequence[Piece]) -> tuple[list[float | None], list[float | None]]:
    """Values of both counters, one a minute."""
    found: tuple[list[float | None], list[float | None]] = ([], [])
    now = [0.0, 0.0]
    for piece in pieces:
        now = [0.0, 0.0] if piece.reset else now
        for _ in range(piece.minutes):
            for index, rate in enumerate((piece.bad, piece.total)):
                now[index] += rate or 0.0
                found[index].append(None if rate is None else now[index])
    return found


def samples(pieces: Sequence[Piece]) -> list[Sample]:
    """The same, as readings; a counter that does not exist beside one that does has counted nothing."""
    bad, total = counters(pieces)
    return [Sample(i * MINUTE, bad[i] or 0.0, every) for i, every in enumerate(total) if every is not None]


def values(numbers: Sequence[float | None]) -> str:
    return " ".join("_" if number is None else f"{number:.12g}" for number in numbers)


def scenario(pieces: Sequence[Piece], moments: Sequence[int], level: ServiceLevel = LEVEL) -> dict[str, Any]:
    bad, total = counters(pieces)
    return {
        "interval": "1m",
        "input_series": [
            {"series": name, "values": values(numbers)}
            for name, numbers in (("bad_total", bad), ("all_total", total))
            if any(number is not None for number in numbers)
        ],
        "promql_expr_test": [check for moment in moments for check in checks(level, judged(pieces, moment, level))],
    }


def judged(pieces: Sequence[Piece], moment: int, level: ServiceLevel = LEVEL) -> Status:
    return judge(level, [samples(pieces)], moment * MINUTE)


def checks(level: ServiceLevel, status: Status) -> list[dict[str, Any]]:
    """That Prometheus has the alerts of ``status``, and its burn rates."""
    when = f"{round(status.at)}s"
    firing = {one.severity for one in status.firing}
    alerts = [
        {
            "expr": f'ALERTS{{alertname="ShopUp", severity="{severity}"}}',
            "eval_time": when,
            "exp_samples": [
                {
                    "labels": f'ALERTS{{alertname="ShopUp", alertstate="firing", severity="{severity}", {LABELS}}}',
                    "value": 1,
                }
            ]
            if severity in firing
            else [],
        }
        for severity in ("page", "ticket")
    ]
    burns = [
        {
            "expr": f"abs(({rules.share(level, burn.window)}) / {level.budget!r} - {burn.rate!r}) < bool {near(burn)!r}",
            "eval_time": when,
            "exp_samples": [{"labels": f"{{{LABELS}}}", "value": 1}],
        }
        for burn in status.burns
        if burn.rate is not None
    ]
    return alerts + burns


def near(burn: BurnRate) -> float:
    """Equal where the window is full. Prometheus extrapolates towards the edge of one that is not, each counter for itself."""
    assert burn.rate is not None
    return 1e-9 + burn.rate * (1e-9 if burn.seconds >= seconds(burn.window) else 0.02)


def write(
    where: Path, groups: Sequence[dict[str, Any]], tests: Sequence[dict[str, Any]], interval: str = "30s"
) -> None:
    (where / "rules.yaml").write_text(document({"groups": list(groups)}))
    test = {"rule_files": ["rules.yaml"], "evaluation_interval": interval, "tests": list(tests)}
    (where / "test.yaml").write_text(json.dumps(test))


FAST = [Piece(90, 0, 100), Piece(60, 20, 100), Piece(120, 0, 100)]
SLOW = [Piece(60, 0, 100), Piece(600, 0.4, 100), Piece(480, 0, 100)]
RESET = [Piece(90, 0.05, 100), Piece(90, 0.05, 100, reset=True), Piece(40, 10, 100, reset=True)]
QUIET = [Piece(90, 0, 100), Piece(10, 50, 100), Piece(400, 0, 0)]
FEW = [Piece(200, 0.05, 0.1)]
MISSING = [Piece(90, None, 100), Piece(30, 5, 100), Piece(120, None, None)]


@pytest.mark.parametrize(
    ("pieces", "moments", "expected"),
    [
        (FAST, (89, 92, 96, 120, 149, 153, 156, 260), "pages"),
        (SLOW, (59, 70, 180, 400, 659, 700, 900, 1130), "tickets"),
        (RESET, (89, 91, 95, 179, 181, 190, 215), "pages"),
        (QUIET, (89, 95, 99, 103, 110, 200, 480), "pages"),
        (FEW, (30, 100, 199), "nothing"),
        (MISSING, (89, 92, 100, 119), "pages"),
    ],
    ids=["fast", "slow", "reset", "quiet", "few", "missing"],
)
def test_alerts_fire_exactly_when_the_arithmetic_says(
    pieces: Sequence[Piece], moments: Sequence[int], expected: str, tmp_path: Path
) -> None:
    found = {one.severity for moment in moments for one in judged(pieces, moment).firing}
    assert found == {"pages": {"page", "ticket"}, "tickets": {"ticket"}, "nothing": set()}[expected]
    write(tmp_path, rules.groups(LEVEL), [scenario(pieces, moments)])
    promtool("test", "rules", "test.yaml", where=tmp_path)


def test_what_is_not_measured_is_said_and_breaks_no_promise(tmp_path: Path) -> None:
    test = scenario(MISSING, ())
    labels = f'alertname="ShopUpNoData", alertstate="firing", severity="ticket", {LABELS}'
    for minute, fires in ((119, False), (170, False), (200, True)):
        said = [{"labels": f"ALERTS{{{labels}}}", "value": 1}] if fires else []
        query = 'ALERTS{alertname="ShopUpNoData", alertstate="firing"}'
        test["promql_expr_test"].append({"expr": query, "eval_time": f"{minute}m", "exp_samples": said})
    write(tmp_path, rules.groups(LEVEL), [test])
    promtool("test", "rules", "test.yaml", where=tmp_path)


@pytest.mark.parametrize("window", [Window(30 * DAY), WEEK], ids=["30d", "week"])
def test_the_budget_of_the_period_is_the_same(window: Window, tmp_path: Path) -> None:
    """In a week of the calendar too, which begins on Monday: 5 January 1970 in the time of promtool."""
    level = ServiceLevel(
        service=LEVEL.service, name="up", objective=99.9, indicator=LEVEL.indicator, alert="ShopUp", window=window
    )
    pieces = [Piece(2 * 1440, 0.3, 100), Piece(2 * 1440, 0, 2), Piece(720, 0.1, 50)]
    test, moment = scenario(pieces, ()), 4 * 1440 + 600
    status = judged(pieces, moment, level)
    assert isinstance(status.spending, Spending)
    assert status.spending.remaining is not None
    near = "slo:error_budget_remaining:ratio"
    for expr in (
        f"abs({near} - {status.spending.remaining!r}) < bool 0.005",
        f"abs(slo:total_events:sum_period / {status.spending.events!r} - 1) < bool 0.01",
        f"abs(slo:observed:seconds / {status.spending.seconds!r} - 1) < bool 0.01",
    ):
        said = [{"labels": f"{{{LABELS}}}", "value": 1}]
        test["promql_expr_test"].append({"expr": expr, "eval_time": f"{moment}m", "exp_samples": said})
    groups = [{"name": one["name"], "rules": one["rules"]} for one in rules.groups(level)]
    write(tmp_path, groups, [test], interval="5m")
    promtool("test", "rules", "test.yaml", where=tmp_path)


@pytest.mark.parametrize("make", [rules.groups, sloth.groups], ids=["shipway", "sloth"])
def test_prometheus_loads_the_rules(make: Callable[[ServiceLevel], list[dict[str, Any]]], tmp_path: Path) -> None:
    (tmp_path / "rules.yaml").write_text(document({"groups": make(LEVEL)}))
    assert "SUCCESS" in promtool("check", "rules", "rules.yaml", where=tmp_path)


def test_a_running_prometheus_evaluates_the_rules(tmp_path: Path) -> None:
    """Every rule of both styles is loaded and evaluated without an error."""
    if shutil.which("prometheus") is None:
        pytest.skip("prometheus is not installed (Debian's package prometheus)")
    calendar = ServiceLevel(
        service="shop", name="month", objective=99, indicator=LEVEL.indicator, alert="ShopMonth", window=MONTH
    )
    groups = [group for made in (rules.groups(LEVEL), rules.groups(calendar), sloth.groups(LEVEL)) for group in made]
    for group in groups:
        group["interval"] = "1s"
    (tmp_path / "rules.yaml").write_text(document({"groups": groups}))
    (tmp_path / "prometheus.yml").write_text('{"rule_files": ["rules.yaml"]}')
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    words = [
        "prometheus",
        "--config.file=prometheus.yml",
        "--storage.tsdb.path=data",
        f"--web.listen-address={address}",
    ]
    with (tmp_path / "log").open("w") as log, subprocess.Popen(words, cwd=tmp_path, stdout=log, stderr=log) as running:
        try:
            loaded = evaluated(address, running, count=len(groups))
        finally:
            running.terminate()
    found = [rule for group in loaded for rule in group["rules"]]
    assert len(found) == sum(len(group["rules"]) for group in groups)
    assert {rule["health"] for rule in found} == {"ok"}, [rule.get("lastError") for rule in found]


def evaluated(address: str, running: subprocess.Popen[bytes], *, count: int) -> list[dict[str, Any]]:
    """The rule groups as Prometheus has them, once each was evaluated."""
    deadline = time.monotonic() + 60
    while True:
        assert running.poll() is None
        assert time.monotonic() < deadline
        with contextlib.suppress(httpx.TransportError):
            answer = httpx.get(f"http://{address}/api/v1/rules", trust_env=False)
            groups: list[dict[str, Any]] = answer.json()["data"]["groups"] if answer.status_code == 200 else []
            if len(groups) == count and all(rule["health"] != "unknown" for one in groups for rule in one["rules"]):
                return groups
        time.sleep(0.2)

"""The main job, as `make demo` runs it, and what becomes of it when it is interrupted."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from shipway.cli.recalling.records import records
from shipway.cli.showing.demonstration import ACTS, _free_ports
from shipway.model.ids import ReleaseId
from tests import leftovers

pytestmark = pytest.mark.e2e
COMMAND = [sys.executable, "-m", "shipway.cli.main", "demo"]


@pytest.mark.slow
def test_four_releases(tmp_path: Path) -> None:
    environment = os.environ | {"TMPDIR": str(tmp_path)}
    report = tmp_path / "report.html"
    done = subprocess.run(
        [*COMMAND, "--json", "--report", str(report)],
        env=environment,
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    printed = json.loads(done.stdout)
    releases = printed["releases"]
    assert [one["verdict"] for one in releases] == [act.expected for act in ACTS]
    assert [one["release"] for one in releases] == ["v1", "v2", "v3", "v4"]
    fields = ["evidence", "failed_requests", "release", "requests", "seconds_to_verdict", "verdict"]
    assert all(sorted(one) == fields for one in releases)
    _, good, failing, slow = releases
    assert good["requests"] >= 3 * 20  # what the shop's platform asks of every step
    assert "canary failed" in failing["evidence"]
    assert 0 < failing["failed_requests"] < failing["requests"]
    assert "slower than 60 ms" in slow["evidence"]
    statuses = {(one["app"], found["name"]): found for one in printed["slo"] for found in one["statuses"]}
    failures, slow_ones = (statuses["storefront", name]["spending"] for name in ("availability", "latency-60ms"))
    # Half a second of a canary's requests may come after its last reading and before its end.
    assert 0 < failures["bad"] <= failing["failed_requests"] + 10
    assert failures["bad"] >= failing["failed_requests"] - 10
    assert failures["events"] == pytest.approx(slow_ones["events"], abs=10)
    assert failures["events"] > good["requests"] + failing["requests"] + slow["requests"]
    assert slow_ones["bad"] > 0
    assert failures["remaining"] == pytest.approx(1 - failures["bad"] / failures["events"] / 0.01)
    delivery = {one["name"]: one["now"] for one in printed["delivery"]}
    assert (delivery["storefront"]["deployments"], delivery["storefront"]["change_failure"]["part"]) == (4, 2)
    assert {row["name"].split()[0] for row in printed["cost"]["rows"]} == {"inventory", "storefront"}
    assert sum(row["requests"] for row in printed["cost"]["rows"]) > 0
    assert [one["application"] for one in printed["sizes"]] == ["inventory", "storefront"]
    page = report.read_text()
    assert all(f"storefront-{number}" in page for number in range(1, 5))
    assert list(tmp_path.glob("shipway-demo-*")) == []
    # A keeper that was starting at that moment finds its directory gone, and ends by itself.
    deadline = time.monotonic() + 10
    while left := leftovers.processes(tmp_path):
        assert time.monotonic() < deadline, left
        time.sleep(0.05)


def interrupted(tmp_path: Path, number: signal.Signals, moment: str, *options: str) -> None:
    """Run the demo until it says ``moment``."""
    environment = os.environ | {"TMPDIR": str(tmp_path), "PYTHONUNBUFFERED": "1"}
    log = tmp_path / "output"
    with (
        log.open("w") as output,
        subprocess.Popen(
            [*COMMAND, "--no-live", "--report", str(tmp_path / "report.html"), *options],
            env=environment,
            stdout=output,
            stderr=output,
            # A shell may have started us with SIGINT ignored, which children inherit.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler) and None,  # noqa: PLW1509  # no threads
        ) as demo,
    ):
        deadline = time.monotonic() + 30
        while moment not in log.read_text():
            assert time.monotonic() < deadline
            assert demo.poll() is None, log.read_text()
            time.sleep(0.02)
        demo.send_signal(number)
        assert demo.wait(timeout=40) == 130, log.read_text()
    assert "Traceback" not in log.read_text()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("moment", ["Starting", "storefront-1"])
def test_an_interruption_leaves_nothing_behind(tmp_path: Path, number: signal.Signals, moment: str) -> None:
    interrupted(tmp_path, number, moment)
    assert list(tmp_path.glob("shipway-demo-*")) == []
    # A keeper that was starting at that moment finds its directory gone, and ends by itself.
    deadline = time.monotonic() + 10
    while left := leftovers.processes(tmp_path):
        assert time.monotonic() < deadline, left
        time.sleep(0.05)


def test_releases_are_judged_as_the_platform_of_the_shop_says(tmp_path: Path) -> None:
    interrupted(tmp_path, signal.SIGINT, "storefront-1", "--keep")
    (home,) = tmp_path.glob("shipway-demo-*")
    with records(home) as journal:
        plan = journal.state("storefront").releases[ReleaseId("v1")].plan
    assert (plan.judge.warm_up, [step.min_requests for step in plan.steps]) == (1.0, [20, 20, 20])


def test_ports_are_free_and_different() -> None:
    ports = _free_ports(5)
    assert len(set(ports)) == 5

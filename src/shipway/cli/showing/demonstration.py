"""The demo: a controller of its own, the shop, a bounded load, and four releases of the storefront. Called by ``demo``.

Whatever happens (a failure, Ctrl-C, SIGTERM), everything that was started is ended again.
"""

import contextlib
import shutil
import signal
import socket
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import mkdtemp

import msgspec
from rich.console import Group
from rich.text import Text

from shipway.cli.controlling import starting
from shipway.cli.delivering import deploying, tables, watching
from shipway.cli.delivering.live import final_table
from shipway.cli.insight import insights, scores
from shipway.cli.output import note, show
from shipway.cli.promising import promises
from shipway.cli.recalling.records import promises as promised
from shipway.cli.recalling.records import records
from shipway.cli.recalling.reporting import write_report
from shipway.cli.showing.examples import examples
from shipway.cli.showing.stage import Stage, Traffic
from shipway.cli.spending import bills
from shipway.engine.timeline import Timeline
from shipway.engine.views import ApplicationView
from shipway.facts import learning
from shipway.facts.learning import Learned
from shipway.model.errors import NotFound, ShipwayError
from shipway.web.api.client import Client
from shipway.web.report import cards

PATIENCE = 60.0
"""Seconds for one release to come to its end; the good one takes about 15."""

SETTLING = 4.0
"""Seconds of traffic to the first release alone, so that there is something to compare with."""


class Act(msgspec.Struct, frozen=True):
    """One release of the storefront."""

    version: str
    what: str
    expected: str
    """The verdict it deserves."""
    env: tuple[str, ...] = ()
    """What makes it so, as ``NAME=value``."""


ACTS = (
    Act("1.0", "the first release", "promoted"),
    Act("1.1", "a good release", "promoted"),
    Act("1.2", "answers 20 % of requests with 500", "rolled_back", ("FAIL_SHARE=0.2",)),
    Act("1.3", "slow: four times the 95th percentile", "rolled_back", ("SLOW_MS=60",)),
)


class Outcome(msgspec.Struct, frozen=True):
    """One row of ``shipway demo --json``."""

    release: str
    verdict: str
    seconds_to_verdict: float | None
    requests: int
    failed_requests: int
    evidence: str


def demonstrate(report: Path, *, live: bool, keep: bool, json: bool) -> int:
    """Run the demo; the exit code says whether every release got the verdict it deserves."""
    if not report.parent.is_dir():
        raise NotFound(
            f"there is no directory {report.parent} for the report", hint="Make it, or choose --report FILE."
        )
    home = Path(mkdtemp(prefix="shipway-demo-"))
    with _ended(home, keep=keep, json=json):
        note("Starting the proxy and the controller ...", json=json)
        starting.start_detached(home, examples() / "shop" / "platform.yaml")
        with Client(home) as client, records(home) as journal:
            with Stage(journal, live=live, json=json) as stage:
                _play(client, stage)
                stage.say(f"\n{stage.traffic}")
            everything = journal.timelines()
            known = learning.learn(home, journal, everything, time.time(), days=1.0, promises=promised(home))
    found = [one for one in everything if one.app == "storefront"]
    write_report(report, everything, cards.sections(known))
    _show(found, known, report, json=json)
    if [one.verdict for one in found] == [act.expected for act in ACTS]:
        return 0
    deserved = ", ".join(act.expected.replace("_", " ") for act in ACTS)
    note(f"error: the verdicts should have been: {deserved}\nhint: a very busy machine makes good releases slow")
    return 1


def _play(client: Client, stage: Stage) -> None:
    """The shop opens, and its storefront is released four times under load."""
    shop, (inventory, storefront) = examples() / "shop", _free_ports(2)
    _release(client, stage, shop / "inventory", f"spec.port={inventory}")
    sets = [f"spec.port={storefront}", f"spec.env.INVENTORY_URL=http://127.0.0.1:{inventory}"]
    with contextlib.ExitStack() as running:
        for number, act in enumerate(ACTS, 1):
            stage.say(f"\nRelease {number} of {len(ACTS)}, version {act.version}: {act.what}", "bold")
            env = [f"spec.env.{pair}" for pair in (f"VERSION={act.version}", *act.env)]
            _release(client, stage, shop / "storefront", *sets, *env)
            if stage.traffic is None:
                stage.traffic = running.enter_context(Traffic(storefront))
                time.sleep(SETTLING)


def _release(client: Client, stage: Stage, directory: Path, *sets: str) -> None:
    request = deploying.Request(file=directory / "application.yaml", sets=sets)
    (deployed,) = deploying.send(client, request).applications
    stage.follow(deployed.app, _until_ended(client.watch(deployed.app), deployed.rollout))


def _until_ended(views: Iterator[ApplicationView], rollout: str) -> Iterator[ApplicationView]:
    deadline = time.monotonic() + PATIENCE
    for view in views:
        yield view
        if view.rollout and view.rollout.id == rollout and not view.rollout.active:
            return
        if time.monotonic() > deadline:
            raise ShipwayError(
                f"{rollout} came to no end within {PATIENCE:g} s"
                + (f": {watching.describe(view.rollout)}" if view.rollout else ""),
                hint="Is this machine very busy? `shipway demo --keep` leaves the journal and the logs for a look.",
            )


def _show(found: list[Timeline], known: Learned, report: Path, *, json: bool) -> None:
    rows = [tables.summary(one) for one in found]
    outcomes = [msgspec.convert(one, Outcome, from_attributes=True) for one in rows]
    table = final_table(found) if sys.stdout.isatty() else tables.outcomes(rows)
    told = (
        ("Releases of the storefront", table),
        ("Promises and their error budgets: shipway slo status", promises.table(known.promises)),
        ("Delivery: shipway dora", scores.told(known.scorecard)),
        ("Cost of what ran: shipway cost actual", bills.actual(known.cost)),
        ("Right-sizing: shipway rightsize", insights.sizes(known.sizes)),
    )
    names = ("scorecard", "cost", "sizes", "outlooks", "risks")
    learned = {"delivery": known.scorecard.groups, **{name: getattr(known, name) for name in names}}
    data = {"releases": outcomes, "slo": known.promises.applications, **learned}
    parts = [part for title, one in told for part in (Text(), Text(title, "bold"), one)]
    show(data, Group(*parts, Text(), Text(f"Report with pictures: {report}")), json=json)


@contextlib.contextmanager
def _ended(home: Path, *, keep: bool, json: bool) -> Iterator[None]:
    """Whatever happens inside, nothing that runs for ``home`` outlives this."""
    before = {number: signal.signal(number, _interrupt) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        # A second Ctrl-C would leave processes behind, which is what nobody wants.
        ignored = signal.signal(signal.SIGINT, signal.SIG_IGN)
        note("Ending everything that was started ...", json=json)
        try:
            starting.end(home)
        finally:
            _clear(home, keep=keep, json=json)
            for number, handler in {**before, signal.SIGINT: ignored}.items():
                signal.signal(number, handler)


def _clear(home: Path, *, keep: bool, json: bool) -> None:
    if keep:
        note(f"State directory: {home} (look at it with --home {home})", json=json)
    else:
        shutil.rmtree(home, ignore_errors=True)


def _interrupt(_number: int, _frame: object) -> None:
    raise KeyboardInterrupt


def _free_ports(count: int) -> list[int]:
    """Ports that nobody listens on; all are held until all are known, so that none comes twice."""
    with contextlib.ExitStack() as held:
        sockets = [held.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [int(one.getsockname()[1]) for one in sockets]

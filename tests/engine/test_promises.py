"""What a controller says of its applications' promises, against what really happened in the cluster."""

import msgspec
import pytest

from shipway.analysis.readings import ArmReading
from shipway.engine import promises
from shipway.engine.past import RESTART
from shipway.engine.promises import RESOLUTION, Count, Ledger
from shipway.engine.service import Service
from shipway.engine.views import PromisesView
from shipway.model.errors import NotFound
from shipway.model.ids import ReleaseId
from shipway.slo.budget import Spending, Status, Unknown
from shipway.slo.counters import Sample, counted
from shipway.slo.journeys import Composite
from tests.engine.desk import PLATFORM_FILE, Desk, application, desk, platform
from tests.engine.world import FAILING, SHOP, V1, V2, simulated

LATENCY = application().text.replace("availability: 99%", "availability: 99%, latency: 90% < 20ms")


async def status(it: Desk, name: str = "availability") -> Status:
    (one,) = (await it.service.promises("shop")).applications
    return next(found for found in one.statuses if found.name == name)


def known(found: Status) -> Spending:
    assert isinstance(found.spending, Spending), found.sentence
    return found.spending


def truth(it: Desk) -> tuple[int, int]:
    """(failed, all) requests of every release that still runs."""
    arms = [release.arm for release in it.world.cluster.releases() if release.app == SHOP]
    readings = [arm.reading() for arm in arms]
    return sum(one.errors for one in readings), sum(one.requests for one in readings)


@simulated
async def test_every_request_to_the_live_release_counts() -> None:
    it = await desk()
    it.deploy(msgspec.structs.replace(application(), text=LATENCY))
    await it.world.settled()
    await it.world.clock.sleep(120)
    found = known(await status(it))
    failed, total = truth(it)
    # What came before the first reading, half a second after the first request, was seen by nobody.
    assert 0 <= total - found.events <= 0.5 * 200 + 100
    assert abs(failed - found.bad) <= 5
    slow = known(await status(it, "latency-20ms"))
    assert slow.events == found.events
    assert 0.1 < slow.share < 0.4
    assert (await status(it)).state == "healthy"


@simulated
async def test_a_canary_that_failed_has_spent_its_share_of_the_budget() -> None:
    it = await desk()
    it.deploy(application())
    await it.world.settled()
    await it.world.clock.sleep(60)
    before = known(await status(it))
    it.world.cluster.behave("shop", "v2", FAILING)
    it.deploy(application(version="2"))
    await it.world.settled()
    assert it.world.rollout().phase.value == "rolled back"
    after = known(await status(it))
    canary = it.world.rollout().judgement
    assert canary is not None
    assert after.bad - before.bad >= canary.indicators[0].canary_bad > 0
    assert after.events > before.events


@simulated
async def test_a_new_controller_knows_what_the_old_one_read() -> None:
    it = await desk()
    it.deploy(application())
    await it.world.settled()
    await it.world.clock.sleep(60)
    it.deploy(application(version="2"))
    await it.world.settled()
    before = known(await status(it))
    await it.world.die()
    await it.world.start()
    again = Desk(it.world)
    after = known(await status(again))
    assert after.events >= before.events
    assert after.events - before.events < 20 * 200


@simulated
async def test_asking_twice_counts_nothing_twice() -> None:
    it = await desk()
    it.deploy(application())
    await it.world.settled()
    await it.world.clock.sleep(60)
    assert (await status(it)).spending == (await status(it)).spending


@simulated
async def test_what_cannot_be_measured_here_says_so() -> None:
    it = await desk()
    text = application().text.replace("{availability: 99%}", "{objectives: {mailsSent: 99%}}")
    measured = PLATFORM_FILE + "  metrics: {mailsSent: {unit: ratio}}\n"
    it.deploy(msgspec.structs.replace(application(), text=f"{text}---\n{measured}"))
    await it.world.settled()
    found = await status(it, "mailsSent")
    assert isinstance(found.spending, Unknown)
    assert "nothing on this machine measures mailsSent" in found.sentence
    view = await it.service.promises()
    assert msgspec.json.decode(msgspec.json.encode(view), type=PromisesView) == view
    with pytest.raises(NotFound):
        await it.service.promises("nobody")


def reading(requests: int, errors: int = 0) -> ArmReading:
    return ArmReading(requests, errors)


def test_readings_close_together_are_thinned_and_none_is_lost() -> None:
    ledger = Ledger()
    for second in range(100):
        ledger.add(float(second), V1, reading(second * 10))
    (kept,) = ledger.series({}, 99.0)
    assert len(kept) <= 100 / RESOLUTION + 2
    assert kept[-1] == (99.0, reading(990))


def test_a_restart_between_two_kept_readings_keeps_the_last_before_it() -> None:
    ledger = Ledger()
    for at, requests in ((0, 0), (6, 100), (7, 150), (8, 20), (9, 30)):
        ledger.add(float(at), V1, reading(requests))
    (kept,) = ledger.series({}, 9.0)
    assert [one.requests for _, one in kept] == [0, 100, 150, 20, 30]


def test_a_long_past_is_thinned_and_counts_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(promises, "MOST", 50)
    ledger, total, events = Ledger(), 0, 0
    for index in range(500):
        events, total = events + 3, 3 if index % 37 == 36 else total + 3
        ledger.add(10.0 * index, V1, reading(total))
    (kept,) = ledger.series({}, 5000.0)
    assert len(kept) <= 50 + 2 * 500 / 37
    assert counted([[Sample(at, 0, one.requests) for at, one in kept]], 0, 5000).total == events - 3


def test_what_was_kept_is_fitted_between_what_the_journal_says() -> None:
    ledger = Ledger([Count(at, V1, reading(int(at) * 10)) for at in (10.0, 20.0, 30.0, 60.0)])
    ledger.add(5.0, V1, reading(40))
    ledger.add(25.0, V1, reading(240))
    (kept,) = ledger.series({V1: reading(900)}, 90.0)
    assert [at for at, _ in kept] == [5, 10, 20, 25, 30, 60, 90]
    assert ledger.series({}, 90.0) == [kept[:-1]]


@simulated
async def test_what_only_an_earlier_controller_and_an_earlier_proxy_saw_counts() -> None:
    it = await desk()
    it.deploy(application())
    await it.world.settled()
    await it.world.clock.sleep(60)
    at = it.world.clock.now()
    earlier = [Count(at - 500 + 10 * n, V1, reading(10_000 + 100 * n, n)) for n in range(40)]
    alone = known(await status(it))
    it.service = Service(
        it.world.engine, it.world._runtime, it.world.clock, secrets=it.vault, counts=lambda app: earlier * (app == SHOP)
    )
    found = known(await status(it))
    # The proxy's own counters began again below those that were kept: the first reading since counts from nothing.
    assert alone.events + 3900 <= found.events <= alone.events + 3900 + 0.5 * 200 + 100
    assert found.bad - alone.bad >= 39


JOURNEYS = """\
  journeys:
    buy: {applications: [shop, till], objective: 90%, window: 7d}
    look: {applications: [shop, nothing], objective: 99%}
"""


@simulated
async def test_a_journey_fails_where_any_of_its_applications_does() -> None:
    it = await desk(platform(JOURNEYS))
    it.deploy(application(), application("till", port=8081))
    await it.world.settled()
    await it.world.clock.sleep(120)
    view = await it.service.promises()
    buy, look = view.journeys
    shares = [one.statuses[0].spending.share for one in view.applications]  # type: ignore[union-attr]  # known: enough events
    assert isinstance(buy.spending, Composite)
    assert buy.spending.share == pytest.approx(1 - (1 - shares[0]) * (1 - shares[1]))
    assert buy.spending.least == max(shares)
    assert look.spending == Unknown("nothing is not live here, or promises no availability")
    assert msgspec.json.decode(msgspec.json.encode(view), type=PromisesView) == view


def test_readings_of_an_earlier_release_are_not_taken_for_those_of_the_live_one() -> None:
    ledger = Ledger()
    ledger.recall(V2, ((1.0, reading(900)), (1.0, RESTART), (11.0, reading(5)), (21.0, reading(50))))
    assert ledger.series({ReleaseId("v3"): reading(7)}, 30.0) == [
        [(11.0, reading(5)), (21.0, reading(50))],
        [(30.0, reading(7))],
    ]

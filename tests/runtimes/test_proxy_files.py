"""The proxy's files alone, without an Envoy: what lies on disk whenever the controller dies between two writes."""

import asyncio
import contextlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shipway.model.errors import RuntimeFault
from shipway.model.ids import AppName, Generation, ReleaseId
from shipway.model.routing import Routes
from shipway.model.weights import split, weights
from shipway.runtimes.local import proxy as proxy_module
from shipway.runtimes.local.proxy import Proxy
from tests.listening import app_port

SHOP = AppName("shop")
V1, V2, V3 = ReleaseId("v1"), ReleaseId("v2"), ReleaseId("v3")


class AgreeingAdmin:
    """An Envoy that applies everything at once."""

    def __init__(self) -> None:
        self.live = True

    async def agree(self, _name: str, _wanted: Callable[[], str], _seconds: float) -> bool:
        return self.live

    async def listener(self, _name: str) -> tuple[bool, str]:
        return True, ""

    async def is_live(self) -> bool:
        return self.live

    async def stats(self, _names: object) -> dict[str, object]:
        return {}

    async def close(self) -> None:
        pass


def proxy_over(directory: Path) -> Proxy:
    found = Proxy(directory)
    found.admin = AgreeingAdmin()  # type: ignore[assignment]  # answers like one
    found.recall()
    found._write_everything()
    return found


def resources(path: Path) -> list[dict[str, Any]]:
    return list(json.loads(path.read_text())["resources"]) if path.exists() else []


def told(directory: Path) -> dict[str, int]:
    """Weights of the shop as an Envoy that starts now would have them."""
    (config,) = resources(directory / "rds/shop.json")
    (host,) = config["virtual_hosts"]
    return {c["name"]: c["weight"] for c in host["routes"][-1]["route"]["weighted_clusters"]["clusters"]}


def check_whole(directory: Path) -> None:
    """No route names a missing cluster, no cluster a missing file, no listener missing routes."""
    clusters = resources(directory / "cds.json")
    for listener in resources(directory / "lds.json"):
        assert (directory / f"rds/{listener['name']}.json").exists()
        assert set(told(directory)) <= {cluster["name"] for cluster in clusters}
    for cluster in clusters:
        assert Path(cluster["eds_cluster_config"]["eds_config"]["path_config_source"]["path"]).exists()


class Died(BaseException):
    """The controller is killed."""


def dies_before_write(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    """The ``number``-th file replacement, counted from 0, does not happen any more."""
    writes = iter(range(10_000))
    real = proxy_module._replace

    def replace(path: Path, content: bytes, *, always: bool = False) -> None:
        if next(writes) >= number:
            raise Died
        real(path, content, always=always)

    monkeypatch.setattr(proxy_module, "_replace", replace)


BEFORE = weights({V1: 100.0})
AFTER = split(V1, V2, 25.0)


@pytest.mark.parametrize("number", range(12))
def test_death_between_any_two_writes_leaves_a_whole_configuration(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    port = app_port()

    async def scenario() -> None:
        proxy = proxy_over(tmp_path)
        proxy.admit(SHOP, V1)
        await proxy.set_routes(Routes(SHOP, port, BEFORE, Generation(1)))
        with monkeypatch.context() as patch:
            dies_before_write(patch, number)
            with contextlib.suppress(Died):
                await proxy.set_routes(Routes(SHOP, port, AFTER, Generation(2), V2))
        await proxy.close()
        check_whole(tmp_path)
        assert told(tmp_path) in ({"shop/v1": 10_000}, {"shop/v1": 7500, "shop/v2": 2500})
        # The next controller gets there, whether it is asked again or not asked anything.
        successor = proxy_over(tmp_path)
        check_whole(tmp_path)
        await successor.set_routes(Routes(SHOP, port, AFTER, Generation(2), V2))
        assert told(tmp_path) == {"shop/v1": 7500, "shop/v2": 2500}
        await successor.close()

    asyncio.run(scenario())


def test_a_change_that_was_remembered_is_never_taken_back_by_the_next_controller(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A canary at weight 0 must not return because the controller died before it could confirm."""
    port = app_port()

    async def scenario() -> None:
        proxy = proxy_over(tmp_path)
        await proxy.set_routes(Routes(SHOP, port, AFTER, Generation(1), V2))
        with monkeypatch.context() as patch:
            dies_before_write(patch, 1)
            with pytest.raises(Died):
                await proxy.set_routes(Routes(SHOP, port, BEFORE, Generation(2)))
        await proxy.close()
        successor = proxy_over(tmp_path)
        assert told(tmp_path) == {"shop/v1": 10_000}
        await successor.close()

    asyncio.run(scenario())


def test_a_refused_change_is_taken_back_and_one_without_answer_is_not(tmp_path: Path) -> None:
    port = app_port()

    async def scenario() -> None:
        proxy = proxy_over(tmp_path)
        await proxy.set_routes(Routes(SHOP, port, AFTER, Generation(1), V2))
        admin: Any = proxy.admin
        admin.live = False
        with pytest.raises(RuntimeFault, match="has not applied"):
            await proxy.set_routes(Routes(SHOP, port, BEFORE, Generation(2)))
        assert told(tmp_path) == {"shop/v1": 10_000}
        admin.is_live = AgreeingAdmin().is_live
        with pytest.raises(RuntimeFault, match="has not applied"):
            await proxy.set_routes(Routes(SHOP, port, AFTER, Generation(3), V2))
        assert told(tmp_path) == {"shop/v1": 10_000}
        await proxy.close()

    asyncio.run(scenario())


steps = st.one_of(
    st.tuples(st.just("admit"), st.sampled_from([V1, V2, V3])),
    st.tuples(st.just("forget"), st.sampled_from([V1, V2, V3])),
    st.tuples(st.just("publish"), st.sampled_from([V1, V2, V3])),
    st.tuples(st.just("route"), st.sampled_from([BEFORE, AFTER, split(V2, V3, 50.0)])),
    st.tuples(st.just("reopen"), st.none()),
)


@settings(max_examples=25, deadline=None)
@given(st.lists(steps, max_size=12))
def test_whatever_is_done_in_whatever_order_the_configuration_is_whole(
    tmp_path_factory: pytest.TempPathFactory, script: list[tuple[str, Any]]
) -> None:
    directory = tmp_path_factory.mktemp("proxy")
    port = app_port()

    async def play() -> None:
        proxy, running, routed = proxy_over(directory), set(), set()
        for generation, (step, what) in enumerate(script):
            if step == "admit":
                proxy.admit(SHOP, what)
                running.add(what)
            elif step == "forget":
                proxy.forget(SHOP, what)
                running.discard(what)
            elif step == "publish" and what in running:
                proxy.publish(SHOP, what, (21_000,))
            elif step == "route":
                await proxy.set_routes(Routes(SHOP, port, what, Generation(generation)))
                routed = {release for release, _ in what}
            elif step == "reopen":
                endpoints = dict(proxy._endpoints)
                await proxy.close()
                proxy = proxy_over(directory)
                assert proxy._endpoints == endpoints
                running |= {release for _, release in endpoints}
            check_whole(directory)
            named = {cluster["name"].split("/")[1] for cluster in resources(directory / "cds.json")}
            assert named == running | routed
        await proxy.close()

    asyncio.run(play())

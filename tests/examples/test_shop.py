"""The shop does what its files and docstrings say, as processes of its own."""

import contextlib
import os
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from shipway.spec import Application, Source, parse_documents, resolve

SHOP = Path(__file__).resolve().parents[2] / "examples" / "shop"
PATIENCE = 10.0


class Service:
    """A running service; its port is the one that it printed."""

    def __init__(self, name: str, port: int, **env: str) -> None:
        application = read(name)
        assert application.spec.command is not None
        self.url = f"http://127.0.0.1:{port}"
        self.process = subprocess.Popen(
            [*application.spec.command],
            cwd=SHOP / name,
            env={**application.spec.env, "PATH": os.environ["PATH"], "PORT": str(port), "SHIPWAY_RELEASE": "v7", **env},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def ready(self) -> "Service":
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end and self.process.poll() is None:
            with contextlib.suppress(httpx.TransportError):
                if httpx.get(f"{self.url}/healthz").status_code == 200:
                    return self
            time.sleep(0.02)
        raise AssertionError(f"not ready: {self.end()}")

    def end(self) -> str:
        """Everything it printed, once it has ended."""
        self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.communicate(timeout=PATIENCE)[0]
        finally:
            self.process.kill()


def read(name: str) -> Application:
    """As the demo releases it: over the platform of the shop."""
    paths = (SHOP / name / "application.yaml", SHOP / "platform.yaml")
    parsed = parse_documents([Source(str(path), path.read_text()) for path in paths])
    assert parsed.problems == ()
    return resolve(parsed.declared[0], parsed.declared_platform).application


@contextlib.contextmanager
def running(name: str, port: int, **env: str) -> Iterator[Service]:
    service = Service(name, port, **env)
    try:
        yield service.ready()
    finally:
        service.end()


@pytest.fixture(scope="module")
def inventory(free_ports: Iterator[int]) -> Iterator[Service]:
    with running("inventory", next(free_ports)) as service:
        yield service


@pytest.fixture(scope="module")
def free_ports() -> Iterator[int]:
    def ports() -> Iterator[int]:
        while True:
            with socket.create_server(("127.0.0.1", 0)) as probe:
                port = probe.getsockname()[1]
            yield port

    return ports()


def test_the_files_say_what_the_demo_needs():
    storefront, inventory = read("storefront").spec, read("inventory").spec
    assert [step.weight for step in storefront.delivery.steps] == [5, 25, 50]
    assert storefront.delivery.warm_up == 1.0
    assert storefront.delivery.min_requests <= 5 / 100 * 4 * 100, (
        "the first step sees enough at 100 requests per second"
    )
    assert storefront.delivery.warm_up < storefront.delivery.steps[0].at_least, "a slow release shows in the first step"
    assert storefront.env["INVENTORY_URL"] == f"http://127.0.0.1:{inventory.port}"
    assert storefront.depends_on[0].application == "inventory"
    assert inventory.delivery.strategy == "direct"


@pytest.mark.e2e
def test_the_page_names_its_release_and_shows_the_inventorys_goods(inventory: Service, free_ports: Iterator[int]):
    env = {"INVENTORY_URL": inventory.url, "VERSION": "1.0 <b>"}
    with running("storefront", next(free_ports), **env) as shop, httpx.Client() as client:
        answers = [client.get(shop.url) for _ in range(3)]
        goods = client.get(f"{inventory.url}/items").json()
        missing = client.get(f"{shop.url}/nowhere")
        health = client.get(f"{shop.url}/healthz")
    assert all(answer.status_code == 200 and answer.headers["x-release"] == "v7" for answer in answers)
    assert "<code>1.0 &lt;b&gt; (v7)</code>" in answers[0].text
    assert len(goods) >= 3
    assert all(item["name"] in answers[0].text for item in goods)
    assert missing.status_code == 404
    assert health.text == "ok\n"


@pytest.mark.e2e
def test_fail_share_fails_that_share_of_the_pages_and_no_health_check(inventory: Service, free_ports: Iterator[int]):
    env = {"INVENTORY_URL": inventory.url, "FAIL_SHARE": "0.2", "BASE_MS": "0"}
    with running("storefront", next(free_ports), **env) as shop, httpx.Client() as client:
        failed = sum(client.get(shop.url).status_code == 500 for _ in range(300))
        assert all(client.get(f"{shop.url}/healthz").status_code == 200 for _ in range(50))
    assert 25 <= failed <= 100, "0.2 of 300, give or take five standard deviations"


@pytest.mark.e2e
def test_slow_ms_makes_the_slowest_pages_several_times_slower(inventory: Service, free_ports: Iterator[int]):
    def slowest(url: str) -> float:
        """p95 of the response time in seconds."""
        with httpx.Client() as client:
            return sorted(client.get(url).elapsed.total_seconds() for _ in range(60))[56]

    with running("storefront", next(free_ports), INVENTORY_URL=inventory.url) as good:
        base = slowest(good.url)
    with running("storefront", next(free_ports), INVENTORY_URL=inventory.url, SLOW_MS="60") as slow:
        assert slowest(slow.url) > 1.5 * base


@pytest.mark.e2e
def test_without_its_inventory_the_storefront_says_so_and_recovers(free_ports: Iterator[int]):
    port = next(free_ports)
    with (
        running("storefront", next(free_ports), INVENTORY_URL=f"http://127.0.0.1:{port}", BASE_MS="0") as shop,
        httpx.Client() as client,
    ):
        down = client.get(shop.url)
        assert (down.status_code, down.headers["x-release"]) == (503, "v7")
        assert "the inventory does not answer" in down.text
        assert client.get(f"{shop.url}/healthz").status_code == 200, "an outage elsewhere is no reason to be restarted"
        for _ in range(2):  # the second one starts behind a connection that the storefront still holds
            with running("inventory", port):
                assert client.get(shop.url).status_code == 200
        assert client.get(shop.url).status_code == 503


@pytest.mark.e2e
def test_sigterm_answers_what_is_under_way_and_closes_what_is_idle(free_ports: Iterator[int]):
    answers: list[httpx.Response] = []
    with socket.create_server(("127.0.0.1", 0)) as inventory, httpx.Client() as idle:
        where = f"http://127.0.0.1:{inventory.getsockname()[1]}"
        shop = Service("storefront", next(free_ports), INVENTORY_URL=where).ready()
        idle.get(f"{shop.url}/healthz")
        asking = threading.Thread(target=lambda: answers.append(httpx.get(shop.url, timeout=PATIENCE)))
        asking.start()
        asked, _ = inventory.accept()  # the page is under way: it waits for its goods
        shop.process.send_signal(signal.SIGTERM)
        with asked:
            asked.recv(4096)
            asked.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n[]")
            printed = shop.end()
        asking.join(PATIENCE)
    assert shop.process.returncode == 0
    assert [answer.status_code for answer in answers] == [200]
    assert printed.splitlines()[-1] == "v7 has ended"
    assert "Traceback" not in printed


@pytest.mark.e2e
def test_a_wrong_number_is_named(free_ports: Iterator[int]):
    service = Service("storefront", next(free_ports), FAIL_SHARE="often")
    printed, _ = service.process.communicate(timeout=PATIENCE)
    assert printed == "FAIL_SHARE must be a number, not 'often'\n"
    assert service.process.returncode == 1

"""The webhook as processes with TLS: policies change under load, and every request is answered."""

import contextlib
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from http.client import HTTPSConnection
from pathlib import Path

import httpx
import pytest
import yaml

from tests.policy.samples import vap
from tests.web.admission.test_admission import asked

Clients = Callable[[], httpx.Client]
pytest.importorskip("cryptography", reason="cryptography makes the certificate")


def _write(directory: Path, most: int) -> None:
    new = directory / ".new"
    new.write_text(yaml.safe_dump(vap(validations=[{"expression": f"object.spec.replicas <= {most}"}])))
    new.rename(directory / "policy.yaml")


@pytest.fixture
def port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        number: int = found.getsockname()[1]
        return number


@pytest.fixture
def client(tmp_path: Path, port: int) -> Iterator[Clients]:
    """Clients of two workers that serve ``tmp_path/policies``."""
    (tmp_path / "policies").mkdir()
    _write(tmp_path / "policies", 5)
    verb = ["policy", "serve", "--policies", str(tmp_path / "policies"), "--no-pack", "--home", str(tmp_path)]
    verb += ["--self-signed", "127.0.0.1", "--port", str(port), "--workers", "2"]
    with subprocess.Popen([sys.executable, "-m", "shipway.cli.main", *verb]) as server:
        try:
            _listening(port)
            yield lambda: httpx.Client(
                base_url=f"https://127.0.0.1:{port}",
                verify=ssl.create_default_context(cafile=tmp_path / "admission" / "tls.crt"),
                timeout=30,
            )
        finally:
            server.terminate()


def _listening(port: int) -> None:
    for _ in range(300):
        with socket.socket() as one:
            if one.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    raise TimeoutError("the webhook never listened")


@pytest.mark.e2e
@pytest.mark.slow
def test_policies_change_under_load_and_no_request_is_dropped(client: Clients, tmp_path: Path) -> None:
    answers: list[tuple[int, bool]] = []
    stop = threading.Event()

    def load() -> None:
        with client() as own:
            while not stop.is_set():
                answer = own.post("/validate", content=asked())
                answers.append((answer.status_code, answer.json()["response"]["allowed"]))

    threads = [threading.Thread(target=load) for _ in range(3)]
    for thread in threads:
        thread.start()
    try:
        deadline = time.monotonic() + 60  # workers import for some seconds when the machine is busy
        while time.monotonic() < deadline and len(answers) < 20:
            time.sleep(0.1)
        assert len(answers) >= 20
        assert not any(allowed for _, allowed in answers)
        _write(tmp_path / "policies", 10)
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline and not all(allowed for _, allowed in answers[-200:]):
            time.sleep(0.2)
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert {status for status, _ in answers} == {200}
    assert all(allowed for _, allowed in answers[-50:])
    with client() as last:
        assert 'worker="' in last.get("/metrics").text


@pytest.mark.e2e
@pytest.mark.slow
@pytest.mark.usefixtures("client")
def test_a_connection_that_is_idle_stays_open(port: int, tmp_path: Path) -> None:
    context = ssl.create_default_context(cafile=tmp_path / "admission" / "tls.crt")
    with contextlib.closing(HTTPSConnection("127.0.0.1", port, context=context, timeout=30)) as connection:
        for pause in (0, 6):  # uvicorn would close it after 5; an API server keeps it for 90
            time.sleep(pause)
            connection.request("POST", "/validate", asked())
            answer = connection.getresponse()
            assert (answer.status, answer.will_close) == (200, False)
            answer.read()

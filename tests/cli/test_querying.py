"""Promises about the Platform's own metrics: answers of a stub of every kind, and of the real Prometheus."""

import http.server
import json
import shutil
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import httpx
import pytest

from shipway.engine.views import PromisesView, PromiseView
from shipway.render.slo.levels import BadEvents, ServiceLevel
from shipway.slo.budget import unmeasured
from tests.cli.shell import Shell
from tests.cli.stub import AT, Stub

LEVEL = ServiceLevel(service="shop", name="paid", objective=99.0, indicator=BadEvents("", ""))
PLATFORM = """\
apiVersion: shipway.dev/v1alpha1
kind: Platform
metadata: {name: acme}
spec:
  environments: {prod: {}}
  metrics:
    paid:
      unit: ratio
      good: sum(increase(payments_total{app="{app}",state="settled"}[{{.window}}]))
      total: sum(increase(payments_total{app="{app}"}[{{.window}}]))
"""


@pytest.fixture
def platform(tmp_path: Path) -> Path:
    (tmp_path / "platform.yaml").write_text(PLATFORM)
    return tmp_path / "platform.yaml"


class Answers(http.server.BaseHTTPRequestHandler):
    """Says ``body``, a number for `good` and a larger one for `total`, or whatever a test wants."""

    body: Any = None
    asked: list[str] = []  # noqa: RUF012  # of the class, as the server makes an object for every request

    def do_POST(self) -> None:
        query = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())["query"][0]
        self.asked.append(query)
        value = "990" if "settled" in query else "1000"
        body = self.body or {"status": "success", "data": {"resultType": "vector", "result": [{"value": [AT, value]}]}}
        text = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def server() -> Iterator[str]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answers) as running:
        thread = threading.Thread(target=running.serve_forever)
        thread.start()
        Answers.body, Answers.asked = None, []
        yield f"http://127.0.0.1:{running.server_port}"
        running.shutdown()
        thread.join()


def paid(shipway: Shell, *words: object) -> Any:
    return shipway("slo", "status", *words, "--json").data["applications"][0]["statuses"][0]


@pytest.fixture
def promised(controller: Stub) -> None:
    status = unmeasured(LEVEL, AT, "nothing on this machine measures paid")
    view = PromisesView(applications=(PromiseView(app="shop", release="v2", statuses=(status,)),))
    controller.answers["GET", "/v1/slo"] = view


@pytest.fixture
def controller(home: Path) -> Iterator[Stub]:
    from shipway.facts.home import ADDRESS

    with Stub(home) as running:
        (home / ADDRESS).write_text(str(running.socket))
        yield running


@pytest.mark.usefixtures("promised")
def test_a_budget_of_the_platforms_metric(shipway: Shell, server: str, platform: Path) -> None:
    assert paid(shipway)["state"] == "unknown"
    found = paid(shipway, "--prometheus", server, "--platform", platform)
    assert (found["spending"]["bad"], found["spending"]["events"]) == (10, 1000)
    assert found["spending"]["remaining"] == pytest.approx(0)
    assert {burn["window"]: burn["rate"] for burn in found["burns"]}["1h"] == pytest.approx(1)
    assert 'sum(increase(payments_total{app="shop"}[30d]))' in Answers.asked


@pytest.mark.usefixtures("promised")
@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"<html>", "cannot be asked"),
        ({"status": "error", "error": "parse error"}, "parse error"),
        ({"status": "success", "data": {"resultType": "matrix", "result": []}}, "a matrix"),
        ({"status": "success", "data": {"resultType": "vector", "result": [{"value": [1, "2"]}] * 2}}, "2 series"),
        ({"status": "success", "data": {"resultType": "vector", "result": [{"value": [1, "NaN"]}]}}, "nan"),
        ({"status": "success", "data": {"resultType": "scalar", "result": [1, "many"]}}, "makes no sense"),
        ({"status": "success", "data": {"resultType": "vector", "result": []}}, "there were no events"),
    ],
)
def test_answers_that_say_nothing_are_unknown(
    shipway: Shell, server: str, platform: Path, body: object, says: str
) -> None:
    Answers.body = body
    assert says in paid(shipway, "--prometheus", server, "--platform", platform)["sentence"]


@pytest.mark.usefixtures("promised")
def test_nobody_there_and_bad_words(shipway: Shell, platform: Path) -> None:
    found = paid(shipway, "--prometheus", "http://127.0.0.1:9", "--platform", platform)
    assert "Prometheus cannot be asked" in found["sentence"]
    for words in (["--prometheus", "localhost"], ["--prometheus", "http://"], ["--prometheus", "http://127.0.0.1:9"]):
        assert shipway("slo", "status", *words, *(["--platform", platform] if words[1][-1] != "9" else [])).code == 2


@pytest.mark.slow
@pytest.mark.usefixtures("promised")
@pytest.mark.skipif(not shutil.which("prometheus"), reason="prometheus is not installed (Debian's package prometheus)")
def test_the_real_prometheus(shipway: Shell, controller: Stub, tmp_path: Path, platform: Path) -> None:
    """Two hours of a counter of which every hundredth payment fails, imported as blocks."""
    now = time.time()
    begin = int(now) - 7200
    lines = ["# TYPE payments counter"]
    for state, each in (("settled", 297), ("lost", 3)):
        lines += [f'payments_total{{app="shop",state="{state}"}} {each * n} {begin + 60 * n}' for n in range(120)]
    (tmp_path / "metrics").write_text("\n".join([*lines, "# EOF"]) + "\n")
    (tmp_path / "p.yml").write_text("")
    data = tmp_path / "data"
    subprocess.run(
        ["promtool", "tsdb", "create-blocks-from", "openmetrics", tmp_path / "metrics", data],
        check=True,
        capture_output=True,
    )
    port = _free_port()
    flags = [
        f"--config.file={tmp_path / 'p.yml'}",
        f"--storage.tsdb.path={data}",
        f"--web.listen-address=127.0.0.1:{port}",
    ]
    with subprocess.Popen(["prometheus", *flags], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            url = f"http://127.0.0.1:{port}"
            _until_ready(url)
            status = unmeasured(LEVEL, now, "nothing on this machine measures paid")
            controller.answers["GET", "/v1/slo"] = PromisesView(
                applications=(PromiseView(app="shop", release="v2", statuses=(status,)),)
            )
            found = paid(shipway, "--prometheus", url, "--platform", platform)
        finally:
            process.terminate()
    assert found["spending"]["share"] == pytest.approx(0.01, rel=0.02)
    assert found["spending"]["events"] == pytest.approx(300 * 119, rel=0.02)


def _free_port() -> int:
    import socket

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def _until_ready(url: str) -> None:
    end = time.monotonic() + 60
    while time.monotonic() < end:
        try:
            if httpx.get(f"{url}/-/ready", trust_env=False).status_code == 200:
                return
        except httpx.HTTPError:
            pass
        time.sleep(0.1)
    raise AssertionError("prometheus did not become ready")

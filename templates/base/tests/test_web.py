import threading
import time
import unittest
from http.client import HTTPConnection

from service import web
from tests.running import Running


class AnswersInOneProcess(unittest.TestCase):
    """The server in a thread, with a service made for the test."""

    def setUp(self) -> None:
        self.well = True
        self.server = web.Server(("127.0.0.1", 0), self.answer, lambda: self.well)
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.01,))
        self.thread.start()

    def tearDown(self) -> None:
        self.server.end()
        self.thread.join()
        self.server.server_close()

    def answer(self, request: web.Request) -> web.Answer:
        if request.path == "/bug":
            raise RuntimeError("a bug")
        time.sleep(0.2 if request.path == "/slow" else 0)
        return web.reply(200, {"said": request.body.decode()})

    def ask(self, method: str, path: str, body: bytes = b"", **headers: str):
        connection = HTTPConnection("127.0.0.1", self.server.server_port, timeout=5)
        connection.request(method, path, body, {name.replace("_", "-"): value for name, value in headers.items()})
        answer = connection.getresponse()
        text = answer.read().decode()
        connection.close()
        return answer, text

    def test_a_request_reaches_the_service_with_its_body_and_its_id(self) -> None:
        answer, text = self.ask("POST", "/", b"hello", X_Request_Id="7")
        self.assertEqual((answer.status, text), (200, '{"said": "hello"}\n'))
        self.assertEqual(answer.headers["x-request-id"], "7")

    def test_a_bug_is_a_500_and_the_next_request_is_answered(self) -> None:
        self.assertEqual(self.ask("GET", "/bug")[0].status, 500)
        self.assertEqual(self.ask("GET", "/")[0].status, 200)

    def test_health_says_how_the_service_is(self) -> None:
        self.assertEqual(self.ask("GET", "/healthz")[0].status, 200)
        self.well = False
        self.assertEqual(self.ask("GET", "/healthz")[0].status, 503)

    def test_a_body_that_is_too_long_is_refused(self) -> None:
        answer, _ = self.ask("POST", "/", content_length=str(web.LONGEST_BODY + 1))
        self.assertEqual(answer.status, 413)

    def test_requests_are_counted_by_status_and_by_duration(self) -> None:
        metrics = web.Metrics()
        metrics.request(200, 0.02)
        metrics.request(500, 3.0)
        metrics.count("orders_total", 2)
        text = metrics.text()
        for line in (
            'http_requests_total{code="500"} 1',
            'http_request_duration_seconds_bucket{le="0.025"} 1',
            'http_request_duration_seconds_bucket{le="+Inf"} 2',
            "orders_total 2",
        ):
            self.assertIn(line, text.splitlines())
        self.assertIn("http_requests_total", self.ask("GET", "/metrics")[1])


class EndsPolitely(unittest.TestCase):
    def test_it_is_well_and_ends_when_it_is_told_to(self) -> None:
        with Running() as service:
            self.assertEqual(service.get("/healthz")[0].status, 200)
            self.assertEqual(service.end(), 0)

import json
import unittest

from service.notes import LONGEST_TEXT, Notes
from service.web import Request
from tests.running import Running


class NotesOfOneProcess(unittest.TestCase):
    def setUp(self) -> None:
        self.notes = Notes()

    def ask(self, method: str, path: str, body: object = None):
        answer = self.notes.answer(Request(method, path, b"" if body is None else json.dumps(body).encode()))
        return answer.status, json.loads(answer.body or "null")

    def test_a_note_is_made_read_and_forgotten(self) -> None:
        self.assertEqual(self.ask("POST", "/v1/notes", {"text": "milk"}), (201, {"id": 1, "text": "milk"}))
        self.assertEqual(self.ask("GET", "/v1/notes/1"), (200, {"id": 1, "text": "milk"}))
        self.assertEqual(self.ask("GET", "/v1/notes"), (200, {"notes": [{"id": 1, "text": "milk"}]}))
        self.assertEqual(self.ask("DELETE", "/v1/notes/1"), (204, None))
        self.assertEqual(self.ask("GET", "/v1/notes/1")[0], 404)

    def test_what_is_wrong_is_said(self) -> None:
        for body in (None, [], {}, {"text": 1}, {"text": ""}, {"text": "x" * (LONGEST_TEXT + 1)}):
            status, said = self.ask("POST", "/v1/notes", body)
            self.assertEqual(status, 400, body)
            self.assertIn("text", said["error"])

    def test_other_paths_and_methods(self) -> None:
        self.notes.answer(Request("POST", "/v1/notes", b'{"text": "milk"}'))
        cases = {"/": 404, "/v1/notes/x": 404, "/v1/notes/1/2": 404, "/v1/notes": 405, "/v1/notes/1": 405}
        for path, status in cases.items():
            self.assertEqual(self.ask("PUT", path)[0], status, path)


class NotesOverTheWire(unittest.TestCase):
    def test_a_note_survives_the_connection(self) -> None:
        with Running() as service:
            self.assertEqual(service.ask("POST", "/v1/notes", {"text": "milk"})[0].status, 201)
            self.assertIn("milk", service.get("/v1/notes/1")[1])
            self.assertIn("notes_made_total 1", service.get("/metrics")[1])

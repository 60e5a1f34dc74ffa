"""Notes: the API that openapi.yaml describes. They are kept in memory; put your database here.

GET /v1/notes          all of them
POST /v1/notes         {"text": "..."} makes one: 201
GET /v1/notes/{id}     one
DELETE /v1/notes/{id}  forgets it: 204
"""

import json
import threading

from service.web import METRICS, Answer, Request, reply

LONGEST_TEXT = 1000
MOST = 10_000


class Notes:
    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._notes: dict[int, str] = {}
        self._last = 0

    def answer(self, request: Request) -> Answer:
        parts = request.path.strip("/").split("/")
        if parts[:2] != ["v1", "notes"] or len(parts) > 3:
            return error(404, f"there is no {request.path}")
        if len(parts) == 2:
            return self._all(request)
        return self._one(request, int(parts[2]) if parts[2].isdecimal() else 0)

    def _all(self, request: Request) -> Answer:
        if request.method == "POST":
            return self._add(request.body)
        if request.method != "GET":
            return error(405, "expected GET or POST")
        with self._lock:
            return reply(200, {"notes": [{"id": id, "text": text} for id, text in self._notes.items()]})

    def _add(self, body: bytes) -> Answer:
        try:
            text = json.loads(body)["text"]
        except (ValueError, TypeError, KeyError):
            return error(400, 'expected JSON such as {"text": "milk"}')
        if not isinstance(text, str) or not 0 < len(text) <= LONGEST_TEXT:
            return error(400, f"`text` must be a text of 1 to {LONGEST_TEXT} characters")
        with self._lock:
            if len(self._notes) >= MOST:
                return error(507, f"there are {MOST} notes already; delete some")
            self._last += 1
            self._notes[self._last] = text
            METRICS.count("notes_made_total")
            return reply(201, {"id": self._last, "text": text})

    def _one(self, request: Request, id: int) -> Answer:
        with self._lock:
            if (text := self._notes.get(id)) is None:
                return error(404, "there is no such note")
            if request.method == "GET":
                return reply(200, {"id": id, "text": text})
            if request.method == "DELETE":
                del self._notes[id]
                return Answer(204, "")
        return error(405, "expected GET or DELETE")


def error(status: int, message: str) -> Answer:
    return reply(status, {"error": message})

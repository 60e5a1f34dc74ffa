"""The service as a process of its own, for tests."""

import json
import os
import signal
import subprocess
import sys
from http.client import HTTPConnection, HTTPResponse


class Running:
    """`with Running(EVERY="1s") as service: service.get("/")`"""

    def __init__(self, *arguments: str, **env: str) -> None:
        self._command = [sys.executable, "-m", "service", *arguments]
        self._env = {**os.environ, "PORT": "0", **env}

    def __enter__(self) -> "Running":
        self.process = subprocess.Popen(self._command, env=self._env, stdout=subprocess.PIPE, text=True)
        try:
            # Work that begins at once may log before the server does.
            said = next(line for line in map(json.loads, self.process.stdout) if "address" in line)
        except BaseException:
            self.__exit__()
            raise
        self.port = int(said["address"].rpartition(":")[2])
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.end()
        self.process.stdout.close()

    def end(self) -> int:
        """Ask it to end; its exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(10)

    def get(self, path: str) -> "tuple[HTTPResponse, str]":
        return self.ask("GET", path)

    def ask(self, method: str, path: str, body: object = None) -> "tuple[HTTPResponse, str]":
        """The answer and its text; a body that is no text is sent as JSON."""
        connection = HTTPConnection("127.0.0.1", self.port, timeout=5)
        try:
            sent = body if body is None or isinstance(body, str) else json.dumps(body)
            connection.request(method, path, sent)
            answer = connection.getresponse()
            return answer, answer.read().decode()
        finally:
            connection.close()

"""A controller that is played: it answers as it is told, and remembers what it was asked."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

# By name: eventlet, once imported, leaves its own copy as ``http.server`` in the package.
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

from pydantic import BaseModel


class FakeController(ThreadingHTTPServer):
    """Answers by route, the last answer for ever; keeps what it was asked: route, query and body."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answers: dict[str, list[tuple[int, BaseModel]]] = {}
        self.asked: list[tuple[str, dict[str, list[str]], str]] = []

    @property
    def url(self) -> str:
        """Its REST address."""
        return f"http://127.0.0.1:{self.server_address[1]}"

    def says(self, route: str, *answers: BaseModel, code: int = 200) -> None:
        """Answer a route, as ``GET /v1/status``, with one after the other."""
        self.answers[route] = [(code, answer) for answer in answers]

    @property
    def routes(self) -> list[str]:
        """What it was asked, in order."""
        return [route for route, _, _ in self.asked]


class _Handler(BaseHTTPRequestHandler):
    server: FakeController

    def do_GET(self) -> None:
        """Answer."""
        self._answer("GET")

    def do_PUT(self) -> None:
        """Answer."""
        self._answer("PUT")

    def _answer(self, method: str) -> None:
        url = urlsplit(self.path)
        body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
        route = f"{method} {url.path}"
        self.server.asked.append((route, parse_qs(url.query), body))
        answers = self.server.answers[route]
        code, answer = answers.pop(0) if len(answers) > 1 else answers[0]
        self.send_response(code)
        self.end_headers()
        self.wfile.write(answer.model_dump_json(by_alias=True).encode())

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@contextmanager
def played_controller() -> Iterator[FakeController]:
    """One that listens on a free port of this machine."""
    with FakeController() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()

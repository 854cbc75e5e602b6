"""A small HTTP server that answers paths with JSON, for who is asked which models it serves."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import orjson


class ModelServer(ThreadingHTTPServer):
    """``answers`` maps paths to what is answered, a text is an address that is led to.

    ``asked`` are the request lines and ``credentials`` what came with them.
    """

    daemon_threads = True

    def __init__(self, answers: Mapping[str, object], port: int = 0, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.answers = dict(answers)
        self.headers = dict(headers or {})
        self.asked: list[str] = []
        self.credentials: list[str] = []
        self.bodies: list[bytes] = []

    @property
    def port(self) -> int:
        return int(self.server_address[1])

    @property
    def root(self) -> str:
        return f"http://127.0.0.1:{self.port}"


class _Handler(BaseHTTPRequestHandler):
    server: ModelServer

    def do_GET(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self.server.bodies.append(self.rfile.read(int(self.headers.get("content-length", 0))))
        self._answer()

    def _answer(self) -> None:
        path = self.path.partition("?")[0]
        self.server.asked.append(f"{self.command} {path}")
        for name in ("authorization", "x-api-key", "api-key", "cookie"):
            if name in self.headers:
                self.server.credentials.append(self.headers[name])
        said = self.server.answers.get(path)
        body = said if isinstance(said, bytes) else orjson.dumps(said if said is not None else {"error": "no"})
        self.send_response(404 if said is None else 302 if isinstance(said, str) else 200)
        if isinstance(said, str):
            self.send_header("location", said)
        for name, value in self.server.headers.items():
            self.send_header(name, value)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


def listed(*names: str, owner: str = "library") -> dict[str, object]:
    """Return an OpenAI-compatible list."""
    return {
        "object": "list",
        "data": [{"id": name, "object": "model", "created": 1, "owned_by": owner} for name in names],
    }


def an_ollama(*names: str) -> dict[str, object]:
    """Return what an Ollama answers."""
    return {
        "/api/tags": {"models": [{"name": name, "model": name, "size": 1} for name in names]},
        "/api/version": {"version": "0.20.0"},
        "/v1/models": listed(*names),
    }


@contextmanager
def serving(
    answers: Mapping[str, object], port: int = 0, headers: Mapping[str, str] | None = None
) -> Iterator[ModelServer]:
    """Serve until the block ends; then nobody listens there."""
    server = ModelServer(answers, port, headers)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()

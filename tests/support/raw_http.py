"""A client that sends exactly the bytes it is told to, right or wrong, and reads what comes back."""

from __future__ import annotations

import http.client
import socket
from dataclasses import dataclass
from typing import Any

import orjson


@dataclass(frozen=True, slots=True)
class RawAnswer:
    """One answer; ``is_whole`` is False when the connection broke before the body's end."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes
    is_whole: bool = True

    def header(self, name: str) -> str | None:
        """Return the value of a header, or None."""
        return next((value for key, value in self.headers if key.lower() == name), None)

    @property
    def error(self) -> dict[str, Any]:
        """The members of the error envelope; all four must be there."""
        error: dict[str, Any] = orjson.loads(self.body)["error"]
        assert set(error) == {"message", "type", "param", "code"}
        return error


class RawClient:
    """One connection."""

    def __init__(self, port: int, seconds: float = 15.0) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=seconds)

    def __enter__(self) -> RawClient:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def send(self, data: bytes) -> bool:
        """Send bytes; False when the other side has closed already."""
        try:
            self._socket.sendall(data)
        except OSError:
            return False
        return True

    def read(self, method: str = "POST") -> RawAnswer:
        """Read one answer to its end."""
        answer = http.client.HTTPResponse(self._socket, method=method)
        answer.begin()
        try:
            body, is_whole = answer.read(), True
        except (http.client.IncompleteRead, OSError) as error:
            body, is_whole = getattr(error, "partial", b""), False
        return RawAnswer(answer.status, answer.getheaders(), body, is_whole)

    def read_line(self) -> bytes:
        """Read one line, and no byte beyond it."""
        found = b""
        while not found.endswith(b"\n") and (byte := self._socket.recv(1)):
            found += byte
        return found

    def read_to_the_end(self) -> bytes:
        """Read until the other side closes."""
        found = b""
        while piece := self._receive():
            found += piece
        return found

    def _receive(self) -> bytes:
        try:
            return self._socket.recv(65536)
        except ConnectionError:
            return b""


def request(
    body: bytes, *headers: str, path: str = "/v1/chat/completions", method: str = "POST", host: str = "127.0.0.1"
) -> bytes:
    """Return the bytes of one request; Content-Length is right unless a header line says another."""
    lines = [f"{method} {path} HTTP/1.1", f"Host: {host}", "Content-Type: application/json", *headers]
    if not any(line.lower().startswith(("content-length", "transfer-encoding")) for line in headers):
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def exchange(port: int, data: bytes, method: str = "POST") -> RawAnswer:
    """Send bytes on a connection of their own and read the answer."""
    with RawClient(port) as client:
        client.send(data)
        return client.read(method)

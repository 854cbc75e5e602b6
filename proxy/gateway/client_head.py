"""The head of a client's request, and what follows from it alone.

A client sends the same head again and again on its connection; only the length of the body differs. So the head is a
value of its own, without that length, and what the gateway concludes from it (``admission``) is kept with it for as
long as the same snapshot holds.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from proxy.gateway.admission import Admission

Headers = list[tuple[bytes, bytes]]


class ClientHead:
    """Method, target and headers as they came; ``known`` maps lower-case names to their first value."""

    __slots__ = (
        "admission",
        "expects_continue",
        "headers",
        "is_chunked",
        "known",
        "method",
        "raw_method",
        "target",
        "wants_websocket",
    )

    def __init__(self, method: bytes, target: bytes, headers: Headers) -> None:
        self.raw_method = method
        self.method = method.decode("ascii")
        self.target = target
        self.headers = headers
        self.known: dict[bytes, bytes] = {}
        for name, value in headers:
            self.known.setdefault(name.lower(), value)
        known = self.known
        self.is_chunked = b"transfer-encoding" in known
        self.expects_continue = known.get(b"expect", b"").lower() == b"100-continue"
        self.wants_websocket = known.get(b"upgrade", b"").lower() == b"websocket"
        self.admission: Admission | None = None

    def __repr__(self) -> str:
        return f"<ClientHead {self.method} {self.target[:80]!r} headers={len(self.headers)}>"

    def equals(self, method: bytes, target: bytes, headers: Headers) -> bool:
        """Return True when a request's head is this one again."""
        return self.headers == headers and self.target == target and self.raw_method == method

    def size(self) -> int:
        """Return how many bytes the request line and the headers hold."""
        line = len(self.raw_method) + len(self.target) + 12
        return line + sum(len(name) + len(value) + 4 for name, value in self.headers)

    def has_two_hosts(self) -> bool:
        """Return True when two Host headers contradict each other, or could."""
        return sum(1 for name, _ in self.headers if len(name) == 4 and name.lower() == b"host") > 1

    def announced_timeout(self) -> float | None:
        """Return how long the client says it will wait for data (seconds), as the official SDKs announce it."""
        value = self.known.get(b"x-stainless-read-timeout") or self.known.get(b"x-stainless-timeout")
        try:
            return float(value) if value else None
        except ValueError:
            return None

"""One request on its way to whoever answers: the network client or the echo model; to be sent once, or again.

The client's bytes leave as they came, with the plan's edits cut in; a large body is read back from its side file.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from proxy.gateway.admission import Departure
from proxy.gateway.body import Inbound
from proxy.gateway.client_head import Headers
from proxy.gateway.reply_facts import ReplyFacts
from proxy.protocol.injection import Edit, apply
from proxy.upstream.body import BodySource, FileBody
from proxy.upstream.failure import Timing, UpstreamFailure
from proxy.upstream.request import RequestHead

Pieces = list[tuple[int, bytes]]


class UpstreamAnswer(Protocol):
    """An answer as the exchange uses it: see ``upstream.answer.Answer``."""

    status: int
    headers: Headers
    timing: Timing
    has_head: bool
    failure: UpstreamFailure | None

    @property
    def is_complete(self) -> bool:
        """True when it ended cleanly; pieces may still be here."""
        ...

    def listen(self, listener: Callable[[], None] | None) -> None:
        """Call this at every change."""
        ...

    def take_ready(self) -> Pieces:
        """Return what is there without waiting."""
        ...

    async def read(self) -> tuple[int, bytes] | None:
        """Return the next piece, None at the end."""
        ...

    def abort(self) -> None:
        """Give the answer up."""
        ...


class Upstream(Protocol):
    """Whatever answers."""

    def begin(self, head: RequestHead, body: bytes) -> UpstreamAnswer | None:
        """Send a request now, without waiting; None when that needs a new connection."""
        ...

    async def send(self, head: RequestHead, body: bytes | BodySource) -> UpstreamAnswer:
        """Send a request and wait for its answer's head."""
        ...

    async def dial(
        self, head: RequestHead, body: bytes | BodySource, stale: UpstreamFailure | None = None
    ) -> UpstreamAnswer:
        """Send a request on a new connection and wait for its answer's head."""
        ...


class Sending:
    """One request as it leaves."""

    __slots__ = ("_body", "_departure", "_upstream")

    def __init__(self, departure: Departure, body: Inbound, upstream: Upstream) -> None:
        self._departure = departure
        self._body = body
        self._upstream = upstream

    @property
    def reply_facts(self) -> ReplyFacts:
        """What the reply says of us."""
        return self._departure.reply_facts

    def forget_body(self) -> None:
        """The request will not be sent again."""
        self._body.data = b""

    def begin(self, edits: tuple[Edit, ...]) -> UpstreamAnswer | None:
        """Send the request with these edits at once; None when that is not possible without waiting."""
        if self._body.side_path is not None:
            return None
        return self._upstream.begin(self._departure.head(), self._small(edits))

    async def send(self, edits: tuple[Edit, ...], stale: UpstreamFailure | None = None) -> UpstreamAnswer:
        """Send the request and wait for the answer's head; ``stale``: again, in place of a try that found nobody."""
        inbound = self._body
        head = self._departure.head()
        body: bytes | BodySource
        if inbound.side_path is not None:
            body = FileBody(inbound.side_path, inbound.length, edits, inbound.seal)
        else:
            body = self._small(edits)
        if stale is not None:
            return await self._upstream.dial(head, body, stale)
        return await self._upstream.send(head, body)

    def _small(self, edits: tuple[Edit, ...]) -> bytes:
        return apply(self._body.data, edits) if edits else self._body.data


async def read_some(answer: UpstreamAnswer, limit: int) -> bytes:
    """Read a short body whole; beyond the limit the connection is given up."""
    data = b""
    try:
        while len(data) < limit and (piece := await answer.read()) is not None:
            data += piece[1]
    except UpstreamFailure:
        # It broke off in the middle of saying no: what it said so far must do.
        return data
    finally:
        answer.abort()
    return data

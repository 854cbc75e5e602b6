"""Every path that is not the data plane's goes to control, over its Unix socket, and comes back as it is.

``x-dashcam-peer`` (address, scheme, listener) and ``x-forwarded-host`` are stripped from what the caller sent and set
by us: control trusts only these, never the fact that a socket is local. The pool is control's own and bounded, so that
a busy console can not take anything from ``/v1``. Server-sent events and exports pass with back-pressure. Nothing here
is recorded.
"""

from __future__ import annotations

import asyncio
import functools
from pathlib import Path

from proxy.gateway import endings
from proxy.gateway.call import ClientCall
from proxy.gateway.ceilings import NO_MEMORY, Ceilings, Holding
from proxy.gateway.client_head import Headers
from proxy.gateway.guard import Refusal
from proxy.gateway.reply_head import ReplyHead
from proxy.spool.page import Page
from proxy.upstream.answer import Answer
from proxy.upstream.client import UpstreamClient
from proxy.upstream.failure import UpstreamFailure
from proxy.upstream.origins import Origin
from proxy.upstream.request import RequestHead, lines_of

MAX_OPEN = 64
MAX_BODY = 32 * 1024 * 1024
_BUSY = Refusal(503, "control_busy", "Too many requests to the console and admin API are open.")
_TOO_LARGE = Refusal(413, "request_too_large", f"The body is larger than {MAX_BODY} bytes.")
_DROPPED = frozenset(
    b"connection keep-alive proxy-connection te trailer transfer-encoding upgrade host content-length expect"
    b" x-dashcam-peer x-forwarded-host".split()
)


class ControlForwarder:
    """Relays a call to control; answers itself only when control cannot."""

    def __init__(self, socket_path: Path, listener: str = "public") -> None:
        self._origin = Origin(host="control", port=80, unix_path=str(socket_path), connect_timeout=5.0)
        self._client = UpstreamClient(max_idle=16)
        self._listener = listener
        self._open = 0

    def __repr__(self) -> str:
        return f"<ControlForwarder {self._origin} open={self._open}>"

    async def forward(self, call: ClientCall, ceilings: Ceilings) -> None:
        """Relay one call; only one whose request is whole takes a slot, so that no slow sender keeps others out."""
        task = asyncio.current_task()
        # A client that leaves takes its request along, wherever it is: no slot stays taken for nobody.
        call.on_gone = None if task is None else functools.partial(task.cancel, "the client left")
        holding = Holding(ceilings)
        try:
            body = await _whole_body(call, holding)
            if isinstance(body, Refusal):
                return _refuse(call, body)
            if self._open >= MAX_OPEN:
                ceilings.struck(Page.LIMIT_CONTROL_CALLS)
                return _refuse(call, _BUSY)
            await self._take_slot(call, body)
        finally:
            call.on_gone = None
            holding.give_back()
        return None

    async def _take_slot(self, call: ClientCall, body: bytes) -> None:
        self._open += 1
        try:
            await self._relay(call, body)
        except UpstreamFailure as failure:
            if call.response_started:
                call.abort()
            else:
                message = f"Dashcam's control process does not answer: {failure.message}. Calls are still relayed."
                _refuse(call, Refusal(503, "control_unavailable", message))
        finally:
            self._open -= 1

    async def _relay(self, call: ClientCall, body: bytes) -> None:
        method, target = call.head.method, call.head.target
        lines = lines_of(method, target, b"control", self._headers(call))
        answer = await self._client.send(RequestHead(self._origin, method, target, lines, 120.0, 660.0), body)
        try:
            await _pump(call, answer)
        finally:
            answer.abort()

    def _headers(self, call: ClientCall) -> Headers:
        headers = [item for item in call.head.headers if item[0].lower() not in _DROPPED]
        host = next((value for name, value in call.head.headers if name.lower() == b"host"), b"")
        headers.append((b"x-forwarded-host", host))
        headers.append((b"x-dashcam-peer", f"{call.connection.peer};http;{self._listener}".encode()))
        return headers

    async def close(self) -> None:
        """Close the pool."""
        await self._client.close()


async def _whole_body(call: ClientCall, holding: Holding) -> bytes | Refusal:
    call.send_continue()
    parts = []
    while await call.more_body():
        if call.received_bytes > MAX_BODY:
            return _TOO_LARGE
        parts.append(call.take_body())
        if not holding.take(len(parts[-1])):
            return NO_MEMORY
    return b"".join(parts)


async def _pump(call: ClientCall, answer: Answer) -> None:
    data = b"".join([piece for _, piece in answer.take_ready()])
    call.begin(answer.status, ReplyHead(answer.headers), data, last=answer.is_finished)
    while not answer.is_finished:
        await call.writable()
        piece = await answer.read()
        data = piece[1] if piece is not None else b""
        call.write(data + b"".join([more for _, more in answer.take_ready()]), last=answer.is_finished)


def _refuse(call: ClientCall, refusal: Refusal) -> None:
    head, body = endings.reply(endings.rejected(refusal), None)
    if not call.body_complete:
        call.keep_alive = False
    call.begin(refusal.status, head, body, last=True)

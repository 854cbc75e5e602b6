"""A fast OpenAI-like upstream: ``python -m bench.upstream``. Prints its port and serves until standard input closes.

It looks for what it needs in the request's bytes instead of parsing them. ``"stream":true`` makes a stream of
``"max_tokens":N`` chunks, each written in a turn of its own of the event loop, so that they leave as separate segments;
``"user":"hang"`` sends one chunk and then nothing until the client leaves. Embeddings are answered by 64 vectors.
"""

from __future__ import annotations

import asyncio
import os
import re
import socket
import sys
import threading
from typing import cast

import uvloop

_TEXT = "The quick brown fox jumps over the lazy dog. " * 8
_BODY = (
    b'{"id":"chatcmpl-bench","object":"chat.completion","created":1700000000,"model":"gpt-4o-mini","choices":'
    b'[{"index":0,"message":{"role":"assistant","content":"%b"},"logprobs":null,"finish_reason":"stop"}],'
    b'"usage":{"prompt_tokens":200,"completion_tokens":90,"total_tokens":290},"system_fingerprint":"fp_bench"}'
) % _TEXT.encode()
WHOLE = (
    b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nx-request-id: req_bench\r\n"
    b"Content-Length: %d\r\n\r\n%b" % (len(_BODY), _BODY)
)
_VECTOR = b'{"object":"embedding","index":0,"embedding":"%b"}' % (b"QUJD" * 2048)
_VECTORS = (
    b'{"object":"list","data":[%b],"model":"text-embedding-3-small","usage":{"prompt_tokens":900,"total_tokens":900}}'
) % b",".join([_VECTOR] * 64)
EMBEDDINGS = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (
    len(_VECTORS),
    _VECTORS,
)
_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
_EVENT = (
    b'data: {"id":"chatcmpl-bench","object":"chat.completion.chunk","created":1700000000,"model":"gpt-4o-mini",'
    b'"choices":[{"index":0,"delta":{"content":" token"},"finish_reason":null}]}\n\n'
)
_LAST = (
    b'data: {"id":"chatcmpl-bench","object":"chat.completion.chunk","created":1700000000,"model":"gpt-4o-mini",'
    b'"choices":[],"usage":{"prompt_tokens":200,"completion_tokens":50,"total_tokens":250}}\n\ndata: [DONE]\n\n'
)
CHUNK = b"%x\r\n%b\r\n" % (len(_EVENT), _EVENT)
END = b"%x\r\n%b\r\n0\r\n\r\n" % (len(_LAST), _LAST)

_LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)
_CHUNKS = re.compile(rb'"max_tokens": *(\d+)')


class Upstream(asyncio.Protocol):
    """One connection."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._buffer = b""
        self._left = 0
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Remember whom to answer."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is one without inheriting from it

    def connection_lost(self, exc: Exception | None) -> None:
        """Nobody is there to be answered any more."""
        self._transport = None

    def data_received(self, data: bytes) -> None:
        """Answer when a request is whole. Of a large body only its first part is kept, the rest is counted."""
        if self._left:
            self._left -= len(data)
        else:
            self._buffer = self._buffer + data if self._buffer else data
            end = self._buffer.find(b"\r\n\r\n")
            if end < 0:
                return
            found = _LENGTH.search(self._buffer, 0, end)
            self._left = (int(found[1]) if found else 0) - (len(self._buffer) - end - 4)
        if self._left <= 0:
            self._left = 0
            request, self._buffer = self._buffer, b""
            self._answer(request)

    def _answer(self, request: bytes) -> None:
        assert self._transport is not None
        if b'"stream":true' not in request:
            self._transport.write(EMBEDDINGS if request.startswith(b"POST /v1/embeddings") else WHOLE)
            return
        self._transport.write(_HEAD)
        found = _CHUNKS.search(request)
        self._send(1 if b'"user":"hang"' in request else int(found[1]) if found else 50, b'"user":"hang"' in request)

    def _send(self, chunks: int, hangs: bool) -> None:
        if self._transport is None:
            return
        if chunks:
            self._transport.write(CHUNK)
            self._loop.call_soon(self._send, chunks - 1, hangs)
        elif not hangs:
            self._transport.write(END)


async def main() -> None:
    """Serve until standard input closes."""
    loop = asyncio.get_running_loop()
    listener = socket.create_server(("127.0.0.1", 0), backlog=4096)
    await loop.create_server(lambda: Upstream(loop), sock=listener)
    print(listener.getsockname()[1], flush=True)
    threading.Thread(target=lambda: (sys.stdin.read(), os._exit(0)), daemon=True).start()
    await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(main())

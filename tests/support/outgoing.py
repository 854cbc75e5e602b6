"""Outgoing proxies and an HTTP/2 server on real sockets, small enough to be read.

A proxy keeps what it was asked for and relays bytes; ``refuses`` makes it answer as one that does not let us through.
"""

from __future__ import annotations

import abc
import asyncio
import base64
import contextlib
import ssl
from typing import Self

import h2.config
import h2.connection
import h2.events

from tests.support.accepting import Connections


class _Listening(abc.ABC):
    """A server on loopback while its block runs."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self._tls = tls
        self._connections = Connections(self._serve)
        self.port = 0
        self.connections = 0
        self.open_connections = 0

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._connections.take, "127.0.0.1", 0, ssl=self._tls)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        await self._connections.end()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.open_connections += 1
        try:
            with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError, ssl.SSLError):
                await self.handle(reader, writer)
        finally:
            self.open_connections -= 1

    @abc.abstractmethod
    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection."""


class HttpProxy(_Listening):
    """Answers CONNECT, and forwards requests in absolute form. ``asked`` are the heads that came."""

    def __init__(self, *, refuses: bool = False, credentials: str = "") -> None:
        super().__init__()
        self.asked: list[bytes] = []
        self._refuses = refuses
        self._wanted = b"Basic " + base64.b64encode(credentials.encode()) if credentials else None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        self.asked.append(head)
        if self._refuses:
            writer.write(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")
            return
        if self._wanted is not None and self._wanted not in head:
            writer.write(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")
            return
        method, target, _ = head.split(b" ", 2)
        if method == b"CONNECT":
            host, _, port = target.decode().rpartition(":")
            there = await asyncio.open_connection(host, int(port))
            writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        else:
            authority, _, path = target.removeprefix(b"http://").partition(b"/")
            host, _, port = authority.decode().rpartition(":")
            there = await asyncio.open_connection(host, int(port))
            there[1].write(head.replace(target, b"/" + path, 1))
        await _relay((reader, writer), there)


class SocksProxy(_Listening):
    """Speaks SOCKS5 without authentication. ``asked`` are the (host, port) pairs that were wanted."""

    def __init__(self, *, refuses: bool = False) -> None:
        super().__init__()
        self.asked: list[tuple[str, int]] = []
        self._refuses = refuses

    @property
    def url(self) -> str:
        return f"socks5://127.0.0.1:{self.port}"

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        _, methods = await reader.readexactly(2)
        await reader.readexactly(methods)
        writer.write(b"\x05\x00")
        _, _, _, kind = await reader.readexactly(4)
        if kind == 1:
            host = ".".join(map(str, await reader.readexactly(4)))
        else:
            host = (await reader.readexactly((await reader.readexactly(1))[0])).decode()
        port = int.from_bytes(await reader.readexactly(2), "big")
        self.asked.append((host, port))
        writer.write(bytes([5, 5 if self._refuses else 0, 0, 1, 127, 0, 0, 1, 0, 0]))
        if not self._refuses:
            await _relay((reader, writer), await asyncio.open_connection(host, port))


async def _relay(
    here: tuple[asyncio.StreamReader, asyncio.StreamWriter], there: tuple[asyncio.StreamReader, asyncio.StreamWriter]
) -> None:
    async def copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(1 << 16):
                writer.write(data)
                await writer.drain()
        finally:
            writer.close()

    try:
        await asyncio.gather(copy(here[0], there[1]), copy(there[0], here[1]))
    finally:
        there[1].close()


class Http2Server(_Listening):
    """Answers HTTP/2 requests: ``/stream`` with pieces as they are let go by ``more``, anything else with its body.

    ``/silence`` with nothing at all, ``/models`` with ``models``; ``requests`` are (headers, body).
    """

    def __init__(self, tls: ssl.SSLContext) -> None:
        tls.set_alpn_protocols(["h2"])
        super().__init__(tls)
        self.requests: list[tuple[list[tuple[bytes, bytes]], bytes]] = []
        self.more: asyncio.Queue[bytes | None] = asyncio.Queue()
        self.models = b'{"data":[]}'

    @property
    def url(self) -> str:
        return f"https://localhost:{self.port}"

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        wire = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False, header_encoding=None))
        wire.initiate_connection()
        writer.write(wire.data_to_send())
        heads: dict[int, list[tuple[bytes, bytes]]] = {}
        bodies: dict[int, bytes] = {}
        answering: set[asyncio.Task[None]] = set()
        while data := await reader.read(1 << 16):
            for event in wire.receive_data(data):
                if isinstance(event, h2.events.RequestReceived):
                    assert event.headers is not None
                    heads[event.stream_id] = [(bytes(name), bytes(value)) for name, value in event.headers]
                    bodies[event.stream_id] = b""
                elif isinstance(event, h2.events.DataReceived):
                    bodies[event.stream_id] += event.data
                    wire.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
                elif isinstance(event, h2.events.StreamEnded):
                    number = event.stream_id
                    self.requests.append((heads[number], bodies[number]))
                    task = asyncio.get_running_loop().create_task(
                        self._answer(wire, writer, number, dict(heads[number]), bodies[number]), name="answer"
                    )
                    answering.add(task)
                    task.add_done_callback(answering.discard)
            writer.write(wire.data_to_send())
        for task in answering:
            task.cancel()

    async def _answer(
        self,
        wire: h2.connection.H2Connection,
        writer: asyncio.StreamWriter,
        number: int,
        head: dict[bytes, bytes],
        body: bytes,
    ) -> None:
        if head[b":path"].endswith(b"/silence"):
            return
        wire.send_headers(
            number, [(":status", "200"), ("content-type", "text/event-stream"), ("x-a", "1"), ("x-a", "2")]
        )
        writer.write(wire.data_to_send())
        if head[b":path"].endswith(b"/stream"):
            while (piece := await self.more.get()) is not None:
                wire.send_data(number, piece)
                writer.write(wire.data_to_send())
            wire.end_stream(number)
        else:
            asks_for_models = head[b":path"].endswith(b"/models")
            wire.send_data(number, self.models if asks_for_models else body, end_stream=True)
        writer.write(wire.data_to_send())

"""An upstream on a real socket that does, byte for byte, what a scenario says, and keeps every byte it was sent.

A scenario is a coroutine function that gets one ``Turn`` per request: it sends bytes, waits, closes or resets. It may
run in the test's own loop (``async with ScriptedUpstream(...)``) or in a thread of its own (``in_thread``) beside
synchronous clients. Nothing is sent unless a scenario says so; what it raises is raised again when the block ends.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import socket
import ssl
import struct
import termios
import threading
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass

from tests.support.accepting import Connections
from tests.support.waiting import wait_until_async

_LINGER_ZERO = struct.pack("ii", 1, 0)
_ASKS_FOR_MODELS = b"GET /v1/models HTTP/1.1"
"""What control asks by itself, at any time: no turn of a scenario."""


@dataclass(frozen=True, slots=True)
class Received:
    """One request exactly as it came; ``connection`` counts connections from 1."""

    connection: int
    head: bytes
    body: bytes

    @property
    def request_line(self) -> bytes:
        return self.head.partition(b"\r\n")[0]

    @property
    def headers(self) -> list[tuple[bytes, bytes]]:
        lines = self.head.split(b"\r\n")[1:-2]
        return [(name, value) for name, _, value in (line.partition(b": ") for line in lines)]

    def header(self, name: bytes) -> bytes | None:
        return next((value for key, value in self.headers if key.lower() == name), None)


class Turn:
    """One request's turn on its connection: the steps a scenario is made of."""

    def __init__(
        self, upstream: ScriptedUpstream, request: Received, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self._upstream = upstream
        self._reader = reader
        self._writer = writer
        self.request = request

    async def send(self, *parts: bytes) -> None:
        """Send bytes as they are, each part in a write of its own."""
        for part in parts:
            self._writer.write(part)
            await self._writer.drain()

    async def head(self, *headers: bytes, status: bytes = b"200 OK") -> None:
        """Send a head with exactly these header lines."""
        await self.send(b"\r\n".join((b"HTTP/1.1 " + status, *headers)) + b"\r\n\r\n")

    async def answer(
        self, body: bytes = b"{}", *headers: bytes, status: bytes = b"200 OK", length: int | None = None
    ) -> None:
        """Send a whole answer in one write; ``length`` may lie about it."""
        lines = (b"HTTP/1.1 " + status, *headers, b"Content-Length: %d" % (len(body) if length is None else length))
        await self.send(b"\r\n".join(lines) + b"\r\n\r\n" + body)

    async def chunk(self, data: bytes) -> None:
        """Send one chunk; an empty one ends the body."""
        await self.send(b"%x\r\n%b\r\n" % (len(data), data))

    async def released(self) -> None:
        """Wait until the test calls ``release``."""
        await self._upstream.gate.wait()

    async def client_closed(self) -> None:
        """Wait until the other side closes, reading what it still sends."""
        with contextlib.suppress(ConnectionError):
            while await self._reader.read(1 << 16):
                pass

    async def read(self, size: int) -> bytes:
        """Read exactly so many bytes of a body that was not read before the turn."""
        return await self._reader.readexactly(size)

    async def arrived(self) -> None:
        """Wait until everything sent is with the other side: a reset discards what is still here."""
        connection = self._writer.get_extra_info("socket")

        def is_all_there() -> bool:
            return fcntl.ioctl(connection, termios.TIOCOUTQ, bytes(4)) == bytes(4)

        await wait_until_async(is_all_there, "what was sent has arrived")

    def close(self) -> None:
        """Close the connection cleanly."""
        self._writer.close()

    def reset(self) -> None:
        """Reset the connection (SO_LINGER 0)."""
        self._writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_ZERO)
        self._writer.transport.abort()


Scenario = Callable[[Turn], Awaitable[None]]


async def answer_ok(turn: Turn) -> None:
    """Answer with an empty JSON object."""
    await turn.answer(b'{"ok":true}', b"Content-Type: application/json")


def one_after_another(*scenarios: Scenario) -> Scenario:
    """Give the first request the first scenario, and so on; the last one repeats."""
    waiting = list(scenarios)

    async def scenario(turn: Turn) -> None:
        await (waiting.pop(0) if len(waiting) > 1 else waiting[0])(turn)

    return scenario


class ScriptedUpstream:
    """Listens on loopback while its block runs; ``requests`` are those whose turn has come, in order."""

    def __init__(
        self,
        scenario: Scenario = answer_ok,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        reads_body: bool = True,
        tls: ssl.SSLContext | None = None,
        receive_buffer: int | None = None,
        unix_path: str | None = None,
        read_ahead: int = 1 << 15,
    ) -> None:
        self.scenario = scenario
        self.host = host
        self.port = port
        self.requests: list[Received] = []
        self.connections = 0
        self.open_connections = 0
        self.gate = asyncio.Event()
        self._reads_body = reads_body
        self._tls = tls
        self._receive_buffer = receive_buffer
        self._unix_path = unix_path
        self._read_ahead = read_ahead
        self._connections = Connections(self._serve)
        self._faults: list[BaseException] = []
        self._loop: asyncio.AbstractEventLoop | None = None

    @property
    def url(self) -> str:
        name = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'https' if self._tls else 'http'}://{name}:{self.port}"

    def release(self) -> None:
        """Let the turns that wait for it go on; from any thread."""
        assert self._loop is not None
        self._loop.call_soon_threadsafe(self.gate.set)

    async def __aenter__(self) -> ScriptedUpstream:
        self._loop = asyncio.get_running_loop()
        # Twice as much is read ahead at most: what a client can send beyond that is what the kernel's buffers hold.
        if self._unix_path is not None:
            self._server = await asyncio.start_unix_server(
                self._connections.take, self._unix_path, limit=self._read_ahead
            )
        else:
            self._server = await asyncio.start_server(
                self._connections.take, sock=self._bind(), ssl=self._tls, limit=self._read_ahead
            )
        return self

    def _bind(self) -> socket.socket:
        listener = socket.socket(socket.AF_INET6 if ":" in self.host else socket.AF_INET)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if self._receive_buffer is not None:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, self._receive_buffer)
        listener.bind((self.host, self.port))
        self.port = listener.getsockname()[1]
        return listener

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        await self._connections.end()
        if self._faults:
            raise self._faults[0]

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.open_connections += 1
        try:
            await self._serve_turns(self.connections, reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError, ssl.SSLError):
            pass
        except BaseException as fault:
            self._faults.append(fault)
            raise
        finally:
            self.open_connections -= 1

    async def _serve_turns(self, number: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while not writer.is_closing():
            head = await reader.readuntil(b"\r\n\r\n")
            request = Received(number, head, await _body(head, reader) if self._reads_body else b"")
            turn = Turn(self, request, reader, writer)
            if request.request_line == _ASKS_FOR_MODELS:
                await turn.answer(b'{"data":[]}', b"Content-Type: application/json")
                continue
            self.requests.append(request)
            await self.scenario(turn)


async def _body(head: bytes, reader: asyncio.StreamReader) -> bytes:
    lower = head.lower()
    if b"transfer-encoding: chunked" in lower:
        body = b""
        while size := int(await reader.readline(), 16):
            body += (await reader.readexactly(size + 2))[:-2]
        await reader.readuntil(b"\r\n")
        return body
    return await reader.readexactly(int(lower.partition(b"\r\ncontent-length: ")[2].partition(b"\r\n")[0] or 0))


@contextlib.contextmanager
def in_thread(upstream: ScriptedUpstream) -> Iterator[ScriptedUpstream]:
    """Run an upstream in a thread with a loop of its own."""
    started, loop, stop = threading.Event(), asyncio.new_event_loop(), asyncio.Event()

    async def serve() -> None:
        async with upstream:
            started.set()
            await stop.wait()

    faults: list[BaseException] = []

    def run() -> None:
        try:
            with asyncio.Runner(loop_factory=lambda: loop) as runner:
                runner.run(serve())
        except BaseException as fault:  # noqa: BLE001 - raised again in the test's thread
            faults.append(fault)
        finally:
            started.set()

    thread = threading.Thread(target=run, name="scripted upstream")
    thread.start()
    try:
        started.wait()
        yield upstream
    finally:
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(stop.set)
        thread.join()
    if faults:
        raise faults[0]

"""A TCP proxy that is bad for whoever uses it: between Dashcam and an upstream, a client or a database.

Each connection is relayed both ways by one task a direction; the toxics are read at every piece, so that a test may
change them while connections are open: latency and jitter, bandwidth, slices, a black hole, a reset or a close after so
many bytes, a half-close. Runs in a thread of its own; chance comes from a seed.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

from tests.support.accepting import Connections
from tests.support.namespaces import enter

_RESET = struct.pack("ii", 1, 0)
DOWN, UP = "down", "up"


@dataclass(frozen=True)
class Toxics:
    """What goes wrong in one direction. Times in seconds, sizes in bytes; ``chance_of_reset`` is per piece."""

    latency: float = 0.0
    jitter: float = 0.0
    bytes_per_second: int | None = None
    slice: int | None = None
    is_hole: bool = False
    reset_after: int | None = None
    close_after: int | None = None
    is_half_closed: bool = False
    chance_of_reset: float = 0.0


CLEAN = Toxics()


@dataclass(eq=False)
class _Pair:
    """The two ends of one relayed connection."""

    client: asyncio.StreamWriter
    server: asyncio.StreamWriter
    sent: dict[str, int] = field(default_factory=lambda: {DOWN: 0, UP: 0})

    def reset(self) -> None:
        for writer in (self.client, self.server):
            connection = writer.get_extra_info("socket")
            with contextlib.suppress(OSError):
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            writer.transport.abort()

    def close(self) -> None:
        self.client.close()
        self.server.close()


class ToxicProxy:
    """Listens on loopback and relays to ``host:port``, or to a Unix socket at ``path``; up is away from the client.

    ``listen`` is another address to listen at, ``network`` the namespace in which the other side is.
    """

    def __init__(
        self,
        port: int = 0,
        *,
        host: str = "127.0.0.1",
        path: str | None = None,
        seed: int = 0,
        listen: str = "127.0.0.1",
        network: str | None = None,
    ) -> None:
        self._target, self._path = (host, port), path
        self._listen_at, self._network = listen, network
        self._toxics = {DOWN: CLEAN, UP: CLEAN}
        self._chance = random.Random(seed)
        self._way = {DOWN: asyncio.Event(), UP: asyncio.Event()}
        self._pairs: set[_Pair] = set()
        self._connections = Connections(self._serve)
        self._loop = asyncio.new_event_loop()
        self._refuses = False
        self.port = 0
        self.connections = 0

    # -- what a test changes --------------------------------------------------------------------------------

    def be(self, direction: str, **changes: object) -> None:
        """Change what goes wrong in a direction, also on connections that are open."""
        self._toxics[direction] = replace(self._toxics[direction], **changes)  # type: ignore[arg-type]
        self._call(self._look_at_holes)

    def heal(self) -> None:
        """Let everything through again, and new connections in."""
        self._toxics = {DOWN: CLEAN, UP: CLEAN}
        self._refuses = False
        self._call(self._look_at_holes)

    def turn_to(self, port: int) -> None:
        """Lead new connections to another port."""
        self._target = (self._target[0], port)

    def _call(self, what: Callable[[], None]) -> None:
        self._loop.call_soon_threadsafe(what)

    def _look_at_holes(self) -> None:
        for direction, way in self._way.items():
            way.clear() if self._toxics[direction].is_hole else way.set()

    def _reset_all(self) -> None:
        for pair in list(self._pairs):
            pair.reset()

    def reset_all(self) -> None:
        """Reset every open connection."""
        self._call(self._reset_all)

    def refuse(self) -> None:
        """Reset what is open and whatever comes: the other side is gone."""
        self._refuses = True
        self.reset_all()

    @property
    def open_connections(self) -> int:
        """How many connections are relayed now."""
        return len(self._pairs)

    # -- relaying -------------------------------------------------------------------------------------------

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            server_reader, server_writer = await self._connect()
        except OSError:
            writer.transport.abort()
            return
        pair = _Pair(writer, server_writer)
        if self._refuses:
            pair.reset()
            return
        self._pairs.add(pair)
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._pump(pair, UP, reader, server_writer), name="up")
                group.create_task(self._pump(pair, DOWN, server_reader, writer), name="down")
        except* (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            self._pairs.discard(pair)
            pair.close()

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if self._path:
            return await asyncio.open_unix_connection(self._path)
        return await asyncio.open_connection(*self._target)

    async def _pump(
        self, pair: _Pair, direction: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        while data := await reader.read(1 << 16):
            size = self._toxics[direction].slice or len(data)
            for start in range(0, len(data), size):
                await self._pass(pair, direction, data[start : start + size], writer)
        if writer.can_write_eof() and not writer.is_closing():
            writer.write_eof()

    async def _pass(self, pair: _Pair, direction: str, data: bytes, writer: asyncio.StreamWriter) -> None:
        toxics = self._toxics[direction]
        await self._wait(toxics, len(data))
        await self._way[direction].wait()
        left = min(
            (limit - pair.sent[direction] for limit in (toxics.reset_after, toxics.close_after) if limit is not None),
            default=len(data),
        )
        if left > 0:
            writer.write(data[:left])
            pair.sent[direction] += min(left, len(data))
            await writer.drain()
        if toxics.is_half_closed:
            writer.write_eof()
            raise ConnectionAbortedError("half-closed")
        if left < len(data) or self._chance.random() < toxics.chance_of_reset:
            pair.close() if toxics.close_after is not None else pair.reset()
            raise ConnectionAbortedError("as the toxics say")

    async def _wait(self, toxics: Toxics, size: int) -> None:
        seconds = toxics.latency + self._chance.uniform(-toxics.jitter, toxics.jitter)
        if toxics.bytes_per_second:
            seconds += size / toxics.bytes_per_second
        if seconds > 0:
            await asyncio.sleep(seconds)

    # -- life -----------------------------------------------------------------------------------------------

    async def _listen(self, started: threading.Event, stop: asyncio.Event) -> None:
        server = await asyncio.start_server(self._connections.take, self._listen_at, self.port, backlog=1024)
        if self._network is not None:
            # Of this thread: what listens stays on our side, what is dialled is on the other.
            enter(self._network)
        self.port = server.sockets[0].getsockname()[1]
        self._look_at_holes()
        started.set()
        await stop.wait()
        server.close()
        self._reset_all()
        await self._connections.end()

    @contextlib.contextmanager
    def running(self) -> Iterator[ToxicProxy]:
        """Relay while the block runs."""
        started, stop = threading.Event(), asyncio.Event()

        def run() -> None:
            with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
                runner.run(self._listen(started, stop))

        thread = threading.Thread(target=run, name="toxic proxy", daemon=True)
        thread.start()
        started.wait()
        try:
            yield self
        finally:
            self._call(stop.set)
            thread.join()

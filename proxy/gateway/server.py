"""The gateway process from sockets to exit: listen, sweep deadlines, drain, close the spool.

Shutdown order (facts of reliability 7): readiness turns red and accepting stops; open calls may finish within the
drain limit; the rest is told why and ended; then the spool is synced and sealed. Nothing promised about records
depends on these steps happening: a kill -9 loses no finished call. We own the signals; the gateway also leaves when
its supervisor does (end of file on the pipe).
"""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import socket
import time

import structlog
import uvicorn
from uvicorn.server import ServerState

from proxy.gateway.app import Gateway
from proxy.gateway.protocol import GatewayProtocol
from proxy.gateway.refreshing import INTERVAL_SECONDS, SnapshotWatch
from proxy.spool.page import Page

log = structlog.get_logger("gateway")

_STATS_SECONDS = 5.0
_BACKLOG = 4096


class GatewayServer:
    """One listening socket and all its connections."""

    def __init__(self, gateway: Gateway, watch: SnapshotWatch, listener: socket.socket, parent_fd: int) -> None:
        self._gateway = gateway
        self._watch = watch
        self._listener = listener
        self._parent_fd = parent_fd
        self._state = ServerState()
        self._leaving = asyncio.Event()
        self._stats_at = 0.0

    async def run(self) -> None:
        """Serve until told to leave, then drain."""
        loop = asyncio.get_running_loop()
        config = uvicorn.Config(app=self._gateway, interface="asgi3", lifespan="off", log_config=None, access_log=False)
        config.load()
        config.loaded_app = self._gateway
        server = await loop.create_server(
            lambda: GatewayProtocol(config, self._state, {}), sock=self._listener, backlog=_BACKLOG
        )
        self._listen_to_the_end(loop)
        gc.collect()
        gc.freeze()
        self._gateway.page.set(Page.READY, 1)
        log.info("gateway_ready", pid=os.getpid())
        await self._tick(loop)
        await self._drain(loop, server)

    def _listen_to_the_end(self, loop: asyncio.AbstractEventLoop) -> None:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        loop.add_signal_handler(signal.SIGTERM, self._asked_to_leave)
        os.set_blocking(self._parent_fd, False)
        loop.add_reader(self._parent_fd, self._parent_spoke, loop)

    def _asked_to_leave(self) -> None:
        if self._leaving.is_set():
            os._exit(1)
        self._leaving.set()

    def _parent_spoke(self, loop: asyncio.AbstractEventLoop) -> None:
        if not os.read(self._parent_fd, 64):
            loop.remove_reader(self._parent_fd)
            self._leaving.set()

    async def _tick(self, loop: asyncio.AbstractEventLoop) -> None:
        """Sweep deadlines, look for a new snapshot, and note how long the loop was held."""
        while not self._leaving.is_set():
            due = loop.time() + INTERVAL_SECONDS
            try:
                await asyncio.wait_for(self._leaving.wait(), INTERVAL_SECONDS)
            except TimeoutError:
                now = loop.time()
                self._note_stall(now - due)
                self._sweep(now)
                self._watch.look()
                self._note_stats(now)

    def _sweep(self, now: float) -> None:
        expired = [item for item in self._state.connections if item.deadline < now]  # type: ignore[union-attr]
        for connection in expired:
            connection.expire()  # type: ignore[union-attr]

    def _note_stall(self, seconds: float) -> None:
        nanoseconds = int(seconds * 1e9)
        page = self._gateway.page
        if nanoseconds > page.get(Page.SLOW_LOOP_NS_MAX):
            page.set(Page.SLOW_LOOP_NS_MAX, nanoseconds)

    def _note_stats(self, now: float) -> None:
        page = self._gateway.page
        page.set(Page.HEARTBEAT_NS, time.time_ns())
        if now >= self._stats_at:
            self._stats_at = now + _STATS_SECONDS
            self._gateway.spool.stats(page.read_all())

    async def _drain(self, loop: asyncio.AbstractEventLoop, server: asyncio.Server) -> None:
        limit = self._gateway.limits.drain
        log.info("gateway_draining", in_flight=len(self._gateway.exchanges), seconds=limit)
        self._gateway.page.set(Page.READY, 0)
        self._gateway.page.set(Page.DRAINING, 1)
        server.close()
        for connection in list(self._state.connections):
            connection.shutdown()
        await self._gateway.drain(loop.time() + limit)
        for connection in list(self._state.connections):
            connection.transport.close()
        await self._gateway.upstream.close()
        self._gateway.spool.close()
        log.info("gateway_left")

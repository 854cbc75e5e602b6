"""The gateway process from sockets to exit: listen, sweep deadlines, drain, close the spool.

Shutdown order (facts of reliability 7): readiness turns red and accepting stops; open calls may finish within the
drain limit; the rest is told why and ended; then the spool is synced and sealed. Nothing promised about records
depends on these steps happening: a kill -9 loses no finished call. The gateway leaves when it is told to (``leave``)
or when its supervisor is gone (end of file on the pipe).
"""

from __future__ import annotations

import asyncio
import os
import socket
import time
from typing import Any, cast

import structlog
import uvicorn
from uvicorn.server import ServerState

from proxy.errors import SpoolError
from proxy.gateway.app import Gateway
from proxy.gateway.complaints import Complaints
from proxy.gateway.protocol import GatewayProtocol
from proxy.gateway.refreshing import INTERVAL_SECONDS, SnapshotWatch
from proxy.spool.page import Page
from proxy.upstream.dialling import STANDSTILL_SECONDS

log = structlog.get_logger("gateway")

_STATS_SECONDS = 5.0
_TALLIES_SECONDS = 1.0
_NEWCOMER_SECONDS = 0.25


class GatewayServer:
    """One listening socket and all its connections."""

    def __init__(self, gateway: Gateway, watch: SnapshotWatch, listener: socket.socket, parent_fd: int) -> None:
        self._gateway = gateway
        self._watch = watch
        self._listener = listener
        self._parent_fd = parent_fd
        self._state = ServerState()
        self._leaving = asyncio.Event()
        self._stats_at = self._tallies_at = 0.0
        self._complaints = Complaints(lambda: gateway.page)

    async def run(self) -> None:
        """Serve until told to leave, then drain."""
        loop = asyncio.get_running_loop()
        # Only for the protocol's sake: no server of uvicorn's runs here, and the gateway is called directly.
        config = uvicorn.Config(cast(Any, self._gateway), lifespan="off", ws="none", log_config=None, access_log=False)
        config.load()
        config.loaded_app = cast(Any, self._gateway)
        server = await loop.create_server(
            lambda: GatewayProtocol(config, self._state, {}), sock=self._listener, backlog=self._gateway.limits.backlog
        )
        self._watch_parent(loop)
        self._note_fullness(0)
        self._gateway.page.set(Page.READY, 1)
        log.info("gateway_ready", pid=os.getpid())
        await self._tick(loop)
        await self._drain(loop, server)

    def leave(self) -> None:
        """Begin to drain."""
        self._leaving.set()

    def _watch_parent(self, loop: asyncio.AbstractEventLoop) -> None:
        os.set_blocking(self._parent_fd, False)
        loop.add_reader(self._parent_fd, self._parent_spoke, loop)

    def _parent_spoke(self, loop: asyncio.AbstractEventLoop) -> None:
        if not os.read(self._parent_fd, 64):
            loop.remove_reader(self._parent_fd)
            self.leave()

    async def _tick(self, loop: asyncio.AbstractEventLoop) -> None:
        """Sweep deadlines, look for a new snapshot, and note how long the loop was held."""
        while not self._leaving.is_set():
            due = loop.time() + INTERVAL_SECONDS
            try:
                await asyncio.wait_for(self._leaving.wait(), INTERVAL_SECONDS)
            except TimeoutError:
                now = loop.time()
                self._note_stall(now - due)
                self._forgive(now - due)
                self._sweep(now)
                await self._watch.look()
                self._keep_spool()
                self._note_stats(now)
                self._complaints.look(now)

    def _sweep(self, now: float) -> None:
        connections = self._connections()
        for connection in [item for item in connections if item.deadline < now]:
            connection.expire()
        ceilings = self._gateway.ceilings
        if ceilings.is_crowded(len(connections)):
            for connection in connections:
                connection.make_room(now)
        self._note_fullness(len(connections))

    def _note_fullness(self, connections: int) -> None:
        """Show how far the ceilings are away."""
        slots, gateway = self._gateway.page.slots, self._gateway
        slots[Page.CLIENT_CONNECTIONS] = connections
        slots[Page.CLIENT_CONNECTIONS_MAX] = gateway.ceilings.connections
        slots[Page.IN_FLIGHT_MAX] = gateway.ceilings.in_flight
        slots[Page.HELD_BYTES] = gateway.ceilings.held_bytes
        slots[Page.UPSTREAM_BUSY], slots[Page.UPSTREAM_IDLE] = gateway.upstream.busy, gateway.upstream.idle

    def _forgive(self, late: float) -> None:
        """We stood still (a machine that slept, a stopped process): that time is no client's fault."""
        if late > STANDSTILL_SECONDS:
            for connection in self._connections():
                connection.deadline += late

    def _connections(self) -> list[GatewayProtocol]:
        return cast(list[GatewayProtocol], list(self._state.connections))

    def _note_stall(self, seconds: float) -> None:
        nanoseconds = int(seconds * 1e9)
        page = self._gateway.page
        if nanoseconds > page.get(Page.SLOW_LOOP_NS_MAX):
            page.set(Page.SLOW_LOOP_NS_MAX, nanoseconds)

    def _note_stats(self, now: float) -> None:
        page = self._gateway.page
        page.set(Page.HEARTBEAT_NS, time.time_ns())
        if now >= self._tallies_at:
            self._tallies_at = now + _TALLIES_SECONDS
            self._gateway.tallies.look()
        if now >= self._stats_at:
            self._stats_at = now + _STATS_SECONDS
            self._gateway.spool.stats(page.read_all())

    def _keep_spool(self) -> None:
        """Begin another spool where somebody removed ours; tried again with the next tick."""
        if not self._gateway.spool.is_gone:
            self._gateway.spool.tend()
            return
        folder = str(self._gateway.spool.folder)
        try:
            self._gateway.spool_anew()
        except (OSError, SpoolError) as error:
            log.error("spool_removed", folder=folder, reason=str(error))
            return
        log.error("spool_removed", folder=folder, hint="calls not yet stored are lost; new ones are recorded again")

    async def _hear_newcomers(self, limit: float) -> None:
        """Give those whose first request is on its way a moment: closed now, they would be told nothing."""
        if any(connection.call is None for connection in self._connections()):
            await asyncio.sleep(min(limit, _NEWCOMER_SECONDS))
        for connection in self._connections():
            if connection.call is None:
                connection.transport.close()

    async def _drain(self, loop: asyncio.AbstractEventLoop, server: asyncio.Server) -> None:
        limit = self._gateway.limits.drain
        log.info("gateway_draining", in_flight=len(self._gateway.exchanges), seconds=limit)
        self._gateway.page.set(Page.READY, 0)
        self._gateway.page.set(Page.DRAINING, 1)
        server.close()
        for connection in self._connections():
            connection.shutdown()
        await self._hear_newcomers(limit)
        await self._gateway.drain(loop.time() + limit)
        for connection in self._connections():
            connection.transport.close()
        await self._gateway.close()
        self._gateway.spool.close()
        log.info("gateway_left")

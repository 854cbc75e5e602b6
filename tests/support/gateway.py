"""A real gateway in the test's own event loop: its server, spool and page on a temporary folder."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

from proxy.domain.provider import Provider
from proxy.domain.recording import AnswerHead, CallEnd, CallStart, Piece
from proxy.gateway.app import Gateway
from proxy.gateway.forwarding import ControlForwarder
from proxy.gateway.process import own_addresses
from proxy.gateway.refreshing import SnapshotWatch
from proxy.gateway.server import GatewayServer
from proxy.settings.provider_keys import ProviderKeys
from proxy.settings.snapshot import base_snapshot, load, publish
from proxy.settings.values import Settings
from proxy.spool import records
from proxy.spool.batches import Position
from proxy.spool.disk import Disk
from proxy.spool.framing import RecordType
from proxy.spool.page import Page
from proxy.spool.reader import SpoolReader
from proxy.spool.writer import SpoolWriter
from proxy.upstream.client import UpstreamClient
from tests.support.waiting import wait_until_async


@dataclass
class RunningGateway:
    """Where it listens, and what it has recorded so far."""

    port: int
    settings: Settings
    gateway: Gateway
    server: GatewayServer
    page: Page

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def calls(self) -> list[SpooledCall]:
        """Return the calls in the spool, in the order of their starts."""
        found: dict[bytes, SpooledCall] = {}
        reader = SpoolReader(self.settings.spool_dir)
        for name in reader.names():
            batch = reader.source(name).read(Position(), 1 << 30, is_final=False)
            assert not batch.damage
            for located in batch.records:
                record = located.record
                if record.type == RecordType.START:
                    start, body = records.decode_start(record.payload)
                    found[record.identity] = SpooledCall(start, body)
                elif record.type == RecordType.CHUNK:
                    found[record.identity].add(records.decode_chunk(record.payload))
                elif record.type == RecordType.END:
                    found[record.identity].finish(*records.decode_end(record.payload))
        return list(found.values())


@dataclass
class SpooledCall:
    """One call as the spool tells it."""

    start: CallStart
    request: bytes
    head: AnswerHead | None = None
    answer: bytes = b""
    end: CallEnd | None = None
    ends: int = 0

    def add(self, part: Piece | AnswerHead) -> None:
        if isinstance(part, AnswerHead):
            self.head = part
        else:
            self.answer += part.data

    def finish(self, end: CallEnd, last: Piece | None) -> None:
        self.end = end
        self.ends += 1
        self.head = self.head or end.head
        if last is not None:
            self.answer += last.data


def provider(port: int, **values: object) -> Provider:
    """Return a provider at a loopback port."""
    root = f"http://127.0.0.1:{port}"
    made: dict[str, object] = {"name": "main", "kind": "custom", "base_url": f"{root}/v1", "root_url": root, **values}
    return Provider(**made)  # type: ignore[arg-type]


@contextlib.asynccontextmanager
async def running_gateway(folder: Path, settings: Settings, disk: Disk | None = None) -> AsyncIterator[RunningGateway]:
    """Run a gateway until the block ends, then drain it."""
    publish(settings.snapshot_path, base_snapshot(settings))
    spool = SpoolWriter.begin(settings, 0, disk)
    page = spool.page
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.setblocking(False)
    upstream = UpstreamClient(forbidden=own_addresses(listener))
    forwarder = ControlForwarder(settings.control_socket)
    gateway = Gateway(settings, load(settings.snapshot_path), ProviderKeys(), spool, upstream, forwarder)
    del spool
    read_fd, write_fd = os.pipe()
    server = GatewayServer(gateway, SnapshotWatch(settings.snapshot_path, gateway), listener, read_fd)
    port = listener.getsockname()[1]
    task = asyncio.get_running_loop().create_task(server.run(), name="gateway under test")
    await wait_until_async(lambda: bool(page.get(Page.READY)), "the gateway is ready")
    try:
        yield RunningGateway(port, settings, gateway, server, page)
    finally:
        os.close(write_fd)
        await task
        await forwarder.close()
        os.close(read_fd)

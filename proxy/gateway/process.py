"""One gateway process: put together from its settings and the listening socket that it inherits."""

from __future__ import annotations

import asyncio
import gc
import os
import resource
import signal
import socket
from pathlib import Path
from typing import Protocol

import orjson
import structlog
import uvloop

from proxy.domain.snapshot import Snapshot
from proxy.gateway.app import Gateway
from proxy.gateway.forwarding import ControlForwarder
from proxy.gateway.refreshing import SnapshotWatch
from proxy.gateway.server import GatewayServer
from proxy.settings.provider_keys import ProviderKeys
from proxy.settings.snapshot import base_snapshot, load
from proxy.settings.values import Settings, settings_from_mapping
from proxy.spool.writer import SpoolWriter
from proxy.telemetry.logs import configure
from proxy.upstream.addresses import ANY
from proxy.upstream.client import UpstreamClient

log = structlog.get_logger("gateway")


class Arguments(Protocol):
    """What the supervisor says; ``gateways`` is how many share the ceilings."""

    run_dir: Path
    worker: int
    fd: int
    parent_fd: int
    gateways: int


async def serve(settings: Settings, arguments: Arguments, listener: socket.socket) -> None:
    """Put the gateway together and run it to its end."""
    spool = SpoolWriter.begin(settings, arguments.worker)
    snapshot = _snapshot(settings)
    upstream = UpstreamClient(forbidden=own_addresses(listener))
    forwarder = ControlForwarder(settings.control_socket)
    files = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    keys = ProviderKeys(snapshot.providers)
    gateway = Gateway(settings, snapshot, keys, spool, upstream, forwarder, gateways=arguments.gateways, files=files)
    # The gateway's own: it begins another one where the files of this one were removed, and lets go of it.
    del spool
    server = GatewayServer(gateway, SnapshotWatch(settings.snapshot_path, gateway), listener, arguments.parent_fd)
    listen_to_signals(server)
    # What lives until the end need not be looked at again by the collector.
    gc.collect()
    gc.freeze()
    await server.run()


def _snapshot(settings: Settings) -> Snapshot:
    """Return the last published snapshot; where it is gone or damaged, what the settings alone say until the next."""
    try:
        return load(settings.snapshot_path)
    except (OSError, ValueError) as error:
        if not isinstance(error, FileNotFoundError):
            log.error("snapshot_refused", path=str(settings.snapshot_path), reason=str(error))
        return base_snapshot(settings)


def listen_to_signals(server: GatewayServer) -> None:
    """SIGTERM drains, a second one exits at once; Ctrl+C and a closed terminal are the supervisor's to hear."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    asked: list[int] = []

    def terminate() -> None:
        if asked:
            os._exit(1)
        asked.append(signal.SIGTERM)
        server.leave()

    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, terminate)


def own_addresses(listener: socket.socket) -> frozenset[tuple[str, int]]:
    """Return the addresses that lead back to ourselves: nothing is ever relayed to them."""
    host, port = listener.getsockname()[:2]
    # A listener on all addresses is reached by each of them, also by those that come later.
    return frozenset({(ANY if host in ("0.0.0.0", "::") else host, port)})  # noqa: S104 - compared with, not bound to


def run(arguments: Arguments) -> None:
    """Run one gateway to its end."""
    settings = settings_from_mapping(orjson.loads((arguments.run_dir / "settings.json").read_bytes()))
    configure(settings.log, process="gateway")
    if failpoints := os.getenv("DASHCAM_FAILPOINTS"):
        from proxy.failpoints import arm

        arm(failpoints, "gateway")
    listener = socket.socket(fileno=arguments.fd)
    listener.setblocking(False)
    uvloop.run(serve(settings, arguments, listener))

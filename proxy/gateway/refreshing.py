"""Keeping the gateway on the newest good snapshot.

The file is looked at four times a second by its identity (inode, time, size), so a change is in use well within the
second that control waits for. A snapshot that cannot be read is refused: the last good one stays, and the log says so
once per file.
"""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import structlog

from proxy.gateway.app import Gateway
from proxy.settings.snapshot import load

log = structlog.get_logger("gateway")

INTERVAL_SECONDS = 0.25
_LARGE_BYTES = 128 * 1024


class SnapshotWatch:
    """Swaps a changed snapshot into the gateway."""

    def __init__(self, path: Path, gateway: Gateway) -> None:
        self._path = path
        self._gateway = gateway
        self._seen = _identity(path)

    async def look(self) -> None:
        """Look once; cheap when nothing has changed. A large one is read in a thread: calls go on meanwhile."""
        self._gateway.look_at_keys()
        identity = _identity(self._path)
        if identity is None or identity == self._seen:
            return
        self._seen = identity
        try:
            is_large = identity[2] > _LARGE_BYTES
            snapshot = await asyncio.to_thread(load, self._path) if is_large else load(self._path)
        except (OSError, ValueError) as error:
            log.error("snapshot_refused", path=str(self._path), reason=str(error))
            return
        self._gateway.use(snapshot)
        log.info("snapshot_in_use", revision=snapshot.revision, providers=len(snapshot.providers))


def _identity(path: Path) -> tuple[int, int, int] | None:
    try:
        status = os.stat(path)
    except OSError:
        return None
    return (status.st_ino, status.st_mtime_ns, status.st_size)

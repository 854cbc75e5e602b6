"""Idle connections of one origin, newest first, so that a quiet hour lets the rest expire.

Only connections that are exactly at the start of the next message come here. One that the upstream closes while idle
removes itself. Nothing here waits.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from proxy.upstream.origins import Origin

if TYPE_CHECKING:
    from proxy.upstream.connection import UpstreamConnection

IDLE_SECONDS = 60.0


class OriginPool:
    """Keeps at most ``max_idle`` connections, each for at most a minute."""

    __slots__ = ("_idle", "_max_idle", "origin")

    def __init__(self, origin: Origin, max_idle: int) -> None:
        self.origin = origin
        self._max_idle = max_idle
        self._idle: list[UpstreamConnection] = []

    def __len__(self) -> int:
        return len(self._idle)

    def __repr__(self) -> str:
        return f"<OriginPool {self.origin} idle={len(self._idle)}>"

    def take(self) -> UpstreamConnection | None:
        """Return the most recently used open connection, or None."""
        idle = self._idle
        while idle:
            connection = idle.pop()
            if not connection.is_closed:
                return connection
        return None

    def put(self, connection: UpstreamConnection) -> None:
        """Keep a connection for the next exchange."""
        if len(self._idle) >= self._max_idle:
            connection.close()
        else:
            self._idle.append(connection)

    def remove(self, connection: UpstreamConnection) -> None:
        """Forget a connection that was lost."""
        if connection in self._idle:
            self._idle.remove(connection)

    def expire(self, now: float) -> None:
        """Close what has been idle for too long (``now`` in loop time)."""
        stale = [item for item in self._idle if now - item.idle_since > IDLE_SECONDS]
        for connection in stale:
            self._idle.remove(connection)
            connection.close()

    def close(self) -> None:
        """Close all."""
        for connection in self._idle:
            connection.close()
        self._idle.clear()

"""Idle connections per origin, newest first, so that a quiet hour lets the rest expire.

Only connections that are exactly at the start of the next message come here. One that the upstream closes while idle
removes itself. Nothing here waits.
"""

from __future__ import annotations

from proxy.upstream.connection import UpstreamConnection
from proxy.upstream.origins import Origin

IDLE_SECONDS = 60.0


class ConnectionPool:
    """Keeps at most ``max_idle`` connections per origin, each for at most a minute."""

    def __init__(self, max_idle: int) -> None:
        self._max_idle = max_idle
        self._idle: dict[Origin, list[UpstreamConnection]] = {}

    def __len__(self) -> int:
        return sum(map(len, self._idle.values()))

    def __repr__(self) -> str:
        counts = ", ".join(f"{origin}: {len(items)}" for origin, items in self._idle.items())
        return f"<ConnectionPool {counts or 'empty'}>"

    def take(self, origin: Origin) -> UpstreamConnection | None:
        """Return the most recently used open connection, or None."""
        idle = self._idle.get(origin)
        while idle:
            connection = idle.pop()
            if not connection.is_closed:
                return connection
        return None

    def put(self, origin: Origin, connection: UpstreamConnection) -> None:
        """Keep a connection for the next exchange."""
        idle = self._idle.setdefault(origin, [])
        if len(idle) >= self._max_idle:
            connection.close()
        else:
            idle.append(connection)

    def remove(self, connection: UpstreamConnection) -> None:
        """Forget a connection that was lost."""
        for idle in self._idle.values():
            if connection in idle:
                idle.remove(connection)

    def expire(self, now: float) -> None:
        """Close what has been idle for too long (``now`` in monotonic seconds)."""
        for origin, idle in list(self._idle.items()):
            stale = [item for item in idle if now - item.idle_since > IDLE_SECONDS]
            for connection in stale:
                idle.remove(connection)
                connection.close()
            if not idle:
                del self._idle[origin]

    def close(self) -> None:
        """Close all."""
        for idle in self._idle.values():
            for connection in idle:
                connection.close()
        self._idle.clear()

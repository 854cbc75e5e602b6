"""The connections of a server on streams: each is closed when its server ends, also one that came in that moment.

``asyncio.start_server`` with a coroutine begins a task a connection; one that is cancelled before it has begun closes
nothing, and the garbage collector complains about its socket in whatever test runs then. Here the connection is taken
in the very call that makes it, and its task closes it however it ends.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Protocol


class Serve(Protocol):
    """Serves one connection; need not close it."""

    def __call__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, /
    ) -> Coroutine[None, None, None]: ...


class Connections:
    """Takes what a server accepts; ``take`` is the server's callback."""

    def __init__(self, serve: Serve) -> None:
        self._serve = serve
        self._tasks: set[asyncio.Task[None]] = set()
        self._writers: set[asyncio.StreamWriter] = set()
        self._is_over = False

    def take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve a connection in a task of its own; after the end, none any more."""
        if self._is_over:
            writer.transport.abort()
            return

        def ended(task: asyncio.Task[None]) -> None:
            self._tasks.discard(task)
            writer.close()

        self._writers.add(writer)
        task = asyncio.get_running_loop().create_task(self._serve(reader, writer), name="connection")
        self._tasks.add(task)
        task.add_done_callback(ended)

    async def end(self) -> None:
        """Cancel what is served, wait for it, and close all connections.

        For what a peer has not read its transport would wait for ever, and leave the socket to the garbage collector.
        """
        self._is_over = True
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for writer in self._writers:
            writer.transport.abort()
        # A transport lets go of its socket at the loop's next turn.
        await asyncio.sleep(0)

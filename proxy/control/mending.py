"""What was published stays on disk as it was published: looked at every two seconds, and written anew where it is not.

Gateways that run do not need it, they have what they read; one that is started in the meantime would have nothing, and
a prompt that nobody has asked for yet could not be read. What was damaged is told in the log, once.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable

import structlog

from proxy.control.publishing import Publisher
from proxy.errors import DashcamError

log = structlog.get_logger("mending")

LOOK_SECONDS = 2.0


class Mending:
    """``take_up`` reads the store and publishes what it says; it is asked only where something is damaged."""

    def __init__(self, publisher: Publisher, take_up: Callable[[], object]) -> None:
        self._publisher = publisher
        self._take_up = take_up
        self._told: list[str] = []

    def __repr__(self) -> str:
        return f"<Mending told={self._told}>"

    async def run(self) -> None:
        """Look, for ever."""
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            await asyncio.to_thread(self.look)

    def look(self) -> None:
        """Look once, and mend what is damaged; while the store is away, what is in memory."""
        found = self._publisher.damage()
        if found and found != self._told:
            log.error("damaged_on_disk", what="; ".join(found[:5]), count=len(found), hint="dashcam doctor")
        self._told = found
        if found:
            try:
                self._mend()
            except OSError as error:
                log.warning("snapshot_not_published", reason=error.strerror)

    def _mend(self) -> None:
        with contextlib.suppress(DashcamError):
            # That the store is away is told by the loader; then what is in memory has to do.
            if self._publisher.state is not None:
                self._take_up()
                return
        self._publisher.publish_again()

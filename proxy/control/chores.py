"""The periodic work of all hosts, in a thread of control's with a connection of its own: on Postgres only.

On SQLite there is one connection that may write, the loader's, and so the loader does it between its batches.
"""

from __future__ import annotations

import contextlib
import threading

import structlog

from proxy.errors import StoreError
from proxy.loader.periodic import PeriodicWork
from proxy.settings.database import DatabaseSettings
from proxy.store.writing import StoreWriter
from proxy.telemetry.repeating import Repeating

log = structlog.get_logger("periodic")

_LOOK_SECONDS = 1.0
_PAUSE_SECONDS = 10.0


class Chores:
    """Owns the thread."""

    def __init__(self, database: DatabaseSettings, instance: str, work: PeriodicWork) -> None:
        self._database = database
        self._instance = instance
        self._work = work
        self._complaints = Repeating()
        self._leaving = threading.Event()
        self._thread = threading.Thread(target=self._run, name="periodic", daemon=True)

    def __repr__(self) -> str:
        return f"<Chores {self._work!r}>"

    def start(self) -> None:
        """Begin to look at what is due."""
        self._thread.start()

    def stop(self) -> None:
        """Begin nothing more; what is under way ends by itself, or with the connection."""
        self._leaving.set()

    def _run(self) -> None:
        with contextlib.closing(StoreWriter(self._database, self._instance)) as writer:
            pause = _LOOK_SECONDS
            while not self._leaving.wait(pause):
                pause = self._look(writer)

    def _look(self, writer: StoreWriter) -> float:
        try:
            return 0.0 if self._work.look(writer) else _LOOK_SECONDS
        except StoreError as error:
            if self._complaints.is_due(error.message):
                log.warning("periodic_work_paused", reason=error.message)
            return _PAUSE_SECONDS

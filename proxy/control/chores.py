"""The periodic work of all hosts and the upkeep of their database, by the leader: in a thread of control's with a
connection of its own, on Postgres only.

On SQLite there is one connection that may write, the loader's, and so the loader does both between its batches.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable

import structlog

from proxy.errors import StoreError
from proxy.loader.periodic import PeriodicWork
from proxy.settings.database import DatabaseSettings
from proxy.store.care.maintenance import Upkeep
from proxy.store.writing.writer import StoreWriter
from proxy.telemetry.repeating import Repeating

log = structlog.get_logger("periodic")

_LOOK_SECONDS = 1.0
_PAUSE_SECONDS = 10.0


class Chores:
    """Owns the thread."""

    def __init__(
        self, database: DatabaseSettings, instance: str, work: PeriodicWork, upkeep: Upkeep, leads: Callable[[], bool]
    ) -> None:
        self._database = database
        self._instance = instance
        self._work = work
        self._complaints = Repeating()
        self._upkeep = upkeep
        self._leads = leads
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
                pause = self.look(writer)

    def look(self, writer: StoreWriter) -> float:
        """Do a piece of what is due and ours; return the seconds to wait before the next look."""
        try:
            has_work = self._work.look(writer)
            if self._leads():
                has_work = writer.look_after(self._upkeep, is_idle=not has_work) or has_work
        except Exception as error:  # noqa: BLE001 - the thread's look: a defect too is logged, and it goes on
            reason = error.message if isinstance(error, StoreError) else f"{type(error).__name__}: {error}"
            if self._complaints.is_due(reason):
                log.warning("periodic_work_paused", reason=reason)
            return _PAUSE_SECONDS
        finally:
            # Wanted for a moment every ten seconds; where connections are few, the loader must not miss it between.
            writer.rest()
        return 0.0 if has_work else _LOOK_SECONDS

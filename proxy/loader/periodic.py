"""When periodic work is looked at, and what becomes of what fails: one piece a look, and none holds up another.

On SQLite the loader looks between its batches, with the one connection that may write; on Postgres a thread of
control's does, with one of its own. What the work is and who may do it is said in ``store.periodic``.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import structlog

from proxy.errors import StoreError
from proxy.store.upkeep.periodic import PeriodicRuns, Task
from proxy.store.writing.writer import StoreWriter
from proxy.telemetry.repeating import Repeating

log = structlog.get_logger("periodic")

LOOK_SECONDS = 10.0


class PeriodicWork:
    """Does what is due, as long as ``leads`` says that it is ours to do: a look at a clock, before anybody is asked."""

    def __init__(self, runs: PeriodicRuns, leads: Callable[[], bool]) -> None:
        self._runs = runs
        self._leads = leads
        self._look_at = 0.0
        self._rests_until: dict[str, float] = {}
        self._complaints = Repeating()

    def __repr__(self) -> str:
        return f"<PeriodicWork {self._runs!r} leads={self._leads()}>"

    def look(self, writer: StoreWriter, *, is_idle: bool = False) -> bool:
        """Do one piece of work that is due; False when none is. Asks the store every ten seconds at most.

        Unless nobody has anything else to do (``is_idle``), work that takes a ``share`` of the time rests between its
        pieces. Raises ``StoreError`` when the store is away.
        """
        if time.monotonic() < self._look_at or not self._leads():
            return False
        self._look_at = time.monotonic() + LOOK_SECONDS
        for task in self._runs.due(writer):
            rests_until = 0.0 if is_idle else self._rests_until.get(task.name, 0.0)
            if rests_until > time.monotonic():
                self._look_at = min(self._look_at, rests_until)
            elif self._piece(writer, task):
                self._look_at = 0.0
                return True
        return False

    def _piece(self, writer: StoreWriter, task: Task) -> bool:
        began = time.monotonic()
        has_worked = self._attempt(writer, task)
        ended = time.monotonic()
        self._rests_until[task.name] = ended + (ended - began) * (1 / task.share - 1)
        return has_worked

    def _attempt(self, writer: StoreWriter, task: Task) -> bool:
        try:
            done = self._runs.do(writer, task)
        except Exception as error:  # noqa: BLE001 - a defect too: logged, on record, tried again; the other work goes on
            reason = error.message if isinstance(error, StoreError) else f"{type(error).__name__}: {error}"
            if self._complaints.is_due(f"{task.name}, {reason}"):
                log.warning("periodic_work_failed", work=task.name, reason=reason)
            self._runs.note_failure(writer, task, reason)
            return True
        if done:
            log.info("periodic_work_done", work=task.name, result=done)
        return done is not None

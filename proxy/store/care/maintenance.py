"""Looking after a database that is in use: statistics for the planner, space given back, the file made small again.

All of it writes, so on SQLite it is done by whoever is the one writer. ``analyze`` and ``optimize`` take moments,
``compact`` rewrites everything: nothing is stored meanwhile, and the spool keeps what comes. Each can be ended in the
middle (``is_leaving``) and leaves the database as it was, or partly done. What is done is in ``sqlite_care`` and
``postgres_care``.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError

from proxy.errors import StoreError
from proxy.store.care import sqlite_care
from proxy.store.engines.engine import Backend
from proxy.store.sums.rebuilding import rebuild_day

TASKS = ("analyze", "optimize", "compact")
SWEEP = "sweep"
"""A task of the writer's own: what erased calls have left behind goes at once, and not in the course of time."""
RESEAL = "reseal"
"""Another one: some steps of ``resealing``, between which batches go in; ``left`` says that there are more."""
REBUILD = "rebuild-rollups"
"""A task with a day behind it, as in ``rebuild-rollups 2026-11-27``: one transaction, between which batches go in."""


_REBUILD_SECONDS = 600.0


@dataclass(frozen=True, slots=True)
class Done:
    """What was done: bytes before and after, how long it took; of rollups how many calls and what was mended.

    Of a reseal ``calls`` are the rows that were looked at, ``mended`` those that were sealed.
    """

    task: str
    bytes_before: int
    bytes_after: int
    seconds: float
    is_whole: bool = True
    calls: int = 0
    mended: int = 0
    left: str = ""


def maintain(backend: Backend, engine: Engine, task: str, is_leaving: Callable[[], bool] = bool) -> Done:
    """Do a task with a writer's engine; ``StoreError`` when it cannot be done."""
    name, _, day = task.partition(" ")
    if name == REBUILD:
        return _rebuild(backend, engine, day)
    if task not in TASKS:
        raise StoreError(f"{task[:40]!r} is none of {', '.join((*TASKS, SWEEP, RESEAL, REBUILD))}")
    begun, before = time.monotonic(), _size(backend, engine)
    if backend.database.is_postgres:
        from proxy.store.care import postgres_care

        is_whole = postgres_care.do(engine, task, is_leaving, backend.database.lock_timeout)
    else:
        is_whole = sqlite_care.do(engine, backend.database.path, task, is_leaving)
    return Done(task, before, _size(backend, engine), round(time.monotonic() - begun, 3), is_whole)


def _rebuild(backend: Backend, engine: Engine, day: str) -> Done:
    begun = time.monotonic()
    try:
        with engine.begin() as connection:
            backend.prepare_work(connection, _REBUILD_SECONDS)
            done = rebuild_day(connection, day)
    except ValueError as error:
        raise StoreError(f"{day[:40]!r} is no day") from error
    except DBAPIError as error:
        raise backend.unusable(error) from error
    return Done(REBUILD, 0, 0, round(time.monotonic() - begun, 3), calls=done.calls, mended=done.mended)


def _size(backend: Backend, engine: Engine) -> int:
    with engine.connect() as connection:
        return backend.size(connection)


class Upkeep:
    """What the writer does by itself between batches: a round every few hours, in steps of milliseconds.

    While calls keep it busy it waits, but not for ever: after half the pause more, each step has its turn.
    """

    FIRST_SECONDS = 120.0

    def __init__(self, every_seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._every = every_seconds
        self._clock = clock
        self._next = clock() + min(self.FIRST_SECONDS, every_seconds)
        self._round: Iterator[None] | None = None

    def step(self, backend: Backend, engine: Engine, *, is_idle: bool) -> bool:
        """Do the next step if it is time; True when another one waits. After a ``StoreError`` it waits the pause."""
        late = self._clock() - self._next
        if not self._every or late < 0 or (not is_idle and late < self._every / 2):
            return False
        if self._round is None:
            self._round = self._begin(backend, engine)
            next(self._round)
        has_more = False
        try:
            has_more = next(self._round, self) is not self
        finally:
            if not has_more:
                self._round = None
                self._next = self._clock() + self._every
        return has_more

    def _begin(self, backend: Backend, engine: Engine) -> Iterator[None]:
        if backend.database.is_postgres:
            from proxy.store.care import postgres_care

            return postgres_care.steps(engine, self._every, backend.database.lock_timeout)
        return sqlite_care.steps(engine)

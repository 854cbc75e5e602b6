"""Periodic work, done by one host for all: partitions ahead, what is too old, what was to be erased, old accounts.

A piece of work is a name, an interval and a function of a connection, which runs in one transaction: what it has done
and that it was done are committed together, or neither. Table ``periodic_run`` knows when each is due, so that neither
a restart nor another leader begins anew. A failure is on record with its reason, and tried again after a minute.

Whether we may is asked in the transaction, by an advisory lock on the work's name and by the lease (``leadership`` says
why both). When to look and what to do about failures is ``loader.periodic``'s.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from functools import partial

import structlog
from sqlalchemy import Connection

from proxy.settings.database import DatabaseSettings
from proxy.settings.values import RetentionSettings
from proxy.store.care import text_indexing
from proxy.store.catalogue import audit
from proxy.store.catalogue.keeping import kept_by
from proxy.store.changes import feedback
from proxy.store.engines import partitions
from proxy.store.engines.engine import backend_of
from proxy.store.erasure import purges, retention
from proxy.store.erasure.archive import Archive
from proxy.store.erasure.sweeping import Sweep
from proxy.store.hosts import instances, leadership
from proxy.store.hosts.instances import Instance
from proxy.store.schema.columns import instant_text, milliseconds_of
from proxy.store.writing.writer import StoreWriter

log = structlog.get_logger("periodic")

RETRY_SECONDS = 60.0
OLD_MONTHS = "old_months"
OLD_DEEDS = "old_deeds"
_SOON, _MINUTE, _QUARTER, _HOUR, _DAY = 1.0, 60.0, 900.0, 3600.0, 86_400.0
_JUMP_SECONDS = 7 * _DAY
_LAST = "SELECT ended_at FROM periodic_run WHERE name = ?"
_DUE = "SELECT name, next_at FROM periodic_run"
_NOW = {"postgresql": "SELECT clock_timestamp()", "sqlite": "SELECT strftime('%Y-%m-%dT%H:%M:%fZ', 'now')"}
_NOTE = (
    "INSERT INTO periodic_run (name, instance, began_at, ended_at, next_at, result, failure) "
    "VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (name) DO UPDATE SET instance = excluded.instance, "
    "began_at = excluded.began_at, ended_at = excluded.ended_at, next_at = excluded.next_at, "
    "result = excluded.result, failure = excluded.failure"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """``work`` returns in words what it did, None for nothing; each of its statements has ``statement_seconds``.

    One that ``goes_on`` is done again, in another transaction, until there was nothing to do; where calls wait, it has
    at most a ``share`` of the time.

    Between two statements it must not take long (``Postgres.prepare_work``), and what it locks it must lock in the
    order that the writer does.
    """

    name: str
    seconds: float
    work: Callable[[Connection], str | None]
    statement_seconds: float = 600.0
    goes_on: bool = False
    share: float = 1.0


_INDEX = Task(name="text_index", seconds=_SOON, work=text_indexing.index_next, goes_on=True, share=0.05)
_SHARE_BESIDE = 0.1
"""Of the time of Postgres' leader, which has a connection and a server for it."""


def tasks_of(
    database: DatabaseSettings,
    audit_days: int = 0,
    kept: RetentionSettings | None = None,
    archive: Archive | None = None,
) -> list[Task]:
    """Return what is done periodically for a database; deeds older than ``audit_days`` go, with 0 none does.

    ``kept`` says how long calls are, ``archive`` gets those that go.
    """
    prune = partial(_prune, kept=kept or RetentionSettings(), archive=archive)
    tasks = [
        Task(name="retention", seconds=_QUARTER, work=prune, goes_on=True),
        Task(name="purges", seconds=_MINUTE, work=_settle_purges, goes_on=True),
    ]
    if audit_days:
        tasks.append(Task(name=OLD_DEEDS, seconds=_DAY, work=partial(_drop_deeds, days=audit_days), goes_on=True))
    if not database.is_postgres:
        return [*tasks, _INDEX]
    tasks += [
        Task(name="partitions", seconds=_HOUR, work=_make_partition, goes_on=True),
        Task(name="loose_slices", seconds=_MINUTE, work=_sweep, goes_on=True),
        Task(name="missed_feedback", seconds=_MINUTE, work=_settle_feedback),
        Task(name="gone_instances", seconds=_DAY, work=instances.fold_gone),
    ]
    if database.keep_months:
        work = partial(_drop_old, keep=database.keep_months)
        tasks.append(Task(name=OLD_MONTHS, seconds=_DAY, work=work, goes_on=True))
    # The last: while calls come it always has something to do.
    return [*tasks, replace(_INDEX, share=_SHARE_BESIDE)]


def _make_partition(connection: Connection) -> str | None:
    made = partitions.make_next(connection, _today(connection))
    return None if made is None else f"made {made}"


def _drop_old(connection: Connection, keep: int) -> str | None:
    """Drop a piece of what is too old; not on the first look after the calendar has jumped: it may be wrong."""
    now = _now(connection)
    if _has_jumped(connection, OLD_MONTHS, now):
        return None
    return partitions.drop_next(connection, partitions.months_before(_today(connection), keep))


def _settle_feedback(connection: Connection) -> str | None:
    """Give calls what was given to them in the moment when they were stored by another host."""
    return feedback.settle_missed(connection, _now(connection))


def _prune(connection: Connection, kept: RetentionSettings, archive: Archive | None) -> str | None:
    """Let some of what is too old go."""
    return retention.step(connection, kept_by(connection, kept), _now(connection), archive)


def _settle_purges(connection: Connection) -> str | None:
    """Go on with what was to be erased and is left undone."""
    return purges.settle(connection, _now(connection))


def _sweep(connection: Connection) -> str | None:
    return Sweep().step(connection)


def _drop_deeds(connection: Connection, days: int) -> str | None:
    """Drop some deeds of the audit log that are too old, as cautiously as months."""
    now = _now(connection)
    if _has_jumped(connection, OLD_DEEDS, now):
        return None
    number = audit.drop_before(connection, now - days * 86_400_000)
    return f"dropped {number} deeds of over {days} days ago" if number else None


def _has_jumped(connection: Connection, task: str, now: int) -> bool:
    last = connection.exec_driver_sql(_LAST, (task,)).scalar_one_or_none()
    gap = 0 if last is None else now - milliseconds_of(last)
    if gap <= _JUMP_SECONDS * 1000:
        return False
    days = gap // 86_400_000
    log.warning("retention_paused", days=days, hint="if the database's clock is wrong, correct it within a day")
    return True


def _now(connection: Connection) -> int:
    return milliseconds_of(connection.exec_driver_sql(_NOW[connection.dialect.name]).scalar_one())


def _today(connection: Connection) -> date:
    """Return the day by the calendar of the database, whatever that of this host says."""
    return datetime.fromisoformat(str(connection.exec_driver_sql("SELECT current_date").scalar_one())).date()


class PeriodicRuns:
    """What is due of these tasks, and the doing of one; errors as ``StoreWriter`` says, and whatever a task raises."""

    def __init__(self, database: DatabaseSettings, who: Instance, tasks: Sequence[Task]) -> None:
        self._backend = backend_of(database)
        self._who = who
        self._tasks = tasks

    def __repr__(self) -> str:
        return f"<PeriodicRuns {', '.join(task.name for task in self._tasks)}>"

    def due(self, writer: StoreWriter) -> list[Task]:
        """Return what is due now."""
        with writer.transaction() as connection:
            return self._due(connection)

    def do(self, writer: StoreWriter, task: Task) -> str | None:
        """Do it, and return what was done in words, "" for nothing; None where it was not ours to do.

        Another host does it or has done it just now, or the lease is no longer ours.
        """
        with writer.transaction() as connection:
            self._backend.prepare_work(connection, task.statement_seconds)
            if not (self._backend.be_only(connection, task.name) and self._is_ours(connection)):
                return None
            if task not in self._due(connection):
                return None
            began = self._backend.now(connection)
            result = task.work(connection)
            pause = 0.0 if task.goes_on and result is not None else task.seconds
            self._note(connection, task, began, pause, result=result)
        return result or ""

    def note_failure(self, writer: StoreWriter, task: Task, reason: str) -> None:
        """Put on record why it was not done."""
        with writer.transaction() as connection:
            now = self._backend.now(connection)
            self._note(connection, task, now, min(task.seconds, RETRY_SECONDS), failure=reason)

    def _due(self, connection: Connection) -> list[Task]:
        now = self._backend.now(connection)
        next_at = {str(name): milliseconds_of(at) for name, at in connection.exec_driver_sql(_DUE)}
        # No pause is longer than a task's own: what is due later than that was noted by a clock that was wrong.
        return [task for task in self._tasks if not now < next_at.get(task.name, 0) <= now + task.seconds * 1000]

    def _is_ours(self, connection: Connection) -> bool:
        return not self._backend.database.is_postgres or leadership.leads(connection, self._who.holder)

    def _note(
        self,
        connection: Connection,
        task: Task,
        began: int,
        pause: float,
        *,
        result: str | None = None,
        failure: str | None = None,
    ) -> None:
        ended = self._backend.now(connection)
        instants = map(instant_text, (began, ended, ended + round(pause * 1000)))
        words = [None if text is None else text[:300] for text in (result, failure)]
        connection.exec_driver_sql(_NOTE, (task.name, self._who.id, *instants, *words))

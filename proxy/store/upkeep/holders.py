"""Who has a SQLite file open, and who holds which of its locks: from the kernel's tables, nothing is opened.

Of Postgres the server says who holds locks that keep rows from being written, and what waits for a standby.

The byte of a lock says what it is for (SQLite's file format, and that of its shared-memory file in WAL mode). What runs
in another user's name shows its locks but not its open files; without ``/proc`` (macOS) nobody is found.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy.exc import DBAPIError

from proxy.settings.database import DatabaseSettings
from proxy.store.copies.backup import beside
from proxy.store.engines.engine import backend_of
from proxy.store.schema.tables import metadata

WRITES, CHECKPOINTS, READS, OPEN = "writes to it", "checkpoints it", "reads it", "has it open"
_WRITE_BYTE, _CHECKPOINT_BYTE, _FIRST_READER, _LAST_READER = 120, 121, 123, 127
_PENDING_BYTE = 0x40000000
_COMMAND = 60
# What is asked of the server says nothing of statements, which hold values.
_POSTGRES_LOCKS = (
    "SELECT DISTINCT activity.pid, application_name, usename, coalesce(parent.relname, relation.relname), mode, state, "
    "extract(epoch FROM now() - coalesce(xact_start, state_change)), EXISTS (SELECT 1 FROM pg_stat_activity AS other "
    "WHERE activity.pid = ANY(pg_blocking_pids(other.pid))) FROM pg_locks "
    "JOIN pg_stat_activity AS activity ON activity.pid = pg_locks.pid JOIN pg_class AS relation "
    "ON relation.oid = pg_locks.relation LEFT JOIN pg_inherits ON inhrelid = relation.oid "
    "LEFT JOIN pg_class AS parent ON parent.oid = inhparent WHERE granted AND activity.pid <> pg_backend_pid() "
    "AND mode IN ('ShareLock', 'ShareRowExclusiveLock', 'ExclusiveLock', 'AccessExclusiveLock')"
)

_UNREPLICATED = (
    "SELECT count(*), max(extract(epoch FROM clock_timestamp() - state_change)) FROM pg_stat_activity "
    "WHERE wait_event = 'SyncRep' AND datname = current_database()"
)


@dataclass(frozen=True, slots=True)
class Holder:
    """A process, what it does with the file (the most that its locks say), and its command; ``parent`` started it."""

    pid: int
    does: str
    command: str
    parent: int | None


@dataclass(frozen=True, slots=True)
class PostgresHolder:
    """A session of another program with a strong lock on one of our tables; ``blocks`` when we wait for it."""

    who: str
    table: str
    mode: str
    state: str
    seconds: float
    blocks: bool
    end: str


def postgres_holders(database: DatabaseSettings) -> list[PostgresHolder]:
    """Return who holds locks that keep rows from being written; ``StoreError`` when the server cannot be asked."""
    found = [_postgres_holder(*row) for row in _asked(database, _POSTGRES_LOCKS)]
    return [item for item in found if item.table in metadata.tables]


def unreplicated(database: DatabaseSettings) -> tuple[int, float]:
    """Return how many commits wait for a synchronous standby, and for how many seconds the first of them has."""
    ((count, seconds),) = _asked(database, _UNREPLICATED)
    return int(count), float(seconds or 0)


def _asked(database: DatabaseSettings, sql: str) -> list[tuple[Any, ...]]:
    backend = backend_of(database)
    engine = backend.reader()
    try:
        with engine.connect() as connection:
            return [tuple(row) for row in connection.exec_driver_sql(sql)]
    except DBAPIError as error:
        raise backend.unusable(error) from error
    finally:
        engine.dispose()


def _postgres_holder(
    pid: int, name: str | None, user: str | None, table: str, mode: str, state: str | None, seconds: float, blocks: int
) -> PostgresHolder:
    who = f"{name or 'a program'} of {user or 'unknown'} (pid {pid})"
    end = f"SELECT pg_terminate_backend({pid})"
    return PostgresHolder(who, table, mode, state or "unknown", float(seconds or 0), bool(blocks), end)


def holders(path: Path, proc: Path = Path("/proc")) -> list[Holder]:
    """Return who has a database open, except this process; writers first."""
    inodes = {_inode(found): found == path for found in beside(path) if found.exists()}
    does = {pid: OPEN for pid in _with_open(set(beside(path)), proc)}
    order = (WRITES, CHECKPOINTS, READS, OPEN)
    for pid, what in _locks(inodes, proc):
        does[pid] = min(what, does.get(pid, OPEN), key=order.index)
    does.pop(os.getpid(), None)
    found = [Holder(pid, what, _command(pid, proc), _parent(pid, proc)) for pid, what in does.items()]
    return sorted(found, key=lambda item: (order.index(item.does), item.pid))


def _inode(path: Path) -> str:
    status = path.stat()
    return f"{os.major(status.st_dev):02x}:{os.minor(status.st_dev):02x}:{status.st_ino}"


def _locks(inodes: dict[str, bool], proc: Path) -> Iterator[tuple[int, str]]:
    """Yield process and use of each lock: ``1: POSIX  ADVISORY  WRITE 4711 fd:01:5678 120 120``."""
    try:
        lines = (proc / "locks").read_text().splitlines()
    except OSError:
        return
    for line in lines:
        fields = line.replace("-> ", "").split()
        if len(fields) >= 8 and fields[5] in inodes and fields[4].isdigit() and int(fields[4]) > 0:
            use = _use(int(fields[6]), is_main=inodes[fields[5]], is_exclusive=fields[3] == "WRITE")
            if use is not None:
                yield int(fields[4]), use


def _use(first: int, *, is_main: bool, is_exclusive: bool) -> str | None:
    if is_main:
        # Everybody in WAL mode holds a shared lock here; an exclusive one shuts all others out.
        return WRITES if is_exclusive and first >= _PENDING_BYTE else None
    if first == _WRITE_BYTE:
        return WRITES
    if first == _CHECKPOINT_BYTE:
        return CHECKPOINTS
    return READS if _FIRST_READER <= first <= _LAST_READER else None


def _with_open(paths: set[Path], proc: Path) -> Iterator[int]:
    wanted = {str(path) for path in paths}
    for folder in proc.glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if any(os.readlink(item) in wanted for item in (folder / "fd").iterdir()):
                yield int(folder.name)


def _command(pid: int, proc: Path) -> str:
    with contextlib.suppress(OSError):
        words = (proc / str(pid) / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").split()
        if words:
            return " ".join([Path(words[0]).name, *words[1:]])[:_COMMAND]
    return "unknown"


def _parent(pid: int, proc: Path) -> int | None:
    with contextlib.suppress(OSError, ValueError):
        return int((proc / str(pid) / "stat").read_text().rpartition(")")[2].split()[1])
    return None

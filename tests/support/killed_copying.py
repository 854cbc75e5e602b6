"""``dashcam db copy`` killed with -9 before its n-th step, for growing n until it comes to its end.

A step is whatever changes something: a statement, a commit, a lock, a file that is renamed or removed. Run as a program
of its own, which forks for each try: ``python -m tests.support.killed_copying STRIDE DATA_DIR SOURCE TARGET``; prints
how often it was killed. With one word more, an empty database's file, each try begins anew with that.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, event

from proxy.cli.copying import Wanted, run
from proxy.settings.database import DatabaseSettings
from proxy.settings.values import Settings

_FILES = {"os.rename", "os.remove", "fcntl.flock"}
_CHANGES = ("INSERT", "UPDATE", "DELETE", "CREATE", "LOCK", "ALTER", "WITH", "COPY", "SELECT setval", "ANALYZE")


def copied(places: list[str], *, killed_before: int | None = None) -> bool:
    """Copy in another process; return False where it was killed."""
    child = os.fork()
    if child:
        _, status = os.waitpid(child, 0)
        assert os.WIFSIGNALED(status) or os.waitstatus_to_exitcode(status) == 0, "the command failed"
        return not os.WIFSIGNALED(status)
    code = 1
    try:
        if killed_before is not None:
            _die_before(killed_before)
        code = run(*_command(places))
    finally:
        os._exit(code)


def _command(places: list[str]) -> tuple[Settings, Wanted]:
    data_dir, source, target = places
    settings = Settings(data_dir=data_dir, run_dir=data_dir, database=DatabaseSettings(url=source))
    return settings, Wanted(source, target)


def _die_before(step: int) -> None:
    left, writers = iter(range(step - 1)), set[Engine]()

    def count() -> None:
        if next(left, None) is None:
            os.kill(os.getpid(), signal.SIGKILL)

    @event.listens_for(Engine, "before_cursor_execute")
    def execute(connection: Connection, _cursor: Any, sql: str, *_more: Any) -> None:
        if sql.startswith(_CHANGES):
            writers.add(connection.engine)
            count()

    @event.listens_for(Engine, "commit")
    def commit(connection: Connection) -> None:
        # What goes by COPY is no statement of SQLAlchemy's: its commit tells.
        if connection.engine in writers:
            count()

    sys.addaudithook(lambda name, _: count() if name in _FILES else None)


def main(stride: int, places: list[str], scratch: str | None) -> int:
    """Kill it before each ``stride``-th step; return how often."""
    kills = 0
    while True:
        if scratch is not None:
            _begin_anew(places, scratch)
        if copied(places, killed_before=1 + kills * stride):
            return kills
        kills += 1
        assert scratch is None or copied(places), "it does not go on"


def _begin_anew(places: list[str], scratch: str) -> None:
    target = Path(places[2].removeprefix("sqlite:///"))
    for name in (target, Path(f"{target}-wal"), Path(f"{target}-shm"), Path(places[0]) / "record.json"):
        name.unlink(missing_ok=True)
    shutil.copy(scratch, target)


if __name__ == "__main__":
    print(main(int(sys.argv[1]), sys.argv[2:5], sys.argv[5] if len(sys.argv) > 5 else None))

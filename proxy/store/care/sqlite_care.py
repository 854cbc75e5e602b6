"""What looking after means for a SQLite file; all of it writes, and is done with the one writer's own connection.

Free pages can be given back in the course of time only by files that were made for it (``auto_vacuum``): new ones are,
older ones become so when they are compacted.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from sqlalchemy import Engine

from proxy.errors import StoreError
from proxy.store.care.text_indexing import forget_deleted
from proxy.store.copies.backup import check_room

KEPT_FREE = 20
"""Of a file, one page in so many may stay free: new rows need them soon."""
SAMPLED_ROWS = 1000
"""Of each index, so many rows are looked at by ``optimize``: milliseconds at any size, and near enough."""
_SAME_COUNTS = (
    "UPDATE sqlite_stat1 SET stat = (SELECT max(CAST(other.stat AS integer)) FROM sqlite_stat1 AS other "
    "WHERE other.tbl = sqlite_stat1.tbl) || substr(stat, instr(stat, ' ')) WHERE idx IS NOT NULL"
)
_STEP_PAGES = 512
_LOOK_EVERY = 20_000
_INCREMENTAL = 2
IsLeaving = Callable[[], bool]


def do(engine: Engine, path: Path, task: str, is_leaving: IsLeaving) -> bool:
    """Do a task; False when it was ended in the middle. ``StoreError`` when it cannot be done."""
    with _driver(engine) as driver:
        driver.set_progress_handler(is_leaving, _LOOK_EVERY)
        try:
            _TASKS[task](driver, path, is_leaving)
        except sqlite3.OperationalError as error:
            if not is_leaving():
                hint = "dashcam doctor names who holds it" if "locked" in str(error) else "dashcam doctor"
                raise StoreError(f"{task}: {error}", hint=hint) from error
        finally:
            driver.set_progress_handler(None, 0)
    return not is_leaving()


def steps(engine: Engine) -> Iterator[None]:
    """Look after it step by step, each of milliseconds: samples first, then free pages. ``StoreError`` ends it."""
    has_more = True
    todo: Callable[[sqlite3.Connection], bool] = _begin
    while has_more:
        yield
        try:
            with _driver(engine) as driver:
                has_more = todo(driver)
        except sqlite3.Error as error:
            raise StoreError(f"the database was not looked after: {error}") from error
        todo = give_back


def _begin(driver: sqlite3.Connection) -> bool:
    sample(driver)
    return True


@contextlib.contextmanager
def _driver(engine: Engine) -> Iterator[sqlite3.Connection]:
    """Lend the writer's own connection, outside of any transaction."""
    lent = engine.raw_connection()
    try:
        driver = lent.driver_connection
        assert isinstance(driver, sqlite3.Connection)
        yield driver
    finally:
        lent.close()


def _analyze(driver: sqlite3.Connection, _path: Path, _is_leaving: IsLeaving) -> None:
    driver.execute("PRAGMA analysis_limit=0")
    driver.execute("ANALYZE")


def _optimize(driver: sqlite3.Connection, _path: Path, is_leaving: IsLeaving) -> None:
    """Look at samples, give back free pages, fold the write-ahead log into the file."""
    sample(driver)
    forget_deleted(driver)
    while not is_leaving() and give_back(driver):
        pass
    driver.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()


def sample(driver: sqlite3.Connection) -> None:
    """Renew the planner's statistics from samples.

    Of a sampled index the number of its rows is a guess, and one that seems half as long as the others is read from end
    to end for what it is no use for (three seconds at a million rows): all indexes of a table have the table's rows.
    """
    driver.execute(f"PRAGMA analysis_limit={SAMPLED_ROWS}")
    driver.execute("ANALYZE")
    driver.execute(_SAME_COUNTS)
    # The planner of this connection reads them anew.
    driver.execute("ANALYZE sqlite_schema")


def give_back(driver: sqlite3.Connection) -> bool:
    """Give back a few hundred free pages (a millisecond or two); True when there are more than should stay."""
    free, pages, mode = (_number(driver, name) for name in ("freelist_count", "page_count", "auto_vacuum"))
    if mode != _INCREMENTAL or free <= pages // KEPT_FREE:
        return False
    # A plain execute steps once, and frees one page.
    driver.executescript(f"PRAGMA incremental_vacuum({_STEP_PAGES})")
    return free - _STEP_PAGES > pages // KEPT_FREE


def _compact(driver: sqlite3.Connection, path: Path, _is_leaving: IsLeaving) -> None:
    """Rewrite the file without its free pages; needs its size twice, beside it and in the write-ahead log."""
    used = (_number(driver, "page_count") - _number(driver, "freelist_count")) * _number(driver, "page_size")
    check_room(2 * used, path.parent, "compacting")
    # The writer keeps small things in memory, and the system's folder for temporary files may be memory too.
    folder = str(path.parent).replace("'", "''")
    driver.execute(f"PRAGMA temp_store_directory='{folder}'")
    driver.execute("PRAGMA temp_store=FILE")
    try:
        forget_deleted(driver)
        driver.execute(f"PRAGMA auto_vacuum={_INCREMENTAL}")
        driver.execute("VACUUM")
        driver.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    finally:
        driver.execute("PRAGMA temp_store=MEMORY")
        driver.execute("PRAGMA temp_store_directory=''")


def _number(driver: sqlite3.Connection, pragma: str) -> int:
    return int(driver.execute(f"PRAGMA {pragma}").fetchone()[0])


_TASKS: dict[str, Callable[[sqlite3.Connection, Path, IsLeaving], Any]] = {
    "analyze": _analyze,
    "optimize": _optimize,
    "compact": _compact,
}

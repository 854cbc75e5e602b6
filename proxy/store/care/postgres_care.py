"""What looking after means for Postgres, whose own autovacuum does most of it: statistics now, space given back now.

Statements that may not stand in a transaction run alone, so that PgBouncer may be between. Regular upkeep is ANALYZE of
one table a step, by the leading host, and only of one that nobody (autovacuum, the leader before) has looked at for the
length of the pause.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

import psycopg
from sqlalchemy import Engine

from proxy.errors import StoreError
from proxy.store.schema.tables import metadata

_WORDS = {"analyze": "ANALYZE {}", "optimize": "VACUUM (ANALYZE) {}", "compact": "VACUUM (FULL, ANALYZE) {}"}
_LOOKED_AT = (
    "SELECT coalesce(max(greatest(last_analyze, last_autoanalyze)) > now() - make_interval(secs => %s), false) "
    "FROM pg_stat_user_tables WHERE relname = %s OR relname LIKE %s"
)
_TABLES = (*metadata.tables, "text_index")
_MODES = {"compact": "ACCESS EXCLUSIVE"}
_LESSER_MODE = "SHARE UPDATE EXCLUSIVE"
_HOLDER = "see who holds the lock: dashcam doctor"
_RIGHT = "give the command the address of the tables' owner (DASHCAM_DATABASE_URL); or: GRANT MAINTAIN ON ALL TABLES " \
         "IN SCHEMA {} TO {} (Postgres 17)"  # fmt: skip


def do(engine: Engine, task: str, is_leaving: Callable[[], bool], lock_seconds: float) -> bool:
    """Do a task table by table; False when it was ended between two.

    ``StoreError`` when it cannot be done, also where a table stays locked for so long, or is another role's: the server
    only warns of that, and passes over it.
    """
    with _alone(engine, task) as driver:
        passed_over: list[str] = []
        driver.add_notice_handler(lambda said: passed_over.append(str(said.message_primary)) if _warns(said) else None)
        for table in _TABLES:
            if is_leaving():
                return False
            _wait_for(driver, table, _MODES.get(task, _LESSER_MODE), lock_seconds)
            driver.execute(_WORDS[task].format(table))
            if passed_over:
                raise StoreError(f"{task}: {passed_over[0]}", hint=_right(driver))
    return True


def _right(driver: psycopg.Connection) -> str:
    found = driver.execute("SELECT quote_ident(current_schema())").fetchone()
    return _RIGHT.format(found[0] if found else "public", driver.info.user)


def _warns(said: psycopg.errors.Diagnostic) -> bool:
    return said.severity_nonlocalized == "WARNING"


def _wait_for(driver: psycopg.Connection, table: str, mode: str, seconds: float) -> None:
    """Wait until nobody holds a table against us: VACUUM would wait without end, and hold up others behind it."""
    try:
        with driver.transaction():
            driver.execute("SELECT set_config('lock_timeout', %s, true)", (f"{round(seconds * 1000)}ms",))
            driver.execute(f"LOCK TABLE {table} IN {mode} MODE")
    except psycopg.errors.LockNotAvailable as error:
        raise StoreError(f"another session has held table {table} for {seconds:.0f} s", hint=_HOLDER) from error


def steps(engine: Engine, pause_seconds: float, lock_seconds: float) -> Iterator[None]:
    """Look after one table a step. ``StoreError`` ends it."""
    for table in _TABLES:
        yield
        with _alone(engine, "the database was not looked after") as driver:
            found = driver.execute(_LOOKED_AT, (pause_seconds, table, rf"{table}\_%")).fetchone()
            if found is not None and not found[0]:
                _wait_for(driver, table, _LESSER_MODE, lock_seconds)
                driver.execute(_WORDS["analyze"].format(table))


@contextlib.contextmanager
def _alone(engine: Engine, what: str) -> Iterator[psycopg.Connection]:
    """Lend the connection outside of any transaction; nobody else uses it meanwhile."""
    lent = engine.raw_connection()
    driver = lent.driver_connection
    assert isinstance(driver, psycopg.Connection)
    driver.autocommit = True
    try:
        yield driver
    except psycopg.Error as error:
        reason = str(error).strip().partition("\n")[0]
        if isinstance(error, psycopg.errors.InsufficientPrivilege):
            raise StoreError(f"{what}: {reason}", hint=_right(driver)) from error
        raise StoreError(f"{what}: {reason}", hint="dashcam doctor") from error
    finally:
        if not driver.closed:
            driver.autocommit = False
        lent.close()

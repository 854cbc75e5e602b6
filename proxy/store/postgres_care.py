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
from proxy.store.tables import metadata

_WORDS = {"analyze": "ANALYZE {}", "optimize": "VACUUM (ANALYZE) {}", "compact": "VACUUM (FULL, ANALYZE) {}"}
_LOOKED_AT = (
    "SELECT coalesce(max(greatest(last_analyze, last_autoanalyze)) > now() - make_interval(secs => %s), false) "
    "FROM pg_stat_user_tables WHERE relname = %s OR relname LIKE %s"
)


def do(engine: Engine, task: str, is_leaving: Callable[[], bool]) -> bool:
    """Do a task table by table; False when it was ended between two. ``StoreError`` when it cannot be done."""
    with _alone(engine, task) as driver:
        for table in metadata.tables:
            if is_leaving():
                return False
            driver.execute(_WORDS[task].format(table))
    return True


def steps(engine: Engine, pause_seconds: float) -> Iterator[None]:
    """Look after one table a step. ``StoreError`` ends it."""
    for table in metadata.tables:
        yield
        with _alone(engine, "the database was not looked after") as driver:
            found = driver.execute(_LOOKED_AT, (pause_seconds, table, rf"{table}\_%")).fetchone()
            if found is not None and not found[0]:
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
        raise StoreError(f"{what}: {reason}", hint="see: dashcam doctor") from error
    finally:
        if not driver.closed:
            driver.autocommit = False
        lent.close()

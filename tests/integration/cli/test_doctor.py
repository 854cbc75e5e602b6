"""What the doctor says of a Postgres: there, behind, closed to us, read-only, away; and of its replica."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest

from proxy.cli.doctor.database import soundness
from proxy.cli.doctor.postgres import who_has_it
from proxy.cli.findings import Finding
from proxy.settings.database import DatabaseSettings
from proxy.settings.values import Settings
from tests.support.postgres import Databases, PostgresServer
from tests.support.waiting import wait_until


@pytest.fixture
def store(postgres: Databases) -> Iterator[DatabaseSettings]:
    made = postgres.migrated()
    yield made
    postgres.drop(made)


def looked(database: DatabaseSettings, tmp_path: Path) -> list[Finding]:
    return list(soundness(Settings(data_dir=str(tmp_path), run_dir=str(tmp_path), database=database)))


def admin(database: DatabaseSettings, *statements: str) -> None:
    with psycopg.connect(database.url, autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement)


def test_one_that_is_well(store: DatabaseSettings, tmp_path: Path) -> None:
    (found,) = looked(store, tmp_path)
    assert (found.is_ok, "0 calls" in found.detail) == (True, True)
    *_, replica = looked(replace(store, read_url=store.url), tmp_path)
    assert (replica.subject, replica.is_ok) == ("replica", True)
    away = urlunsplit(urlsplit(store.url)._replace(netloc="postgres@127.0.0.1:1"))
    *_, replica = looked(replace(store, read_url=away), tmp_path)
    assert (replica.is_ok, "read_url" in str(replica.next)) == (False, True)


def test_one_without_our_tables(postgres: Databases, tmp_path: Path) -> None:
    empty = postgres.empty()
    (found,) = looked(empty, tmp_path)
    assert (found.is_ok, found.next) == (False, "dashcam db migrate")
    postgres.drop(empty)


def test_one_that_takes_no_changes(store: DatabaseSettings, tmp_path: Path) -> None:
    admin(store, f"ALTER DATABASE {urlsplit(store.url).path[1:]} SET default_transaction_read_only = on")
    (found,) = looked(store, tmp_path)
    assert (found.is_ok, "read-only" in found.detail, "primary" in str(found.next)) == (False, True, True)


def test_one_that_lets_us_only_read(store: DatabaseSettings, tmp_path: Path) -> None:
    role = f"limited_{uuid.uuid4().hex[:8]}"
    admin(store, f"CREATE ROLE {role} LOGIN PASSWORD 'x'", f"GRANT SELECT ON ALL TABLES IN SCHEMA public TO {role}")
    found = urlsplit(store.url)
    theirs = replace(store, url=urlunsplit(found._replace(netloc=f"{role}:x@{found.hostname}:{found.port}")))
    (told,) = looked(theirs, tmp_path)
    admin(store, f"DROP OWNED BY {role}", f"DROP ROLE {role}")
    assert (told.is_ok, "interaction" in told.detail, "GRANT" in str(told.next)) == (False, True, True)


def test_commits_that_wait_for_a_standby_that_is_away() -> None:
    """Whoever comes after them is told that the database is busy, and finds no lock that keeps others out."""
    server, is_over = PostgresServer(("wal_level=replica", "max_wal_senders=2")), threading.Event()
    server.start()
    database = DatabaseSettings(url=server.url())
    assert list(who_has_it(database)) == []
    admin(database, "ALTER SYSTEM SET synchronous_standby_names = 'away'", "SELECT pg_reload_conf()")
    committing = threading.Thread(target=commit_until, args=(is_over, database))
    committing.start()
    (found,) = wait_until(lambda: list(who_has_it(database)), "it is told", seconds=30)
    assert (found.is_ok, "1 commit waits for a synchronous standby" in found.detail) == (False, True)
    assert "synchronous_standby_names" in str(found.next)
    admin(database, "ALTER SYSTEM RESET synchronous_standby_names", "SELECT pg_reload_conf()")
    is_over.set()
    committing.join()
    server.remove()


def commit_until(is_over: threading.Event, database: DatabaseSettings) -> None:
    """Commit again and again: the first one may come before the server has seen to it that it waits."""
    with psycopg.connect(database.url, autocommit=True) as connection:
        while not is_over.is_set():
            connection.execute("SELECT pg_logical_emit_message(true, 'dashcam', 'test')")

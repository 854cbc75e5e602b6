"""What the doctor says of a Postgres: there, behind, closed to us, read-only, away; and of its replica."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest

from proxy.cli.doctor.database import soundness
from proxy.cli.findings import Finding
from proxy.settings.database import DatabaseSettings
from proxy.settings.values import Settings

if TYPE_CHECKING:
    from tests.support.postgres import Databases


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

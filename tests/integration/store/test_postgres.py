"""What only Postgres does or refuses: months, rights, errors with a code, and statements in another dialect."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest

from proxy.domain.interaction import Entry
from proxy.errors import StoreError
from proxy.settings.database import DatabaseSettings
from proxy.store.engines import partitions
from proxy.store.engines.engine import backend_of
from proxy.store.engines.failures import RowError, StoreUnavailableError
from proxy.store.engines.postgres import translated
from proxy.store.filters.statements import Filters
from proxy.store.migrating.migration import upgrade
from proxy.store.migrating.upgrading import UpgradeError
from proxy.store.reading.reader import Reader
from proxy.store.writing.batches import WriteBatch
from proxy.store.writing.positions import SourceState
from proxy.store.writing.writer import StoreWriter
from tests.support.entries import an_entry, with_body
from tests.support.postgres import PostgresServer

if TYPE_CHECKING:
    from tests.support.postgres import Databases


@pytest.fixture
def store(postgres: Databases) -> Iterator[DatabaseSettings]:
    """A database of its own: these tests alter it."""
    made = postgres.migrated()
    yield made
    postgres.drop(made)


def write(writer: StoreWriter, *entries: Entry) -> int:
    batch = WriteBatch(entries=[("s", item) for item in entries], states=[SourceState("s", 1, 0)])
    return len(writer.write(batch, lambda _: {}).inserted)


def admin(database: DatabaseSettings, *statements: str) -> None:
    with psycopg.connect(database.url, autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement)


def test_a_database_of_another_encoding_is_told_how_it_is_made_anew(store: DatabaseSettings) -> None:
    name = f"dashcam_ascii_{uuid.uuid4().hex[:8]}"
    admin(store, f"CREATE DATABASE {name} ENCODING 'SQL_ASCII' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0")
    try:
        with pytest.raises(UpgradeError, match="is encoded in SQL_ASCII; texts of calls need UTF8") as refused:
            upgrade(replace(store, url=urlunsplit(urlsplit(store.url)._replace(path=f"/{name}"))))
        assert f"dropdb {name} && createdb -E UTF8 -T template0 {name}" in str(refused.value.hint)
        assert "the Dashcam from before" not in str(refused.value.hint)
    finally:
        admin(store, f"DROP DATABASE {name} WITH (FORCE)")


def test_statements_are_ours_in_its_words() -> None:
    assert translated("SELECT '?%' FROM t WHERE a = ? AND b LIKE ? ESCAPE '!'") == (
        "SELECT '?%%' FROM t WHERE a = %s AND b ILIKE %s ESCAPE '!'"
    )


# -- what errors mean ---------------------------------------------------------------------------------------


def url_with(database: DatabaseSettings, **parts_of: str) -> DatabaseSettings:
    found = urlsplit(database.url)
    place = (
        f"{parts_of.get('user', found.username)}:{parts_of.get('password', 'x')}@{parts_of.get('host', found.hostname)}"
    )
    netloc = f"{place}:{parts_of.get('port', found.port)}"
    path = parts_of.get("path", found.path)
    return replace(database, url=urlunsplit(found._replace(netloc=netloc, path=path)), connect_timeout=2.0)


@pytest.mark.parametrize(
    ("changes", "told", "next_step"),
    [
        ({"port": "1"}, "cannot be reached", "dashcam doctor"),
        ({"host": "no.such.host.invalid"}, "cannot be reached", "dashcam doctor"),
        ({"path": "/no_such_database"}, "is not there", "createdb"),
        ({"user": "nobody_we_know"}, "does not let us in", "PGPASSWORD"),
    ],
)
def test_a_database_that_cannot_be_opened_is_told(
    store: DatabaseSettings, changes: dict[str, str], told: str, next_step: str
) -> None:
    wrong = url_with(store, password="s3cret-pass", **changes)
    writer = StoreWriter(wrong)
    with pytest.raises(StoreUnavailableError, match=told) as caught:
        write(writer, an_entry())
    assert next_step in str(caught.value.hint)
    for look in (lambda: Reader(wrong).counts(), lambda: upgrade(wrong)):
        with pytest.raises(StoreError, match=told) as caught_again:
            look()
        assert "s3cret" not in str(caught_again.value)
    assert "s3cret" not in str(caught.value)


@contextmanager
def server_that_asks_for_a_password() -> Iterator[int]:
    """Answer one client as a server of the protocol does that wants a password in clear; yield the port."""

    def serve() -> None:
        client, _ = listener.accept()
        with client:
            client.recv(1024)
            client.sendall(b"R" + struct.pack("!ii", 8, 3))
            client.recv(1024)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve)
        thread.start()
        yield int(listener.getsockname()[1])
        thread.join()


def test_a_password_that_is_lacking_is_told_as_that(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """These words are of the client's library: the server never hears from us again."""
    monkeypatch.delenv("PGPASSWORD", raising=False)
    monkeypatch.setenv("PGPASSFILE", str(tmp_path / "none"))
    with server_that_asks_for_a_password() as port:
        database = DatabaseSettings(url=f"postgresql://kim@127.0.0.1:{port}/calls?sslmode=disable&gssencmode=disable")
        with pytest.raises(StoreError, match=r"does not let us in: .*no password supplied") as caught:
            Reader(database).counts()
    assert "PGPASSWORD" in str(caught.value.hint)


@pytest.mark.parametrize(
    ("statement", "told", "next_step"),
    [
        ("ALTER TABLE interaction ADD COLUMN mine text NOT NULL", "not as ours", "by hand"),
        ("ALTER TABLE interaction DROP COLUMN model CASCADE", "not as ours", "by hand"),
        ("ALTER TABLE interaction RENAME COLUMN top_p TO topp", "not as ours", "by hand"),
        ("ALTER TABLE interaction ADD CONSTRAINT mine CHECK (model <> 'gpt-5')", "not as ours", "by hand"),
        ("CREATE UNIQUE INDEX mine ON interaction_2026_11 (model)", "not as ours", "by hand"),
        ("DROP TABLE attempt CASCADE; DROP TABLE interaction CASCADE", "does not have our tables", "migrate"),
        ("DROP INDEX uq_body_chunk_day_sha256", "not as ours", "by hand"),
    ],
)
def test_a_table_altered_by_hand_is_the_fault_of_no_row(
    store: DatabaseSettings, statement: str, told: str, next_step: str
) -> None:
    admin(store, statement)
    writer = StoreWriter(store)
    with pytest.raises(StoreUnavailableError, match=told) as caught:
        write(writer, an_entry(request=b"x" * 5000), an_entry())
    assert next_step in str(caught.value.hint)
    assert "xxx" not in str(caught.value)
    writer.close()


def test_a_read_only_database_is_told(store: DatabaseSettings) -> None:
    name = urlsplit(store.url).path[1:]
    admin(store, f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    writer = StoreWriter(store)
    with pytest.raises(StoreUnavailableError, match="read-only") as caught:
        write(writer, an_entry())
    assert "primary" in str(caught.value.hint)
    writer.close()


@pytest.fixture
def limited(store: DatabaseSettings) -> Iterator[DatabaseSettings]:
    """The same for a role without any rights of its own."""
    role = f"limited_{uuid.uuid4().hex[:8]}"
    admin(store, f"CREATE ROLE {role} LOGIN PASSWORD 'x'")
    yield url_with(store, user=role)
    admin(store, f"DROP OWNED BY {role}", f"DROP ROLE {role}")


def grant(store: DatabaseSettings, rights: str, to: DatabaseSettings) -> str:
    """Grant rights in our schema to whoever an address names; return the words after GRANT."""
    granted = f"{rights} IN SCHEMA public TO {urlsplit(to.url).username}"
    admin(store, f"GRANT {granted}")
    return granted


def store_a_large_call(database: DatabaseSettings) -> str:
    """Try to; return what is to be done next."""
    writer = StoreWriter(database)
    with pytest.raises(StoreUnavailableError, match="refuses us a right") as caught:
        write(writer, with_body(an_entry(), b"slice " * 2000, (6000,)))
    writer.close()
    return str(caught.value.hint)


def test_what_a_missing_right_advises_is_the_right_that_is_missing(
    store: DatabaseSettings, limited: DatabaseSettings
) -> None:
    grant(store, "SELECT ON ALL TABLES", limited)
    advice = store_a_large_call(limited)
    assert f"GRANT {grant(store, 'ALL ON ALL TABLES', limited)}" in advice
    advice = store_a_large_call(limited)
    assert f"GRANT {grant(store, 'ALL ON ALL SEQUENCES', limited)}" in advice
    writer = StoreWriter(limited)
    assert write(writer, with_body(an_entry(), b"slice " * 2000, (6000,))) == 1
    writer.close()


def test_who_may_make_no_tables_is_told_how_to_let_him(postgres: Databases, limited: DatabaseSettings) -> None:
    empty = postgres.empty()
    role = str(urlsplit(limited.url).username)
    with pytest.raises(StoreError, match="permission denied for schema") as caught:
        upgrade(url_with(empty, user=role))
    postgres.drop(empty)
    assert f"GRANT USAGE, CREATE ON SCHEMA public TO {role}" in str(caught.value.hint)


def test_the_schema_that_is_named_is_the_one_that_our_tables_are_in(
    postgres: Databases, limited: DatabaseSettings
) -> None:
    empty = postgres.empty()
    theirs, role = url_with(empty, user=str(urlsplit(limited.url).username)), urlsplit(limited.url).username
    told, schema = [], '"calls of us"'
    admin(empty, f"CREATE SCHEMA {schema}", f"ALTER ROLE {role} SET search_path TO {schema}")
    for granted in (f"USAGE ON SCHEMA {schema}", f"CREATE ON SCHEMA {schema}"):
        with pytest.raises(StoreError) as caught:
            upgrade(theirs)
        told.append(str(caught.value.hint))
        admin(empty, f"GRANT {granted} TO {role}")
    upgrade(theirs)
    admin(empty, f"ALTER TABLE {schema}.attempt OWNER TO CURRENT_USER", f"REVOKE ALL ON {schema}.attempt FROM {role}")
    reader = Reader(theirs)
    told.append(str(reader.obstacle().hint))  # type: ignore[union-attr]
    reader.close()
    admin(empty, f"DROP SCHEMA {schema} CASCADE")
    postgres.drop(empty)
    assert schema in told[0]
    assert f"GRANT USAGE, CREATE ON SCHEMA {schema} TO {role}" in told[1]
    assert f"GRANT ALL ON ALL TABLES IN SCHEMA {schema} TO {role}" in told[2]


def test_who_does_not_own_the_tables_is_told_that_months_need_it(
    store: DatabaseSettings, limited: DatabaseSettings
) -> None:
    role = urlsplit(limited.url).username
    grant(store, "ALL ON ALL TABLES", limited)
    admin(store, f"GRANT CREATE ON SCHEMA public TO {role}")
    writer = StoreWriter(limited)
    with pytest.raises(StoreUnavailableError, match="must be owner") as caught, writer.transaction() as connection:
        partitions.make(connection, date(2041, 1, 1))
    writer.close()
    assert "owner of the tables" in str(caught.value.hint)


def test_a_table_that_one_right_is_missing_for_is_an_obstacle(
    store: DatabaseSettings, limited: DatabaseSettings
) -> None:
    role, reader = urlsplit(limited.url).username, Reader(limited)
    grant(store, "ALL ON ALL TABLES", limited)
    assert reader.obstacle() is None
    for right in ("SELECT", "INSERT", "UPDATE", "DELETE"):
        admin(store, f"REVOKE {right} ON attempt FROM {role}")
        assert "attempt" in str(reader.obstacle())
        admin(store, f"GRANT {right} ON attempt TO {role}")
    assert reader.obstacle() is None
    reader.close()


def test_a_lock_is_waited_for_only_so_long(store: DatabaseSettings) -> None:
    writer = StoreWriter(replace(store, lock_timeout=0.2))
    with psycopg.connect(store.url) as holder:
        holder.execute("LOCK TABLE interaction IN ACCESS EXCLUSIVE MODE")
        with pytest.raises(StoreUnavailableError, match="is busy"):
            write(writer, an_entry())
    assert write(writer, an_entry()) == 1
    writer.close()


def test_a_statement_is_waited_for_only_so_long(store: DatabaseSettings) -> None:
    writer = StoreWriter(replace(store, statement_timeout=0.2, lock_timeout=60))
    with psycopg.connect(store.url) as holder:
        holder.execute("LOCK TABLE interaction IN ACCESS EXCLUSIVE MODE")
        with pytest.raises(StoreUnavailableError, match="took too long"):
            write(writer, an_entry())
    assert write(writer, an_entry()) == 1
    writer.close()


def test_a_connection_that_was_ended_is_made_anew(store: DatabaseSettings) -> None:
    writer, reader = StoreWriter(store), Reader(store)
    assert write(writer, an_entry()) == 1
    assert reader.counts()["interactions"] == 1
    admin(store, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() "
                 "AND pid <> pg_backend_pid()")  # fmt: skip
    with pytest.raises(StoreUnavailableError, match="cannot be reached"):
        write(writer, an_entry())
    assert write(writer, an_entry()) == 1
    assert reader.counts()["interactions"] == 2
    writer.close()
    reader.close()


def test_statements_are_not_compiled_whatever_they_seem_to_cost(store: DatabaseSettings) -> None:
    with contextlib.closing(Reader(store)) as reader:
        assert reader.answer(("SELECT current_setting('jit') AS jit", ())) == [{"jit": "off"}]


def test_a_commit_is_synchronous_whatever_the_default_is(store: DatabaseSettings) -> None:
    name = urlsplit(store.url).path[1:]
    admin(
        store,
        f"ALTER DATABASE {name} SET synchronous_commit = off",
        f"ALTER DATABASE {name} SET timezone = 'Asia/Tokyo'",
    )
    engine = backend_of(store).writer()
    with engine.begin() as connection:
        said = [connection.exec_driver_sql(f"SHOW {name}").scalar() for name in ("synchronous_commit", "timezone")]
    engine.dispose()
    assert said == ["on", "UTC"]


# -- values -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("zone", ["UTC", "Asia/Kolkata", "America/St_Johns"])
def test_instants_come_back_in_utc_whatever_the_servers_zone(store: DatabaseSettings, zone: str) -> None:
    admin(store, f"ALTER DATABASE {urlsplit(store.url).path[1:]} SET timezone = '{zone}'")
    writer, reader = StoreWriter(store), Reader(store)
    write(writer, an_entry(started_at=1_795_000_000_007, completed_at=None))
    assert reader.interaction("last")["started_at"] == "2026-11-18T11:06:40.007Z"
    assert len(reader.list_interactions(Filters(since=1_795_000_000_007, until=1_795_000_000_008), 5)) == 1
    writer.close()
    reader.close()


@pytest.mark.parametrize("column", ["model", "error_message", "user_id"])
@pytest.mark.parametrize("text", ["a\0b", "\ud800"])
def test_a_text_that_postgres_cannot_hold_is_the_fault_of_its_row(
    store: DatabaseSettings, column: str, text: str
) -> None:
    """Interpretation leaves no such text; what comes past it must not stop its neighbours."""
    writer = StoreWriter(store)
    with pytest.raises(RowError):
        write(writer, an_entry(**{column: text}))  # type: ignore[arg-type]
    assert write(writer, an_entry()) == 1
    writer.close()


def test_numbers_as_large_as_sqlite_takes_fit(store: DatabaseSettings) -> None:
    writer, reader = StoreWriter(store), Reader(store)
    write(writer, an_entry(top_k=2**62, max_tokens=2**62, cost_pico_usd=2**62))
    row = reader.interaction("last")
    assert (row["top_k"], row["max_tokens"], row["cost_pico_usd"]) == (2**62, 2**62, 2**62)
    with pytest.raises(RowError):
        write(writer, an_entry(top_k=2**63))
    writer.close()
    reader.close()


# -- a server that does nothing any more --------------------------------------------------------------------


def test_a_server_that_stops_in_its_tracks_is_given_up_and_nothing_is_lost() -> None:
    server = PostgresServer()
    server.start()
    try:
        database = DatabaseSettings(url=server.url(), statement_timeout=1, tcp_user_timeout=1, connect_timeout=2)
        upgrade(database)
        writer, reader = StoreWriter(database), Reader(database)
        entries = [an_entry() for _ in range(3)]
        assert write(writer, entries[0]) == 1
        assert reader.counts()["interactions"] == 1
        server.freeze()
        with pytest.raises(StoreUnavailableError, match="cannot be reached: the server has not answered for 2 s"):
            write(writer, *entries)
        with pytest.raises(StoreUnavailableError, match="cannot be reached"):
            write(writer, *entries)
        with pytest.raises(StoreError, match="cannot be reached"):
            reader.counts()
        server.thaw()
        assert write(writer, *entries) == 2
        assert reader.counts()["interactions"] == 3
        writer.close()
        reader.close()
    finally:
        server.remove()

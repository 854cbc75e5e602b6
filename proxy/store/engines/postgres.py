"""Postgres: the same tables and statements as on SQLite, over psycopg 3.

Nothing is relied upon that lives longer than a transaction, so that PgBouncer may give each one another connection:
time-outs are set per transaction, nothing is prepared, temporary tables end with their transaction. A commit that lets
a spool segment be unlinked is synchronous whatever the server's default. Values come back as SQLite gives them: ids and
instants as text, truth as 0 and 1, JSON as text. What errors mean is in ``postgres_failures``, the months in
``partitions``.
"""

from __future__ import annotations

import sys
import zlib
from functools import lru_cache
from typing import Any, cast

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import QueuePool

from proxy.errors import StoreError
from proxy.settings.database import DatabaseSettings
from proxy.store.engines import partitions, postgres_failures
from proxy.store.schema.sealing import options_for

try:
    import psycopg
    from psycopg.conninfo import conninfo_to_dict

    from proxy.store.engines.postgres_connection import LOADERS, Loaders, PatientConnection
except ImportError as error:
    raise StoreError(
        f"Postgres needs the driver psycopg, which is not there: {error}",
        hint=f"{sys.executable} -m pip install 'psycopg[binary]>=3.3,<4'",
    ) from error

_UPGRADE_LOCK = 0x64617368_63616D01
"""The advisory lock of whoever upgrades: "dashcam" and a number."""
_WORK_LOCK = 0x64617368
"""The first half of the advisory locks of periodic work: "dash"; the second is the work's name."""
_CUT_OFF = "57014"
_IDLE = "idle_in_transaction_session_timeout"
_FROZEN_SECONDS = 10
_NOW = "SELECT floor(extract(epoch FROM clock_timestamp()) * 1000)"
_KEPT_IDLE = 1
_ENCODING = "SELECT current_setting('server_encoding')"
_IS_READ_ONLY = "SELECT pg_is_in_recovery() OR current_setting('default_transaction_read_only') = 'on'"
_CLOSED = (
    "SELECT relname FROM pg_class WHERE relnamespace = quote_ident(current_schema())::regnamespace "
    "AND relkind IN ('r', 'p') "
    "AND NOT relispartition AND NOT (has_table_privilege(oid, 'SELECT') AND has_table_privilege(oid, 'INSERT') "
    "AND has_table_privilege(oid, 'UPDATE') AND has_table_privilege(oid, 'DELETE')) ORDER BY relname"
)
# SET LOCAL for several at once. Our statements take milliseconds over hundreds of small expressions (one a month and
# filter), which the server would take seconds to compile. An operator's stronger promise stays: remote_apply waits for
# more than on. At the end, where our tables are: only the owner of a schema can grant what is missing in it.
_SETTINGS = (
    "SELECT set_config('statement_timeout', '{statement}', true), set_config('lock_timeout', '{lock}', true), "
    "set_config('idle_in_transaction_session_timeout', '{idle}', true), set_config('timezone', 'UTC', true), "
    "set_config('datestyle', 'ISO', true), set_config('jit', 'off', true), set_config('synchronous_commit', CASE "
    "current_setting('synchronous_commit') WHEN 'remote_apply' THEN 'remote_apply' ELSE 'on' END, true), "
    "coalesce(quote_ident(current_schema()), current_setting('search_path'))"
)


@lru_cache(maxsize=512)
def translated(sql: str) -> str:
    """Return one of our statements as psycopg takes it: ``?`` outside of quotes is a value's place.

    LIKE takes no notice of case on SQLite, which is called ILIKE here.
    """
    parts = sql.replace("%", "%%").split("'")
    return "'".join(part if index % 2 else _outside(part) for index, part in enumerate(parts))


def _outside(sql: str) -> str:
    return sql.replace("?", "%s").replace(" LIKE ", " ILIKE ")


def _driver(connection: Connection) -> PatientConnection:
    return cast("PatientConnection", connection.connection.driver_connection)


class Postgres:
    """A database of a Postgres server."""

    def __init__(self, database: DatabaseSettings) -> None:
        self.database = database
        self._schema = "public"

    def writer(self) -> Engine:
        """Return an engine with one connection, made when it is needed first."""
        return self._engine(is_reader=False)

    def upgrader(self) -> Engine:
        """Return an engine whose values are psycopg's own."""
        return self._engine(is_reader=False, has_our_values=False)

    def reader(self) -> Engine:
        """Return an engine whose transactions are read-only."""
        return self._engine(is_reader=True)

    def examiner(self) -> Engine:
        """Return an engine whose values are psycopg's own, and whose transactions are read-only."""
        return self._engine(is_reader=True, has_our_values=False)

    def check_place(self) -> None:
        """An address stays what it is."""

    def part(self, engine: Engine) -> None:
        """Nothing of ours stays in its place."""
        engine.dispose()

    def clear_log(self, _engine: Engine) -> bool:
        """Its log is the server's own."""
        return True

    def refusal(self, error: Exception) -> StoreError:
        """Return what a failed write means."""
        return postgres_failures.refusal(error, self.database, self._schema)

    def is_passing(self, error: DBAPIError) -> bool:
        """Return True while it is away, crowded, full or busy."""
        return postgres_failures.is_passing(error)

    def unusable(self, error: DBAPIError) -> StoreError:
        """Return what to tell a person."""
        return postgres_failures.unusable(error, self.database, self._schema)

    def size(self, connection: Connection) -> int:
        """Return the size of the database with its indexes, in bytes."""
        return int(connection.exec_driver_sql("SELECT pg_database_size(current_database())").scalar_one())

    def check(self, _connection: Connection, _seconds: float) -> list[str] | None:
        """Postgres looks after its own pages: there is nothing quick to add."""
        return []

    def obstacle(self, connection: Connection) -> StoreError | None:
        """Return that it is read-only, or that we may not write to a table."""
        if connection.exec_driver_sql(_IS_READ_ONLY).scalar_one():
            return self._met("25006", "it takes no changes")
        closed = [str(name) for (name,) in connection.exec_driver_sql(_CLOSED)]
        if closed:
            return self._met("42501", f"no writing to {', '.join(closed)}")
        return None

    def _met(self, state: str, what: str) -> StoreError:
        return postgres_failures.obstacle(state, what, self.database, self._schema)

    def prepare_upgrade(self, connection: Connection) -> None:
        """Wait for the advisory lock, which ends with the transaction; refuse a database that is not UTF-8."""
        encoding = connection.exec_driver_sql(_ENCODING).scalar_one()
        if encoding != "UTF8":
            raise StoreError(
                f"the database {self.database.shown} is encoded in {encoding}; texts of calls need UTF8",
                hint=postgres_failures.anew(self.database),
            )
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_UPGRADE_LOCK})")
        # An index on millions of rows takes as long as it takes; waiting for locks is bounded all the same.
        connection.exec_driver_sql("SELECT set_config('statement_timeout', '0', true)")

    def finish_upgrade(self, connection: Connection) -> None:
        """Make the partitions of the next months."""
        partitions.make(connection)

    def now(self, connection: Connection) -> int:
        """Return the server's time."""
        return int(connection.exec_driver_sql(_NOW).scalar_one())

    def be_only(self, connection: Connection, work: str) -> bool:
        """Take an advisory lock that ends with the transaction, so that it works behind PgBouncer too."""
        key = zlib.crc32(work.encode())
        sql = f"SELECT pg_try_advisory_xact_lock({_WORK_LOCK}, {key - 2**31})"
        return bool(connection.exec_driver_sql(sql).scalar_one())

    def prepare_work(self, connection: Connection, statement_seconds: float) -> None:
        """Set the transaction's time-outs: a host that is frozen in mid-work must not keep its locks for long."""
        sql = "SELECT set_config('statement_timeout', ?, true), set_config(?, ?, true)"
        connection.exec_driver_sql(sql, (f"{statement_seconds * 1000:.0f}", _IDLE, f"{_FROZEN_SECONDS}s"))
        _driver(connection).patience = statement_seconds + self.database.tcp_user_timeout

    def bound(self, connection: Connection, seconds: float) -> None:
        """Let the server end each of this transaction's statements."""
        self.prepare_work(connection, seconds)

    def is_cut_off(self, error: DBAPIError) -> bool:
        """Return True where the server ended a statement."""
        return getattr(error.orig, "sqlstate", None) == _CUT_OFF

    def notify(self, connection: Connection, channel: str) -> None:
        """Send a NOTIFY with the transaction."""
        connection.exec_driver_sql("SELECT pg_notify(?, '')", (channel,))

    # -- connecting -----------------------------------------------------------------------------------------

    def _engine(self, *, is_reader: bool, has_our_values: bool = True) -> Engine:
        engine = create_engine(
            "postgresql+psycopg://",
            creator=lambda: self._connect(is_reader, LOADERS if has_our_values else {}),
            poolclass=QueuePool,
            pool_size=_KEPT_IDLE,
            max_overflow=4 if is_reader else 0,
            pool_pre_ping=is_reader,
            use_native_hstore=False,
            execution_options={} if is_reader or not has_our_values else options_for(self.database),
        )
        wait = self.database
        # The server has ended a statement by then; what is left is a server that does nothing any more.
        patience = wait.statement_timeout + wait.tcp_user_timeout if has_our_values else None
        self._listen(engine, patience, is_reader=is_reader)
        return engine

    def _listen(self, engine: Engine, patience: float | None, *, is_reader: bool) -> None:
        """Have our settings in each transaction, our patience on each connection, our statements in its words."""
        wait = self.database
        settings = _SETTINGS.format(
            statement=round(wait.statement_timeout * 1000),
            lock=round(wait.lock_timeout * 1000),
            idle=round(wait.idle_in_transaction_timeout * 1000),
        )

        @event.listens_for(engine, "begin")
        def begin(connection: Connection) -> None:
            _driver(connection).patience = patience
            self._schema = connection.exec_driver_sql(settings).one()[-1]

        @event.listens_for(engine, "checkin")
        def end(driver: PatientConnection | None, _record: Any) -> None:
            # What is done outside of our transactions takes as long as it takes.
            if driver is not None:
                driver.patience = patience if is_reader else None

        @event.listens_for(engine, "before_cursor_execute", retval=True)
        def translate(_c: Any, _cursor: Any, sql: str, values: Any, context: Any, _many: bool) -> tuple[str, Any]:
            # What SQLAlchemy has compiled itself is in the driver's words already.
            return (translated(sql) if context.compiled is None else sql), values

    def _connect(self, is_reader: bool, loaders: Loaders) -> PatientConnection:
        made = PatientConnection.connect(self.database.url, prepare_threshold=None, **self._arguments())
        made.isolation_level = psycopg.IsolationLevel.READ_COMMITTED
        made.read_only = True if is_reader else None
        for name, loader in loaders.items():
            made.adapters.register_loader(name, loader)
        return made

    def _arguments(self) -> dict[str, Any]:
        """Return what the address does not say itself."""
        wait = self.database
        usual: dict[str, Any] = {
            "application_name": "dashcam",
            "connect_timeout": max(1, round(wait.connect_timeout)),
            "keepalives_idle": max(1, round(wait.keepalive)),
            "keepalives_interval": max(1, round(wait.keepalive / 2)),
            "keepalives_count": 3,
            "tcp_user_timeout": round(wait.tcp_user_timeout * 1000),
        }
        try:
            said = conninfo_to_dict(self.database.url)
        except psycopg.ProgrammingError as error:
            reason = self.database.scrubbed(str(error)).strip()
            raise StoreError(f"database.url cannot be read: {reason}", hint="dashcam config check") from None
        return {"client_encoding": "UTF8", **{name: value for name, value in usual.items() if name not in said}}

"""The way to one store, read-only: what every question to it goes through.

Each question opens a short transaction of its own, so that no reader keeps the write-ahead log from shrinking. Rows
come out as plain dicts by the names of the columns, and sealed texts open where the key is there.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from proxy.errors import TooSlowError
from proxy.settings.database import DatabaseSettings
from proxy.store.contents import hidden
from proxy.store.engines.engine import REPLICA_HINT, backend_of
from proxy.store.schema.decoding import Row, decoded

_NARROWER = "narrow it: a shorter time (since, until), or one of model, outcome, session, user, prompt"
_TEXTS = frozenset(hidden.COLUMNS)


class ReadAccess:
    """Answers questions about one store; of a replica where there is one, unless ``is_primary``.

    With ``seconds``, what takes longer is cut off: ``TooSlowError``. ``sealed`` says why rows came without their texts.
    """

    def __init__(self, database: DatabaseSettings, *, is_primary: bool = False, seconds: float | None = None) -> None:
        self._seconds = seconds
        self.sealed: set[str] = set()
        self._database = database if is_primary else database.for_reading()
        self._is_replica = self._database != database
        self._backend = backend_of(self._database)
        self._engine = self._backend.reader()

    def close(self) -> None:
        """Let go of the file."""
        self._engine.dispose()

    def answer(self, question: tuple[str, Sequence[Any]]) -> list[Row]:
        """Return the rows that answer one of the store's own questions, such as those of ``analytics``."""
        return self._rows(*question)

    @contextlib.contextmanager
    def _connect(self) -> Iterator[Connection]:
        """Open a transaction; ``StoreError`` says what is wrong with the database."""
        try:
            with self._engine.begin() as connection:
                if self._seconds is not None:
                    self._backend.bound(connection, self._seconds)
                yield connection
        except DBAPIError as error:
            if self._seconds is not None and self._backend.is_cut_off(error):
                raise TooSlowError(f"no answer was found within {self._seconds:g} s", hint=_NARROWER) from error
            told = self._backend.unusable(error)
            if self._is_replica:
                told.hint = REPLICA_HINT
            raise told from error

    def _rows(self, sql: str, values: Sequence[Any]) -> list[Row]:
        with self._connect() as connection:
            rows = [decoded(row) for row in run(connection, sql, values)]
            if rows and not _TEXTS.isdisjoint(rows[0]):
                hidden.fill(connection, rows, self.sealed)
            return rows


def run(connection: Connection, sql: str, values: Sequence[Any]) -> list[Mapping[str, Any]]:
    """Return what a statement gives, as it is in the store."""
    found = connection.exec_driver_sql(sql, tuple(values))
    names = tuple(found.keys())
    # Of some thousand rows a mapping of the library's for each would take as long as to find them.
    return [dict(zip(names, row, strict=True)) for row in found]

"""What Postgres' errors mean: one table from SQLSTATE to who is at fault, what to say and what to do next.

A row is at fault only where the server complains of its values, and of a table as ours are. Everything else is the
database's condition, and the batch is tried again: also a table that was altered by hand, which would refuse every row.
What a connection cannot even be made for has no code, only words, which libpq says in English.
"""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError

from proxy.errors import StoreError
from proxy.settings.database import DatabaseSettings
from proxy.store.engines.failures import CollisionError, RowError, StoreUnavailableError, reason_of
from proxy.store.schema import tables


@dataclass(frozen=True, slots=True)
class _Meaning:
    what: str
    hint: str


_AWAY = _Meaning("cannot be reached", "start it, or correct database.url; then: dashcam doctor")
_PASSWORD = _Meaning(
    "does not let us in", "correct the user or password in database.url, PGPASSWORD or ~/.pgpass, and start again"
)
_MISSING = _Meaning("is not there", "create it on its server: createdb {name}; then: dashcam db migrate")
_NO_RIGHT, _GRANT = "refuses us a right", "let its owner grant it: GRANT {} TO {{user}}"
_RIGHTS = _Meaning(_NO_RIGHT, _GRANT.format("ALL ON ALL TABLES IN SCHEMA {schema}"))
_BY_OBJECT = {
    "for schema": _Meaning(_NO_RIGHT, _GRANT.format("USAGE, CREATE ON SCHEMA {schema}")),
    "for sequence": _Meaning(_NO_RIGHT, _GRANT.format("ALL ON ALL SEQUENCES IN SCHEMA {schema}")),
    "for database": _Meaning(_NO_RIGHT, _GRANT.format("CONNECT, TEMPORARY ON DATABASE {name}")),
    "must be owner": _Meaning(
        _NO_RIGHT,
        "months are made and dropped, and upgrades done, by the owner of the tables: GRANT its role TO {user}",
    ),
}
"""What a missing right is to, by the server's words: SQLSTATE 42501 alone does not say."""
_READ_ONLY = _Meaning(
    "is read-only",
    "database.url must lead to the primary (a replica belongs in database.read_url), and its "
    "default_transaction_read_only be off: some hosters turn it on where the disk is full",
)
_FULL = _Meaning("has no room left", "free space on its server")
_CROWDED = _Meaning("has too many connections", "end some, or raise max_connections")
_BUSY = _Meaning("is busy", "see who holds the lock: dashcam doctor")
_SLOW = _Meaning("took too long", "see what it is doing, or raise database.statement_timeout")
_BEHIND = _Meaning("does not have our tables", "dashcam db migrate")
_NO_SCHEMA = _Meaning(
    "has no schema for our tables",
    "search_path is {schema}: make such a schema, or let its owner grant it: GRANT USAGE, CREATE ON SCHEMA … TO {user}",
)
_ALTERED = _Meaning("has tables that are not as ours", "dashcam db check names what was changed by hand")
_DAMAGED = _Meaning("is damaged", "restore a backup on its server")

_BY_STATE = {
    "08": _AWAY, "57P01": _AWAY, "57P02": _AWAY, "57P03": _AWAY, "57P05": _AWAY, "25P03": _AWAY, "53": _FULL,
    "53300": _CROWDED, "53100": _FULL, "53200": _Meaning("has no memory left", "give its server more memory"),
    "40": _BUSY, "55P03": _BUSY, "55006": _BUSY, "57014": _SLOW, "25006": _READ_ONLY, "28": _PASSWORD, "3D": _MISSING,
    "42501": _RIGHTS, "42P01": _BEHIND, "42": _ALTERED, "23503": _ALTERED, "0A": _ALTERED, "P0": _ALTERED,
    "3F000": _NO_SCHEMA, "58": _DAMAGED, "XX": _DAMAGED,
    "2200H": _Meaning("has a sequence at its end", "let it go on: ALTER SEQUENCE … AS bigint NO MAXVALUE"),
}  # fmt: skip
_BY_WORDS = (
    ("password authentication failed", _PASSWORD), ("no password supplied", _PASSWORD), ("pg_hba.conf", _PASSWORD),
    ('role "', _PASSWORD), ("auth failed", _PASSWORD), ("no such user", _PASSWORD), ('database "', _MISSING),
    ("no such database", _MISSING), ("too many", _CROWDED), ("connection slots", _CROWDED),
    ("no more connections", _CROWDED),
)  # fmt: skip
_SCHEMA = re.compile(r"permission denied for schema (.+)")
_PLAIN = re.compile(r"[a-z_][a-z0-9_$]*")
_NOISE = ("connection failed: ", "Is the server running on that host and accepting TCP/IP connections?",
          "Is the server running locally and accepting connections on that socket?")  # fmt: skip
_CONDITIONS = ("2200H", "22023")
"""Of the class of errors in values, those that our values are not: a sequence at its end, a setting out of range."""
_PASSING = ("08", "53", "57", "40", "55", "25P03")
_ROW_STATES = ("22", "54", "23502", "23505", "23514")
_OUR_COLUMNS = {name: set(table.columns.keys()) for name, table in tables.metadata.tables.items()}
_OUR_CHECKS = {str(item.name) for table in tables.metadata.tables.values() for item in table.constraints if item.name}


def refusal(error: Exception, database: DatabaseSettings, schema: str) -> StoreError:
    """Return what a failed write means: ``RowError``, or ``StoreUnavailableError`` with what to do.

    ``schema`` is where our tables are, as it is written in a statement.
    """
    state = _state(error)
    if _is_the_rows_fault(error, state):
        kind = CollisionError if state == "23505" else RowError
        return kind(f"the database refuses a row: {_words_of(error, database)}")
    meaning = _meaning(error, state)
    return StoreUnavailableError(_told(meaning, error, database), hint=_next(meaning, database, _schema(error, schema)))


def unusable(error: DBAPIError, database: DatabaseSettings, schema: str) -> StoreError:
    """Return what to tell a person who wanted to read or upgrade it."""
    meaning = _meaning(error, _state(error))
    return StoreError(_told(meaning, error, database), hint=_next(meaning, database, _schema(error, schema)))


def obstacle(state: str, what: str, database: DatabaseSettings, schema: str) -> StoreError:
    """Return what a condition means that was met without an error; ``what`` says how it was seen."""
    meaning = _BY_STATE[state]
    return StoreError(f"the database {database.shown} {meaning.what}: {what}", hint=_next(meaning, database, schema))


def is_passing(error: DBAPIError) -> bool:
    """Return True where trying again may help; without a code there was no answer at all."""
    state = _state(error)
    return state.startswith(_PASSING) if state else isinstance(error, OperationalError | InterfaceError)


def _state(error: Exception) -> str:
    return getattr(getattr(error, "orig", None), "sqlstate", None) or ""


def _is_the_rows_fault(error: Exception, state: str) -> bool:
    if not state:
        # Refused before it was sent: no text, no number that fits.
        return not isinstance(error, OperationalError | InterfaceError)
    if not state.startswith(_ROW_STATES) or state in _CONDITIONS:
        return False
    about = error.orig.diag  # type: ignore[attr-defined]
    if state == "23502":
        return _is_ours(about.table_name, about.column_name)
    if state == "23505":
        return (about.constraint_name or "").startswith(("pk_", "uq_")) or (about.constraint_name or "").endswith(
            "_pkey"
        )
    return state != "23514" or (about.constraint_name or "") in _OUR_CHECKS


def _is_ours(table: str | None, column: str | None) -> bool:
    """True for a column that we know; the tables that are cut into months bear the month's name."""
    return any((table or "").startswith(name) and column in columns for name, columns in _OUR_COLUMNS.items())


def _schema(error: Exception, usual: str) -> str:
    """Return the schema that the server names, else the usual one."""
    found = _SCHEMA.search(str(getattr(error, "orig", "")))
    if found is None:
        return usual
    return found[1] if _PLAIN.fullmatch(found[1]) else '"' + found[1].replace('"', '""') + '"'


def _next(meaning: _Meaning, database: DatabaseSettings, schema: str) -> str:
    """Return what to do, with the names that the address has."""
    said = urlsplit(database.url)
    user = unquote(said.username or "") or "our user"
    return meaning.hint.format(user=user, name=_name(database), schema=schema)


def anew(database: DatabaseSettings) -> str:
    """Return what to do about a database that can hold nothing of ours, however empty it is."""
    name = shlex.quote(_name(database))
    made = f"createdb -E UTF8 -T template0 {name}"
    return f"if it is empty, make it anew: dropdb {name} && {made}; else give database.url a new one made so; then: " \
           "dashcam db migrate"  # fmt: skip


def _name(database: DatabaseSettings) -> str:
    return urlsplit(database.url).path.strip("/") or "NAME"


def _meaning(error: Exception, state: str) -> _Meaning:
    if state == "42501":
        words = str(getattr(error, "orig", ""))
        return next((meaning for text, meaning in _BY_OBJECT.items() if text in words), _RIGHTS)
    for length in (5, 2) if state else ():
        if state[:length] in _BY_STATE:
            return _BY_STATE[state[:length]]
    if state:
        return _ALTERED if state.startswith("23") else _Meaning("refuses", "dashcam doctor")
    words = str(getattr(error, "orig", error))
    # The server's own words, and those of libpq where the server asked for a password that we have not.
    is_refused = "FATAL:" in words or "fe_sendauth:" in words
    return next((meaning for text, meaning in _BY_WORDS if is_refused and text in words), _AWAY)


def _told(meaning: _Meaning, error: Exception, database: DatabaseSettings) -> str:
    return f"the database {database.shown} {meaning.what}: {_words_of(error, database)}"


def _words_of(error: Exception, database: DatabaseSettings) -> str:
    """Return the server's main message on one line: what it says beside quotes values, and so prompts."""
    about = getattr(getattr(error, "orig", None), "diag", None)
    text = (about.message_primary if about is not None else None) or reason_of(error)
    for noise in _NOISE:
        text = text.replace(noise, "")
    return " ".join(database.scrubbed(text).split())[:300]

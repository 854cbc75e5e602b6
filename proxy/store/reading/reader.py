"""Questions to the store, read-only: for the command line, the admin API and the loader's start.

Rows come out as plain dicts by the names of the columns. Lists never touch a body. Each question opens a short
transaction of its own, so that no reader keeps the write-ahead log from shrinking.
"""

from __future__ import annotations

import contextlib
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from typing import Any

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from proxy.domain.identity import ids_beginning
from proxy.errors import NotFoundError, StoreError, TooSlowError
from proxy.settings.database import DatabaseSettings
from proxy.store.catalogue.names import names_beginning
from proxy.store.contents import hidden
from proxy.store.contents.parts import Parts, StoredBody, beside, side_of, texts_of
from proxy.store.contents.set_aside import unsealed_part
from proxy.store.engines.engine import backend_of
from proxy.store.engines.partitions import bounded
from proxy.store.filters import largest, text_index
from proxy.store.filters.statements import (
    NEWEST_FIRST,
    Filters,
    Order,
    Section,
    conditions_of,
    counting,
    listing,
    listing_largest,
    looked_through,
    looking,
    models_beginning,
    section,
    slice_of,
    with_texts,
)
from proxy.store.filters.terms import LABEL
from proxy.store.hosts import configuration, instances
from proxy.store.reading.following import Recorded
from proxy.store.schema.decoding import Row, decoded
from proxy.store.schema.rows import COLUMNS
from proxy.store.schema.sealing import check_searchable
from proxy.store.sums.days import days_to_count

_ID = re.compile(r"[0-9a-fA-F-]{6,36}\Z")
_UUID_LENGTH = 36
_BY_ID = "SELECT * FROM interaction WHERE id BETWEEN ? AND ? ORDER BY id DESC LIMIT 3"
_OPEN = "SELECT id FROM open_call WHERE id BETWEEN ? AND ? LIMIT 1"
_LAST = re.compile(r"last(?:-(\d{1,6}))?\Z")
_NARROWER = "narrow it: a shorter time (since, until), or one of model, outcome, session, user, prompt"
PAGE = 500
"""So many calls are looked through in one transaction of a search."""
_TEXTS = frozenset(hidden.COLUMNS)
_RARE = 2000
"""Up to so many calls with a label are looked up one by one; where there are more, the newest calls have it soon."""


@dataclass(frozen=True, slots=True)
class SearchPage:
    """Rows with ``input_text`` and ``output_text`` that match, the newest first; ``next`` is behind where to go on."""

    rows: list[Row]
    next: tuple[str, str] | None


_PARKED = (
    "SELECT * FROM open_call WHERE NOT EXISTS (SELECT 1 FROM spool_position "
    "WHERE spool_position.source = open_call.source AND spool_position.instance <> ?) ORDER BY id, part"
)


class Reader:
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

    def list_interactions(self, filters: Filters, limit: int, order: Order | None = None) -> list[Row]:
        """Return rows, the newest first, or as ``order`` says."""
        is_rare, filters = self._has_rare_label(filters), self._settled(filters)
        question = None if order is None else listing_largest(filters, limit, order, has_rare_label=is_rare)
        if question is not None and len(rows := self._rows(*question)) == limit:
            return rows
        return self._rows(*listing(filters, limit, order, has_rare_label=is_rare))

    def section(self, filters: Filters, part: Section, limit: int, columns: Sequence[str]) -> list[Row]:
        """Return columns of a part of the list, in the part's order."""
        is_rare = self._has_rare_label(filters)
        return self._rows(*section(self._settled(filters), part, limit, columns, has_rare_label=is_rare))

    def count(self, filters: Filters, most: int) -> int:
        """Return how many calls there are, up to ``most``."""
        found = text_index.counted(filters, self._rows, most, is_postgres=self._database.is_postgres)
        if found is not None:
            return found
        is_rare = self._has_rare_label(filters)
        return int(self._rows(*counting(self._settled(filters), most, has_rare_label=is_rare))[0]["calls"])

    def place(self, identity: str) -> tuple[str, str] | None:
        """Return where a call stands in the order of time, by its whole id; None where it is not on record."""
        found = self._rows("SELECT started_at, id FROM interaction WHERE id = ?", (identity,))
        return (found[0]["started_at"], found[0]["id"]) if found else None

    def answer(self, question: tuple[str, Sequence[Any]]) -> list[Row]:
        """Return the rows that answer one of the store's own questions, such as those of ``analytics``."""
        return self._rows(*question)

    def _settled(self, filters: Filters, *, may_be_rare: bool = True) -> Filters:
        """Return filters with what this engine needs to know: bounds of ids, and what words mean."""
        check_searchable(self._database, filters.terms)
        is_postgres = self._database.is_postgres
        within = largest.named(bounded(filters), self._rows) if is_postgres else filters
        return text_index.resolved(within, self._rows, is_postgres=is_postgres, may_be_rare=may_be_rare)

    def _has_rare_label(self, filters: Filters) -> bool:
        sql = f"SELECT count(*) AS calls FROM ({LABEL} LIMIT ?)"  # noqa: S608 - ours
        return any(self._rows(sql, (*label, _RARE + 1))[0]["calls"] <= _RARE for label in filters.labels())

    def days_to_count(self) -> list[str]:
        """Return the days whose rollups can be counted anew (``days``)."""
        with self._connect() as connection:
            return days_to_count(connection, self._database.keep_months)

    def newest(self) -> float | None:
        """Return when the newest call began, in Unix seconds."""
        found = self._rows(f"SELECT started_at FROM interaction {NEWEST_FIRST} LIMIT 1", ())  # noqa: S608 - ours
        return datetime.fromisoformat(found[0]["started_at"]).timestamp() if found else None

    def models(self, beginning: str, limit: int) -> list[str]:
        """Return names of models on record that begin so, by leaps through the index."""
        return [str(row["name"]) for row in self._rows(*models_beginning(beginning, limit))]

    def catalogue_names(self, noun: str, beginning: str, limit: int) -> list[str]:
        """Return names of the catalogue's documents of a noun, or of keys, that begin so."""
        return [str(row["name"]) for row in self._rows(names_beginning(noun), (len(beginning), beginning, limit))]

    def search(self, filters: Filters, before: tuple[str, str] | None, limit: int) -> SearchPage:
        """Return the next calls behind a place (None: from the newest) whose texts hold the words among the filters.

        Where many calls have them, the texts of the next ``PAGE`` calls are looked through: there may be none among
        these.
        """
        is_rare, filters = self._has_rare_label(filters), self._settled(filters)
        if filters.has_rare_texts:
            part = Section(below=before)
            rows = self._rows(*with_texts(section(filters, part, limit, COLUMNS, has_rare_label=is_rare)))
            return SearchPage(rows, _place(rows[-1]) if len(rows) == limit else None)
        assert filters.texts is not None, "no word is asked for"
        places = self._rows(*looking(filters, before, PAGE, "started_at, id"))
        rows = self._rows(*looked_through(looking(filters, before, PAGE), filters.texts))
        return SearchPage(rows, _place(places[-1]) if len(places) == PAGE else None)

    def quick_check(self, seconds: float) -> list[str] | None:
        """Return what a quick check finds wrong, [] when nothing; None when the time was not enough."""
        with self._connect() as connection:
            return self._backend.check(connection, seconds)

    def obstacle(self) -> StoreError | None:
        """Return what would keep a writer from writing here, None when nothing is known to."""
        with self._connect() as connection:
            return self._backend.obstacle(connection)

    def recorded(self) -> Recorded:
        """Return what gives the calls that are recorded from now on."""
        settled = partial(self._settled, may_be_rare=False)
        return Recorded(self._rows, settled, has_row_numbers=not self._database.is_postgres)

    def unindexed(self) -> int:
        """Return how many calls the full-text index lacks yet."""
        return text_index.waiting(self._rows)

    def interaction(self, reference: str) -> Row:
        """Return one row by ``last``, ``last-N``, a unique prefix of its id (6 characters), or the caller's own id."""
        last = _LAST.match(reference)
        if last:
            found = self._rows(f"SELECT * FROM interaction {NEWEST_FIRST} LIMIT 1 OFFSET ?", (int(last[1] or 0),))  # noqa: S608
        elif _ID.match(reference):
            found = self._rows(_BY_ID, span := ids_beginning(reference.lower()))
            if not found and self._rows(_OPEN, span):
                raise NotFoundError(f"call {reference!r} is still under way", hint="it is on record once it has ended")
            if not found and len(reference) == _UUID_LENGTH:
                # The caller's own id; no index holds it, so this looks at every row.
                sql = f"SELECT * FROM interaction WHERE client_request_id = ? {NEWEST_FIRST} LIMIT 1"  # noqa: S608
                found = self._rows(sql, (reference.lower(),))
        else:
            raise NotFoundError(f"{reference!r} is no id", hint="give at least 6 characters of an id, or: last")
        if not found:
            raise NotFoundError(f"no call {reference!r} is on record", hint="list them with: dashcam logs")
        if len(found) > 1:
            told = ", ".join(str(row["id"]) for row in found)
            raise NotFoundError(f"more than one id begins with {reference!r}: {told}", hint="give more characters")
        return found[0]

    def attempts(self, identity: str) -> list[Row]:
        """Return the tries of one call."""
        with self._connect() as connection:
            found = _run(connection, "SELECT * FROM attempt WHERE interaction_id = ? ORDER BY number", (identity,))
            rows = list(map(decoded, found))
            hidden.fill_attempts(connection, rows, self.sealed)
            return rows

    def price(self, identity: str | None) -> Row | None:
        """Return a pinned price."""
        found = self._rows("SELECT * FROM price WHERE id = ?", (identity,)) if identity else []
        return found[0] if found else None

    def body(self, identity: str, side: str) -> StoredBody | None:
        """Return one side's body; None when none was kept."""
        with self._connect() as connection:
            return _body(connection, identity, side)

    def parts_of(self, identities: Sequence[str]) -> dict[str, Parts]:
        """Return what is kept of calls beside their rows."""
        with self._connect() as connection:
            return {
                identity: Parts(
                    _body(connection, identity, "request"),
                    _body(connection, identity, "response"),
                    texts_of(connection, identity),
                )
                for identity in identities
            }

    def texts_of(self, identities: Sequence[str]) -> dict[str, tuple[str | None, str | None]]:
        """Return the question and the answer of calls as plain text, as far as they are kept."""
        with self._connect() as connection:
            return {identity: texts_of(connection, identity) for identity in identities}

    def made_of(self, rows: Sequence[Row]) -> dict[str, Row]:
        """Return what stands beside rows of calls in tables: ``attempts_made``, ``price`` and ``feedback``."""
        with self._connect() as connection:
            return beside(connection, rows)

    def is_counted(self, provider: str, answer_id: str) -> bool:
        """Return True when the counts of an answer are on record with some call."""
        sql = "SELECT is_counted FROM made_answer WHERE provider = ? AND response_id = ?"
        return any(row["is_counted"] for row in self._rows(sql, (provider, answer_id)))

    def settled(self, identities: Sequence[str]) -> set[str]:
        """Return which of some calls are stored, set aside for good, or erased."""
        found: set[str] = set()
        for start in range(0, len(identities), 500):
            part = tuple(identities[start : start + 500])
            marks = ",".join("?" * len(part))
            sql = (
                f"SELECT id FROM interaction WHERE id IN ({marks}) UNION "  # noqa: S608 - placeholders only
                f"SELECT interaction_id FROM quarantine WHERE interaction_id IN ({marks}) UNION "
                f"SELECT id FROM tombstone WHERE id IN ({marks})"
            )
            found |= {str(row["id"]) for row in self._rows(sql, part * 3)}
        return found

    def states(self, instance: str = "") -> list[Row]:
        """Return the positions and counts of an instance's sources."""
        return self._rows("SELECT * FROM spool_position WHERE instance = ? ORDER BY source", (instance,))

    def parked(self, instance: str = "") -> list[Row]:
        """Return the parts of calls that were open when an instance read them; other hosts' can be many."""
        return [unsealed_part(row) for row in self._rows(_PARKED, (instance,))]

    def totals(self, instance: str = "") -> dict[tuple[str, str], float]:
        """Return what stands behind an instance's counters."""
        found = self._rows("SELECT family, labels, value FROM metric_total WHERE instance = ?", (instance,))
        return {(row["family"], row["labels"]): row["value"] for row in found}

    def instances(self) -> list[Row]:
        """Return who writes into a Postgres, with how long ago each was seen and which one leads; none for SQLite."""
        if not self._database.is_postgres:
            return []
        with self._connect() as connection:
            return instances.listing(connection)

    def clock_ahead_seconds(self) -> float:
        """Return by how much this host's clock is ahead of the database's."""
        with self._connect() as connection:
            return (time.time_ns() // 1_000_000 - self._backend.now(connection)) / 1000

    def config_revision(self, number: int) -> configuration.Revision:
        """Return a revision of the shared configuration that is there."""
        with self._connect() as connection:
            return configuration.read(connection, number)

    def config_revisions(self) -> dict[str, int]:
        """Return the number that counts of each kind of configuration."""
        with self._connect() as connection:
            return configuration.newest(connection)

    def slice_after(self, identity: str, filters: Filters, limit: int) -> list[Row]:
        """Return rows in the order of their ids, beginning behind one; each with the address it was last sent to."""
        return self._rows(*slice_of(identity, self._settled(filters), limit))

    def unpriced(self, filters: Filters) -> list[Row]:
        """Return calls without a price by provider and model: calls, tokens, when the last one was; the most first.

        ``uncounted`` are those that reported nothing to be priced: no price can be their lack.
        """
        conditions, values = conditions_of(self._settled(filters))
        where = " AND ".join(["cost_status = 'unpriced'", *conditions])
        sql = (
            "SELECT provider, model, service_tier, count(*) AS calls, "  # noqa: S608 - conditions are ours
            "sum(CASE WHEN input_tokens IS NULL AND output_tokens IS NULL AND quantities IS NULL THEN 1 ELSE 0 END) "
            "AS uncounted, "
            "coalesce(sum(input_tokens), 0) AS input_tokens, coalesce(sum(output_tokens), 0) AS output_tokens, "
            f"max(started_at) AS last_seen FROM interaction WHERE {where} GROUP BY 1, 2, 3 ORDER BY calls DESC, 1, 2"
        )
        return self._rows(sql, tuple(values))

    def summary(self, since: int, until: int | None = None) -> Row:
        """Return calls, errors, tokens and cost of a span of time (Unix milliseconds)."""
        conditions, values = conditions_of(self._settled(Filters(since=since, until=until)))
        sql = (
            "SELECT count(*) AS calls, "  # noqa: S608 - conditions are ours
            "coalesce(sum(CASE WHEN success THEN 0 ELSE 1 END), 0) AS errors, "
            "coalesce(sum(input_tokens), 0) AS input_tokens, coalesce(sum(output_tokens), 0) AS output_tokens, "
            "sum(cost_pico_usd) AS cost_pico_usd, "
            "coalesce(sum(CASE WHEN cost_pico_usd IS NULL THEN 1 ELSE 0 END), 0) AS unpriced "
            f"FROM interaction WHERE {' AND '.join(conditions)}"
        )
        return self._rows(sql, tuple(values))[0]

    def revision(self) -> str | None:
        """Return the schema's revision."""
        found = self._rows("SELECT version_num FROM alembic_version", ())
        return str(found[0]["version_num"]) if found else None

    def counts(self) -> Row:
        """Return how many rows there are and how many bytes the database has."""
        rows = self._rows("SELECT count(*) AS interactions FROM interaction", ())[0]["interactions"]
        with self._connect() as connection:
            return {"interactions": rows, "bytes": self._backend.size(connection)}

    def known_models(self, limit: int) -> list[str]:
        """Return the models that answered, the busiest first."""
        sql = (
            "SELECT model, sum(calls) AS calls FROM rollup_hourly WHERE outcome = 'completed' AND model <> '' "
            "GROUP BY model ORDER BY calls DESC LIMIT ?"
        )
        return [row["model"] for row in self._rows(sql, (limit,))]

    def close(self) -> None:
        """Let go of the file."""
        self._engine.dispose()

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
                told.hint = "bring the replica back, or read from the primary: take database.read_url away"
            raise told from error

    def _rows(self, sql: str, values: Sequence[Any]) -> list[Row]:
        with self._connect() as connection:
            rows = [decoded(row) for row in _run(connection, sql, values)]
            if rows and not _TEXTS.isdisjoint(rows[0]):
                hidden.fill(connection, rows, self.sealed)
            return rows


def _place(row: Row) -> tuple[str, str]:
    return row["started_at"], row["id"]


def _body(connection: Connection, identity: str, side: str) -> StoredBody | None:
    found = side_of(connection, identity, side)
    return None if found is None else replace(found, facts=decoded(found.facts))


def _run(connection: Connection, sql: str, values: Sequence[Any]) -> list[Mapping[str, Any]]:
    found = connection.exec_driver_sql(sql, tuple(values))
    names = tuple(found.keys())
    # Of some thousand rows a mapping of the library's for each would take as long as to find them.
    return [dict(zip(names, row, strict=True)) for row in found]

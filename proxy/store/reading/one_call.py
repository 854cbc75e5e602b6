"""One call whole: its row, its tries, its price, and what was said, as far as that is kept."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from sqlalchemy import Connection

from proxy.domain.identity import ids_beginning
from proxy.errors import NotFoundError
from proxy.store.contents import hidden
from proxy.store.contents.parts import Parts, StoredBody, beside, side_of, texts_of
from proxy.store.filters.statements import NEWEST_FIRST
from proxy.store.reading.access import ReadAccess, run
from proxy.store.schema.decoding import Row, decoded

_ID = re.compile(r"[0-9a-fA-F-]{6,36}\Z")
_UUID_LENGTH = 36
_BY_ID = "SELECT * FROM interaction WHERE id BETWEEN ? AND ? ORDER BY id DESC LIMIT 3"
_OPEN = "SELECT id FROM open_call WHERE id BETWEEN ? AND ? LIMIT 1"
_LAST = re.compile(r"last(?:-(\d{1,6}))?\Z")


class CallReader(ReadAccess):
    """Answers what is asked about calls that somebody has the ids of."""

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
            found = run(connection, "SELECT * FROM attempt WHERE interaction_id = ? ORDER BY number", (identity,))
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


def _body(connection: Connection, identity: str, side: str) -> StoredBody | None:
    found = side_of(connection, identity, side)
    return None if found is None else replace(found, facts=decoded(found.facts))

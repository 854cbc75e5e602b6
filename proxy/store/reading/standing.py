"""How the store stands: what its loader and its hosts have written about themselves, and how the database is.

For the loader's start, for hosts that look after each other, for the doctor. Nothing here is filtered: these are
questions about the record, not about calls.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import datetime

from proxy.errors import StoreError
from proxy.store.contents.set_aside import unsealed_part
from proxy.store.filters import text_index
from proxy.store.filters.statements import NEWEST_FIRST
from proxy.store.hosts import configuration, instances
from proxy.store.reading.access import ReadAccess
from proxy.store.schema.decoding import Row
from proxy.store.sums.days import days_to_count

_PARKED = (
    "SELECT * FROM open_call WHERE NOT EXISTS (SELECT 1 FROM spool_position "
    "WHERE spool_position.source = open_call.source AND spool_position.instance <> ?) ORDER BY id, part"
)


class StandingReader(ReadAccess):
    """Answers what the loader, the hosts and whoever looks after them ask."""

    # -- what the loader has written ------------------------------------------------------------------------

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

    def known_models(self, limit: int) -> list[str]:
        """Return the models that answered, the busiest first."""
        sql = (
            "SELECT model, sum(calls) AS calls FROM usage_daily WHERE outcome = 'completed' AND model <> '' "
            "GROUP BY model ORDER BY calls DESC LIMIT ?"
        )
        return [row["model"] for row in self._rows(sql, (limit,))]

    # -- who writes here, by which configuration ------------------------------------------------------------

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

    # -- how the database is --------------------------------------------------------------------------------

    def revision(self) -> str | None:
        """Return the schema's revision."""
        found = self._rows("SELECT version_num FROM alembic_version", ())
        return str(found[0]["version_num"]) if found else None

    def counts(self) -> Row:
        """Return how many rows there are and how many bytes the database has."""
        rows = self._rows("SELECT count(*) AS interactions FROM interaction", ())[0]["interactions"]
        with self._connect() as connection:
            return {"interactions": rows, "bytes": self._backend.size(connection)}

    def newest(self) -> float | None:
        """Return when the newest call began, in Unix seconds."""
        found = self._rows(f"SELECT started_at FROM interaction {NEWEST_FIRST} LIMIT 1", ())  # noqa: S608 - ours
        return datetime.fromisoformat(found[0]["started_at"]).timestamp() if found else None

    def days_to_count(self) -> list[str]:
        """Return the days whose rollups can be counted anew (``days``)."""
        with self._connect() as connection:
            return days_to_count(connection, self._database.keep_months)

    def quick_check(self, seconds: float) -> list[str] | None:
        """Return what a quick check finds wrong, [] when nothing; None when the time was not enough."""
        with self._connect() as connection:
            return self._backend.check(connection, seconds)

    def obstacle(self) -> StoreError | None:
        """Return what would keep a writer from writing here, None when nothing is known to."""
        with self._connect() as connection:
            return self._backend.obstacle(connection)

    def unindexed(self) -> int:
        """Return how many calls the full-text index lacks yet."""
        return text_index.waiting(self._rows)

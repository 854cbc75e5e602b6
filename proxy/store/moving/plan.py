"""How each table is carried, and which stay. One that is named nowhere here fails a test, and is carried all the same.

*Growing* tables get rows that stay as they are and have one key: they are carried in its order, and what is missing is
found by counting. Numbers are kept, so that a body's list of chunks means the same afterwards. A stored call changes by
an amendment only, and an amendment is carried together with the call as it is then.

*Changing* tables are small beside the calls: both sides are read by ranges of the key, and what differs is replaced.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from sqlalchemy import Table

from proxy.store.filters.statements import NO_ID
from proxy.store.schema import tables

Key = str | int
Rows = list[tuple[Any, ...]]


@dataclass(frozen=True, slots=True)
class Growing:
    """A table whose rows stay; ``parts`` belong to its rows and come along, ``heavy`` is a column that may be large."""

    table: Table
    key: str
    page: int
    parts: tuple[Table, ...] = ()
    heavy: str | None = None

    @property
    def name(self) -> str:
        """The table's name."""
        return str(self.table.name)

    @property
    def lowest(self) -> Key:
        """Below every key."""
        return NO_ID if self.key == "id" else 0

    def middle(self, low: Key, high: Key) -> Key:
        """Return a key halfway; ``low`` itself where there is none between."""
        if isinstance(low, str):
            return str(uuid.UUID(int=(uuid.UUID(low).int + uuid.UUID(str(high)).int) // 2))
        return (low + int(high)) // 2

    def below(self, key: Key) -> Key:
        """Return the key before another one, none below ``lowest``."""
        if isinstance(key, str):
            return str(uuid.UUID(int=max(0, uuid.UUID(key).int - 1)))
        return max(0, key - 1)

    def key_of(self, row: Sequence[Any]) -> Key:
        """Return a row's key."""
        key: Key = row[position(self.table, self.key)]
        return key


@dataclass(frozen=True, slots=True)
class Changing:
    """A table that is compared row by row; ``is_own``: rows bear the name of the instance whose they are."""

    table: Table
    page: int = 5000
    is_own: bool = False
    keys: tuple[str, ...] = field(init=False)

    def __post_init__(self) -> None:
        """Take the primary key from the table."""
        object.__setattr__(self, "keys", tuple(column.name for column in self.table.primary_key))

    @property
    def name(self) -> str:
        """The table's name."""
        return str(self.table.name)

    def key_of(self, row: Sequence[Any]) -> tuple[Any, ...]:
        """Return a row's key."""
        return tuple([row[at] for at in _places(self.table, self.keys)])


@cache
def position(table: Table, column: str) -> int:
    """Return where a column stands in a row."""
    return list(table.columns.keys()).index(column)


@cache
def _places(table: Table, columns: tuple[str, ...]) -> tuple[int, ...]:
    return tuple(position(table, name) for name in columns)


def columns_of(table: Table) -> str:
    """Return the columns as a statement names them."""
    return ", ".join(f'"{column.name}"' for column in table.columns)


_all = tables.metadata.tables
INTERACTION = Growing(
    _all["interaction"],
    "id",
    1000,
    parts=(_all["attempt"], _all["interaction_metadata"], _all["interaction_text"], _all["interaction_body"]),
)
AMENDMENT = Growing(_all["amendment"], "number", 500)
BODY_CHUNK = Growing(_all["body_chunk"], "number", 2000, heavy="data")
QUARANTINE = Growing(_all["quarantine"], "number", 500, heavy="data")
AUDIT_LOG = Growing(_all["audit_log"], "number", 500)
_SHARED = (Growing(_all["config_revision"], "number", 100, heavy="data"), AUDIT_LOG)
# Amendments before the calls: each that comes later brings its call along.
GROWING = (*_SHARED, QUARANTINE, AMENDMENT, BODY_CHUNK, INTERACTION)
_NAMED = (
    Changing(_all["price"]),
    Changing(_all["made_answer"]),
    *(Changing(_all[name], page=200) for name in tables.CATALOGUE_TABLES if name != "audit_log"),
    Changing(_all["rollup_hourly"]),
    Changing(_all["latency_histogram"]),
    *(Changing(_all[str(kind.__tablename__)]) for kind in tables.ROLLUP_TABLES),
    Changing(_all[tables.FEEDBACK]),
    *(Changing(_all[str(kind.__tablename__)]) for kind in tables.ERASURE_TABLES),
    Changing(_all["open_call"], page=20),
    Changing(_all["metric_total"], is_own=True),
    Changing(_all["spool_position"], is_own=True),
)
AMENDED = (_all["interaction"], _all["interaction_text"], _all["interaction_metadata"])
"""What an amendment changes of a call."""
STAYS = {
    "copy_state": "says what its own database is to the copy",
    "schema_revision": "says how its own database was upgraded",
    "instance": "who is there now; each says so again when it starts",
    "leader": "a lease of the database that it lies in",
    "periodic_run": "upkeep of its own database",
    "text_unindexed": "each database has its own full-text index, and notes what that lacks",
    "text_leftover": "what was deleted from its own index",
}
"""Tables that are never carried, and why."""


def unnamed() -> list[str]:
    """Return the tables of ours that nothing is said of here."""
    growing = {str(table.name) for kind in GROWING for table in (kind.table, *kind.parts)}
    return sorted(set(_all) - growing - {kind.name for kind in _NAMED} - STAYS.keys())


CHANGING = (*_NAMED, *(Changing(_all[name], is_own="instance" in _all[name].columns) for name in unnamed()))


def carried() -> list[Table]:
    """Return every table that is carried."""
    found: list[Table] = []
    for growing in GROWING:
        found += [growing.table, *growing.parts]
    return found + [changing.table for changing in CHANGING]

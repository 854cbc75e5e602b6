"""Which program may work with which database: a rule that travels in the database itself.

Revisions are numbers in one line. Each one that is applied is noted in ``schema_revision`` with the oldest revision
whose programs can go on reading and writing (``compatible_with`` of its module). So a program that meets a database
newer than itself need not know what is new in it: it asks the database. Revisions within a minor series are additive,
and the previous release goes on; where one is not, older programs refuse and change nothing.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, inspect, select

from proxy import __version__
from proxy.errors import StoreError
from proxy.store.schema.revision_tables import SchemaRevisionRow

NOTED_FROM = "0006"
"""The revision that made the table."""
_TABLE = SchemaRevisionRow.__table__  # type: ignore[attr-defined]


def note_revision(*, ctx: Any, step: Any, heads: object, run_args: object) -> None:
    """Note a revision in the transaction that applies it; Alembic calls this after each step."""
    revision = step.up_revision_id
    if revision < NOTED_FROM or (not step.is_upgrade and revision == NOTED_FROM):
        return
    if not step.is_upgrade:
        ctx.execute(_TABLE.delete().where(_TABLE.c.revision == revision))
        return
    module = step.up_revision.module
    ctx.execute(
        _TABLE.insert().values(
            revision=revision,
            compatible_with=getattr(module, "compatible_with", revision),
            release=__version__,
            applied_at=datetime.fromtimestamp(time.time(), UTC),
            is_filled=not hasattr(module, "fill"),
            filled_rows=0,
        )
    )


def current(connection: Connection) -> str | None:
    """Return the database's revision, None when it is empty."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    found = connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar()
    return None if found is None else str(found)


def check(connection: Connection, known: Sequence[str]) -> str | None:
    """Return the database's revision; ``StoreError`` when a program that knows these revisions must not touch it."""
    found = current(connection)
    if found is None or found in known:
        return found
    newer = _newer(connection, known[-1])
    release = f" (Dashcam {newer[-1]['release']})" if newer else ""
    oldest = max((row["compatible_with"] for row in newer), default=None)
    if oldest is not None and newer[-1]["revision"] == found and oldest <= known[-1]:
        return found
    needed = f"which works with programs from revision {oldest} on" if oldest else "which this program does not know"
    raise StoreError(
        f"the database is at revision {found}{release}, {needed}; this is Dashcam {__version__} with {known[-1]}, "
        "which is older",
        hint="start the newer Dashcam, or go back with a copy from before: dashcam db restore FILE",
    )


def _newer(connection: Connection, head: str) -> list[Mapping[str, Any]]:
    if not inspect(connection).has_table(_TABLE.name):
        return []
    wanted = select(_TABLE).where(_TABLE.c.revision > head).order_by(_TABLE.c.revision)
    return [dict(row) for row in connection.execute(wanted).mappings()]

"""The audit log: who did what to what, when, from where, and how it ended. Rows are added, and never changed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import Connection

from proxy.store.catalogue.span import NEWEST, Span
from proxy.store.catalogue.values import instant, json_of, read_instant, read_json
from proxy.store.engines.engine import Backend
from proxy.store.schema.columns import instant_text
from proxy.telemetry.logs import without_keys

_AT_ONCE = 2000
_COLUMNS = "at, actor, source, action, noun, object, outcome, revision, detail"
FILTERS = ("actor", "action", "noun", "object", "outcome")


@dataclass(frozen=True, slots=True, kw_only=True)
class Deed:
    """One thing that was done or tried; no secret and no text of a prompt is in ``detail``.

    ``actor`` is a token's id or a user's name, ``source`` an address or "command", ``object`` the name of what it was
    done to, ``revision`` the one that came of it.
    """

    actor: str
    action: str
    noun: str
    object: str = ""
    source: str = ""
    outcome: Literal["done", "refused", "failed"] = "done"
    revision: int | None = None
    detail: Mapping[str, Any] | None = None


def add(connection: Connection, backend: Backend, *deeds: Deed) -> None:
    """Add deeds, at the database's own time."""
    now = instant_text(backend.now(connection))
    sql = f"INSERT INTO audit_log ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"  # noqa: S608 - our own names
    for deed in deeds:
        detail = None if deed.detail is None else json_of(dict(deed.detail))
        # Who types a key where its id is meant must not find it here.
        names = deed.actor[:200], deed.source[:100], deed.action[:40], deed.noun[:40], without_keys(deed.object)[:300]
        connection.exec_driver_sql(sql, (now, *names, deed.outcome, deed.revision, detail))


def page(
    connection: Connection, span: Span = NEWEST, *, filters: Mapping[str, str] | None = None,
    since: datetime | None = None, until: datetime | None = None,
) -> list[dict[str, Any]]:  # fmt: skip
    """Return deeds, each with its number; ``filters`` are columns and what they hold, ``until`` is not included."""
    wanted = {name: value for name, value in (filters or {}).items() if name in FILTERS}
    times = {"at >= ?": instant(since), "at < ?": instant(until)}
    conditions, values = span.conditions()
    where = " AND ".join([*conditions, *(f"{name} = ?" for name in wanted), *(sql for sql in times if times[sql])])
    sql = f"SELECT number, {_COLUMNS} FROM audit_log WHERE {where} {span.order}"  # noqa: S608 - our own names
    places = (*values, *wanted.values(), *filter(None, times.values()), span.limit)
    rows = connection.exec_driver_sql(sql, places).mappings()
    return [{**row, "at": read_instant(row["at"]), "detail": _detail(row["detail"])} for row in rows]


def drop_before(connection: Connection, milliseconds: int) -> int:
    """Forget some of the deeds from before an instant, the oldest first; return how many."""
    old = "SELECT number FROM audit_log WHERE at < ? ORDER BY number LIMIT ?"
    sql = f"DELETE FROM audit_log WHERE number IN ({old})"  # noqa: S608 - our own names
    return connection.exec_driver_sql(sql, (instant_text(milliseconds), _AT_ONCE)).rowcount


def _detail(value: Any) -> Any:
    return None if value is None else read_json(value)

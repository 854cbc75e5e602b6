"""What is too old goes: texts first, whole calls later, failures last; and what a file has above its ceiling.

A pass goes through the calls in the order of their ids, some hundred a transaction, and knows how far it is: what it
has passed over (failures, routes that keep longer) is not looked at again before the next day. What a call's own caller
has asked for is in an index and needs no pass. What is of no call any more goes last.

What is due is said by ``passes`` and ``size``, whether the clock is to be believed by ``clock``; on Postgres whole
months go first (``months``). One step is one transaction of the caller's, who repeats it until nothing is due.
"""

from __future__ import annotations

from dataclasses import dataclass

import structlog
from sqlalchemy import Connection

from proxy.domain.retention import EXPIRES
from proxy.settings.values import RetentionSettings
from proxy.store.engines.engine import ERASED
from proxy.store.engines.partitions import id_at
from proxy.store.erasure import months
from proxy.store.erasure.archive import Archive, let_go
from proxy.store.erasure.clock import jump, trust_clock
from proxy.store.erasure.erasing import AT_ONCE, PRUNED
from proxy.store.erasure.notes import keep, note
from proxy.store.erasure.passes import REPLAYED_MS, Pass, passes_of, whole_before
from proxy.store.erasure.size import shrink
from proxy.store.filters.statements import NO_ID
from proxy.store.schema.columns import day_text, instant_text

log = structlog.get_logger("retention")

_LOOKED_AT = 2000
_PLACE = "retention_pass:"


@dataclass(slots=True)
class _Place:
    """How far a pass is: behind which call, of which day this round is, and how many calls went in it."""

    behind: str = NO_ID
    day: str = ""
    count: int = 0


def step(connection: Connection, retention: RetentionSettings, now: int, archive: Archive | None = None) -> str | None:
    """Let some of what is due go; return in words what a pass has come to, "" in its middle; None: nothing is due."""
    if (last := jump(connection, now)) is not None:
        log.warning(
            "retention_paused", last_look=instant_text(last), now=instant_text(now),
            hint="nothing is deleted; where the clock is right: dashcam prune --force",
        )  # fmt: skip
        return None
    trust_clock(connection, now)
    told = _wished(connection, now, archive)
    if told is None:
        told = months.step(connection, whole_before(retention, now), now, is_archived=archive is not None)
    for item in passes_of(retention):
        told = told if told is not None else _advance(connection, item, now, archive)
    if told is None and retention.max_size:
        told = shrink(connection, retention.max_size, now, archive)
    if told is None and retention.spans.metadata:
        told = _let_lone_opinions_go(connection, max(0, now - retention.spans.metadata * 1000))
    return told if told is not None else _forget_tombstones(connection, now)


def _wished(connection: Connection, now: int, archive: Archive | None) -> str | None:
    """Let calls go whose callers have asked for it."""
    sql = "SELECT interaction_id FROM interaction_metadata WHERE key = ? AND value < ? ORDER BY value LIMIT ?"
    found = connection.exec_driver_sql(sql, (EXPIRES, instant_text(now), AT_ONCE))
    ids = [str(identity) for (identity,) in found]
    return _went(let_go(connection, ids, "calls", now, archive), "calls", ", as their callers wished") if ids else None


def _advance(connection: Connection, item: Pass, now: int, archive: Archive | None) -> str | None:
    """Go on with a pass; None where it is at its end."""
    place = _place(connection, item, now)
    where, values = item.due(now)
    sql = (
        f"SELECT id, CASE WHEN {where} THEN 1 ELSE 0 END FROM interaction "  # noqa: S608 - ours
        "WHERE id > ? AND id < ? ORDER BY id LIMIT ?"
    )
    rows = connection.exec_driver_sql(sql, (*values, place.behind, id_at(item.cutoff(now)), _LOOKED_AT)).all()
    due = [str(identity) for identity, is_due in rows if is_due][:AT_ONCE]
    if due:
        place.count += let_go(connection, due, "texts" if item.is_text else "calls", now, archive)
    told: str | None = ""
    if rows:
        # Where more is due than goes at once, what lies behind is looked at by the next step.
        place.behind = due[-1] if len(due) == AT_ONCE else str(rows[-1][0])
    else:
        told, place.count = (_went(place.count, item.name, " for their age") if place.count else None), 0
    keep(connection, f"{_PLACE}{item.mark}", f"{place.behind} {place.day} {place.count}")
    return told


def _went(count: int, name: str, why: str) -> str:
    """Return in words what went."""
    if count != 1:
        return f"{count:,} {name} went{why}"
    return f"1 {name.removesuffix('s')} went{why.replace('their callers', 'its caller').replace('their', 'its')}"


def _place(connection: Connection, item: Pass, now: int) -> _Place:
    """Return where a pass is; it begins anew each day, for what came late."""
    said = note(connection, f"{_PLACE}{item.mark}")
    if said:
        behind, day, count = said.split()
        if day == day_text(now):
            return _Place(behind, day, int(count))
    return _Place(day=day_text(now))


def _let_lone_opinions_go(connection: Connection, before: int) -> str | None:
    """Let feedback go that has no call to go with: it waits for one in vain, or its session has none."""
    has_call = "EXISTS (SELECT 1 FROM interaction WHERE interaction.session_id = feedback.session_id)"
    lone = ("interaction_id IS NULL AND reference IS NOT NULL", f"session_id IS NOT NULL AND NOT {has_call}")
    gone = 0
    for which in lone:
        some = f"SELECT id FROM feedback WHERE {which} AND created_at < ? LIMIT ?"  # noqa: S608 - ours
        sql = f"DELETE FROM feedback WHERE id IN ({some})"  # noqa: S608 - ours
        gone += connection.exec_driver_sql(sql, (instant_text(before), AT_ONCE)).rowcount
    if gone:
        connection.info[ERASED] = True
    return f"{gone} of what was thought of no call went for its age" if gone else None


def _forget_tombstones(connection: Connection, now: int) -> str | None:
    """Forget pruned calls that no spool can bring back any more."""
    some = "SELECT id FROM tombstone WHERE purge = ? AND id < ? LIMIT 5000"
    values = (PRUNED, id_at(max(0, now - REPLAYED_MS)))
    gone = connection.exec_driver_sql(f"DELETE FROM tombstone WHERE id IN ({some})", values).rowcount  # noqa: S608 - ours
    return "" if gone else None

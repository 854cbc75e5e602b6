"""What is too old goes: texts first, whole calls later, failures last; and what a file has above its ceiling.

A pass goes through the calls in the order of their ids, some hundred a transaction, and knows how far it is: what it
has passed over (failures, routes that keep longer) is not looked at again before the next day. What a call's own caller
has asked for is in an index and needs no pass. Nothing is due where no span is set.

**A clock that jumps deletes nothing.** Each look leaves its instant; where the last one, or on the first look the
newest call, is over a week ago, either Dashcam was away or the clock is wrong. Nobody can tell which, so nothing goes
until somebody says that the clock is right (``dashcam prune --force``), or until it has come back.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import structlog
from sqlalchemy import Connection

from proxy.domain.retention import EXPIRES, Spans
from proxy.settings.values import RetentionSettings
from proxy.store.engines.engine import ERASED
from proxy.store.engines.partitions import id_at
from proxy.store.erasure import months, oldest_months
from proxy.store.erasure.erasing import AT_ONCE, PRUNED, WITH_TEXT, erase, strip
from proxy.store.erasure.notes import keep, note
from proxy.store.filters.statements import NO_ID
from proxy.store.schema.columns import day_text, hour_text, instant_text, milliseconds_of

log = structlog.get_logger("retention")

JUMP_MS = _WEEK_MS = 7 * 86_400_000
_LOOKED_AT = 2000
REPLAYED_MS = 30 * 86_400_000
"""So old a spool does not become: an older call needs no tombstone."""
_SEEN, _EXCESS, _PASS = "retention_seen", "retention_excess", "retention_pass:"
Archive = Callable[[Sequence[str], str], None]
"""Keeps calls elsewhere, of which "texts" or the "calls" themselves go; what it raises keeps them here."""


@dataclass(frozen=True, slots=True)
class Pass:
    """One kind of calls and how long what of them is kept: ``is_text`` is what was said, else it is the whole call."""

    name: str
    conditions: tuple[str, ...]
    values: tuple[Any, ...]
    seconds: int
    is_text: bool

    @property
    def mark(self) -> str:
        """A name that another span or another kind of calls does not have."""
        return hashlib.sha256(repr(self).encode()).hexdigest()[:16]

    def cutoff(self, now: int) -> int:
        """Return before when calls of this kind are due."""
        return max(0, now - self.seconds * 1000)

    def due(self, now: int) -> tuple[str, tuple[Any, ...]]:
        """Return the condition under which a call is due, and its values."""
        return " AND ".join([*self.conditions, "started_at < ?"]), (*self.values, instant_text(self.cutoff(now)))


@dataclass(slots=True)
class _Place:
    """How far a pass is: behind which call, of which day this round is, and how many calls went in it."""

    behind: str = NO_ID
    day: str = ""
    count: int = 0


def passes_of(retention: RetentionSettings) -> list[Pass]:
    """Return what is to be gone through; none where nothing is set."""
    routes, keys = sorted(retention.routes), sorted(retention.keys)
    without_keys = _without("key_id", keys)
    found = list(_passes("", _joined(_without("route", routes), without_keys), retention.spans))
    for name in routes:
        where = _joined((("route = ?",), (name,)), without_keys)
        found += _passes(f"route {name}: ", where, retention.spans_of(retention.routes[name]))
    for name in keys:
        found += _passes(f"key {name}: ", (("key_id = ?",), (name,)), retention.spans_of(retention.keys[name]))
    return found


_Where = tuple[tuple[str, ...], tuple[Any, ...]]


def _passes(prefix: str, where: _Where, spans: Spans) -> Iterator[Pass]:
    states = ", ".join(f"'{state}'" for state in WITH_TEXT)
    conditions, values = where
    if spans.text:
        said = (*conditions, f"content_state IN ({states})")
        yield Pass(f"{prefix}texts", said, values, spans.text, is_text=True)
    if spans.metadata:
        yield Pass(f"{prefix}calls", (*conditions, "success"), values, spans.metadata, is_text=False)
    if spans.of_errors:
        yield Pass(f"{prefix}failures", (*conditions, "NOT success"), values, spans.of_errors, is_text=False)


def whole_before(retention: RetentionSettings, now: int) -> int | None:
    """Return before when every call is due, and too old for a tombstone; None where some are kept for ever."""
    spans = [retention.spans, *map(retention.spans_of, (*retention.routes.values(), *retention.keys.values()))]
    if not all(item.metadata for item in spans):
        return None
    return max(0, now - max(REPLAYED_MS, *(item.of_errors * 1000 for item in spans)))


def _without(column: str, names: Sequence[str]) -> _Where:
    if not names:
        return (), ()
    return (f"({column} IS NULL OR {column} NOT IN ({', '.join('?' * len(names))}))",), tuple(names)


def _joined(one: _Where, other: _Where) -> _Where:
    return one[0] + other[0], one[1] + other[1]


# -- the clock -------------------------------------------------------------------------------------------------


def jump(connection: Connection, now: int) -> int | None:
    """Return since when nobody has looked where that is too long ago for a clock that is right, else None."""
    said = note(connection, _SEEN)
    last = int(said) if said else _newest(connection)
    return last if last is not None and now - last > JUMP_MS else None


def trust_clock(connection: Connection, now: int) -> None:
    """Take the clock for right from now on."""
    keep(connection, _SEEN, str(now))


def _newest(connection: Connection) -> int | None:
    found = connection.exec_driver_sql("SELECT started_at FROM interaction ORDER BY started_at DESC LIMIT 1").scalar()
    return None if found is None else milliseconds_of(str(found))


# -- going through -----------------------------------------------------------------------------------------------


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
        told = _shrink(connection, retention.max_size, now, archive)
    if told is None and retention.spans.metadata:
        told = _let_lone_opinions_go(connection, max(0, now - retention.spans.metadata * 1000))
    return told if told is not None else _forget_tombstones(connection, now)


def _wished(connection: Connection, now: int, archive: Archive | None) -> str | None:
    """Let calls go whose callers have asked for it."""
    sql = "SELECT interaction_id FROM interaction_metadata WHERE key = ? AND value < ? ORDER BY value LIMIT ?"
    found = connection.exec_driver_sql(sql, (EXPIRES, instant_text(now), AT_ONCE))
    ids = [str(identity) for (identity,) in found]
    return _went(_erase(connection, ids, now, archive), "calls", ", as their callers wished") if ids else None


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
        place.count += strip_some(connection, due, archive) if item.is_text else _erase(connection, due, now, archive)
    told: str | None = ""
    if rows:
        # Where more is due than goes at once, what lies behind is looked at by the next step.
        place.behind = due[-1] if len(due) == AT_ONCE else str(rows[-1][0])
    else:
        told, place.count = (_went(place.count, item.name, " for their age") if place.count else None), 0
    keep(connection, f"{_PASS}{item.mark}", f"{place.behind} {place.day} {place.count}")
    return told


def _went(count: int, name: str, why: str) -> str:
    """Return in words what went."""
    if count != 1:
        return f"{count:,} {name} went{why}"
    return f"1 {name.removesuffix('s')} went{why.replace('their callers', 'its caller').replace('their', 'its')}"


def _place(connection: Connection, item: Pass, now: int) -> _Place:
    """Return where a pass is; it begins anew each day, for what came late."""
    said = note(connection, f"{_PASS}{item.mark}")
    if said:
        behind, day, count = said.split()
        if day == day_text(now):
            return _Place(behind, day, int(count))
    return _Place(day=day_text(now))


def strip_some(connection: Connection, ids: Sequence[str], archive: Archive | None) -> int:
    """Take the texts of calls away that are too old."""
    if archive is not None:
        archive(ids, "texts")
    return strip(connection, ids, keeps_facts=True)


def _erase(connection: Connection, ids: Sequence[str], now: int, archive: Archive | None) -> int:
    if archive is not None:
        archive(ids, "calls")
    return erase(connection, ids, now, PRUNED)


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


# -- the size ----------------------------------------------------------------------------------------------------


def used_bytes(connection: Connection) -> int:
    """Return how much of a file is in use; of a Postgres what its months and slices hold."""
    if connection.dialect.name == "postgresql":
        return oldest_months.held_bytes(connection)
    pages, free, size = (
        int(connection.exec_driver_sql(f"PRAGMA {name}").scalar_one())
        for name in ("page_count", "freelist_count", "page_size")
    )
    return (pages - free) * size


def _shrink(connection: Connection, most: int, now: int, archive: Archive | None) -> str | None:
    """Take away the oldest texts, and where there are none the oldest calls, until there is some room again.

    On Postgres whole months. Slices give their space back when they are swept: until then nothing more is taken.
    """
    if connection.dialect.name == "postgresql":
        erase_some = None if archive is None else partial(_erase, connection, now=now, archive=archive)
        return oldest_months.shrink(connection, most, now, max(0, now - REPLAYED_MS), erase_some)
    excess = int(note(connection, _EXCESS) or 0)
    if not excess:
        used = used_bytes(connection)
        if used <= most or connection.exec_driver_sql("SELECT 1 FROM loose_slice LIMIT 1").first() is not None:
            return None
        calls = int(connection.exec_driver_sql("SELECT count(*) FROM interaction").scalar_one())
        excess = max(1, round(calls * (used - most * 0.97) / used))
    at_once = min(AT_ONCE, excess)
    texts = "SELECT DISTINCT interaction_id FROM interaction_body ORDER BY interaction_id LIMIT ?"
    ids = _oldest(connection, texts, at_once)
    if ids:
        done = strip_some(connection, ids, archive)
    else:
        ids = _oldest(connection, "SELECT id FROM interaction ORDER BY id LIMIT ?", at_once)
        done = _erase(connection, ids, now, archive)
    keep(connection, _EXCESS, str(max(0, excess - done) if done else 0))
    return f"{done} of the oldest calls went, or their texts, for the size" if done else None


def _oldest(connection: Connection, sql: str, at_once: int) -> list[str]:
    return [str(identity) for (identity,) in connection.exec_driver_sql(sql, (at_once,))]


def rows_of(ids: Sequence[str]) -> tuple[str, tuple[str, ...]]:
    """Return the question for the rows of some calls, in the order of their ids."""
    marks = ",".join("?" * len(ids))
    return f"SELECT * FROM interaction WHERE id IN ({marks}) ORDER BY id", tuple(ids)  # noqa: S608 - placeholders only


# -- what would go ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlook:
    """``due`` is how many calls by the name of each pass; ``bytes`` what is in use, ``per_day`` how it grows.

    ``paused_since`` is the last look where the clock has jumped since; ``full_in_days`` when the ceiling is reached.
    """

    due: dict[str, int]
    paused_since: int | None
    bytes: int
    per_day: int
    full_in_days: float | None


def outlook(connection: Connection, retention: RetentionSettings, now: int) -> Outlook:
    """Return what would go and how the record grows; it reads only, and looks at every call."""
    due = dict[str, int]()
    for item in passes_of(retention):
        where, values = item.due(now)
        due[item.name] = _number(connection, f"SELECT count(*) FROM interaction WHERE {where}", values)  # noqa: S608
    wished = "SELECT count(*) FROM interaction_metadata WHERE key = ? AND value < ?"
    due["by their callers' wish"] = _number(connection, wished, (EXPIRES, instant_text(now)))
    used, per_day = used_bytes(connection), 0
    calls = _number(connection, "SELECT coalesce(sum(calls), 0) FROM rollup_hourly", ())
    since = hour_text(max(0, now - _WEEK_MS))
    lately = _number(connection, "SELECT coalesce(sum(calls), 0) FROM rollup_hourly WHERE hour >= ?", (since,))
    if calls:
        per_day = round(used / calls * lately / _days_on_record(connection, now))
    full = (retention.max_size - used) / per_day if retention.max_size and per_day else None
    return Outlook(
        due=due, paused_since=jump(connection, now), bytes=used, per_day=per_day,
        full_in_days=None if full is None else round(max(0.0, full), 1),
    )  # fmt: skip


def _days_on_record(connection: Connection, now: int) -> float:
    """Return how many days of the last week there were calls in, by when the first one began; a day at least."""
    first = str(connection.exec_driver_sql("SELECT min(hour) FROM rollup_hourly").scalar_one())
    return min(7.0, max(1.0, (now - milliseconds_of(f"{first}:00:00.000Z")) / 86_400_000))


def _number(connection: Connection, sql: str, values: tuple[Any, ...]) -> int:
    return int(connection.exec_driver_sql(sql, values).scalar_one())

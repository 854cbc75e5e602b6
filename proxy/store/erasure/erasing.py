"""Erasing calls that are on record, or their texts alone: all that belongs to them, in the caller's transaction.

Sums follow: rollups, views and rows say the same afterwards. What counts calls ever accepted stays: the totals behind
``/metrics`` and the ledger, in which an erased call is ``stored`` as it was. A call that is erased leaves its id as a
tombstone, so that a replay finds it there and changes nothing.

Every table is decided in ``OF_CALLS`` or ``STAYS``; a test fails for one that is in neither. Slices of bodies may
belong to other calls as well: they are noted as loose, and ``sweeping`` removes those that nobody refers to. Locks are
taken in the writer's order: calls, what belongs to them, rollups.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import orjson
from sqlalchemy import Connection

from proxy.domain.interaction import Interaction
from proxy.domain.outcome import ContentState
from proxy.store.contents.bodies import CHUNKS, read_varints
from proxy.store.contents.hidden import COLUMNS as HIDDEN
from proxy.store.contents.hidden import ERRORS
from proxy.store.engines.bulk import ids_in, run_many
from proxy.store.engines.engine import ERASED
from proxy.store.schema.columns import day_text, instant_text
from proxy.store.schema.decoding import Row, decoded
from proxy.store.schema.rows import json_text
from proxy.store.schema.sealing import SEALED
from proxy.store.sums.counting import COUNTED, Recount, count, counted

AT_ONCE = 500
"""So many calls are erased in one transaction, at most."""
PRUNED = 0
"""The number that tombstones of pruned calls bear instead of a purge's."""
OF_CALLS = {
    "interaction": "id",
    "interaction_text": "interaction_id",
    "interaction_body": "interaction_id",
    "interaction_metadata": "interaction_id",
    "attempt": "interaction_id",
    "amendment": "interaction_id",
    "feedback": "interaction_id",
    "open_call": "id",
}
"""The tables whose rows go with their call, and the column that names it."""
STAYS = {
    "quarantine": "says that something was set aside, and is counted; its bytes go",
    "body_chunk": "may belong to other calls; is swept",
    "price": "what models cost, of nobody",
    "made_answer": "keeps an answer from being counted twice: ids, and nothing that was said",
    "rollup_hourly": "counts the call no more", "rollup_daily": "counts the call no more",
    "latency_histogram": "counts the call no more", "latency_daily": "counts the call no more",
    "usage_daily": "counts the call no more", "failure_daily": "counts the call no more",
    "metric_total": "counts calls ever accepted", "spool_position": "counts calls ever accepted",
    "tombstone": "is what is left of the call", "purge": "says what was to be erased",
    "loose_slice": "is what sweeping works through",
    "text_unindexed": "a trigger of interaction_text takes the call away", "text_leftover": "is a number",
    "audit_log": "says who did what, and has a span of its own", "config_revision": "is of no call",
    "schema_revision": "is of no call", "copy_state": "is of no call", "instance": "is of no call",
    "leader": "is of no call", "periodic_run": "is of no call",
}  # fmt: skip
"""The tables that keep their rows, and why. Those of the catalogue are of no call either."""
TEXTS = ("input_preview", "output_preview", "prompt_variables")
"""What of a row says what was asked or answered."""
_SAID = (*TEXTS, "error_message", "response_sha256")
WITH_TEXT = (ContentState.STORED, ContentState.TRUNCATED, ContentState.REDACTED)
"""The states of calls of which something that was said is there."""
_COLUMNS = ", ".join(f'"{name}"' for name in COUNTED)
_TOMBSTONE = "INSERT INTO tombstone (id, erased_at, purge) VALUES (?, ?, ?) ON CONFLICT DO NOTHING"
_LOOSE = (
    "INSERT INTO loose_slice (number, day, noted) VALUES (?, ?, 1) "
    "ON CONFLICT (number) DO UPDATE SET noted = loose_slice.noted + 1"
)


def erase(connection: Connection, ids: Iterable[str], at: int, purge: int | None = None) -> int:
    """Erase calls, ``AT_ONCE`` at most; return how many there were. ``at`` is Unix milliseconds."""
    olds = _held(connection, sorted(set(ids)))
    gone = [item.id for item in olds]
    sessions = sessions_of(connection, gone)
    _let_slices_go(connection, olds)
    for table, column in OF_CALLS.items():
        _run(connection, f"DELETE FROM {table} WHERE {column} IN", gone)  # noqa: S608 - ours
    _run(connection, "UPDATE quarantine SET data = NULL WHERE interaction_id IN", gone)
    let_opinions_go(connection, sessions)
    count(connection, Recount(olds, []))
    run_many(connection, _TOMBSTONE, [(identity, instant_text(at), purge) for identity in gone])
    return len(gone)


def sessions_of(connection: Connection, ids: Sequence[str]) -> list[str]:
    """Return the sessions that calls belong to."""
    found = set()
    for part in _parts(ids):
        sql = f"SELECT session_id FROM interaction WHERE id IN ({_marks(part)}) AND session_id IS NOT NULL"  # noqa: S608 - placeholders only
        found |= {str(name) for (name,) in connection.exec_driver_sql(sql, part)}
    return sorted(found)


def let_opinions_go(connection: Connection, sessions: Sequence[str]) -> None:
    """Erase what was thought of sessions as a whole, of those that no call is left of."""
    left = "NOT EXISTS (SELECT 1 FROM interaction WHERE interaction.session_id = feedback.session_id)"
    of_sessions = "interaction_id IS NULL AND reference IS NULL"
    _run(connection, f"DELETE FROM feedback WHERE {of_sessions} AND {left} AND session_id IN", sessions)  # noqa: S608 - ours


def erased(connection: Connection, ids: Sequence[str]) -> set[str]:
    """Return which of these have been on record and are erased."""
    return ids_in(connection, "tombstone", ids)


def on_record(connection: Connection, ids: Sequence[str]) -> list[str]:
    """Return which of these are there, in order; they stay so until our transaction ends."""
    return [str(row["id"]) for row in held_rows(connection, sorted(set(ids)), "id")]


def strip(connection: Connection, ids: Iterable[str], *, keeps_facts: bool = False) -> int:
    """Take the texts of calls away: bodies, plain texts, previews, variables; return how many there were.

    Facts, counts and costs stay. With ``keeps_facts`` errors keep their words, feedback its comments, and the answer
    its hash: that is what age does to a call, and not somebody's wish.
    """
    olds = _held(connection, sorted(set(ids)))
    wanted = [item.id for item in olds]
    _let_slices_go(connection, olds)
    columns = TEXTS if keeps_facts else _SAID
    states = ", ".join(f"'{state}'" for state in WITH_TEXT)
    state = f"content_state = CASE WHEN content_state IN ({states}) THEN '{ContentState.PRUNED}' ELSE content_state END"
    terms = ", ".join([*(f"{name} = NULL" for name in columns), state])
    _run(connection, f"UPDATE interaction SET {terms} WHERE id IN", wanted)  # noqa: S608 - ours
    _run(connection, "DELETE FROM interaction_text WHERE interaction_id IN", wanted)
    # What is sealed of errors stays as their words do.
    kept = f"side <> '{ERRORS}' AND " if keeps_facts else ""
    _run(connection, f"DELETE FROM interaction_body WHERE {kept}interaction_id IN", wanted)  # noqa: S608 - ours
    if not keeps_facts:
        _run(connection, "UPDATE attempt SET error_message = NULL WHERE interaction_id IN", wanted)
        _run(connection, "UPDATE feedback SET comment = NULL WHERE interaction_id IN", wanted)
        _run(connection, "UPDATE feedback SET words = '' WHERE words IS NOT NULL AND interaction_id IN", wanted)
    _run(connection, "UPDATE quarantine SET data = NULL WHERE interaction_id IN", wanted)
    forget(connection, wanted, columns)
    return len(wanted)


def forget(connection: Connection, ids: Sequence[str], columns: Sequence[str]) -> None:
    """Let the history of rows say nothing of some columns any more; what is sealed of it goes with any of those."""
    columns = (*columns, SEALED) if not set(HIDDEN).isdisjoint(columns) else columns
    for part in _parts(ids):
        sql = f"SELECT number, before, after FROM amendment WHERE interaction_id IN ({_marks(part)})"  # noqa: S608
        for row in connection.exec_driver_sql(sql, part).mappings().all():
            said = [orjson.loads(row[name]) for name in ("before", "after")]
            kept = [{name: value for name, value in found.items() if name not in columns} for found in said]
            if kept != said:
                values = (*(json_text(found) or "{}" for found in kept), row["number"])
                connection.exec_driver_sql("UPDATE amendment SET before = ?, after = ? WHERE number = ?", values)


def held_rows(connection: Connection, ids: Sequence[str], columns: str) -> Iterator[Row]:
    """Yield columns of calls that are there, in the order of their ids; they stay so until our transaction ends."""
    lock = " FOR UPDATE" if connection.dialect.name == "postgresql" else ""
    for part in _parts(ids):
        sql = f"SELECT {columns} FROM interaction WHERE id IN ({_marks(part)}) ORDER BY id{lock}"  # noqa: S608 - ours
        for row in connection.exec_driver_sql(sql, part).mappings().all():
            yield decoded(dict(row))


def _held(connection: Connection, ids: Sequence[str]) -> list[Interaction]:
    return [counted(row) for row in held_rows(connection, ids, _COLUMNS)]


def _let_slices_go(connection: Connection, olds: Sequence[Interaction]) -> None:
    connection.info[ERASED] = True
    days = {item.id: day_text(item.started_at) for item in olds}
    loose: dict[int, str] = {}
    for part in _parts(list(days)):
        sql = f"SELECT interaction_id, data FROM interaction_body WHERE interaction_id IN ({_marks(part)}) AND form = ?"  # noqa: S608 - ours
        for identity, data in connection.exec_driver_sql(sql, (*part, CHUNKS)):
            loose |= dict.fromkeys(read_varints(data), days[str(identity)])
    run_many(connection, _LOOSE, sorted(loose.items()))


def _run(connection: Connection, sql: str, ids: Sequence[str]) -> None:
    """Run a statement that ends with ``IN`` for these ids."""
    for part in _parts(ids):
        connection.exec_driver_sql(f"{sql} ({_marks(part)})", part)


def _parts(ids: Sequence[str]) -> Iterator[tuple[str, ...]]:
    for start in range(0, len(ids), AT_ONCE):
        yield tuple(ids[start : start + AT_ONCE])


def _marks(part: Sequence[str]) -> str:
    return ",".join("?" * len(part))

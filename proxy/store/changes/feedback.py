"""What is thought of calls: kept by its id, added up as the call's score, and waiting where the call is not there yet.

A call's ``score`` is the mean of all scores given to it, ``score_count`` how many; both change as rows always do, with
what they said before beside (``amending``). Feedback that comes before its call is given to it in the transaction that
stores the call. Two hosts of a Postgres may just miss each other there; the leader looks for such every minute.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection

from proxy.domain.feedback import Feedback
from proxy.domain.interaction import Interaction
from proxy.errors import InvalidError, NotFoundError, Problem
from proxy.store.changes.amending import Amendment, Change, amend
from proxy.store.engines.engine import ERASED, Backend
from proxy.store.schema.columns import instant_text

COLUMNS = ("id", "reference", "interaction_id", "session_id", "name", "kind", "value", "words", "low", "high", "score",
           "comment", "source", "author", "created_at", "updated_at")  # fmt: skip
FILTERS = ("interaction_id", "session_id", "name", "kind", "source", "author")
_NAMED = ", ".join(COLUMNS)
_MARKS = ", ".join("?" * len(COLUMNS))
_KEPT = ("id", "reference", "interaction_id", "session_id", "created_at")
_PUT = (
    f"INSERT INTO feedback ({_NAMED}) VALUES ({_MARKS}) ON CONFLICT (id) DO UPDATE SET "  # noqa: S608 - ours
    + ", ".join(f"{name} = excluded.{name}" for name in COLUMNS if name not in _KEPT)
    # A loader may have given it to its call since we looked for that.
    + ", interaction_id = coalesce(excluded.interaction_id, feedback.interaction_id)"
)
_BRING = f"INSERT INTO feedback ({_NAMED}) VALUES ({_MARKS}) ON CONFLICT (id) DO NOTHING"  # noqa: S608 - ours
_BY_OWN_ID = "SELECT id FROM interaction WHERE client_request_id = ? ORDER BY started_at DESC, id DESC LIMIT 1"
_WAITING = "interaction_id IS NULL AND reference IS NOT NULL"
_SCORES = "SELECT avg(score), count(score) FROM feedback WHERE interaction_id = ?"
_AT_ONCE = 500
_LOOKED_AT = 1000
_DAYS_WAITING = 7
Row = dict[str, Any]


def put(connection: Connection, backend: Backend, item: Feedback) -> Row:
    """Keep feedback, or let it say what it says now; ``InvalidError`` where the id is that of something else's.

    ``NotFoundError`` where its call was erased: nothing more is kept of it.
    """
    now = backend.now(connection)
    call = None if item.reference is None else _hold(connection, item.reference)
    if call is None and item.reference is not None and _is_erased(connection, item.reference):
        raise NotFoundError(f"the call {item.reference} was erased, and nothing more is kept of it")
    found = connection.exec_driver_sql(f"SELECT {_NAMED} FROM feedback WHERE id = ?", (item.id,)).mappings().first()  # noqa: S608
    if found is not None and (found["reference"], found["session_id"]) != (item.reference, item.session_id):
        raise InvalidError([Problem("id", "is that of feedback on something else; give this another one")])
    began = instant_text(now) if found is None else found["created_at"]
    values = {
        **{name: getattr(item, name) for name in COLUMNS if hasattr(item, name)}, "kind": item.kind.value,
        "source": item.source.value, "interaction_id": call, "created_at": began, "updated_at": instant_text(now),
    }  # fmt: skip
    connection.exec_driver_sql(_PUT, tuple(values[name] for name in COLUMNS))
    stored = get(connection, item.id)
    if stored["interaction_id"] is not None:
        _hold(connection, stored["interaction_id"])
        _score(connection, [stored["interaction_id"]], now)
    return stored


def remove(connection: Connection, backend: Backend, identity: str) -> None:
    """Take feedback away; ``NotFoundError`` where there is none of this id."""
    found = get(connection, identity)
    if found["interaction_id"] is not None:
        _hold(connection, found["interaction_id"])
    connection.exec_driver_sql("DELETE FROM feedback WHERE id = ?", (identity,))
    connection.info[ERASED] = True
    if found["interaction_id"] is not None:
        _score(connection, [found["interaction_id"]], backend.now(connection))


def get(connection: Connection, identity: str) -> Row:
    """Return feedback by its id; ``NotFoundError`` where there is none."""
    found = connection.exec_driver_sql(f"SELECT {_NAMED} FROM feedback WHERE id = ?", (identity,)).mappings().first()  # noqa: S608
    if found is None:
        raise NotFoundError(f"there is no feedback {identity[:60]!r}", hint="list it: GET /api/v1/feedback")
    return dict(found)


def page(
    connection: Connection, filters: Mapping[str, str], limit: int, behind: Row | None, *, newest_first: bool
) -> list[Row]:
    """Return feedback by when it was given, behind another one; ``filters`` are columns and what they hold.

    A call is found by its id and by the caller's own, also before it is on record.
    """
    wanted = {name: value for name, value in filters.items() if name in FILTERS}
    if "interaction_id" in wanted:
        reference = wanted.pop("interaction_id")
        call = _find(connection, reference)
        wanted |= {f"{_WAITING} AND reference": reference} if call is None else {"interaction_id": call}
    conditions, values = [f"{name} = ?" for name in wanted], list(wanted.values())
    sign, direction = ("<", "DESC") if newest_first else (">", "ASC")
    if behind is not None:
        conditions.append(f"(created_at, id) {sign} (?, ?)")
        values += [behind["created_at"], behind["id"]]
    where = f"WHERE {' AND '.join(conditions)} " if conditions else ""
    sql = f"SELECT {_NAMED} FROM feedback {where}ORDER BY created_at {direction}, id {direction} LIMIT ?"  # noqa: S608
    return [dict(row) for row in connection.exec_driver_sql(sql, (*values, limit)).mappings()]


def origin(connection: Connection, reference: str) -> tuple[str | None, str | None] | None:
    """Return the route and the key of a call, by its id or the caller's own; None where it is not on record."""
    call = _find(connection, reference)
    sql = "SELECT route, key_id FROM interaction WHERE id = ?"
    found = None if call is None else connection.exec_driver_sql(sql, (call,)).first()
    return None if found is None else (found[0], found[1])


def bring(connection: Connection, rows: Iterable[Mapping[str, Any]]) -> None:
    """Keep what was thought of calls that were carried here; what has an id that is there already stays away."""
    for row in sorted(rows, key=lambda row: str(row["id"])):
        connection.exec_driver_sql(_BRING, tuple(row.get(name) for name in COLUMNS))


def settle(connection: Connection, stored: Sequence[Interaction], now: int) -> None:
    """Give calls that have just been stored what waits for them; mostly nothing does, which one look tells."""
    if not stored or not _waits(connection):
        return
    calls = {item.client_request_id: item.id for item in stored if item.client_request_id}
    calls |= {item.id: item.id for item in stored}
    _give(connection, {name: calls[name] for name in _waiting_of(connection, sorted(calls))}, now)


def settle_missed(connection: Connection, now: int) -> str | None:
    """Give calls on record what still waits for them; say how many, None for none."""
    since = instant_text(max(0, now - _DAYS_WAITING * 86_400_000))
    sql = f"SELECT reference FROM feedback WHERE {_WAITING} AND created_at >= ? LIMIT {_LOOKED_AT}"  # noqa: S608 - ours
    found = {str(name): _find(connection, str(name)) for (name,) in connection.exec_driver_sql(sql, (since,)).all()}
    calls = {name: call for name, call in found.items() if call is not None}
    _give(connection, calls, now)
    return f"found the calls of {len(calls)} that waited" if calls else None


def _waits(connection: Connection) -> bool:
    return connection.exec_driver_sql(f"SELECT 1 FROM feedback WHERE {_WAITING} LIMIT 1").first() is not None  # noqa: S608


def _waiting_of(connection: Connection, names: Sequence[str]) -> Iterable[str]:
    for start in range(0, len(names), _AT_ONCE):
        part = tuple(names[start : start + _AT_ONCE])
        marks = ",".join("?" * len(part))
        sql = f"SELECT reference FROM feedback WHERE {_WAITING} AND reference IN ({marks})"  # noqa: S608 - placeholders
        for (name,) in connection.exec_driver_sql(sql, part).all():
            yield str(name)


def _give(connection: Connection, calls: Mapping[str, str], now: int) -> None:
    for call in sorted(set(calls.values())):
        _hold(connection, call)
    for name, call in sorted(calls.items()):
        sql = f"UPDATE feedback SET interaction_id = ? WHERE {_WAITING} AND reference = ?"  # noqa: S608 - ours
        connection.exec_driver_sql(sql, (call, name))
    _score(connection, sorted(set(calls.values())), now)


def _find(connection: Connection, reference: str) -> str | None:
    """Return the call of an id, ours or the caller's own; of several with the same own id the newest."""
    for sql in ("SELECT id FROM interaction WHERE id = ?", _BY_OWN_ID):
        found = connection.exec_driver_sql(sql, (reference,)).scalar()
        if found is not None:
            return str(found)
    return None


def _is_erased(connection: Connection, reference: str) -> bool:
    return connection.exec_driver_sql("SELECT 1 FROM tombstone WHERE id = ?", (reference,)).first() is not None


def _hold(connection: Connection, reference: str) -> str | None:
    """Return a call, which stays as it is until our transaction ends: who scores it after us sees what we gave."""
    found = _find(connection, reference)
    if found is not None and connection.dialect.name == "postgresql":
        connection.exec_driver_sql("SELECT id FROM interaction WHERE id = ? FOR UPDATE", (found,))
    return found


def _score(connection: Connection, calls: Sequence[str], now: int) -> None:
    """Let calls have the mean of their scores."""
    changes = []
    for call in calls:
        mean, number = connection.exec_driver_sql(_SCORES, (call,)).one()
        changes.append(Change(id=call, before={}, after={"score": mean, "score_count": number}))
    amend(connection, Amendment(command="feedback", reason="scores were given", at=now, changes=changes))

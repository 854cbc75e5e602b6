"""What was to be erased, or made anonymous: found and done in batches, and done to what is stored later, too.

A purge is a row of its own from the moment when somebody has asked for it. It is about calls that began before that
moment: those on record are erased some hundred a transaction, in any number of goes, so that it can be killed and
goes on; those that still lie in a spool, or are parked, are erased in the transaction that stores them. Where whoever
asked is gone, the leader goes on (``settle``). After ``KEPT_DAYS`` the row goes, and with it the tombstones it left;
those of calls that were erased by their id stay.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal

import orjson
from sqlalchemy import Connection

from proxy.domain.identity import id_time_ns, parse_id
from proxy.domain.interaction import Interaction
from proxy.errors import NotFoundError
from proxy.query.parsing import parse
from proxy.store.contents.set_aside import Quarantined
from proxy.store.engines.partitions import bounded
from proxy.store.erasure.anonymising import Manner, anonymise
from proxy.store.erasure.erasing import AT_ONCE, erase
from proxy.store.filters import text_index
from proxy.store.filters.asking import filters_of
from proxy.store.filters.statements import NO_ID, Filters, conditions_of
from proxy.store.schema.columns import instant_text, milliseconds_of

KEPT_DAYS = 90
"""So long a purge counts for what is stored later: longer than a spool should wait for its host."""
SETTLE_SECONDS = 60
"""So long after it was asked for, the leader looks whether anything is left."""
Kind = Literal["purge", "anonymise"]
PURGE: Kind = "purge"
ANONYMISE: Kind = "anonymise"
_DAY = 86_400_000
_UNDONE = "SELECT number, aim FROM purge WHERE kind = ? AND finished_at IS NULL ORDER BY number"
_INSERT = "INSERT INTO purge (kind, aim, author, made_at, calls, key) VALUES (?, ?, ?, ?, 0, ?) RETURNING number"
_AGAIN = "UPDATE purge SET made_at = ?, done_to = NULL WHERE number = ?"
_FINISH = "UPDATE purge SET finished_at = coalesce(finished_at, ?), key = NULL WHERE number = ?"
_TOLD = "UPDATE purge SET calls = calls + ? WHERE number = ?"
_DONE_TO = "UPDATE purge SET done_to = ? WHERE number = ?"
_HAS_BYTES = {"postgresql": "position(CAST(? AS bytea) in data) > 0", "sqlite": "instr(data, ?) > 0"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Aim:
    """Which calls: all of what is said must hold. ``query`` is of the search grammar; instants are Unix milliseconds.

    ``manner`` is what anonymising leaves; with nothing else said at all it is every call.
    """

    query: str = ""
    user: str | None = None
    session: str | None = None
    since: int | None = None
    until: int | None = None
    manner: Manner = field(default_factory=Manner)

    @property
    def is_everything(self) -> bool:
        """True where no call is left out."""
        return not self.query.strip() and (self.user, self.session, self.since, self.until) == (None,) * 4

    def filters(self, at: int) -> Filters:
        """Return what the store looks for when this was asked at an instant; a query's mistakes are ``QueryError``."""
        asked = Filters(user=self.user, session=self.session, since=self.since, until=self.until)
        found = filters_of(parse(self.query).terms, at, asked) if self.query.strip() else asked
        return replace(found, until=at + 1 if found.until is None else min(found.until, at + 1))


@dataclass(frozen=True, slots=True, kw_only=True)
class Purge:
    """One that was asked for; ``calls`` is how many were done so far, ``done_to`` the last of them."""

    number: int
    kind: Kind
    aim: Aim
    author: str
    made_at: int
    calls: int
    done_to: str | None
    is_finished: bool
    key: bytes | None = None

    @property
    def filters(self) -> Filters:
        """What it is about."""
        return self.aim.filters(self.made_at)


def begin(connection: Connection, kind: Kind, aim: Aim, author: str, now: int) -> Purge:
    """Let it count from now on; one that was asked for in the same words and is not finished goes on."""
    aim.filters(now)
    said = orjson.dumps(asdict(aim), option=orjson.OPT_SORT_KEYS).decode()
    waiting = connection.exec_driver_sql(_UNDONE, (kind,)).all()
    number = next((number for number, text in waiting if orjson.loads(text) == orjson.loads(said)), None)
    if number is None:
        key = secrets.token_bytes(32) if aim.manner.has_pseudonyms else None
        number = connection.exec_driver_sql(_INSERT, (kind, said, author[:200], instant_text(now), key)).scalar_one()
    else:
        connection.exec_driver_sql(_AGAIN, (instant_text(now), number))
    _empty_quarantine(connection, aim, now)
    if aim.is_everything:
        # What still waits for its call, or is of a session that never had one.
        sql = "DELETE FROM feedback WHERE interaction_id IS NULL AND created_at <= ?"
        connection.exec_driver_sql(sql, (instant_text(now),))
    return get(connection, int(number))


def get(connection: Connection, number: int) -> Purge:
    """Return one by its number; ``NotFoundError`` where there is none."""
    found = connection.exec_driver_sql("SELECT * FROM purge WHERE number = ?", (number,)).mappings().first()
    if found is None:
        raise NotFoundError(f"there is no purge {number}", hint=f"they are forgotten after {KEPT_DAYS} days")
    return _purge(found)


def wait_for_writers(connection: Connection) -> None:
    """Wait for those who stored calls before it counted, so that they are found; whoever comes after knows of it.

    In a transaction of its own that has locked nothing else. On SQLite there is one writer.
    """
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql("LOCK TABLE interaction IN SHARE ROW EXCLUSIVE MODE")


def find(connection: Connection, purge: Purge, limit: int = AT_ONCE) -> list[str]:
    """Return calls that it is about and that are still to be done, a few. It reads only, and may take a while."""
    conditions, values = conditions_of(_settled(connection, purge.filters))
    where = " AND ".join(conditions)
    if purge.kind == ANONYMISE:
        # They go on matching: what is done is told by its place. Behind a CASE no index of a filter's is taken.
        where = f"id > ? AND CASE WHEN {where} THEN 1 ELSE 0 END = 1 ORDER BY id"
        values = [purge.done_to or NO_ID, *values]
    sql = f"SELECT id FROM interaction WHERE {where} LIMIT ?"  # noqa: S608 - ours
    return [str(identity) for (identity,) in connection.exec_driver_sql(sql, (*values, limit))]


def carry_out(connection: Connection, purge: Purge, ids: Sequence[str], now: int) -> int:
    """Do it to calls that were found, as far as it is still about them; return how many. ``AT_ONCE`` at most."""
    done = _do(connection, purge, _matching(connection, purge, ids), now)
    connection.exec_driver_sql(_DONE_TO, (max(ids), purge.number))
    return done


def _do(connection: Connection, purge: Purge, wanted: Sequence[str], now: int) -> int:
    if purge.kind == ANONYMISE:
        done = anonymise(connection, wanted, purge.aim.manner, purge.key)
    else:
        done = erase(connection, wanted, now, purge.number)
    connection.exec_driver_sql(_TOLD, (done, purge.number))
    return done


def finish(connection: Connection, purge: Purge, now: int) -> None:
    """Note that nothing was found any more; pseudonyms can be made by nobody from now on."""
    connection.exec_driver_sql(_FINISH, (instant_text(now), purge.number))


def apply_to_new(connection: Connection, stored: Sequence[Interaction], now: int) -> None:
    """Do to calls that have just been stored what was asked for since they began."""
    if not stored:
        return
    since = instant_text(min(item.started_at for item in stored))
    rules = connection.exec_driver_sql("SELECT * FROM purge WHERE made_at >= ? ORDER BY number", (since,)).mappings()
    for purge in [_purge(row) for row in rules.all()]:
        ids = sorted(item.id for item in stored)
        for start in range(0, len(ids), AT_ONCE):
            if wanted := _matching(connection, purge, ids[start : start + AT_ONCE]):
                _do(connection, purge, wanted, now)


def without_erased(connection: Connection, items: Sequence[Quarantined]) -> list[Quarantined]:
    """Return what is to be set aside, without the bytes of what was to be erased before it came.

    The id of a call says when it began. Of bytes without one nobody knows: there whom they name decides.
    """
    if not any(item.data for item in items):
        return list(items)
    rules = [_purge(row) for row in connection.exec_driver_sql("SELECT * FROM purge ORDER BY number").mappings().all()]
    return [replace(item, data=None) if any(_is_about(rule, item) for rule in rules) else item for item in items]


def _is_about(purge: Purge, item: Quarantined) -> bool:
    aim, names = purge.aim, _names_in(purge.aim)
    if aim.query.strip() or item.data is None or not all(name in item.data for name in names):
        return False
    if item.interaction_id is None:
        return bool(names) and aim.since is None and aim.until is None
    began = id_time_ns(parse_id(item.interaction_id)) // 1_000_000
    return began <= purge.made_at and (aim.since or 0) <= began and (aim.until is None or began < aim.until)


def _names_in(aim: Aim) -> list[bytes]:
    """Return who is named by an aim, as bytes may name him."""
    return [name.encode() for name in (aim.user, aim.session) if name is not None]


def settle(connection: Connection, now: int) -> str | None:
    """Go on with one that nobody goes on with, or look once more whether anything came late; None: nothing to do."""
    before = instant_text(now - SETTLE_SECONDS * 1000)
    sql = "SELECT * FROM purge WHERE settled_at IS NULL AND made_at < ? ORDER BY number LIMIT 1"
    found = connection.exec_driver_sql(sql, (before,)).mappings().first()
    if found is None:
        return _forget_old(connection, now)
    purge = _purge(found)
    ids = find(connection, purge)
    done = carry_out(connection, purge, ids, now) if ids else 0
    if ids:
        return f"{purge.kind} {purge.number} went on with {done} calls"
    finish(connection, purge, now)
    connection.exec_driver_sql("UPDATE purge SET settled_at = ? WHERE number = ?", (instant_text(now), purge.number))
    return f"{purge.kind} {purge.number} is settled"


def _forget_old(connection: Connection, now: int) -> str | None:
    """Forget a purge whose days are over: its tombstones first, some thousand a transaction."""
    sql = "SELECT number FROM purge WHERE settled_at < ? ORDER BY number LIMIT 1"
    number = connection.exec_driver_sql(sql, (instant_text(now - KEPT_DAYS * _DAY),)).scalar()
    if number is None:
        return None
    some = "SELECT id FROM tombstone WHERE purge = ? LIMIT 5000"
    if not connection.exec_driver_sql(f"DELETE FROM tombstone WHERE id IN ({some})", (number,)).rowcount:  # noqa: S608 - ours
        connection.exec_driver_sql("DELETE FROM purge WHERE number = ?", (number,))
    return f"forgot some of purge {number}"


def _matching(connection: Connection, purge: Purge, ids: Sequence[str]) -> list[str]:
    if not ids:
        return []
    conditions, values = conditions_of(_settled(connection, purge.filters, ids))
    where = " AND ".join([f"id IN ({','.join('?' * len(ids))})", *conditions])
    sql = f"SELECT id FROM interaction WHERE {where}"  # noqa: S608 - ours
    return [str(identity) for (identity,) in connection.exec_driver_sql(sql, (*ids, *values))]


def _settled(connection: Connection, filters: Filters, among: Sequence[str] | None = None) -> Filters:
    """Return filters as they are asked here; words exactly: what is erased must be what was meant."""
    is_postgres = connection.dialect.name == "postgresql"

    def ask(sql: str, values: Sequence[Any]) -> list[dict[str, Any]]:
        return [dict(row) for row in connection.exec_driver_sql(sql, tuple(values)).mappings()]

    within = bounded(filters) if is_postgres and among is None else filters
    return text_index.resolved(within, ask, is_postgres=is_postgres, is_exact=True, among=among)


def _empty_quarantine(connection: Connection, aim: Aim, now: int) -> None:
    """Take away the bytes of what was set aside: of all, of a span of time, or where they name the user or session."""
    conditions, values = ["data IS NOT NULL", "quarantined_at <= ?"], [instant_text(now)]
    for sign, instant in ((">=", aim.since), ("<", aim.until)):
        if instant is not None:
            conditions.append(f"quarantined_at {sign} ?")
            values.append(instant_text(instant))
    names = _names_in(aim)
    conditions += [_HAS_BYTES[connection.dialect.name]] * len(names)
    if aim.query.strip():
        # What it says of a call nobody can tell of bytes that could not be read.
        return
    sql = f"UPDATE quarantine SET data = NULL WHERE {' AND '.join(conditions)}"  # noqa: S608 - ours
    connection.exec_driver_sql(sql, (*values, *names))


def _purge(row: Any) -> Purge:
    said = orjson.loads(row["aim"])
    manner = Manner(**{**said["manner"], "keep": tuple(said["manner"]["keep"])})
    key = None if row["key"] is None else bytes(row["key"])
    return Purge(
        number=int(row["number"]), kind=row["kind"], aim=Aim(**{**said, "manner": manner}), author=row["author"],
        made_at=milliseconds_of(row["made_at"]), calls=int(row["calls"]), done_to=row["done_to"],
        is_finished=row["finished_at"] is not None, key=key,
    )  # fmt: skip

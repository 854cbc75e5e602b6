"""Sealing what is on record: what was stored before sealing was switched on, and what an older master key has sealed.

In steps of a bounded size, each a transaction; what has the newest key's seal already is only looked at. How far a pass
has come is kept in the store (``deployment``) with the key it is for: broken off it goes on from there, and with
another key it begins anew. A value that cannot be opened ends the step: nothing of it is changed, and the error says
which key is missing.

Calls go in the order of their ids, then slices, what old rows said, open calls and quarantine. A slice that was plain
loses its SHA-256, which would tell who guesses a text that it is there: on the day of the change equal slices may be
stored once more.
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import orjson
from sqlalchemy import Connection

from proxy.errors import StoreError
from proxy.store.changes import amending
from proxy.store.contents import hidden
from proxy.store.contents.bodies import CHUNKS, SEALED_EDITS, place_of, sealed, slice_place
from proxy.store.contents.set_aside import aside_place, part_place
from proxy.store.engines.bulk import run_many
from proxy.store.filters.statements import NO_ID
from proxy.store.schema.decoding import decoded
from proxy.store.schema.sealing import SEALED, Sealer, is_sealed, key_of, sealer_in, unsealed

CALLS, SLICES, ROWS = 200, 25, 500
"""So many of each in one step."""
_STATE, _PASSES = "reseal", "reseals"
MARKS = (_STATE, _PASSES)
"""Where a pass is and how many have come to their end: what is kept under these names moves when anything is sealed."""
_FIRST = {"calls": NO_ID, "slices": "0", "history": "0", "aside": "0"}
STAGES = tuple(_FIRST)
_READ = "SELECT value FROM deployment WHERE name = ?"
_SAVE = "INSERT INTO deployment (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value"


@dataclass(frozen=True, slots=True)
class Step:
    """What a step did: how many rows it looked at and how many it sealed. ``left`` says where to go on, empty: all."""

    looked_at: int
    sealed: int
    left: str


def step(connection: Connection) -> Step:
    """Do the next step in the caller's transaction; ``StoreError`` where nothing is to be sealed here."""
    sealer = sealer_in(connection)
    if sealer is None:
        raise StoreError("database.seal is off where the record is written", hint="set it, and start Dashcam anew")
    stage, at = _begun(connection, sealer)
    looked_at, count, following = _OF[stage](connection, sealer, at)
    if following is None:
        number = STAGES.index(stage) + 1
        stage, following = (STAGES[number], _FIRST[STAGES[number]]) if number < len(STAGES) else ("", "")
    if not stage:
        connection.exec_driver_sql("DELETE FROM deployment WHERE name = ?", (_STATE,))
        passes = int(connection.exec_driver_sql(_READ, (_PASSES,)).scalar() or 0)
        connection.exec_driver_sql(_SAVE, (_PASSES, str(passes + 1)))
        return Step(looked_at, count, "")
    connection.exec_driver_sql(_SAVE, (_STATE, f"{sealer.key_id.hex()} {stage} {following}"))
    return Step(looked_at, count, f"{stage} {following}")


def _begun(connection: Connection, sealer: Sealer) -> tuple[str, str]:
    """Return where the pass with this key stands."""
    said = connection.exec_driver_sql(_READ, (_STATE,)).scalar()
    key, stage, at = [*str(said or "").split(" "), "", ""][:3]
    return (stage, at) if key == sealer.key_id.hex() and stage in STAGES else (STAGES[0], _FIRST[STAGES[0]])


def _is_due(data: bytes, sealer: Sealer) -> bool:
    """Tell whether a sealed value has another key than the one that seals now."""
    return key_of(bytes(data)) != sealer.key_id


def _lock(connection: Connection) -> str:
    return " FOR UPDATE" if connection.dialect.name == "postgresql" else ""


# -- calls --------------------------------------------------------------------------------------------------


def _calls(connection: Connection, sealer: Sealer, at: str) -> tuple[int, int, str | None]:
    named = ", ".join(("id", *hidden.COLUMNS))
    sql = f"SELECT {named} FROM interaction WHERE id > ? ORDER BY id LIMIT ?{_lock(connection)}"  # noqa: S608 - ours
    rows = [decoded(dict(row)) for row in connection.exec_driver_sql(sql, (at, CALLS)).mappings()]
    ids = [str(row["id"]) for row in rows]
    if not ids:
        return 0, 0, None
    plain = _plain_of(connection, rows, ids)
    changed = set(plain)
    bodies = _in(connection, "SELECT interaction_id, side, form, data, edits FROM interaction_body", ids)
    values = hidden.find(connection, sorted(set(plain)))
    for row in bodies:
        identity = str(row["interaction_id"])
        if row["edits"] is not None and _text(row["edits"]) != SEALED_EDITS:
            plain.setdefault(identity, {})["edits"] = _value(row["edits"])
            changed.add(identity)
            values |= {key: found for key, found in hidden.find(connection, [identity]).items() if key not in values}
        if _seal_body(connection, sealer, row):
            changed.add(identity)
    for identity, said in plain.items():
        before = {side: values.get((identity, side), {}) for side in (hidden.TEXTS, hidden.ERRORS)}
        hidden.put_whole(connection, sealer, identity, before, said)
    _empty(connection, list(plain))
    return len(ids), len(changed), ids[-1] if len(ids) == CALLS else None


def _plain_of(connection: Connection, rows: Sequence[dict[str, Any]], ids: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Return what of calls is plain and may hold texts, by id."""
    plain: defaultdict[str, dict[str, Any]] = defaultdict(dict)
    for row in rows:
        if said := {name: row[name] for name in hidden.COLUMNS if row[name] is not None}:
            plain[str(row["id"])] |= said
    for row in _in(connection, "SELECT interaction_id, input_text, output_text FROM interaction_text", ids):
        plain[str(row["interaction_id"])]["texts"] = [row["input_text"], row["output_text"]]
    for row in _in(connection, "SELECT interaction_id, number, error_message FROM attempt", ids):
        if row["error_message"] is not None:
            words = plain[str(row["interaction_id"])].setdefault("attempts", {})
            words[str(row["number"])] = row["error_message"]
    return dict(plain)


def _seal_body(connection: Connection, sealer: Sealer, row: dict[str, Any]) -> bool:
    """Seal one row of ``interaction_body``, if it is not with this key; True where it was."""
    identity, side, form, data = str(row["interaction_id"]), row["side"], row["form"], bytes(row["data"])
    edits = row["edits"] if row["edits"] is None else SEALED_EDITS
    kept = (form, data)
    if form == SEALED and _is_due(data, sealer):
        kept = SEALED, sealer.seal(unsealed(data, place_of(identity, side)), place_of(identity, side))
    elif form not in (SEALED, CHUNKS):
        kept = sealed(sealer, kept, place_of(identity, side))
    if kept == (form, data) and (edits is None or _text(row["edits"]) == SEALED_EDITS):
        return False
    sql = "UPDATE interaction_body SET form = ?, data = ?, edits = ? WHERE interaction_id = ? AND side = ?"
    connection.exec_driver_sql(sql, (*kept, edits, identity, side))
    return True


def _empty(connection: Connection, ids: Sequence[str]) -> None:
    """Take away what is sealed now."""
    terms = ", ".join(f"{name} = NULL" for name in hidden.COLUMNS)
    run_many(connection, f"UPDATE interaction SET {terms} WHERE id = ?", [(one,) for one in ids])  # noqa: S608 - ours
    run_many(connection, "DELETE FROM interaction_text WHERE interaction_id = ?", [(one,) for one in ids])
    run_many(connection, "UPDATE attempt SET error_message = NULL WHERE interaction_id = ?", [(one,) for one in ids])


def _in(connection: Connection, sql: str, ids: Sequence[str]) -> list[dict[str, Any]]:
    marks = ",".join("?" * len(ids))
    found = connection.exec_driver_sql(f"{sql} WHERE interaction_id IN ({marks})", tuple(ids))
    return [dict(row) for row in found.mappings()]


def _text(value: Any) -> str:
    return value if isinstance(value, str) else orjson.dumps(value).decode()


def _value(value: Any) -> Any:
    return orjson.loads(value) if isinstance(value, str) else value


# -- what lies beside the calls ------------------------------------------------------------------------------


def _slices(connection: Connection, sealer: Sealer, at: str) -> tuple[int, int, str | None]:
    named = f"number, sha256, form, data FROM body_chunk WHERE number > ? ORDER BY number LIMIT ?{_lock(connection)}"
    rows = connection.exec_driver_sql(f"SELECT {named}", (int(at), SLICES)).all()
    done = 0
    for number, digest, form, data in rows:
        if form == SEALED and not _is_due(data, sealer):
            continue
        before = bytes(digest)
        if form == SEALED:
            after, kept = before, (SEALED, sealer.seal(unsealed(bytes(data), slice_place(before)), slice_place(before)))
        else:
            after = os.urandom(len(before))
            kept = sealed(sealer, (form, bytes(data)), slice_place(after))
        update = "UPDATE body_chunk SET sha256 = ?, form = ?, data = ? WHERE number = ?"
        connection.exec_driver_sql(update, (after, *kept, number))
        done += 1
    return len(rows), done, str(rows[-1][0]) if len(rows) == SLICES else None


def _history(connection: Connection, sealer: Sealer, at: str) -> tuple[int, int, str | None]:
    sql = (
        f"SELECT number, interaction_id, before, after FROM amendment WHERE number > ? ORDER BY number LIMIT ?"  # noqa: S608
        f"{_lock(connection)}"
    )
    rows = connection.exec_driver_sql(sql, (int(at), ROWS)).mappings().all()
    changes = []
    for row in rows:
        said = [_value(row[name]) for name in ("before", "after")]
        now = [amending.told_anew(one, str(row["interaction_id"]), sealer) for one in said]
        if any(one is not None for one in now):
            texts = [_text(old) if new is None else new for old, new in zip(said, now, strict=True)]
            changes.append((*texts, row["number"]))
    run_many(connection, "UPDATE amendment SET before = ?, after = ? WHERE number = ?", changes)
    return len(rows), len(changes), str(rows[-1]["number"]) if len(rows) == ROWS else None


def _aside(connection: Connection, sealer: Sealer, _at: str) -> tuple[int, int, str | None]:
    """Seal open calls and what is in quarantine: there are few of both."""
    looked_at = done = 0
    parts = connection.exec_driver_sql("SELECT id, part, payload FROM open_call").all()
    for identity, part, payload in parts:
        now = _anew(bytes(payload), part_place(str(identity), part), sealer)
        if now is not None:
            connection.exec_driver_sql(
                "UPDATE open_call SET payload = ? WHERE id = ? AND part = ?", (now, identity, part)
            )
            done += 1
    rows = connection.exec_driver_sql("SELECT number, source, data FROM quarantine WHERE data IS NOT NULL").all()
    for number, source, data in rows:
        now = _anew(bytes(data), aside_place(source), sealer)
        if now is not None:
            connection.exec_driver_sql("UPDATE quarantine SET data = ? WHERE number = ?", (now, number))
            done += 1
    looked_at = len(parts) + len(rows)
    return looked_at, done, None


def _anew(data: bytes, place: str, sealer: Sealer) -> bytes | None:
    """Return bytes sealed with this key, None where they are already."""
    if not is_sealed(data):
        return sealer.seal(data, place)
    return sealer.seal(unsealed(data, place), place) if _is_due(data, sealer) else None


_OF: dict[str, Callable[[Connection, Sealer, str], tuple[int, int, str | None]]] = {
    "calls": _calls, "slices": _slices, "history": _history, "aside": _aside,
}  # fmt: skip

"""What of a call may hold its texts beside the bodies, where the record is sealed: in sealed values, nowhere else.

Previews, plain texts, variables of prompts and inserted texts are in the value of the side ``texts``, words of errors
in that of the side ``errors``, which lie as rows of ``interaction_body`` beside the bodies and go with them. The
columns that would hold them are empty. Readers put them back in one place (``fill``, ``texts_of``, ``edits_of``): a row
that cannot be opened is listed without them. What a column says itself counts, so that both kinds of rows may lie in
one database: sealing may be switched on, and off again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, MutableMapping, Sequence
from typing import Any

import orjson
from sqlalchemy import Connection

from proxy.domain.interaction import Entry
from proxy.domain.outcome import ContentState, Outcome
from proxy.store.contents.bodies import opened, pack, place_of, sealed
from proxy.store.schema import tables
from proxy.store.schema.rows import COLUMNS as ALL
from proxy.store.schema.sealing import SealedRecordError, Sealer

TEXTS, ERRORS = "texts", "errors"
_OF_TEXTS = ("input_preview", "output_preview", "prompt_variables")
_OF_ERRORS = ("error_message",)
COLUMNS = (*_OF_TEXTS, *_OF_ERRORS)
"""Columns of ``interaction`` that are empty in a sealed row."""
_SIDES = {TEXTS: _OF_TEXTS, ERRORS: _OF_ERRORS}
_AT = [ALL.index(name) for name in COLUMNS]
_WORDS_AT = tables.AttemptRow.__table__.columns.keys().index("error_message")  # type: ignore[attr-defined]
WITHOUT_TEXT = (ContentState.OFF, ContentState.PRUNED)
"""The states of calls of which nothing that was said is there."""
_AT_ONCE = 500
_FIND = "SELECT interaction_id, side, data FROM interaction_body WHERE interaction_id IN ({}) AND side IN (?, ?)"
_PUT = (
    "INSERT INTO interaction_body (interaction_id, side, form, data, length, kept_length) VALUES (?, ?, ?, ?, 0, 0) "
    "ON CONFLICT (interaction_id, side) DO UPDATE SET form = excluded.form, data = excluded.data"
)
Values = dict[str, Any]


# -- out of sight -------------------------------------------------------------------------------------------


def without(row: Sequence[Any]) -> tuple[Any, ...]:
    """Return a row of ``interaction`` without what is sealed."""
    values = list(row)
    for at in _AT:
        values[at] = None
    return tuple(values)


def body_rows(sealer: Sealer, entry: Entry) -> list[tuple[Any, ...]]:
    """Return the rows of ``interaction_body`` that hold what is sealed of a call."""
    identity = entry.interaction.id
    return [
        (identity, side, *_sealed(sealer, identity, side, values), 0, 0, *[None] * 6)
        for side, values in ((TEXTS, _texts_in(entry)), (ERRORS, _errors_in(entry)))
        if values
    ]


def _texts_in(entry: Entry) -> Values:
    values = _said(entry.interaction, _OF_TEXTS)
    if entry.input_text or entry.output_text:
        values["texts"] = [entry.input_text, entry.output_text]
    if entry.request is not None and entry.request.edits:
        values["edits"] = [list(edit) for edit in entry.request.edits]
    return values


def _errors_in(entry: Entry) -> Values:
    values = _said(entry.interaction, _OF_ERRORS)
    words = {str(item.number): item.error_message for item in entry.attempts if item.error_message}
    return {**values, "attempts": words} if words else values


def _said(item: object, names: Iterable[str]) -> Values:
    return {name: value for name in names if (value := getattr(item, name))}


def attempt_without(row: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return a row of ``attempt`` without the words of its error."""
    return (*row[:_WORDS_AT], None, *row[_WORDS_AT + 1 :])


def put(connection: Connection, sealer: Sealer, identity: str, changes: Mapping[str, Any]) -> None:
    """Let the sealed values of a call say something else; members of ``changes`` are columns, and ``texts``."""
    before = find(connection, [identity])
    for side, names in _SIDES.items():
        members = (*names, "texts") if side == TEXTS else names
        said = {name: changes[name] for name in members if name in changes}
        if said:
            values = {**before.get((identity, side), {}), **said}
            connection.exec_driver_sql(_PUT, (identity, side, *_sealed(sealer, identity, side, values)))


def put_whole(
    connection: Connection, sealer: Sealer, identity: str, before: Mapping[str, Values], said: Mapping[str, Any]
) -> None:
    """Seal all that is said of a call, on top of what was sealed of it ``before``, by side."""
    members = {TEXTS: (*_OF_TEXTS, "texts", "edits"), ERRORS: (*_OF_ERRORS, "attempts")}
    for side, names in members.items():
        new = {name: said[name] for name in names if name in said}
        if new:
            values = {**before.get(side, {}), **new}
            connection.exec_driver_sql(_PUT, (identity, side, *_sealed(sealer, identity, side, values)))


def _sealed(sealer: Sealer, identity: str, side: str, values: Values) -> tuple[str, bytes]:
    return sealed(sealer, pack(orjson.dumps(values, default=str)), place_of(identity, side))


# -- back in sight ------------------------------------------------------------------------------------------


def find(
    connection: Connection, ids: Sequence[str], *, missing: set[str] | None = None
) -> dict[tuple[str, str], Values]:
    """Return what is sealed of calls, by id and side; ``SealedRecordError`` where it cannot be opened.

    With ``missing`` what cannot be opened is left out, and why is put there.
    """
    found: dict[tuple[str, str], Values] = {}
    for start in range(0, len(ids), _AT_ONCE):
        part = tuple(ids[start : start + _AT_ONCE])
        sql = _FIND.format(",".join("?" * len(part)))
        for identity, side, data in connection.exec_driver_sql(sql, (*part, TEXTS, ERRORS)):
            try:
                found[str(identity), side] = orjson.loads(opened(data, place_of(str(identity), side)))
            except SealedRecordError as error:
                if missing is None:
                    raise
                missing.add(error.message)
    return found


def fill(connection: Connection, rows: Sequence[MutableMapping[str, Any]], missing: set[str]) -> None:
    """Put what is sealed of calls back into their rows, as far as those have the columns, and as far as it opens."""
    wanted = [row for row in rows if _may_lack(row)]
    found = find(connection, [row["id"] for row in wanted], missing=missing) if wanted else {}
    for row in wanted:
        for side, names in _SIDES.items():
            values = found.get((row["id"], side), {})
            row.update({name: values[name] for name in names if name in values and name in row and row[name] is None})


def fill_attempts(connection: Connection, rows: Sequence[MutableMapping[str, Any]], missing: set[str]) -> None:
    """Put words of errors back into rows of ``attempt``."""
    wanted = [row for row in rows if row["error_message"] is None and row["error"] is not None]
    ids = list(dict.fromkeys(row["interaction_id"] for row in wanted))
    found = find(connection, ids, missing=missing) if ids else {}
    for row in wanted:
        words = found.get((row["interaction_id"], ERRORS), {}).get("attempts", {})
        row["error_message"] = words.get(str(row["number"]))


def texts_of(connection: Connection, identity: str) -> tuple[str | None, str | None]:
    """Return the sealed question and answer of a call; ``SealedRecordError`` where they cannot be opened."""
    said = find(connection, [identity]).get((identity, TEXTS), {}).get("texts", (None, None))
    return said[0], said[1]


def edits_of(connection: Connection, identity: str) -> str | None:
    """Return the sealed edits of a call's request, as their column has them."""
    found = find(connection, [identity]).get((identity, TEXTS), {}).get("edits")
    return orjson.dumps(found).decode() if found else None


def _may_lack(row: Mapping[str, Any]) -> bool:
    """Tell whether a row may have more to say than its columns do; what they tell of it spares a look."""
    if "id" not in row:
        return False
    if "error_message" in row and row["error_message"] is None and row.get("outcome") != Outcome.COMPLETED:
        return True
    if row.get("content_state") in WITHOUT_TEXT:
        return False
    return any(
        name in row and row[name] is None and row.get(length, 1) is not None
        for name, length in (
            ("input_preview", "input_length"), ("output_preview", "output_length"), ("prompt_variables", "prompt_name"),
        )
    )  # fmt: skip

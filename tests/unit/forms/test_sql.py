"""Calls as SQL: both engines take it, it comes back as it was, and what is not ours is data that is refused."""

from __future__ import annotations

import contextlib
import sqlite3
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.errors import InvalidError
from proxy.forms.sql import SqlDump, is_statement, values_of
from proxy.store.schema.rows import KINDS

NAMES = ("id", "model", "input_tokens", "duration_ms", "success", "usage_raw", "started_at")
_ROWS = st.fixed_dictionaries(
    {
        "id": st.uuids().map(str), "model": st.none() | st.text(st.characters(exclude_categories=["Cs"])),
        "input_tokens": st.none() | st.integers(0, 2**63 - 1), "success": st.booleans(),
        "duration_ms": st.none() | st.floats(0, allow_infinity=False),
        "usage_raw": st.none() | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), st.integers(0, 9)),
        "started_at": st.just("2026-11-27T12:00:00.000Z"),
    }
)  # fmt: skip
WHOLE = b"""INSERT INTO dashcam_call ("id", "model") VALUES ('a', 'it''s');"""


@given(_ROWS)
def test_a_call_comes_back_as_it_was(row: dict[str, Any]) -> None:
    form = SqlDump(NAMES, has_content=False)
    assert values_of(form.call(row, None, is_first=True).rstrip(b"\n")) == row


@given(st.lists(_ROWS, max_size=3, unique_by=lambda row: str(row["id"])), st.integers(0, 10**9))
def test_sqlite_takes_it_as_it_is(rows: list[dict[str, Any]], eighths: int) -> None:
    """But for NUL, which is in no text of ours, and numbers that it rounds itself."""
    rows = [{**row, "model": (row["model"] or "").replace("\0", ""), "duration_ms": eighths / 8} for row in rows]
    form = SqlDump(NAMES, has_content=False)
    text = form.opening() + b"".join(form.call(row, None, is_first=False) for row in rows) + form.closing
    with contextlib.closing(sqlite3.connect(":memory:")) as connection:
        connection.executescript(text.decode())
        found = connection.execute(f"SELECT {', '.join(NAMES)} FROM dashcam_call").fetchall()
    for row, values in zip(rows, found, strict=True):
        read = dict(zip(NAMES, values, strict=True))
        read["usage_raw"] = None if read["usage_raw"] is None else orjson.loads(read["usage_raw"])
        assert read == row


def test_what_stands_beside_calls_is_passed_over() -> None:
    form = SqlDump([name for name in KINDS], has_content=True)
    lines = [*form.opening().splitlines(), form.closing.rstrip()]
    assert all(map(is_statement, lines))
    assert [values_of(line) for line in lines] == [None] * len(lines)
    assert values_of(WHOLE) == {"id": "a", "model": "it's"}
    assert not is_statement(b"{}")


@pytest.mark.parametrize(
    "statement",
    [
        b"INSERT INTO interaction (\"id\") VALUES ('a');",
        b"INSERT INTO dashcam_call VALUES ('a');",
        WHOLE + b" DROP TABLE interaction;",
        WHOLE[:-2],
        WHOLE[:-1],
        WHOLE.replace(b"'a'", b"'a' || 'b'"),
        WHOLE.replace(b"'a'", b"(SELECT 1)"),
        WHOLE.replace(b"'a', ", b""),
        WHOLE.replace(b"'a'", b"lower('a')"),
        WHOLE.replace(b'"model"', b'"id"'),
        WHOLE.replace(b"'a'", b"'\xff'"),
        WHOLE.replace(b"'a'", b"1e"),
        WHOLE.replace(b"''", b"'"),
        b"CREATE TABLE other (id text);",
        b"DELETE FROM interaction;",
        b"BEGIN; DROP TABLE interaction;",
        b"INSERT INTO dashcam_call (\"usage_raw\") VALUES ('{');",
        b'INSERT INTO dashcam_call ("usage_raw") VALUES (5);',
    ],
)
def test_nothing_else_is_a_statement_of_ours(statement: bytes) -> None:
    with pytest.raises(InvalidError):
        values_of(statement)


@given(st.binary(max_size=80) | st.text(max_size=80).map(lambda text: WHOLE[:-4] + text.encode("utf-8", "replace")))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    with contextlib.suppress(InvalidError):
        values_of(data)

"""The SQL of an export in a real Postgres: a table of the calls, whatever is in their texts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg

from proxy.domain.interaction import Entry
from proxy.forms.reading import portions
from proxy.forms.sql import SqlDump
from proxy.store.filters.statements import Filters
from proxy.store.reading.reader import Reader
from proxy.store.schema.rows import COLUMNS
from proxy.store.writing.batches import WriteBatch
from proxy.store.writing.writer import StoreWriter
from tests.support.entries import an_entry

if TYPE_CHECKING:
    from tests.support.postgres import Databases

NASTY = "it's \\'; DROP TABLE x;\n\\d\n:name $1 $$ -- /* \u2028 é 😀"


def test_postgres_takes_it_as_it_is(postgres: Databases) -> None:
    database = postgres.cleared()
    writer, reader = StoreWriter(database), Reader(database)
    entries: list[Entry] = [
        an_entry(NASTY.encode(), b"\x00\xff", error_message=NASTY, tags=(NASTY[:60],), is_stream=bool(number))
        for number in range(3)
    ]
    writer.write(WriteBatch(entries=[("s", entry) for entry in entries]), lambda _: {})
    form = SqlDump(COLUMNS, has_content=True)
    calls = [call for some in portions(reader, Filters(), form.columns, has_content=True) for call in some]
    text = form.opening() + b"".join(form.call(*call, is_first=False) for call in calls) + form.closing
    with psycopg.connect(str(database.url), autocommit=True) as connection:
        connection.execute(text)
        found = connection.execute(
            "SELECT error_message, is_stream, started_at, cost_usd, tags::json ->> 0, "
            "request_body::json ->> 'content', response_body::json ->> 'encoding' FROM dashcam_call ORDER BY id"
        ).fetchall()
        connection.execute("DROP TABLE dashcam_call")
    writer.close()
    reader.close()
    assert [row[0] for row in found] == [NASTY] * 3
    assert [row[1] for row in found] == [False, True, True]
    assert [(row[4], row[5], row[6]) for row in found] == [(NASTY[:60], NASTY, "base64")] * 3
    assert (found[0][2].year, found[0][3]) == (2026, 2.5e-06)

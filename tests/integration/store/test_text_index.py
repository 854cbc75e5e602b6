"""The full-text index: it finds what the texts hold, follows them, and whatever it lacks is found all the same."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from proxy.query.parsing import parse
from proxy.query.terms import Word
from proxy.query.words import has_unspaced, wanted_of, words_in
from proxy.settings.database import DatabaseSettings, sqlite_at
from proxy.store.care.text_indexing import INDEXES, index_next
from proxy.store.engines.engine import backend_of
from proxy.store.filters import text_index
from proxy.store.filters.asking import filters_of
from proxy.store.filters.statements import WHOLE, Filters, conditions_of, section
from proxy.store.migrating import revisions
from proxy.store.migrating.migration import upgrade
from proxy.store.reading.reader import Reader
from proxy.store.writing.batches import WriteBatch
from proxy.store.writing.writer import StoreWriter
from tests.support.entries import STARTED_AT, an_entry
from tests.support.fresh_sqlite import fresh_sqlite

if TYPE_CHECKING:
    from tests.support.postgres import Databases

TEXTS = {
    "a": ("A refund, please", "No."), "b": ("weather", "REFUNDS are off"), "c": ("der Zähler", None),
    "d": ("我想要退款。", "好的"), "e": ("用GPT模型", "100% snake_case"), "f": (None, "refund of a cat"),
}  # fmt: skip
FOUND = [
    ("refund", "af"), ("refund*", "abf"), ('"a refund"', "a"), ("zahler", "c"), ("退款", "d"), ("款", "d"), ("的", "d"),
    ("gpt", "e"), ("模型", "e"), ("snake case", "e"), ("refund -cat", "a"), ("-refund*", "cde"), ("cat refund", "f"),
    ('"cat refund"', ""), ("model:f refund", "f"), ("nowhere", ""), ("refund -model:a", "f"), ("100", "e"),
]  # fmt: skip
HOSTILE = [
    '"" OR 1', 'a" OR b', "NEAR(a b)", "{input_text}:refund", "refund AND", "^refund", "'); DROP TABLE x; --", "a:*",
    "\\' & !b", "a <-> b", "a' | 'b", "input_text : x", "rowid=1",
]  # fmt: skip


def written(writer: StoreWriter, texts: dict[str, tuple[str | None, str | None]] = TEXTS) -> dict[str, str]:
    """Store a call for each of some texts; return their ids."""
    entries = [
        replace(an_entry(model=name, started_at=STARTED_AT + at * 1000), input_text=asked, output_text=said)
        for at, (name, (asked, said)) in enumerate(texts.items())
    ]
    writer.write(WriteBatch(entries=[("s", entry) for entry in entries]), lambda _: {})
    return {str(entry.interaction.model): entry.interaction.id for entry in entries}


def indexed(writer: StoreWriter) -> int:
    """Index all that waits; return in how many steps."""
    for steps in range(1000):
        with writer.transaction() as connection:
            if index_next(connection) is None:
                return steps
    raise AssertionError("the index is never full")


def listed(reader: Reader, query: str) -> str:
    rows = reader.section(filters_of(parse(query).terms, STARTED_AT), WHOLE, 50, ("model",))
    return "".join(sorted(row["model"] for row in rows))


def searched(reader: Reader, query: str) -> str:
    found, before = "", None
    while True:
        page = reader.search(filters_of(parse(query).terms, STARTED_AT), before, 2)
        found += "".join(row["model"] for row in page.rows)
        before = page.next
        if before is None:
            return found


@pytest.fixture(params=["by the index", "call by call"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Words that few calls have, and such as many have."""
    if request.param == "call by call":
        monkeypatch.setattr(text_index, "RARE", -1)
    return str(request.param)


def test_the_same_is_found_before_and_behind_the_index(writer: StoreWriter, reader: Reader, way: str) -> None:
    written(writer)
    for _ in range(2):
        for query, names in FOUND:
            assert listed(reader, query) == names, query
            if not query.startswith("-"):
                assert searched(reader, query) == names[::-1], query
            assert reader.count(filters_of(parse(query).terms, STARTED_AT), 50) == len(names)
        indexed(writer)
        assert reader.unindexed() == 0


def test_a_long_tail_is_looked_through_too(
    writer: StoreWriter, reader: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(text_index, "TAIL", 1)
    written(writer, dict(list(TEXTS.items())[:2]))
    indexed(writer)
    written(writer, dict(list(TEXTS.items())[2:]))
    for query, names in FOUND:
        found = listed(reader, query)
        if query[0] == '"' or "-" in query:
            # Where nobody has time to look at each, Postgres lists those that have the words, whatever else they have.
            assert set(names) <= set(found), query
        else:
            assert found == names, query


def test_a_page_of_a_common_word_is_found_without_all_calls_that_have_it(
    postgres: Databases, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(text_index, "RARE", -1)
    store = postgres.cleared()
    with contextlib.closing(StoreWriter(store)) as writer:
        written(writer, {f"m{number}": ("a refund", None) for number in range(2000)})
        indexed(writer)
        writer.maintain("analyze")
    with contextlib.closing(Reader(store)) as reader:
        question = section(reader._settled(filters_of(parse("refund").terms, STARTED_AT)), WHOLE, 50, ("id",))
        plan = "\n".join(str(row["QUERY PLAN"]) for row in reader.answer((f"EXPLAIN {question[0]}", question[1])))
    assert "text_index" in plan
    assert "hashed" not in plan, plan


def test_texts_that_change_or_go_are_followed(writer: StoreWriter, reader: Reader, way: str) -> None:
    ids = written(writer)
    indexed(writer)
    with writer.transaction() as connection:
        for name in "ad":
            connection.exec_driver_sql("DELETE FROM interaction_text WHERE interaction_id = ?", (ids[name],))
        sql = "UPDATE interaction_text SET input_text = ? WHERE interaction_id = ?"
        connection.exec_driver_sql(sql, ("退货 refund", ids["c"]))
    for _ in range(2):
        assert (listed(reader, "refund"), listed(reader, "zahler"), listed(reader, "退款")) == ("cf", "", "")
        assert (listed(reader, "退"), listed(reader, "please")) == ("c", "")
        indexed(writer)
    with writer.transaction() as connection:
        connection.exec_driver_sql("DELETE FROM interaction_text WHERE interaction_id = ?", (ids["c"],))
    assert listed(reader, "refund") == "f"
    with writer.transaction() as connection:
        connection.exec_driver_sql("DELETE FROM interaction_text")
        assert connection.exec_driver_sql("SELECT count(*) FROM text_unindexed").scalar_one() == 0
    assert index_is_empty(writer)


def index_is_empty(writer: StoreWriter) -> bool:
    with writer.transaction() as connection:
        if connection.dialect.name == "postgresql":
            return bool(connection.exec_driver_sql("SELECT count(*) FROM text_index").scalar_one() == 0)
        match = "SELECT count(*) FROM text_index WHERE text_index MATCH ?"
        found = [connection.exec_driver_sql(match, (word,)).scalar_one() for word in ("refund", "a", "weather")]
        return not any(found)


@pytest.mark.parametrize("text", HOSTILE)
def test_nothing_that_was_typed_is_syntax(writer: StoreWriter, reader: Reader, text: str) -> None:
    quoted = text.replace("\\", "\\\\").replace('"', '\\"')
    written(writer, {"h": (text, None), "x": ("something else", "y")})
    indexed(writer)
    assert listed(reader, f'"{quoted}"') == "h"


SIGNS = st.sampled_from([*"aabÄé09_-.!退款我ケ한ก \n'\""])
LINE = st.text(SIGNS, max_size=12)


@pytest.fixture(scope="module")
def crowd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[sqlite3.Connection]:
    path = tmp_path_factory.mktemp("crowd") / "dashcam.db"
    fresh_sqlite(path)
    connection = sqlite3.connect(path, isolation_level=None)
    yield connection
    connection.close()


@given(LINE, LINE, st.booleans())
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=200)
def test_the_index_of_sqlite_agrees_with_what_a_word_is(
    crowd: sqlite3.Connection, text: str, asked: str, is_open: bool
) -> None:
    wanted = wanted_of([Word(asked, is_open=is_open)])
    if wanted is None or not wanted.phrases:
        return
    table = INDEXES[has_unspaced(text)]
    crowd.execute("BEGIN")
    shown = " ".join(words_in(text)) if has_unspaced(text) else text
    crowd.execute(f"INSERT INTO {table} (rowid, input_text, output_text) VALUES (1, ?, NULL)", (shown,))
    found: Sequence[Any] = crowd.execute(
        f"SELECT rowid FROM {table} WHERE {table} MATCH ?",
        (text_index.match_of(wanted),),
    ).fetchall()
    crowd.execute("ROLLBACK")
    assert bool(found) is wanted.is_in(text)


def test_deleted_words_leave_the_file(file_writer: StoreWriter, path: Path) -> None:
    texts: dict[str, tuple[str | None, str | None]] = {
        f"m{number}": (f"zebracanary{number} common words", "退款" if number % 5 == 0 else None) for number in range(50)
    }
    ids = written(file_writer, texts)
    indexed(file_writer)
    with file_writer.transaction() as connection:
        connection.exec_driver_sql("PRAGMA secure_delete=ON")
        for identity in list(ids.values())[::2]:
            connection.exec_driver_sql("DELETE FROM interaction_text WHERE interaction_id = ?", (identity,))
    indexed(file_writer)
    file_writer.maintain("optimize")
    file_writer.close()
    data = path.read_bytes()
    with sqlite3.connect(path) as connection:
        for table in INDEXES:
            connection.execute(f"CREATE VIRTUAL TABLE temp.{table}_words USING fts5vocab(main, {table}, row)")
        terms = " UNION ALL ".join(f"SELECT term FROM temp.{table}_words WHERE term LIKE 'zebra%'" for table in INDEXES)
        left = {row[0] for row in connection.execute(terms)}
    assert left == {f"zebracanary{number}" for number in range(1, 50, 2)}
    assert b"zebracanary1 " in data
    for number in range(0, 50, 2):
        assert f"zebracanary{number} ".encode() not in data


def test_compacting_keeps_the_numbers_that_the_index_goes_by(file_writer: StoreWriter, path: Path) -> None:
    ids = written(file_writer)
    indexed(file_writer)
    with file_writer.transaction() as connection:
        connection.exec_driver_sql("DELETE FROM interaction_text WHERE interaction_id = ?", (ids["b"],))
    indexed(file_writer)
    file_writer.maintain("compact")
    reader = Reader(sqlite_at(path))
    assert (listed(reader, "refund"), listed(reader, "退款"), listed(reader, "zahler")) == ("af", "d", "c")
    reader.close()


@pytest.fixture(params=["sqlite", "postgres"])
def older(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[DatabaseSettings]:
    """A database from before there was an index, with texts in it."""
    databases: Databases | None = request.getfixturevalue("postgres") if request.param == "postgres" else None
    made = sqlite_at(tmp_path / "older.db") if databases is None else databases.empty()
    engine = backend_of(made).upgrader()
    with engine.begin() as connection:
        revisions.apply(connection, until="0013")
        for number in range(25):
            texts = (f"00000000-0000-7000-8000-{number:012d}", f"refund {number}", "退款" if number % 5 == 0 else None)
            sql = "INSERT INTO interaction_text (interaction_id, input_text, output_text) VALUES (?, ?, ?)"
            connection.exec_driver_sql(sql, texts)
    engine.dispose()
    yield made
    if databases is not None:
        databases.drop(made)


def test_what_an_upgrade_finds_is_noted_and_gets_into_the_index(older: DatabaseSettings) -> None:
    done = upgrade(older)
    assert (done.before, done.filled_rows, done.is_whole) == ("0013", 25, True)
    reader, writer = Reader(older), StoreWriter(older)
    assert reader.unindexed() == 25
    assert indexed(writer) > 0
    assert reader.unindexed() == 0
    assert reader.count(filters_of(parse("refund").terms, 0), 99) == 25
    assert reader.count(filters_of(parse("退").terms, 0), 99) == 5
    writer.close()
    reader.close()


def test_words_without_their_meaning_are_refused() -> None:
    with pytest.raises(ValueError, match="text_index"):
        conditions_of(Filters(terms=parse("refund").terms))

"""Whatever is asked, and however many names there are: the work and the answer are bounded. Counted, not timed."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from proxy.errors import TooSlowError
from proxy.query.parsing import LONGEST, MOST_TERMS, MOST_VALUES, QueryError, parse
from proxy.settings.database import sqlite_at
from proxy.store.care.text_indexing import index_next
from proxy.store.filters import text_index
from proxy.store.filters.asking import filters_of
from proxy.store.filters.statements import WHOLE, models_beginning
from proxy.store.reading.analytics import Grouping, Span, buckets, failures, grouped, sessions
from proxy.store.reading.reader import PAGE, Reader
from proxy.store.schema.rows import COLUMNS
from proxy.store.writing.batches import WriteBatch
from proxy.store.writing.writer import StoreWriter
from tests.support.entries import STARTED_AT, an_entry
from tests.support.fresh_sqlite import fresh_sqlite

NOW = STARTED_AT + 3_600_000
NAMES = 3000
STEPS = 1000


@pytest.fixture(scope="module")
def crowd(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A record in which each call has a model, a user and a session of its own, and words that all have."""
    path = tmp_path_factory.mktemp("crowd") / "dashcam.db"
    fresh_sqlite(path)
    writer = StoreWriter(sqlite_at(path))
    entries = (
        replace(
            an_entry(model=f"model-{n:05d}", user_id=f"user-{n}", session_id=f"s-{n}", started_at=STARTED_AT + n),
            input_text=f"the words that all have {'and then ' * 20}", output_text=f"number {n}",
        )
        for n in range(NAMES)
    )  # fmt: skip
    for batch in _batches(entries, 500):
        writer.write(WriteBatch(entries=[("s", entry) for entry in batch]), lambda _: {})
    for _ in range(NAMES // 1000 + 1):
        with writer.transaction() as connection:
            index_next(connection)
    writer.maintain("analyze")
    writer.close()
    return path


def _batches(items: Iterator[Any], size: int) -> Iterator[list[Any]]:
    batch: list[Any] = []
    for item in items:
        batch.append(item)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch


@pytest.fixture
def reader(crowd: Path) -> Iterator[Reader]:
    made = Reader(sqlite_at(crowd))
    yield made
    made.close()


def steps_of(path: Path, question: tuple[str, Any]) -> int:
    """Return about how many steps SQLite's machine takes for a question."""
    taken = 0

    def count() -> int:
        nonlocal taken
        taken += STEPS
        return 0

    connection = sqlite3.connect(path)
    connection.set_progress_handler(count, STEPS)
    connection.execute(*question).fetchall()
    connection.close()
    return taken


@pytest.mark.parametrize("by", ["model", "user", "session", "provider"])
def test_thousands_of_names_are_summed_up_once_and_the_first_are_told(crowd: Path, reader: Reader, by: str) -> None:
    question = grouped(Grouping(by=(by,), span=Span(STARTED_AT - 1, NOW), top=20))
    assert len(reader.answer(question)) <= 20
    assert steps_of(crowd, question) < NAMES * 200


def test_names_of_models_are_found_by_leaps(crowd: Path, reader: Reader) -> None:
    assert len(reader.models("", 100)) == 100
    assert steps_of(crowd, models_beginning("", 20)) < NAMES
    assert reader.models("model-0299", 100) == [f"model-0299{n}" for n in range(10)]


@pytest.mark.parametrize(
    "question",
    [buckets(Span()), failures(Span(), 20), sessions(Span(), 20)],
    ids=["buckets", "failures", "sessions"],
)
def test_pages_of_many_names_are_no_longer_than_asked_for(
    crowd: Path, reader: Reader, question: tuple[str, Any]
) -> None:
    assert len(reader.answer(question)) <= 200
    assert steps_of(crowd, question) < NAMES * 400


BOMBS = [
    " ".join(f"w{n}" for n in range(MOST_TERMS)),
    " ".join(f"-w{n}" for n in range(MOST_TERMS)),
    " ".join(f"t{'h' * n}*" for n in range(MOST_TERMS)),
    f'"{"and then " * 200}"',
    f'"{"and " * 400}"*',
    "a*", "t* -t*", "退" * 600, "a" * LONGEST,
    f"model:{','.join(f'm{n}*' for n in range(MOST_VALUES))}",
    " ".join(f"user:{','.join(f'u{n}' for n in range(MOST_VALUES))}" for _ in range(10)),
    "since:1970-01-01 until:9999-12-31", "tokens:0..9000000000000000 latency:0ms..9000000000000ms",
    " ".join("tool:x" for _ in range(MOST_TERMS)),
]  # fmt: skip


@pytest.mark.parametrize("query", BOMBS)
def test_a_bomb_of_a_query_is_asked_in_a_few_statements_of_bounded_work(
    crowd: Path, reader: Reader, query: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    ask: Callable[..., Any] = reader._rows

    def noted(sql: str, values: Any) -> Any:
        asked.append(sql)
        return ask(sql, values)

    monkeypatch.setattr(reader, "_rows", noted)
    filters = filters_of(parse(query).terms, NOW)
    rows = reader.section(filters, WHOLE, 20, COLUMNS)
    assert len(rows) <= 20
    assert reader.count(filters, 50) <= 50
    assert len(asked) <= 12
    assert all(len(sql) < 20_000 for sql in asked)


def test_what_is_longer_or_has_more_is_refused_before_anything_is_asked() -> None:
    for query in ("a" * (LONGEST + 1), "a " * (MOST_TERMS + 1), f"model:{'m,' * MOST_VALUES}m"):
        with pytest.raises(QueryError, match="more than"):
            parse(query)


def test_a_common_word_is_looked_for_a_page_at_a_time(reader: Reader, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text_index, "RARE", 10)
    page = reader.search(filters_of(parse("words number -2999").terms, NOW), None, 20)
    assert len(page.rows) == PAGE - 1
    assert page.next is not None


def test_a_question_that_takes_too_long_is_cut_off_in_the_middle_of_texts(crowd: Path) -> None:
    hasty = Reader(sqlite_at(crowd), seconds=-1.0)
    with pytest.raises(TooSlowError):
        hasty.section(filters_of(parse("-words").terms, NOW), WHOLE, 20, COLUMNS)
    hasty.close()

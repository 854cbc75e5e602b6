"""Questions to the store: by prefix, by filters, and clear words when there is nothing."""

from __future__ import annotations

import pytest

from proxy.domain.outcome import Outcome
from proxy.errors import NotFoundError
from proxy.store.filters.statements import Filters, Order
from proxy.store.reading.reader import Reader
from proxy.store.writing.batches import WriteBatch
from proxy.store.writing.writer import StoreWriter
from tests.support.entries import STARTED_AT, an_entry

OWN_ID = "5f1d7a52-0f7e-4d55-9d5b-3b1f0c2a7e11"


@pytest.fixture
def filled(writer: StoreWriter, reader: Reader) -> Reader:
    entries = [
        an_entry(),
        an_entry(model="llama3:8b", provider="ollama"),
        an_entry(outcome=Outcome.TIMED_OUT, success=False, started_at=STARTED_AT + 60_000),
        an_entry(
            model="tagged",
            user_id="kim",
            session_id="s-1",
            app="shop",
            environment="prod",
            provider="p",
            tags=("eu", "beta"),
            metadata={"team": "blue", "tag": "eu"},
            client_request_id=OWN_ID,
            prompt_name="short",
            prompt_version=2,
            prompt_label="production",
        ),
        an_entry(model="tagged", user_id="lee", tags=("eu",), metadata={"team": "red"}, provider="p"),
    ]
    writer.write(WriteBatch(entries=[("s", entry) for entry in entries]), lambda _entries: {})
    return reader


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        (Filters(), 5),
        (Filters(user="kim"), 1),
        (Filters(user="k%"), 0),
        (Filters(session="s-1", app="shop", environment="prod"), 1),
        (Filters(prompt="short"), 1),
        (Filters(prompt="short@2"), 1),
        (Filters(prompt="short@1"), 0),
        (Filters(prompt="short@production"), 1),
        (Filters(prompt="short@1.1"), 0),
        (Filters(prompt="%"), 0),
        (Filters(prompt="short@' OR 1=1 --", tags=("eu",)), 0),
        (Filters(tags=("eu",)), 2),
        (Filters(tags=("eu", "beta")), 1),
        (Filters(tags=("blue",)), 0),
        (Filters(metadata=(("team", "red"),)), 1),
        (Filters(tags=("eu",), metadata=(("team", "blue"),)), 1),
        (Filters(metadata=(("team", "' OR 1=1 --"),)), 0),
        (Filters(model="gpt-5"), 2),
        (Filters(model="llama*"), 1),
        (Filters(model="llama%"), 0),
        (Filters(provider="ollama"), 1),
        (Filters(outcome="timed_out"), 1),
        (Filters(since=STARTED_AT + 1), 1),
        (Filters(until=STARTED_AT + 1), 4),
        (Filters(operation="embeddings"), 0),
        (Filters(model="' OR 1=1 --"), 0),
    ],
)
def test_filters(filled: Reader, filters: Filters, expected: int) -> None:
    assert len(filled.list_interactions(filters, 10)) == expected


@pytest.mark.parametrize("limit", [1, 2, 3, 9])
@pytest.mark.parametrize("column", ["duration_ms", "cost_pico_usd"])
def test_the_largest_come_first_whether_or_not_an_index_holds_them(
    writer: StoreWriter, reader: Reader, column: str, limit: int
) -> None:
    sizes = [None, 5, 10**12, 7, 2 * 10**12, 0]
    entries = [an_entry(**{column: size}) for size in sizes]  # type: ignore[arg-type]
    writer.write(WriteBatch(entries=[("s", entry) for entry in entries]), lambda _entries: {})
    wanted = [2 * 10**12, 10**12, 7, 5, 0, None][:limit]
    assert [row[column] for row in reader.list_interactions(Filters(), limit, Order(column))] == wanted
    smallest = reader.list_interactions(Filters(), 1, Order(column, is_largest_first=False))
    assert [row[column] for row in smallest] == [0]


def test_last_and_the_ones_before(filled: Reader) -> None:
    newest = filled.list_interactions(Filters(), 3)
    assert filled.interaction("last")["id"] == newest[0]["id"]
    assert filled.interaction("last-2")["id"] == newest[2]["id"]


@pytest.mark.parametrize("reference", ["last-9", "ffffff", "xyz", "abc", "", "last-", "0' OR '1'='1"])
def test_what_is_not_there_is_said_so_with_the_next_step(filled: Reader, reference: str) -> None:
    with pytest.raises(NotFoundError) as caught:
        filled.interaction(reference)
    assert caught.value.hint


def test_a_prefix_of_several_is_ambiguous(filled: Reader) -> None:
    prefix = filled.interaction("last")["id"][:8]
    with pytest.raises(NotFoundError, match="more than one"):
        filled.interaction(prefix)


def test_a_summary_of_a_span(filled: Reader) -> None:
    sums = filled.summary(STARTED_AT)
    assert (sums["calls"], sums["errors"], sums["input_tokens"]) == (5, 1, 50)
    assert filled.summary(STARTED_AT + 10**9)["calls"] == 0


def test_a_call_is_found_by_its_caller_s_own_id(filled: Reader) -> None:
    assert filled.interaction(OWN_ID.upper())["user_id"] == "kim"
    with pytest.raises(NotFoundError):
        filled.interaction("5f1d7a52-0f7e-4d55-9d5b-3b1f0c2a7e12")


def test_a_common_label_is_found_like_a_rare_one(filled: Reader, monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = Filters(tags=("eu",), metadata=(("team", "blue"),))
    rare = filled.list_interactions(wanted, 9)
    monkeypatch.setattr("proxy.store.reading.reader._RARE", 0)
    assert filled.list_interactions(wanted, 9) == rare
    assert len(rare) == 1


def test_what_is_recorded_from_now_on_comes_in_the_order_of_recording(filled: Reader, writer: StoreWriter) -> None:
    recorded = filled.recorded()
    assert recorded.next(Filters(tags=("eu",)), 10) == []
    late = [an_entry(model="tagged", user_id=name, tags=("eu",)) for name in ("ann", "bob", "cy")]
    writer.write(WriteBatch(entries=[("s", late[2])]), lambda _entries: {})
    assert [row["user_id"] for row in recorded.next(Filters(tags=("eu",)), 10)] == ["cy"]
    writer.write(WriteBatch(entries=[("s", late[0]), ("s", late[1]), ("s", an_entry())]), lambda _entries: {})
    assert [row["user_id"] for row in recorded.next(Filters(tags=("eu",)), 10)] == ["ann", "bob"]
    assert recorded.next(Filters(tags=("eu",)), 10) == []


def test_however_much_is_recorded_between_two_looks_none_of_it_is_passed_over(
    filled: Reader, writer: StoreWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("proxy.store.reading.following.WINDOW", 4)
    recorded = filled.recorded()
    late, many = an_entry(user_id="late"), [an_entry(user_id=f"{number}") for number in range(25)]
    writer.write(WriteBatch(entries=[("s", item) for item in many]), lambda _entries: {})
    looks = [recorded.next(Filters(), 10)]
    while recorded.is_behind:
        looks.append(recorded.next(Filters(), 10))
    assert [row["user_id"] for rows in looks for row in rows] == [f"{number}" for number in range(25)]
    assert max(map(len, looks)) == 10
    writer.write(WriteBatch(entries=[("s", an_entry(user_id="next"))]), lambda _entries: {})
    assert [row["user_id"] for row in recorded.next(Filters(), 10)] == ["next"]
    writer.write(WriteBatch(entries=[("s", late)]), lambda _entries: {})
    is_numbered = not filled._database.is_postgres
    assert [row["user_id"] for row in recorded.next(Filters(), 10)] == (["late"] if is_numbered else [])

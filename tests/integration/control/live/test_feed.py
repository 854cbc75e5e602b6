"""Calls of a real spool and a real store, told as they begin and end."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from proxy.control.live import feed as feeding
from proxy.control.live.feed import Feed, TooManyListenersError
from proxy.control.live.listeners import Listener, Wish
from proxy.domain.identity import id_text
from proxy.domain.interaction import Entry
from proxy.errors import StoreError
from proxy.loader.loading import Loader
from proxy.query.parsing import parse
from proxy.settings.database import DatabaseSettings
from proxy.settings.values import Settings
from proxy.store.engines.failures import StoreUnavailableError
from proxy.store.filters.asking import filters_of
from proxy.store.writing.batches import WriteBatch
from proxy.store.writing.writer import StoreWriter
from proxy.telemetry.families import Totals
from tests.support.entries import an_entry
from tests.support.spooling import SpoolingGateway, a_start, an_end, settings_in

COLUMNS = ("id", "model", "outcome", "user_id")
Told = tuple[str, dict[str, Any]]


class Bench:
    """A loader and the feed that watches it."""

    def __init__(self, settings: Settings) -> None:
        self.database = settings.database
        self.feed = Feed(settings.database, lambda: self.loader.under_way())
        self.loader = Loader(settings, Totals(), lambda _entry: None, watch=self.feed.begun)

    def load(self) -> None:
        for _ in range(3):
            while self.loader.round():
                pass

    def store(self, *entries: Entry) -> None:
        with contextlib.closing(StoreWriter(self.database, "another host")) as writer:
            writer.write(WriteBatch(entries=[("s", entry) for entry in entries]), lambda _: {})


@pytest.fixture
def bench(tmp_path: Path, store: DatabaseSettings) -> Iterator[Bench]:
    made = Bench(settings_in(tmp_path, database=store))
    yield made
    made.feed.close()
    made.loader.close()


@pytest.fixture
def gateways(tmp_path: Path, store: DatabaseSettings) -> Iterator[list[SpoolingGateway]]:
    made = [SpoolingGateway(settings_in(tmp_path, database=store), worker=number) for number in range(2)]
    yield made
    for gateway in made:
        gateway.die()


def wish(query: str = "", **changes: Any) -> Wish:
    terms = parse(query).terms
    return Wish(terms=terms, filters=filters_of(terms, 0), columns=COLUMNS, **changes)


class Client:
    """Takes what a listener is told, event by event."""

    def __init__(self, listener: Listener) -> None:
        self._parts = listener.texts(None, lambda: True)
        self._told: list[Told] = []

    async def next(self) -> Told:
        async with asyncio.timeout(20):
            while not self._told:
                self._told += _events_in(await anext(self._parts))
        return self._told.pop(0)

    async def names(self, number: int) -> list[tuple[str, str]]:
        """Return event and call of what comes next."""
        return [(name, data["id"]) for name, data in [await self.next() for _ in range(number)]]


def _events_in(text: bytes) -> list[Told]:
    found = [dict(line.split(b": ", 1) for line in part.split(b"\n")) for part in text.split(b"\n\n") if part]
    return [(item[b"event"].decode(), orjson.loads(item[b"data"])) for item in found if b"event" in item]


@contextlib.asynccontextmanager
async def listening(bench: Bench, wanted: Wish) -> AsyncIterator[Client]:
    client = Client(bench.feed.listen(wanted))
    name, hello = await client.next()
    assert name == "hello"
    assert hello["starts"] is not bool(wanted.unjudged)
    yield client
    bench.feed.close()


async def test_calls_of_several_gateways_are_told_as_they_begin_and_end(
    bench: Bench, gateways: list[SpoolingGateway]
) -> None:
    async with listening(bench, wish()) as client:
        first, second = gateways[0].begin(), gateways[1].begin()
        bench.load()
        begun = await client.names(2)
        assert sorted(begun) == sorted([("start", id_text(first)), ("start", id_text(second))])
        gateways[1].end(second)
        bench.load()
        name, row = await client.next()
        assert (name, row["id"], row["outcome"]) == ("end", id_text(second), "completed")
        assert set(row) == set(COLUMNS)


async def test_a_short_call_begins_before_it_ends(bench: Bench, gateways: list[SpoolingGateway]) -> None:
    async with listening(bench, wish()) as client:
        call = id_text(gateways[0].call())
        bench.load()
        assert await client.names(2) == [("start", call), ("end", call)]


async def test_what_another_host_recorded_ends_here_too(bench: Bench) -> None:
    async with listening(bench, wish()) as client:
        entry = an_entry()
        bench.store(entry)
        assert await client.names(1) == [("end", entry.interaction.id)]


async def test_a_newcomer_is_told_what_is_under_way(bench: Bench, gateways: list[SpoolingGateway]) -> None:
    call = gateways[0].begin()
    bench.load()
    async with listening(bench, wish()) as client:
        assert await client.names(1) == [("start", id_text(call))]
        gateways[0].end(call)
        bench.load()
        assert await client.names(1) == [("end", id_text(call))]


async def test_filters_hold_at_both_ends(bench: Bench, gateways: list[SpoolingGateway]) -> None:
    async with listening(bench, wish("user:kim")) as client:
        gateways[0].call(start=a_start(request_headers=(("x-dashcam-user", "lee"),)))
        kims = id_text(gateways[0].call(start=a_start(request_headers=(("x-dashcam-user", "kim"),))))
        bench.load()
        assert await client.names(2) == [("start", kims), ("end", kims)]


async def test_where_only_the_end_can_tell_no_beginning_is_told(bench: Bench, gateways: list[SpoolingGateway]) -> None:
    async with listening(bench, wish("status:error answered")) as client:
        gateways[0].call()
        failed = an_entry(success=False, http_status=500)
        bench.store(failed)
        bench.load()
        assert await client.names(1) == [("end", failed.interaction.id)]


async def test_who_comes_back_is_told_what_ended_meanwhile(bench: Bench) -> None:
    before, known, *missed = [
        an_entry(started_at=1_795_000_000_000 + number * 60_000, completed_at=None) for number in range(4)
    ]
    bench.store(before, known)
    bench.store(*missed)
    async with listening(bench, wish(after=known.interaction.id)) as client:
        assert await client.names(2) == [("end", entry.interaction.id) for entry in missed]
        last = an_entry()
        bench.store(last)
        assert await client.names(1) == [("end", last.interaction.id)]


async def test_what_cannot_be_told_again_is_a_gap(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feeding, "MOST_REPLAYED", 1)
    entries = [an_entry() for _ in range(3)]
    for entry in entries:
        bench.store(entry)
    async with listening(bench, wish(after=entries[0].interaction.id)) as client:
        name, gap = await client.next()
        assert (name, gap["reason"]) == ("gap", "many")
    bench.feed = Feed(bench.database)
    async with listening(bench, wish(after="0199aaaa-0000-7000-8000-00000000000a")) as client:
        assert (await client.next())[1]["reason"] == "unknown"


async def test_texts_come_where_they_are_asked_for_and_audited_first(bench: Bench) -> None:
    noted: list[int] = []
    async with listening(bench, wish(with_texts=True, audit=noted.append)) as client:
        bench.store(an_entry())
        _, row = await client.next()
        assert (row["input_text"], row["output_text"], noted) == ("asked", "answered", [1])


async def test_without_an_audit_log_no_text_is_told(bench: Bench) -> None:
    def refuse(_calls: int) -> None:
        raise StoreUnavailableError("the database is away")

    async with listening(bench, wish(with_texts=True, audit=refuse)) as client:
        bench.store(an_entry())
        name, last = await client.next()
        assert (name, last["reason"]) == ("closing", "unaudited")


async def test_a_database_that_is_away_is_told_once_and_asked_again(
    bench: Bench, gateways: list[SpoolingGateway], monkeypatch: pytest.MonkeyPatch
) -> None:
    from proxy.store.reading.following import Recorded

    ask = Recorded.next
    async with listening(bench, wish()) as client:

        def away(*_: Any) -> Any:
            raise StoreError("the database is away")

        monkeypatch.setattr(Recorded, "next", away)
        assert await client.next() == ("trouble", {"reason": "store", "detail": "the database is away"})
        call = gateways[0].begin()
        bench.load()
        assert await client.names(1) == [("start", id_text(call))]
        monkeypatch.setattr(Recorded, "next", ask)
        gateways[0].end(call, an_end())
        bench.load()
        assert await client.names(1) == [("end", id_text(call))]


async def test_a_loader_that_starts_over_tells_nothing_of_what_has_ended(
    bench: Bench, gateways: list[SpoolingGateway]
) -> None:
    async with listening(bench, wish()) as client:
        gateways[0].begin()
        call = id_text(gateways[0].call())
        bench.load()
        assert [await client.names(3)][0][1:] == [("start", call), ("end", call)]
        replayed = [one for one in bench.loader.under_way()]
        bench.feed.begun(replayed)
        assert await client.names(1) == [("start", id_text(replayed[0].identity))]


async def test_there_are_so_many_listeners_and_no_more(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feeding, "MOST_LISTENERS", 1)
    async with listening(bench, wish()):
        with pytest.raises(TooManyListenersError, match="1 listen already"):
            bench.feed.listen(wish())


async def test_one_that_ends_makes_room_and_the_thread_goes_with_the_last(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feeding, "MOST_LISTENERS", 1)
    client = Client(bench.feed.listen(wish()))
    await client.next()
    await client._parts.aclose()
    async with listening(bench, wish()) as other:
        entry = an_entry()
        bench.store(entry)
        assert await other.names(1) == [("end", entry.interaction.id)]


async def test_who_listens_is_told_that_we_leave(bench: Bench) -> None:
    client = Client(bench.feed.listen(wish()))
    await client.next()
    bench.feed.close()
    name, last = await client.next()
    assert (name, last["reason"]) == ("closing", "leaving")
    assert (await Client(bench.feed.listen(wish())).next())[0] == "closing"

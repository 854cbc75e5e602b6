"""One listener: bounded, told to its end, and never in anybody's way."""

from __future__ import annotations

import asyncio

from proxy.control.live import events, listeners
from proxy.control.live.events import Event
from proxy.control.live.listeners import Listener, Wish
from proxy.query.parsing import parse

A, B = Event("start", {"id": "a"}), events.end({"id": "b"})


def made(most: int = 10) -> tuple[Listener, list[Listener]]:
    gone: list[Listener] = []
    return Listener(Wish(), gone.append, most), gone


async def all_of(listener: Listener, seconds: float | None = None, *, may_stay: bool = True) -> bytes:
    return b"".join([part async for part in listener.texts(seconds, lambda: may_stay)])


async def test_what_waits_is_sent_in_order_and_the_last_one_last() -> None:
    listener, gone = made()
    listener.tell([A, B])
    listener.end(events.LEAVING)
    listener.tell([A])
    sent = await all_of(listener)
    assert sent == events.RETRY + A.to_bytes() + B.to_bytes() + events.LEAVING.to_bytes()
    assert gone == [listener]
    assert b'event: end\nid: b\ndata: {"id":"b"}\n\n' in sent


async def test_one_that_takes_too_slowly_is_told_so_and_nothing_else() -> None:
    listener, _ = made(most=2)
    listener.tell([A, A])
    listener.tell([A])
    listener.tell([B])
    assert listener.is_ended
    assert await all_of(listener) == events.RETRY + events.SLOW.to_bytes()


async def test_one_that_waits_is_woken_from_another_thread() -> None:
    listener, _ = made()
    task = asyncio.create_task(all_of(listener))
    await asyncio.sleep(0)
    await asyncio.to_thread(listener.tell, [A])
    await asyncio.to_thread(listener.end, events.LEAVING)
    assert A.to_bytes() in await task


async def test_a_client_that_leaves_is_forgotten() -> None:
    listener, gone = made()
    texts = listener.texts(None, lambda: True)
    assert await anext(texts) == events.RETRY
    await texts.aclose()
    assert gone == [listener]
    listener.tell([A])


async def test_its_seconds_end_it() -> None:
    listener, _ = made()
    assert (await all_of(listener, 0.0)).endswith(events.TIME.to_bytes())


async def test_a_heartbeat_asks_whether_it_may_stay(monkeypatch) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.setattr(listeners, "HEARTBEAT_SECONDS", 0.0)
    listener, _ = made()
    assert await all_of(listener, may_stay=False) == events.RETRY + events.REFUSED.to_bytes()
    staying, _ = made()
    texts = staying.texts(None, lambda: True)
    assert [await anext(texts), await anext(texts)] == [events.RETRY, events.HEARTBEAT]
    await texts.aclose()


def test_a_query_of_ends_keeps_beginnings_back() -> None:
    assert Listener(Wish(terms=parse("user:kim").terms), print).has_starts
    assert Wish(terms=parse("user:kim latency:>2s").terms).unjudged == ("latency:>2000ms",)

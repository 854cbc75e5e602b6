"""More than fits: what is beyond a ceiling is told so at once, leaves nothing behind, and the next call finds room."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from proxy.domain.outcome import Outcome
from proxy.settings.values import LimitSettings, RecordingSettings, Settings
from proxy.spool.page import Page
from tests.integration.gateway.conftest import CHUNKED, LIMITS, SSE
from tests.integration.gateway.test_endings import EVENT, code, ended, leave_after_one_event, one_event
from tests.support.client import Client, Reply
from tests.support.gateway import RunningGateway, provider, running_gateway
from tests.support.scripted_upstream import ScriptedUpstream, Turn, answer_ok
from tests.support.waiting import wait_until_async

PATH = "/v1/chat/completions"
KEYS = {hashlib.sha256(key).hexdigest(): name for key, name in ((b"key-one", "k1"), (b"key-two", "k2"))}


@contextlib.asynccontextmanager
async def gateway(
    folder: Path, upstream: ScriptedUpstream, *, rows: int = 20, keys: dict[str, str] | None = None, **limits: Any
) -> AsyncIterator[RunningGateway]:
    settings = Settings(
        data_dir=str(folder),
        run_dir=str(folder / "run"),
        limits=replace(LIMITS, **limits),
        recording=RecordingSettings(refused_per_second=rows),
        providers=(provider(upstream.port),),
        proxy_keys=keys or {},
    )
    async with running_gateway(folder, settings) as running:
        yield running


async def late(turn: Turn) -> None:
    """Answer when the test says so."""
    await turn.released()
    await answer_ok(turn)


def assert_come_again(reply: Reply, status: int = 503, word: str = "proxy_overloaded") -> None:
    """The answer is OpenAI's envelope, and says when to send the call again."""
    assert (reply.status, code(reply)) == (status, word)
    assert set(json.loads(reply.body)["error"]) == {"message", "type", "param", "code"}
    told = {
        name: reply.headers(name) for name in ("x-should-retry", "retry-after", "retry-after-ms", "x-dashcam-error")
    }
    assert told == {
        "x-should-retry": ["true"],
        "retry-after": ["1"],
        "retry-after-ms": ["500"],
        "x-dashcam-error": [word],
    }


async def ask(proxy: RunningGateway, *headers: str, path: str = PATH) -> Reply:
    async with Client(proxy.port) as client:
        return await client.ask("POST", path, b"{}", *headers)


async def test_beyond_the_calls_under_way_one_is_refused_and_the_next_finds_room(
    tmp_path: Path, upstream: ScriptedUpstream
) -> None:
    upstream.scenario = late
    async with gateway(tmp_path, upstream, in_flight=2) as proxy, contextlib.AsyncExitStack() as stack:
        first, second, third = [await stack.enter_async_context(Client(proxy.port)) for _ in range(3)]
        for client in (first, second):
            await client.send("POST", PATH, b"{}")
        await wait_until_async(lambda: len(upstream.requests) == 2, "both are with the upstream")
        for _ in range(3):
            assert_come_again(await third.ask("POST", PATH, b"{}"))
        # Refused without closing: to connect anew would cost more than the refusal.
        assert (await third.ask("GET", "/healthz", b"")).status == 200
        upstream.gate.set()
        assert [(await client.reply()).status for client in (first, second)] == [200, 200]
        assert (await third.ask("POST", PATH, b"{}")).status == 200
        outcomes = [call.end.outcome for call in await ended(proxy, 6) if call.end]
        assert (outcomes.count(Outcome.REJECTED), outcomes.count(Outcome.COMPLETED)) == (3, 3)
        assert proxy.page.get(Page.LIMIT_IN_FLIGHT) == 3
        assert len(upstream.requests) == 3


async def test_a_refusal_does_not_wait_for_a_large_body(tmp_path: Path, upstream: ScriptedUpstream) -> None:
    upstream.scenario = late
    async with (
        gateway(tmp_path, upstream, in_flight=1) as proxy,
        Client(proxy.port) as first,
        Client(proxy.port) as big,
    ):
        await first.send("POST", PATH, b"{}")
        await wait_until_async(lambda: upstream.requests, "it is with the upstream")
        await big.send("POST", PATH, b"", "Content-Length: 50000000", "Expect: 100-continue")
        assert_come_again(await big.reply())
        assert await big.is_closed()
        upstream.gate.set()
        assert (await first.reply()).status == 200


async def test_a_key_has_a_ceiling_of_its_own_and_gets_back_what_it_gave_up(
    tmp_path: Path, upstream: ScriptedUpstream
) -> None:
    upstream.scenario = late
    one, two = "Authorization: Bearer key-one", "Authorization: Bearer key-two"
    async with gateway(tmp_path, upstream, in_flight_per_key=1, keys=KEYS) as proxy:
        async with Client(proxy.port) as arriving:
            await arriving.send("POST", PATH, b"", one, "Content-Length: 300000")
            await wait_until_async(lambda: any(item.call for item in proxy.server._connections()), "it has begun")
            assert_come_again(await ask(proxy, one), 429, "key_overloaded")
            arriving.reset()
        await wait_until_async(lambda: proxy.page.get(Page.REFUSED_CONNECTIONS), "it has left")
        async with Client(proxy.port) as client, Client(proxy.port) as other:
            await client.send("POST", PATH, b"{}", one)
            await wait_until_async(lambda: upstream.requests, "it is with the upstream")
            assert_come_again(await ask(proxy, one), 429, "key_overloaded")
            await other.send("POST", PATH, b"{}", two)
            upstream.gate.set()
            assert [(await item.reply()).status for item in (client, other)] == [200, 200]
        assert (await ask(proxy, one)).status == 200
        assert proxy.page.get(Page.LIMIT_IN_FLIGHT_PER_KEY) == 2
        assert not proxy.gateway.ceilings._calls_of


async def test_a_single_key_has_no_ceiling_of_its_own(tmp_path: Path, upstream: ScriptedUpstream) -> None:
    upstream.scenario = late
    only = dict(list(KEYS.items())[:1])
    key = "Authorization: Bearer key-one"
    async with gateway(tmp_path, upstream, in_flight_per_key=1, keys=only) as proxy, Client(proxy.port) as first:
        await first.send("POST", PATH, b"{}", key)
        await wait_until_async(lambda: upstream.requests, "it is with the upstream")
        upstream.gate.set()
        assert (await ask(proxy, key)).status == 200
        assert (await first.reply()).status == 200


async def test_beyond_the_connections_only_health_is_answered(tmp_path: Path, upstream: ScriptedUpstream) -> None:
    upstream.scenario = late
    async with gateway(tmp_path, upstream, connections=2) as proxy, contextlib.AsyncExitStack() as stack:

        async def connect() -> Client:
            return await stack.enter_async_context(Client(proxy.port))

        busy = [await connect() for _ in range(2)]
        for client in busy:
            await client.send("POST", PATH, b"{}")
        await wait_until_async(lambda: len(upstream.requests) == 2, "both are with the upstream")
        beyond, health = await connect(), await connect()
        assert_come_again(await beyond.ask("POST", PATH, b"{}"))
        assert await beyond.is_closed()
        assert (await health.ask("GET", "/readyz", b"")).status == 200
        upstream.gate.set()
        assert [(await client.reply()).status for client in busy] == [200, 200]
        assert proxy.page.get(Page.LIMIT_CONNECTIONS) >= 2
        assert proxy.page.get(Page.CLIENT_CONNECTIONS_MAX) == 2


async def test_a_flood_of_connections_is_turned_away_and_health_is_answered_again(
    tmp_path: Path, upstream: ScriptedUpstream
) -> None:
    """Those that say nothing make room for those that do, long before their own deadline."""
    async with gateway(tmp_path, upstream, connections=4, header_timeout=600.0) as proxy:
        async with contextlib.AsyncExitStack() as stack:
            clients = [await stack.enter_async_context(Client(proxy.port)) for _ in range(60)]
            closed = await asyncio.gather(*(client.is_closed() for client in clients[40:]))
            assert len(closed) == 20

            # The others have said nothing yet: after a second they go, too.
            await asyncio.gather(*(client.is_closed() for client in clients))
            async with Client(proxy.port) as client:
                assert (await client.ask("GET", "/healthz", b"")).status == 200
        assert (await ask(proxy)).status == 200


async def test_one_address_has_a_ceiling_of_its_own(tmp_path: Path, upstream: ScriptedUpstream) -> None:
    async with gateway(tmp_path, upstream, connections_per_address=1) as proxy:
        async with Client(proxy.port) as first:
            assert (await first.ask("POST", PATH, b"{}")).status == 200
            assert_come_again(await ask(proxy))
        await wait_until_async(lambda: not proxy.server._connections(), "both have left")
        assert (await ask(proxy)).status == 200
        await wait_until_async(lambda: not proxy.gateway.ceilings._connections_of, "nobody is counted any more")
        assert proxy.page.get(Page.LIMIT_CONNECTIONS_PER_ADDRESS) == 1


async def test_bodies_in_memory_have_a_ceiling_and_are_given_back(tmp_path: Path, upstream: ScriptedUpstream) -> None:
    """Each is small enough to stay in memory, and none of them is a call yet: no other ceiling sees them."""
    async with gateway(tmp_path, upstream, memory_bytes=1 << 20, body_idle_timeout=60.0) as proxy:
        async with contextlib.AsyncExitStack() as stack:
            clients = [await stack.enter_async_context(Client(proxy.port)) for _ in range(5)]
            for number, client in enumerate(clients):
                await client.send("POST", PATH, b"", "Content-Length: 260000")
                await client.raw(bytes(250_000))
                if number < 4:
                    goal = 250_000 * (number + 1)
                    await wait_until_async(lambda: proxy.gateway.ceilings.held_bytes == goal, "it is held")  # noqa: B023
            assert_come_again(await clients[4].reply())
            await clients[0].raw(bytes(10_000))
            assert (await clients[0].reply()).status == 200
        await wait_until_async(lambda: proxy.gateway.ceilings.held_bytes == 0, "everything is given back")
        assert proxy.page.get(Page.LIMIT_MEMORY_BYTES) == 1
        assert len(proxy.calls()) == 1


async def test_a_body_that_may_not_touch_the_disk_is_bounded_too(tmp_path: Path, upstream: ScriptedUpstream) -> None:
    async with gateway(tmp_path, upstream, memory_bytes=1 << 20) as proxy:
        for size, status in ((2 << 20, 503), (900_000, 200)):
            async with Client(proxy.port) as client:
                reply = await client.ask("POST", PATH, bytes(size), "x-dashcam-record: none")
            assert reply.status == status
        assert proxy.gateway.ceilings.held_bytes == 0
        # Where the disk takes it, memory is no limit.
        async with Client(proxy.port) as client:
            assert (await client.ask("POST", PATH, bytes(2 << 20))).status == 200
        assert proxy.page.get(Page.LIMIT_SPILL_BYTES) == 3


async def test_a_body_is_held_until_it_cannot_be_sent_again(tmp_path: Path, upstream: ScriptedUpstream) -> None:
    async def script(turn: Turn) -> None:
        await turn.released()
        await one_event(turn)

    upstream.scenario = script
    async with gateway(tmp_path, upstream) as proxy, Client(proxy.port) as client:
        await client.send("POST", PATH, bytes(200_000))
        await wait_until_async(lambda: upstream.requests, "it is with the upstream")
        assert proxy.gateway.ceilings.held_bytes == 200_000
        upstream.gate.set()
        await client.read_until(EVENT)
        assert proxy.gateway.ceilings.held_bytes == 0


async def test_a_flood_of_refusals_fills_no_spool_and_the_account_still_balances(
    tmp_path: Path, upstream: ScriptedUpstream
) -> None:
    async with gateway(tmp_path, upstream, rows=1, body_bytes=1024) as proxy, Client(proxy.port) as client:
        replies = [await client.ask("POST", PATH, bytes(2000)) for _ in range(300)]
        assert {reply.status for reply in replies} == {413}
        named = [reply for reply in replies if reply.headers("x-dashcam-id")]
        rows = proxy.calls()
        assert len(named) == len(rows) < 30
        page = proxy.page
        assert page.get(Page.ACCEPTED) == 300 == len(rows) + page.get(Page.DROPPED_REFUSED)
        assert page.get(Page.LIMIT_REFUSED_PER_SECOND) == page.get(Page.DROPPED_REFUSED)


async def test_uploads_may_be_larger_than_other_bodies(tmp_path: Path, upstream: ScriptedUpstream) -> None:
    async with gateway(tmp_path, upstream, body_bytes=10_000, upload_bytes=1_000_000) as proxy:
        for path, size, status in ((PATH, 20_000, 413), ("/v1/files", 900_000, 200), ("/v1/files", 1_000_001, 413)):
            async with Client(proxy.port) as client:
                reply = await client.ask("POST", path, bytes(size))
            assert reply.status == status
        async with Client(proxy.port) as client:
            await client.send("POST", PATH, b"", "Transfer-Encoding: chunked")
            await client.raw(b"ffff\r\n" + bytes(0xFFFF) + b"\r\n")
            assert (await client.reply()).status == 413
        assert (proxy.page.get(Page.LIMIT_BODY_BYTES), proxy.page.get(Page.LIMIT_UPLOAD_BYTES)) == (2, 1)


async def test_what_is_larger_than_a_record_may_be_is_counted(tmp_path: Path, upstream: ScriptedUpstream) -> None:
    async def script(turn: Turn) -> None:
        await turn.head(b"Content-Type: text/plain", b"Content-Length: 500000")
        await turn.send(bytes(500_000))

    upstream.scenario = script
    settings = Settings(
        data_dir=str(tmp_path),
        run_dir=str(tmp_path / "run"),
        recording=RecordingSettings(max_body_bytes=400_000),
        providers=(provider(upstream.port),),
    )
    async with running_gateway(tmp_path, settings) as proxy, Client(proxy.port) as client:
        reply = await client.ask("POST", PATH, bytes(450_000))
        assert (reply.status, len(reply.body)) == (200, 500_000)
        await wait_until_async(lambda: proxy.page.get(Page.LIMIT_MAX_BODY_BYTES) == 2, "both are counted")


async def test_two_hundred_streams_at_once_are_each_whole(tmp_path: Path, upstream: ScriptedUpstream) -> None:
    """Conformance case 125: no pool has a ceiling that makes one wait for another."""

    async def script(turn: Turn) -> None:
        nonce = turn.request.body
        await turn.head(SSE, CHUNKED)
        await turn.chunk(b"data: %s 0\n\n" % nonce)
        await turn.released()
        for number in range(1, 20):
            await turn.chunk(b"data: %s %d\n\n" % (nonce, number))
        await turn.chunk(b"")

    upstream.scenario = script
    async with gateway(tmp_path, upstream) as proxy, contextlib.AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(Client(proxy.port)) for _ in range(200)]
        await asyncio.gather(*(client.send("POST", PATH, b"%d" % number) for number, client in enumerate(clients)))
        # The first event of every one is here before the first one goes on: none waits in a line.
        await wait_until_async(lambda: proxy.page.get(Page.OPEN_STREAMS) == 200, "all are open")
        upstream.gate.set()
        replies = await asyncio.gather(*(client.reply() for client in clients))
        for number, reply in enumerate(replies):
            assert reply.body == b"".join(b"data: %d %d\n\n" % (number, event) for event in range(20))
            assert reply.is_clean
        calls = {call.request: call.answer for call in await ended(proxy, 200)}
        assert calls == {b"%d" % number: reply.body for number, reply in enumerate(replies)}


@pytest.mark.parametrize("policy", ["cancel", "drain"])
async def test_a_thousand_clients_that_leave_leave_nothing_behind(
    tmp_path: Path, upstream: ScriptedUpstream, policy: str
) -> None:
    async def script(turn: Turn) -> None:
        await turn.head(SSE, CHUNKED)
        await turn.chunk(EVENT)
        if policy == "cancel":
            await turn.client_closed()
        else:
            await turn.chunk(b"")

    upstream.scenario = script
    settings = Settings(
        data_dir=str(tmp_path),
        run_dir=str(tmp_path / "run"),
        limits=replace(LimitSettings(), drain=1.0, linger_seconds=0.05),
        providers=(provider(upstream.port, on_client_gone=policy),),
    )
    async with running_gateway(tmp_path, settings) as proxy:
        rounds = 10 if policy == "cancel" else 2
        for _ in range(rounds):
            await asyncio.gather(*(leave_after_one_event(proxy) for _ in range(100)))
        page = proxy.page
        await wait_until_async(lambda: not proxy.gateway.exchanges, "no call is left")
        await wait_until_async(lambda: page.get(Page.UPSTREAM_BUSY) == 0, "no connection is busy")
        await wait_until_async(lambda: page.get(Page.CLIENT_CONNECTIONS) == 0, "no client is left")
        assert (page.get(Page.IN_FLIGHT), page.get(Page.OPEN_STREAMS), page.get(Page.HELD_BYTES)) == (0, 0, 0)
        if policy == "cancel":
            await wait_until_async(lambda: upstream.open_connections == 0, "the upstream is free")
            assert page.get(Page.LIMIT_LINGER_SECONDS) == 1000
        upstream.scenario = answer_ok
        assert (await ask(proxy)).status == 200

"""Postgres away, hanging, cut off or killed (D, N6): no call notices, each commit counts once, all of it is there."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import replace
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest

from proxy.settings.database import DatabaseSettings
from tests.faults.conftest import HURRIED, Amount, Start, is_in_trouble, opened
from tests.support.dashcam import RunningDashcam
from tests.support.load import Load
from tests.support.means import require
from tests.support.namespaces import namespace
from tests.support.pgbouncer import PROGRAM, bouncer
from tests.support.postgres import Databases, PostgresServer
from tests.support.severing import SeveringProxy
from tests.support.toxic import DOWN, UP, ToxicProxy
from tests.support.verdict import assert_nothing_lost
from tests.support.waiting import wait_until_async

pytestmark = pytest.mark.engines("postgres")


@contextlib.asynccontextmanager
async def judged(dashcam: RunningDashcam) -> AsyncIterator[Load]:
    """Run a load; every call is served, whatever happens, and in the end is on record once."""
    load = Load(dashcam.url)
    async with load.running():
        await load.progress()
        yield load
        await load.progress()
    assert [call for call in load.calls if not call.is_finished] == []
    endings = await asyncio.to_thread(assert_nothing_lost, dashcam, load)
    assert endings == {"completed": len(load.calls)}


def through(database: DatabaseSettings, host: str, port: int) -> DatabaseSettings:
    """Return the same database by another way."""
    found = urlsplit(database.url)
    return replace(database, url=urlunsplit(found._replace(netloc=f"{found.username}@{host}:{port}")))


async def test_d1_stopped_for_an_hour(start: Start, server: PostgresServer, amount: Amount) -> None:
    """Compressed: the long form makes as many calls as twelve an hour's seconds; the first of them are there too."""
    dashcam = opened(start(environment=HURRIED))
    async with judged(dashcam) as load:
        await asyncio.to_thread(server.shut_down)
        await wait_until_async(lambda: is_in_trouble(dashcam, "cannot be reached"), "it is said")
        await load.progress(amount(200, 43_200), seconds=1800)
        assert dashcam.get("/readyz")[0] == 200
        assert dashcam.ledger()["pending"] >= 200
        await asyncio.to_thread(server.start)


@pytest.mark.slow
async def test_d1_started_while_it_is_away(start: Start, server: PostgresServer) -> None:
    dashcam = start(environment=HURRIED, is_started=False)
    await asyncio.to_thread(server.shut_down)
    await asyncio.to_thread(dashcam.start)
    async with judged(dashcam) as load:
        await wait_until_async(lambda: is_in_trouble(dashcam, "cannot be reached"), "it is said")
        await load.progress()
        await asyncio.to_thread(dashcam.kill, "proxy.control")
        await load.progress()
        await asyncio.to_thread(server.start)


async def test_d2_killed_and_restarted_under_load(start: Start, server: PostgresServer, rounds: int) -> None:
    dashcam = opened(start(environment=HURRIED))
    async with judged(dashcam) as load:
        for _ in range(rounds):
            await load.progress(30)
            await asyncio.to_thread(server.stop)
            await load.progress(10)
            await asyncio.to_thread(server.start)


async def test_d2_both_are_killed_at_once(start: Start, server: PostgresServer, rounds: int) -> None:
    """The machine that both run on falls over: what was under way is interrupted, the rest is there once."""
    dashcam = opened(start(environment=HURRIED))
    load = Load(dashcam.url)
    async with load.running():
        for _ in range(rounds):
            await load.progress()
            await asyncio.to_thread(server.stop)
            await asyncio.to_thread(dashcam.kill_everything)
            await asyncio.to_thread(dashcam.start)
            await asyncio.to_thread(server.start)
        await load.progress()
    endings = await asyncio.to_thread(assert_nothing_lost, dashcam, load)
    assert set(endings) <= {"completed", "interrupted", "client_gone"}


async def test_d2_sessions_ended_by_an_administrator(start: Start, server: PostgresServer, rounds: int) -> None:
    dashcam = opened(start(environment=HURRIED))
    ended = 0
    async with judged(dashcam) as load:
        with psycopg.connect(server.url(), autocommit=True) as session:
            while ended < rounds * 3:
                await load.progress(10)
                done = session.execute(
                    "select count(pg_terminate_backend(pid)) from pg_stat_activity where application_name = 'dashcam'"
                ).fetchone()
                ended += done[0] if done else 0


async def test_d2_connections_reset_again_and_again(
    start: Start, server: PostgresServer, engine: Databases, rounds: int
) -> None:
    with ToxicProxy(server.port).running() as toxic:
        far = through(engine.migrated(), "127.0.0.1", toxic.port)
        dashcam = opened(start(database=far, environment=HURRIED))
        async with judged(dashcam) as load:
            for _ in range(rounds * 5):
                await load.progress(6)
                toxic.reset_all()


async def test_d2_a_commit_that_is_never_answered_counts_once(start: Start, engine: Databases, rounds: int) -> None:
    """The server has done it and nobody hears of it; the batch is not delivered a second time, or changes nothing."""
    way = SeveringProxy(engine.migrated().url)
    dashcam = opened(start(database=DatabaseSettings(url=way.url), environment=HURRIED))
    async with judged(dashcam) as load:
        for _ in range(rounds):
            way.arm()
            await wait_until_async(way.severed.is_set, "the commit went through unheard")
            await load.progress()
    way.close()


async def test_d2_control_is_killed_behind_a_commit_that_is_never_answered(
    start: Start, engine: Databases, rounds: int
) -> None:
    """Nobody is left who knows that a batch was under way: the position alone tells the next one."""
    way = SeveringProxy(engine.migrated().url)
    dashcam = opened(start(database=DatabaseSettings(url=way.url), environment=HURRIED))
    async with judged(dashcam) as load:
        for _ in range(rounds):
            way.arm()
            await wait_until_async(way.severed.is_set, "the commit went through unheard")
            await asyncio.to_thread(dashcam.kill, "proxy.control")
            await load.progress()
            await asyncio.to_thread(opened, dashcam)
    way.close()


async def test_d3_frozen_with_open_sockets(start: Start, server: PostgresServer, amount: Amount) -> None:
    """Its own time-outs stand still as well, and the kernel goes on acknowledging: the loader gives it up by itself."""
    dashcam = opened(start(environment=HURRIED))
    async with judged(dashcam) as load:
        server.freeze()
        await wait_until_async(lambda: is_in_trouble(dashcam), "the loader gives up waiting", seconds=60)
        await load.progress(amount(50, 12_000), seconds=600)
        assert dashcam.get("/readyz")[0] == 200
        server.thaw()


async def test_d3_n6_a_hole_in_the_line(start: Start, server: PostgresServer, engine: Databases, rounds: int) -> None:
    """One way and then the other: what is asked does not arrive, or what is answered does not."""
    with ToxicProxy(server.port).running() as toxic:
        far = through(engine.migrated(), "127.0.0.1", toxic.port)
        dashcam = opened(start(database=far, environment=HURRIED))
        async with judged(dashcam) as load:
            for number in range(rounds):
                await load.progress(30)
                toxic.be(DOWN if number % 2 == 0 else UP, is_hole=True)
                await wait_until_async(lambda: is_in_trouble(dashcam), "the loader gives up waiting", seconds=60)
                toxic.reset_all()
                toxic.heal()
                await wait_until_async(lambda: not is_in_trouble(dashcam), "it loads again", seconds=60)


async def test_n6_the_link_to_it_goes_down(
    start: Start, server: PostgresServer, engine: Databases, rounds: int
) -> None:
    """Packets vanish, nothing is refused: the kernel's own patience ends the connection."""
    with namespace("tests.support.relaying", str(server.socket)) as island:
        host, port = island.address.rsplit(":", 1)
        dashcam = opened(start(database=through(engine.migrated(), host, int(port)), environment=HURRIED))
        async with judged(dashcam) as load:
            for _ in range(rounds):
                island.link("down")
                await wait_until_async(lambda: is_in_trouble(dashcam), "the loader gives up waiting", seconds=60)
                await load.progress()
                island.link("up")
                await wait_until_async(lambda: not is_in_trouble(dashcam), "it loads again", seconds=60)


async def test_d2_behind_pgbouncer_that_hands_out_connections_by_the_transaction(
    start: Start, server: PostgresServer, engine: Databases, rounds: int
) -> None:
    require("pgbouncer")
    assert PROGRAM
    with bouncer(PROGRAM, engine.migrated().url) as url:
        dashcam = opened(start(database=DatabaseSettings(url=url), environment=HURRIED))
        async with judged(dashcam) as load:
            for _ in range(rounds):
                await asyncio.to_thread(server.stop)
                await load.progress()
                await asyncio.to_thread(server.start)
                await wait_until_async(lambda: not is_in_trouble(dashcam), "it loads again", seconds=60)

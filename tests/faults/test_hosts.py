"""Several hosts, one Postgres (H): a host's death, freeze or isolation costs the others nothing, and itself no call.

Two complete instances at two loopback addresses; in the last test each in a network namespace of its own.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import signal
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import pytest

from proxy.settings.database import DatabaseSettings
from tests.acceptance.conftest import serving
from tests.acceptance.test_counted_once import QUEUED, WHOLE
from tests.faults.conftest import PATIENT, Start
from tests.support.dashcam import RunningDashcam
from tests.support.load import Load
from tests.support.means import require
from tests.support.namespaces import Island, inside, island
from tests.support.pgbouncer import PROGRAM, bouncer
from tests.support.postgres import Databases
from tests.support.price_data import price_data
from tests.support.rollups import assert_rollups_equal_the_rows
from tests.support.scenarios import JSON
from tests.support.scripted_upstream import ScriptedUpstream, Turn, in_thread
from tests.support.together import Together, leads, on
from tests.support.toxic import DOWN, UP, ToxicProxy
from tests.support.verdict import assert_nothing_lost
from tests.support.waiting import wait_until, wait_until_async

pytestmark = pytest.mark.engines("postgres")

ALPHA, BETA, GAMMA = "127.0.0.1", "127.0.0.2", "127.0.0.3"
StartHost = Callable[..., RunningDashcam]


@pytest.fixture
def database(engine: Databases) -> DatabaseSettings:
    """A database for the hosts of one test."""
    return engine.migrated()


@pytest.fixture
def start_host(start: Start, database: DatabaseSettings) -> StartHost:
    """Start a host at an address; ``url`` is another way to the database, ``data_dir`` another host's folder."""

    def begin(address: str, url: str | None = None, **named: object) -> RunningDashcam:
        where = replace(database, url=url or database.url)
        dashcam = start("--host", address, database=where, is_started=False, **named)
        return on(dashcam, address)

    return begin


def through(url: str, port: int) -> str:
    """Return a database's address at another port."""
    found = urlsplit(url)
    return urlunsplit(found._replace(netloc=f"{found.username}@127.0.0.1:{port}"))


async def leader_of(*hosts: RunningDashcam) -> RunningDashcam:
    """Wait until exactly one leads, and return it."""
    found: list[RunningDashcam] = []

    def is_settled() -> bool:
        found[:] = [host for host in hosts if leads(host)]
        return len(found) == 1

    await wait_until_async(is_settled, "one host leads", seconds=30)
    return found[0]


def hosts_seen_by(dashcam: RunningDashcam) -> dict[str, dict[str, object]]:
    """Return the hosts that an instance tells of, by their places' folders."""
    return {str(row["place"]).partition(":")[2]: row for row in dashcam.ledger()["hosts"]}


def all_finished(load: Load) -> bool:
    return [call for call in load.calls if not call.is_finished] == []


def interrupted(dashcam: RunningDashcam) -> int:
    return int(dashcam.query("select count(*) as calls from interaction where outcome = 'interrupted'")[0]["calls"])


# -- a host dies --------------------------------------------------------------------------------------------


async def test_h1_a_host_that_is_killed_costs_the_other_nothing_and_is_loaded_when_it_is_back(
    start_host: StartHost, oracle: str, rounds: int
) -> None:
    alpha, beta = start_host(ALPHA, settings=PATIENT.format(upstream=oracle)), start_host(BETA)
    first, second = Load(alpha.url), Load(beta.url)
    async with first.running(), second.running():
        for _ in range(rounds):
            await first.progress()
            async with first.unfinished():
                await asyncio.to_thread(alpha.kill_everything)
            before = await asyncio.to_thread(interrupted, beta)
            await second.progress(60)
            # What was open there is nobody else's to end.
            assert await asyncio.to_thread(interrupted, beta) == before
            await asyncio.to_thread(alpha.start)
        await first.progress()
        await second.progress()
    endings = await asyncio.to_thread(assert_nothing_lost, Together(alpha, beta), first, second)
    assert all_finished(second)
    assert endings["interrupted"] >= rounds


async def test_h2_the_folder_of_a_dead_host_is_loaded_by_another_one(
    start_host: StartHost, oracle: str, tmp_path: Path
) -> None:
    """It waits until the dead one has been silent for long enough, and serves meanwhile."""
    alpha, beta = start_host(ALPHA, settings=PATIENT.format(upstream=oracle)), start_host(BETA)
    first, second = Load(alpha.url), Load(beta.url)
    async with first.running(), second.running():
        await first.progress()
        async with first.unfinished():
            await asyncio.to_thread(alpha.kill_everything)
        moved = tmp_path / "moved"
        await asyncio.to_thread(shutil.move, alpha.data_dir, moved)
        gamma = await asyncio.to_thread(start_host, GAMMA, data_dir=moved)
        third = Load(gamma.url)
        async with third.running():
            await third.progress()
            await second.progress()
    endings = await asyncio.to_thread(assert_nothing_lost, Together(beta, gamma), first, second, third)
    assert all_finished(second)
    assert all_finished(third)
    assert endings["interrupted"] >= 1


async def test_h2_two_hosts_with_copies_of_one_folder_do_not_load_beside_each_other(
    start_host: StartHost, tmp_path: Path
) -> None:
    alpha = start_host(ALPHA)
    await wait_until_async(lambda: alpha.ledger()["is_open"], "the store is open")
    copied = tmp_path / "copied"
    copied.mkdir()
    shutil.copy(alpha.data_dir / "instance-id", copied)
    beta = await asyncio.to_thread(start_host, BETA, data_dir=copied)
    await wait_until_async(lambda: "one is a copy" in str(beta.ledger()["last_error"]), "it says why it waits")
    assert leads(alpha)
    alpha.stop()
    await wait_until_async(lambda: beta.ledger()["is_open"], "the other one may")


# -- a host is cut off, or frozen ---------------------------------------------------------------------------


async def test_h3_a_host_that_is_cut_off_from_the_database_serves_spools_and_catches_up(
    start_host: StartHost, database: DatabaseSettings, rounds: int
) -> None:
    """Packets vanish both ways: nothing is refused, nothing answers. The first time it is the leader that is gone."""
    with ToxicProxy(urlsplit(database.url).port or 0).running() as toxic:
        alpha = start_host(ALPHA, through(database.url, toxic.port))
        assert await leader_of(alpha) is alpha
        beta = start_host(BETA)
        first, second = Load(alpha.url, pause=0.02), Load(beta.url, pause=0.02)
        async with first.running(), second.running():
            for _ in range(rounds):
                await first.progress()
                toxic.be(DOWN, is_hole=True)
                toxic.be(UP, is_hole=True)
                await wait_until_async(lambda: leads(beta) and not leads(alpha), "the other one leads", seconds=30)
                await first.progress(60)
                await second.progress(60)
                assert alpha.ledger()["pending"] > 0
                toxic.heal()
                await first.progress()
        endings = await asyncio.to_thread(assert_nothing_lost, Together(alpha, beta), first, second, seconds=90)
    assert endings == {"completed": len(first.calls) + len(second.calls)}
    assert all_finished(first)
    assert all_finished(second)


async def test_h4_a_leader_that_dies_freezes_or_leaves_is_followed_by_the_other_one(start_host: StartHost) -> None:
    hosts = [start_host(ALPHA), start_host(BETA)]
    loads = [Load(host.url, pause=0.02) for host in hosts]
    async with loads[0].running(), loads[1].running():
        leader = await leader_of(*hosts)
        other = next(host for host in hosts if host is not leader)
        (control,) = leader.pids("proxy.control")
        os.kill(control, signal.SIGSTOP)
        await wait_until_async(lambda: leads(other), "the other one leads", seconds=30)
        for load in loads:
            await load.progress()
        os.kill(control, signal.SIGCONT)
        # It wakes up, and knows better than its memory.
        await wait_until_async(lambda: leader.ledger()["is_open"] and not leads(leader), "it follows")
        # On a busy machine a lease may run out, and be anybody's, at any time.
        last = await leader_of(*hosts)
        await asyncio.to_thread(last.kill, "proxy.control")
        # Either may be the next: a control that was killed is back long before its lease has run out.
        last = await leader_of(*hosts)
        for load in loads:
            await load.progress()
    endings = await asyncio.to_thread(assert_nothing_lost, Together(*hosts), *loads)
    assert endings == {"completed": sum(len(load.calls) for load in loads)}
    # Who leaves in order does not let the others wait for the lease to run out.
    staying = next(host for host in hosts if host is not last)
    assert await asyncio.to_thread(last.stop) == 0
    await wait_until_async(lambda: leads(staying), "the one that stays leads")
    assert hosts_seen_by(staying)[str(last.data_dir)]["left_at"] is not None


# -- what they share ----------------------------------------------------------------------------------------


@pytest.fixture(params=["direct", "PgBouncer"])
def way(request: pytest.FixtureRequest, database: DatabaseSettings) -> Iterator[str]:
    """The address of the database, also through a pooler that gives each transaction another session."""
    if request.param == "direct":
        yield database.url
        return
    require("pgbouncer")
    assert PROGRAM is not None
    with bouncer(PROGRAM, database.url) as url:
        yield url


async def test_h5_what_is_changed_on_one_host_counts_on_the_other(
    start_host: StartHost, way: str, tmp_path: Path
) -> None:
    alpha, beta = start_host(ALPHA, way), start_host(BETA, way)
    await leader_of(alpha, beta)
    prices = tmp_path / "prices.json"
    prices.write_bytes(price_data("7"))
    done = await asyncio.to_thread(alpha.cli, "prices", "refresh", "--from", str(prices), "--json")
    assert done.returncode == 0, done.stderr
    version = json.loads(done.stdout)["version"]
    await wait_until_async(
        lambda: beta.ledger().get("config_revision") == 1, "it is in use on the other host", seconds=15
    )
    loads = [Load(alpha.url), Load(beta.url)]
    async with loads[0].running(2), loads[1].running(2):
        for load in loads:
            await load.progress(5)
    Together(alpha, beta).settle()
    (price,) = alpha.query("select source_version, rates from price")
    assert price["source_version"] == version
    assert json.loads(price["rates"]) == {"input_mtok": "7", "output_mtok": "7"}
    shown = await asyncio.to_thread(beta.cli, "prices", "show", "gpt-4o-mini", "--json")
    assert json.loads(shown.stdout)[0]["source_version"] == version
    # The same again is nothing new, on either host; a host that comes later finds it.
    await asyncio.to_thread(beta.cli, "prices", "refresh", "--from", str(prices))
    assert alpha.query("select number, kind from config_revision") == [{"number": 1, "kind": "prices"}]
    gamma = await asyncio.to_thread(start_host, GAMMA, way)
    await wait_until_async(lambda: gamma.ledger().get("config_revision") == 1, "the newcomer has it")


def test_h6_each_host_tells_of_the_others(start_host: StartHost) -> None:
    alpha, beta = start_host(ALPHA), start_host(BETA)
    wait_until(lambda: len(alpha.ledger().get("hosts", ())) == 2, "the other one is seen")
    seen = hosts_seen_by(alpha)
    assert set(seen) == {str(alpha.data_dir), str(beta.data_dir)}
    assert sum(bool(row["is_leader"]) for row in seen.values()) == 1
    gauges = [host.samples()["dashcam_is_leader"][frozenset()] for host in (alpha, beta)]
    assert sorted(gauges) == [0.0, 1.0]
    found = json.loads(beta.cli("doctor", "--offline", "--json").stdout)
    told = [item["detail"] for item in found if item["subject"].startswith("host ")]
    assert len(told) == 2
    assert sum("does the periodic work" in item for item in told) == 1


def test_h7_an_answer_that_is_read_on_another_host_is_counted_once(start_host: StartHost) -> None:
    with in_thread(ScriptedUpstream()) as upstream:
        alpha, beta = (start_host(address, upstream=upstream.url) for address in (ALPHA, BETA))
        asked = json.dumps({"model": "gpt-5.4", "background": True, "input": "think"}).encode()
        made = ask(alpha, upstream, QUEUED, "/v1/responses", asked)
        alpha.settle()
        reads = [ask(host, upstream, WHOLE, "/v1/responses/resp_bg") for host in (beta, alpha, beta)]
        Together(alpha, beta).settle()
    rows = {row["id"]: row for row in alpha.query("select * from interaction")}
    assert [rows[identity]["parent_id"] for identity in reads] == [made] * 3
    assert sorted(rows[identity]["output_tokens"] or 0 for identity in (made, *reads)) == [0, 0, 0, 12]
    tokens = Together(alpha, beta).samples()["dashcam_tokens_total"]
    assert sum(value for labels, value in tokens.items() if ("type", "output") in labels) == 12
    assert_rollups_equal_the_rows(alpha.database)


def ask(
    dashcam: RunningDashcam, upstream: ScriptedUpstream, answer: object, path: str, body: bytes | None = None
) -> str:
    """Ask a path and let the upstream answer; return the call's id."""

    async def scenario(turn: Turn) -> None:
        await turn.answer(json.dumps(answer).encode(), JSON)

    upstream.scenario = scenario
    headers = {"Authorization": "Bearer sk-real", "Content-Type": "application/json"}
    request = urllib.request.Request(dashcam.url + path, data=body, headers=headers)
    with urllib.request.urlopen(request, timeout=20) as reply:
        reply.read()
        return str(reply.headers["x-dashcam-id"])


# -- two networks -------------------------------------------------------------------------------------------


async def test_h8_of_two_hosts_in_networks_of_their_own_one_is_killed_and_one_cut_off(
    start: Start, database: DatabaseSettings, tmp_path: Path, rounds: int
) -> None:
    """Each has a namespace; the only way out of it leads to the database, and that link is taken down."""
    with contextlib.ExitStack() as stack:
        islands = [stack.enter_context(island()) for _ in range(2)]
        alpha, beta = (isolated(stack, start, database, tmp_path, item) for item in islands)
        cut_off, killed = islands
        await leader_of(alpha, beta)
        first, second = Load(alpha.url, pause=0.02), Load(beta.url, pause=0.02)
        async with first.running(), second.running():
            for _ in range(rounds):
                await first.progress()
                await second.progress()
                cut_off.link("down")
                await wait_until_async(lambda: leads(beta) and not leads(alpha), "the other one leads", seconds=30)
                await asyncio.to_thread(beta.kill_everything)
                await first.progress(60)
                assert alpha.ledger()["pending"] > 0
                # Nobody leads now, and everything goes on.
                start_inside(beta, killed)
                await second.progress()
                cut_off.link("up")
                await first.progress()
        endings = await asyncio.to_thread(assert_nothing_lost, Together(alpha, beta), first, second, seconds=90)
    assert all_finished(first)
    assert set(endings) <= {"completed", "interrupted"}


def isolated(
    stack: contextlib.ExitStack, start: Start, database: DatabaseSettings, folder: Path, where: Island
) -> RunningDashcam:
    """Start a host and its upstream in a namespace; clients reach it from here, and it the database over the link."""
    with inside(where.name):
        (folder / where.name).mkdir()
        upstream = stack.enter_context(serving("tests.support.oracle", folder / where.name))
    port = urlsplit(database.url).port or 0
    way = stack.enter_context(ToxicProxy(port, listen=where.ours).running())
    url = through(database.url, way.port).replace("127.0.0.1", where.ours)
    dashcam = start(upstream=upstream, database=replace(database, url=url), is_started=False)
    front = stack.enter_context(ToxicProxy(dashcam.port, network=where.name).running())
    dashcam.url = f"http://127.0.0.1:{front.port}"
    start_inside(dashcam, where)
    return dashcam


def start_inside(dashcam: RunningDashcam, where: Island) -> None:
    """Start it in its namespace, where it is asked directly whether it is ready."""
    front, dashcam.url = dashcam.url, f"http://127.0.0.1:{dashcam.port}"
    with inside(where.name):
        dashcam.start()
    dashcam.url = front

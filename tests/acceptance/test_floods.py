"""The running program under more than it takes on: what it lets in is whole and on record, the rest is told to wait."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import resource
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.acceptance.conftest import Starter
from tests.support.client import Client
from tests.support.dashcam import RunningDashcam
from tests.support.load import Load
from tests.support.raw_http import exchange, request
from tests.support.scenarios import JSON, SSE, STREAM
from tests.support.scripted_upstream import ScriptedUpstream, Turn, in_thread
from tests.support.waiting import wait_until, wait_until_async

PIECE = b"data: " + b"x" * 65_000 + b"\n\n"
EVENT = b'data: {"choices":[{"index":0,"delta":{"content":"x"}}]}\n\n'


def rss(dashcam: RunningDashcam) -> int:
    """Return the bytes of memory that the gateway has."""
    (pid,) = dashcam.pids("proxy.gateway")
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def struck(dashcam: RunningDashcam, limit: str) -> float:
    return dashcam.samples()["dashcam_limit_reached_total"][frozenset({("limit", limit)})]


def gauge(dashcam: RunningDashcam, name: str, **labels: str) -> float:
    return dashcam.samples()[name][frozenset(labels.items())]


@pytest.fixture
def upstream() -> Iterator[ScriptedUpstream]:
    with in_thread(ScriptedUpstream()) as running:
        yield running


async def test_three_times_as_much_as_it_takes_on(start_dashcam: Starter, oracle: str) -> None:
    ceilings = {"DASHCAM_LIMITS__IN_FLIGHT": "8", "DASHCAM_RECORDING__REFUSED_PER_SECOND": "2"}
    dashcam = start_dashcam("--upstream", f"openai={oracle}/v1", environment=ceilings)
    load = Load(dashcam.url, pause=0.0)
    assert struck(dashcam, "in_flight") == 0  # control is there as well
    before = rss(dashcam)
    async with load.running(24):
        await load.progress(100)
        # Whoever asks for health or metrics is answered all the while.
        for path in ("/healthz", "/readyz", "/metrics", "/api/v1/recorder"):
            assert (await asyncio.to_thread(dashcam.get, path))[0] == 200
        await load.progress(50)
        goal = len(load.calls) + 500
        await wait_until_async(lambda: len(load.calls) >= goal, "more calls were made")
    assert rss(dashcam) - before < 50_000_000
    assert {call.status for call in load.calls} == {200, 503}
    # As soon as there is room the next call is let in.
    assert exchange(dashcam.port, request(b'{"model":"gpt-4o-mini","messages":[]}')).status == 400
    finished = {call.nonce: call for call in load.calls if call.is_finished}
    refused = [call for call in load.calls if call.status == 503]
    assert len(finished) + len(refused) == len(load.calls)
    rows = [row for row in dashcam.rows() if row["outcome"] != "upstream_error"]
    done = {row["input_preview"]: row for row in rows if row["outcome"] == "completed"}
    assert done.keys() == finished.keys()
    for nonce, call in finished.items():
        assert call.received == call.expected
        assert done[nonce]["response_sha256"] == hashlib.sha256(call.received).hexdigest()
    told = [row for row in rows if row["outcome"] == "rejected"]
    assert len(rows) == len(done) + len(told)
    assert {(row["http_status"], row["error_code"]) for row in told} == {(503, "proxy_overloaded")}
    dropped = dashcam.ledger()["dropped"].get("refused", 0)
    assert 0 < dropped == len(refused) - len(told)
    assert {call.id for call in refused if call.id} == {row["id"] for row in told}
    assert struck(dashcam, "in_flight") == len(refused)
    assert "limits_reached" in dashcam.log()


async def test_five_hundred_idle_streams_cost_little_and_keep_nobody_out(
    start_dashcam: Starter, upstream: ScriptedUpstream
) -> None:
    async def quiet(turn: Turn) -> None:
        await turn.head(*SSE)
        await turn.chunk(EVENT)
        await turn.client_closed()

    async def answers(turn: Turn) -> None:
        await turn.answer(b'{"ok":true}', JSON)

    upstream.scenario = answers
    dashcam = start_dashcam("--upstream", f"openai={upstream.url}/v1")
    for _ in range(20):
        assert exchange(dashcam.port, request(b"{}")).status == 200
    (pid,) = dashcam.pids("proxy.gateway")
    await asyncio.to_thread(wait_until, lambda: gauge(dashcam, "dashcam_client_connections") <= 1, "it is at rest")
    upstream.scenario = quiet
    before, files = rss(dashcam), len(os.listdir(f"/proc/{pid}/fd"))
    async with contextlib.AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(Client(dashcam.port)) for _ in range(500)]
        for client in clients:
            await client.send("POST", "/v1/chat/completions", STREAM)
        await asyncio.gather(*(client.read_until(EVENT) for client in clients))
        assert (rss(dashcam) - before) / 500 < 60_000
        assert gauge(dashcam, "dashcam_open_streams") == 500
        assert gauge(dashcam, "dashcam_in_flight_max") == 10_000
        upstream.scenario = answers
        for _ in range(20):
            assert exchange(dashcam.port, request(b"{}")).status == 200
        for client in clients:
            client.reset()
    await asyncio.to_thread(wait_until, lambda: upstream.open_connections <= 20, "the upstream is free")
    busy = "dashcam_upstream_connections"
    await asyncio.to_thread(wait_until, lambda: gauge(dashcam, busy, state="busy") == 0, "no call is left")
    await asyncio.to_thread(wait_until, lambda: len(os.listdir(f"/proc/{pid}/fd")) <= files + 8, "files are closed")
    assert gauge(dashcam, "dashcam_held_bytes") == 0
    outcomes = [row["outcome"] for row in dashcam.rows()]
    assert (outcomes.count("client_gone"), outcomes.count("completed")) == (500, 40)


def test_a_reader_that_stands_still_is_on_record_as_what_it_is(
    start_dashcam: Starter, upstream: ScriptedUpstream
) -> None:
    async def pours(turn: Turn) -> None:
        await turn.head(*SSE)
        for _ in range(300):
            await turn.chunk(PIECE)
        await turn.chunk(b"")

    upstream.scenario = pours
    stall = {"DASHCAM_LIMITS__WRITE_STALL": "0.5"}
    dashcam = start_dashcam("--upstream", f"openai={upstream.url}/v1", environment=stall)
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.connect(("127.0.0.1", dashcam.port))
        client.sendall(request(STREAM))
        wait_until(lambda: struck(dashcam, "write_stall") == 1, "it is given up")
    (row,) = dashcam.rows()
    assert (row["outcome"], row["error_code"], row["http_status"]) == ("client_gone", "client_stalled", 200)
    assert b"client_stalled" in dashcam.cli("show", "last").stdout


def test_the_gateways_may_open_as_many_files_as_the_system_lets_them(
    start_dashcam: Starter, upstream: ScriptedUpstream
) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = 5000 if hard == resource.RLIM_INFINITY or hard > 5000 else hard
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(256, most), hard))
    try:
        dashcam = start_dashcam("--workers", "2", "--upstream", f"openai={upstream.url}/v1")
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    for pid in dashcam.pids("proxy.gateway"):
        limits = Path(f"/proc/{pid}/limits").read_text()
        (line,) = [line.split() for line in limits.split("\n") if line.startswith("Max open files")]
        assert line[3] == line[4] or int(line[3]) == 1 << 20
    assert gauge(dashcam, "dashcam_client_connections_max") >= 2 * (most - 512) // 2

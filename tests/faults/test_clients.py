"""Clients that leave, half-close, drip or send nonsense (C): each is on record or counted, and nothing stays open."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import struct
from collections import Counter
from collections.abc import Callable, Iterator

import pytest

from tests.faults.conftest import PATIENT, Amount, Start, slow
from tests.support import oracle as answers
from tests.support.dashcam import RunningDashcam
from tests.support.holdings import assert_nothing_held
from tests.support.load import Load
from tests.support.raw_http import RawClient, exchange, request
from tests.support.verdict import assert_nothing_lost
from tests.support.waiting import wait_until

DRAINING = f"""{PATIENT}
on_client_gone = "drain"
"""


@pytest.mark.parametrize("policy", ["cancel", "drain"])
async def test_c1_c2_clients_that_leave_at_any_moment(start: Start, oracle: str, policy: str, amount: Amount) -> None:
    """After the first byte, in the middle, just before the end, again and again; the pool is as usable as before."""
    dashcam = start(settings=DRAINING.format(upstream=oracle) if policy == "drain" else None)
    load = Load(dashcam.url, scripts=["leave@1", "leave@4", "leave@9", "leave@14", ""])
    async with load.running(clients=24):
        await load.progress(amount(60, 1000), seconds=600)
    await asyncio.to_thread(assert_nothing_lost, dashcam, load)
    rows = {row["input_preview"]: row for row in dashcam.query("select * from interaction")}
    left = [rows[call.nonce] for call in load.calls if call.has_left]
    assert left
    if policy == "drain":
        # Read to the end: the counts are the provider's, whoever listens.
        assert {row["usage_source"] for row in left} == {"reported"}
        assert {row["output_tokens"] for row in left} == {load.pieces}


async def test_c1_clients_that_leave_before_the_first_byte(start: Start, oracle: str, rounds: int) -> None:
    dashcam = start(settings=PATIENT.format(upstream=oracle))
    for number in range(rounds * 50):
        with RawClient(dashcam.port) as client:
            client.send(chat(f"nonce-{number}|hang@0"))
            if number % 10 == 0:
                wait_until(lambda: in_flight(dashcam) > 0, "it is under way")
    wait_until(lambda: in_flight(dashcam) == 0, "nothing is")
    assert_nothing_held(dashcam)
    endings = Counter(row["outcome"] for row in dashcam.rows())
    assert set(endings) <= {"client_gone"}


def in_flight(dashcam: RunningDashcam) -> float:
    return dashcam.samples()["dashcam_in_flight_requests"][frozenset()]


def chat(nonce: str, *, is_stream: bool = False) -> bytes:
    return request(json.dumps(answers.question(nonce, is_stream, 4)).encode())


def reset(connection: socket.socket) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def half_close(connection: socket.socket) -> None:
    connection.shutdown(socket.SHUT_WR)


@pytest.mark.parametrize("size", [slow(2_000, id="small"), pytest.param(600_000, id="written aside")])
@pytest.mark.parametrize("leave", [reset, slow(socket.socket.close, id="close"), half_close])
def test_c4_leaving_in_the_middle_of_an_upload(start: Start, leave: Callable[[socket.socket], None], size: int) -> None:
    dashcam = start()
    whole = chat("nonce-" + "x" * size)
    for sent in (10, 200, len(whole) // 2, len(whole) - 1):
        with contextlib.closing(socket.create_connection(("127.0.0.1", dashcam.port), timeout=20)) as connection:
            connection.sendall(whole[:sent])
            leave(connection)
            with contextlib.suppress(OSError):
                while connection.recv(65536):
                    pass
    assert exchange(dashcam.port, chat("nonce-after")).status == 200
    assert_nothing_held(dashcam)
    assert [row["outcome"] for row in dashcam.rows() if row["outcome"] not in ("client_gone", "rejected")] == [
        "completed"
    ]
    assert "Traceback" not in dashcam.log()
    assert list((dashcam.data_dir / "spool").rglob("bodies/*")) == []


HEADER_SECONDS = 1.0
CROWD = {
    "no bytes": b"",
    "half a head": b"POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1\r\n",
    "half a body": request(b"x", "Content-Length: 1000"),
    "a chunk that never ends": request(b"400\r\nhalf", "Transfer-Encoding: chunked"),
}


@contextlib.contextmanager
def crowd(port: int, each: int) -> Iterator[list[socket.socket]]:
    """Open connections of each kind, and close them in the end."""
    with contextlib.ExitStack() as opened:
        found = []
        for beginning in CROWD.values():
            for _ in range(each):
                connection = opened.enter_context(socket.create_connection(("127.0.0.1", port), timeout=20))
                connection.sendall(beginning)
                found.append(connection)
        yield found


def test_c5_five_hundred_slow_connections_are_closed_and_disturb_nobody(start: Start) -> None:
    limits = {"DASHCAM_LIMITS__HEADER_TIMEOUT": str(HEADER_SECONDS), "DASHCAM_LIMITS__BODY_IDLE_TIMEOUT": "1.5",
              "DASHCAM_LIMITS__KEEP_ALIVE": "2"}  # fmt: skip
    dashcam = start(environment=limits)
    with crowd(dashcam.port, each=125) as connections:
        assert exchange(dashcam.port, chat("nonce-beside")).status == 200
        drips = [item for item in connections[125:250]]
        for item in drips:
            with contextlib.suppress(OSError):
                item.sendall(b"X-Drip: 1\r\n")
        for item in connections:
            with contextlib.suppress(ConnectionError):
                while item.recv(65536):
                    pass
    assert exchange(dashcam.port, chat("nonce-after")).status == 200
    assert_nothing_held(dashcam)
    dashcam.settle()
    assert {row["outcome"] for row in dashcam.rows()} <= {"completed", "rejected", "client_gone"}

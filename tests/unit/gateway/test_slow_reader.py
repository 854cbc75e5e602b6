"""A slow reader is waited for as long as it takes something; what it holds is counted once and given back once."""

from __future__ import annotations

import asyncio
import mmap

import pytest

from proxy.gateway.ceilings import Ceilings
from proxy.gateway.slow_reader import SlowReader
from proxy.spool.page import SIZE, Page
from proxy.upstream.answer import HIGH_WATER
from tests.support.waiting import wait_until_async
from tests.unit.gateway.conftest import Wire, ceilings


class FullWire(Wire):
    """A transport with a rest that nobody has taken."""

    unsent = 100_000
    looks = 0
    takes = 0
    """How much of it is taken between two looks."""

    def get_write_buffer_size(self) -> int:
        found = self.unsent
        self.looks += 1
        self.unsent -= self.takes
        return found


class Stalling:
    """A connection whose client is slow."""

    def __init__(self) -> None:
        self.wire = FullWire()
        self.transport: asyncio.Transport = self.wire
        self.is_stalled = False

    def stall(self) -> None:
        self.is_stalled = True


@pytest.fixture
def page() -> Page:
    return Page(mmap.mmap(-1, SIZE))


@pytest.fixture
def held(page: Page) -> Ceilings:
    return ceilings(page=page, memory_bytes=1 << 20)


async def test_who_takes_nothing_is_given_up(page: Page, held: Ceilings) -> None:
    connection = Stalling()
    reader = SlowReader(connection, held, 0.01)
    assert repr(reader) == f"<SlowReader held={100_000 + HIGH_WATER} unread=100000>"
    assert held.held_bytes == 100_000 + HIGH_WATER
    await wait_until_async(lambda: connection.is_stalled, "it is given up")
    assert (held.held_bytes, len(held.slow_readers), page.get(Page.LIMIT_WRITE_STALL)) == (0, 0, 1)
    reader.end()
    assert held.held_bytes == 0


async def test_who_takes_a_little_is_waited_for(held: Ceilings) -> None:
    connection = Stalling()
    connection.wire.takes = 1
    reader = SlowReader(connection, held, 0.01)
    await wait_until_async(lambda: connection.wire.looks > 3, "it was looked at again and again")
    assert not connection.is_stalled
    connection.wire.takes = 0
    await wait_until_async(lambda: connection.is_stalled, "it takes no more")
    reader.end()


async def test_the_slowest_goes_first_where_memory_runs_out(page: Page, held: Ceilings) -> None:
    connections = [Stalling() for _ in range(8)]
    for connection in connections:
        SlowReader(connection, held, 600.0)
        held.cut_slow_readers()
    assert [connection.is_stalled for connection in connections] == [True, True] + [False] * 6
    assert held.held_bytes <= held.memory_bytes
    assert page.get(Page.LIMIT_MEMORY_BYTES) == 2
    for reader in list(held.slow_readers):
        reader.end()
    assert held.held_bytes == 0


async def test_what_others_hold_is_not_taken_from_slow_readers_twice(held: Ceilings) -> None:
    held.hold(2 << 20)
    held.cut_slow_readers()
    assert held.held_bytes == 2 << 20

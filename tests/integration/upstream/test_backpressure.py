"""Bodies in both directions: a slow side slows the other one, and memory stays bounded."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from proxy.domain.provider import Provider
from proxy.upstream.answer import HIGH_WATER, Answer
from proxy.upstream.body import FileBody
from proxy.upstream.client import UpstreamClient
from tests.support.asking import send
from tests.support.scripted_upstream import ScriptedUpstream, Turn, answer_ok, one_after_another
from tests.support.waiting import wait_until_async, wait_until_still

Providers = Callable[..., Provider]


def is_open(path: Path) -> bool:
    return any(os.path.realpath(item.path) == str(path) for item in os.scandir("/proc/self/fd"))


async def to_the_end(answer: Answer) -> int:
    received = 0
    while (piece := await answer.read()) is not None:
        assert answer.unread <= HIGH_WATER + 256 * 1024
        received += len(piece[1])
    return received


@pytest.mark.usefixtures("quick_sweep")
async def test_a_slow_reader_slows_the_upstream_and_is_not_timed_out(
    client: UpstreamClient, provider: Providers
) -> None:
    sent = 0
    total = 24 * 1024 * 1024

    async def flood(turn: Turn) -> None:
        nonlocal sent
        await turn.head(b"Content-Length: %d" % total)
        while sent < total:
            await turn.send(b"x" * 65536)
            sent += 65536

    async with ScriptedUpstream(flood) as upstream:
        answer = await send(client, provider(upstream.url, idle_timeout=0.1), "GET", b"/", [], b"")
        await wait_until_still(lambda: sent)
        assert sent < total, "the upstream was not slowed down"
        assert HIGH_WATER < answer.unread <= HIGH_WATER + 256 * 1024
        received = sum([len(data) for _, data in answer.take_ready()])
        assert received + await to_the_end(answer) == total
        assert client.idle == 1
        upstream.scenario = answer_ok
        assert (await send(client, provider(upstream.url), "GET", b"/", [], b"")).timing.reused


@pytest.fixture
def large(tmp_path: Path) -> tuple[Path, bytes]:
    data = os.urandom(1 << 20) * 8
    path = tmp_path / "body"
    path.write_bytes(data)
    return path, data


async def test_a_large_body_arrives_with_its_edits(
    client: UpstreamClient, provider: Providers, large: tuple[Path, bytes]
) -> None:
    path, data = large
    edits = ((10, 3, "new"), (1 << 20, 0, "é"), (len(data), 0, "end"))
    expected = data[:10] + b"new" + data[13 : 1 << 20] + "é".encode() + data[1 << 20 :] + b"end"
    async with ScriptedUpstream() as upstream:
        answer = await send(client, provider(upstream.url), "POST", b"/", [], FileBody(str(path), len(data), edits))
        assert answer.status == 200
        assert upstream.requests[0].body == expected
        assert upstream.requests[0].header(b"content-length") == b"%d" % len(expected)
        assert client.idle == 1


async def test_a_large_body_waits_for_a_slow_upstream(
    client: UpstreamClient, provider: Providers, large: tuple[Path, bytes]
) -> None:
    path, data = large
    given = 0

    class Counted(FileBody):
        def slices(self) -> Iterator[bytes]:
            nonlocal given
            for piece in super().slices():
                given += len(piece)
                yield piece

    async def slow(turn: Turn) -> None:
        await turn.released()
        assert await turn.read(len(data)) == data
        await answer_ok(turn)

    async with ScriptedUpstream(slow, reads_body=False, receive_buffer=65536) as upstream:
        body = Counted(str(path), len(data))
        call = asyncio.ensure_future(send(client, provider(upstream.url), "POST", b"/", [], body))
        await wait_until_still(lambda: given)
        assert given < len(data), "the file was read ahead of the upstream"
        upstream.release()
        assert (await call).status == 200


@pytest.mark.parametrize("keeps_open", [True, False])
async def test_an_answer_before_the_request_is_whole(
    client: UpstreamClient, provider: Providers, large: tuple[Path, bytes], keeps_open: bool
) -> None:
    path, data = large

    async def refuse(turn: Turn) -> None:
        await turn.answer(b"too large", status=b"413 Content Too Large")
        if keeps_open:
            await turn.client_closed()
        else:
            turn.close()

    async with ScriptedUpstream(one_after_another(refuse, answer_ok), reads_body=False) as upstream:
        where = provider(upstream.url)
        answer = await send(client, where, "POST", b"/", [], FileBody(str(path), len(data)))
        piece = await answer.read()
        assert (answer.status, piece and piece[1], answer.is_finished) == (413, b"too large", True)
        assert client.idle == 0, "a connection out of step was kept"
        again = await send(client, where, "GET", b"/", [], b"")
        assert (again.status, again.timing.reused) == (200, False)
    assert not is_open(path)


async def test_a_side_file_that_is_too_short_breaks_the_call(
    client: UpstreamClient, provider: Providers, tmp_path: Path
) -> None:
    (tmp_path / "short").write_bytes(b"abc")
    async with ScriptedUpstream() as upstream:
        with pytest.raises(OSError, match="side file"):
            await send(client, provider(upstream.url), "POST", b"/", [], FileBody(str(tmp_path / "short"), 9))
        await wait_until_async(lambda: upstream.open_connections == 0, "upstream saw the cut")
        assert upstream.requests == []

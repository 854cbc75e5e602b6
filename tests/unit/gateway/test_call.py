"""A call's two directions without a socket: a body that comes in pieces, a reply that is framed or broken off."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable

import httptools
import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.gateway.call import ClientCall
from proxy.gateway.reply_head import ReplyHead
from tests.unit.gateway.conftest import Line

PIECES = st.lists(st.binary(max_size=40), max_size=6)
PLAIN = ReplyHead([(b"Content-Type", b"text/plain")])


def sized(length: int) -> ReplyHead:
    return ReplyHead([(b"Content-LENGTH", b"%d" % length)])


class Seen:
    """A reply as an HTTP client reads it."""

    def __init__(self, data: bytes) -> None:
        self.body = b""
        self.headers: dict[bytes, bytes] = {}
        self.is_whole = False
        self.parser = httptools.HttpResponseParser(self)
        self.parser.feed_data(data)
        self.status = self.parser.get_status_code()

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers[name.lower()] = value

    def on_body(self, data: bytes) -> None:
        self.body += data

    def on_message_complete(self) -> None:
        self.is_whole = True


def send(call: ClientCall, head: ReplyHead, pieces: list[bytes], status: int = 200) -> None:
    """Write a reply piece by piece; the last one ends it."""
    first, *rest = pieces or [b""]
    call.begin(status, head, first, last=not rest)
    for index, piece in enumerate(rest):
        call.write(piece, last=index == len(rest) - 1)


# -- the reply ----------------------------------------------------------------------------------------------


@given(pieces=PIECES, is_sized=st.booleans(), keep_alive=st.booleans())
def test_any_pieces_arrive_as_one_clean_body(pieces: list[bytes], is_sized: bool, keep_alive: bool) -> None:
    line, whole = Line(), b"".join(pieces)
    call = line.call(keep_alive=keep_alive, is_whole=True)
    send(call, sized(len(whole)) if is_sized else PLAIN, pieces)
    seen = Seen(line.wire.written)
    assert (seen.status, seen.body, seen.is_whole) == (200, whole, True)
    assert (b"transfer-encoding" in seen.headers) is not is_sized
    assert (seen.headers.get(b"connection"), line.wire.is_closed) == ((None, False) if keep_alive else (b"close", True))
    assert (call.is_complete, line.completed) == (True, 1)


def test_who_still_sends_is_listened_to_for_a_moment() -> None:
    line = Line()
    send(line.call(keep_alive=False), sized(2), [b"no"])
    assert (line.is_lingering, line.wire.is_closed, line.completed) == (True, False, 1)


@given(pieces=PIECES)
def test_an_empty_piece_does_not_end_the_reply(pieces: list[bytes]) -> None:
    line = Line()
    call = line.call()
    call.begin(200, PLAIN, last=False)
    for piece in [*pieces, b""]:
        call.write(piece)
    seen = Seen(line.wire.written)
    assert (seen.body, seen.is_whole) == (b"".join(pieces), False)
    assert len(line.wire.writes) == 1 + sum(1 for piece in pieces if piece)


@given(pieces=PIECES, is_sized=st.booleans())
def test_a_reply_that_breaks_is_never_clean(pieces: list[bytes], is_sized: bool) -> None:
    line, whole = Line(), b"".join(pieces)
    call = line.call()
    call.begin(200, sized(len(whole) + 1) if is_sized else PLAIN, last=False)
    for piece in pieces:
        call.write(piece)
    call.abort()
    call.write(b"too late", last=True)
    seen = Seen(line.wire.written)
    assert (seen.body, seen.is_whole) == (whole, False)
    assert (line.wire.is_closed, line.wire.is_aborted, line.completed) == (True, False, 0)


@pytest.mark.parametrize("breaks", [True, False])
def test_where_only_the_close_tells_the_end_a_break_is_a_reset(breaks: bool) -> None:
    line = Line()
    call = line.call(keep_alive=False, is_whole=True)
    call.can_chunk = False
    call.begin(200, PLAIN, b"begun ", last=False)
    assert not call.is_chunked
    if breaks:
        call.abort()
    else:
        call.write(b"and done", last=True)
    assert line.wire.written.partition(b"\r\n\r\n")[2] == (b"begun " if breaks else b"begun and done")
    assert (line.wire.is_aborted, line.wire.is_closed) == (breaks, True)


@pytest.mark.parametrize(("method", "status"), [(b"HEAD", 200), (b"GET", 204), (b"GET", 304), (b"HEAD", 404)])
def test_a_reply_without_a_body_is_its_head(method: bytes, status: int) -> None:
    line = Line()
    call = line.call(method)
    call.begin(status, PLAIN, b"not to be sent", last=True)
    head, end, rest = line.wire.written.partition(b"\r\n\r\n")
    assert (end, rest) == (b"\r\n\r\n", b"")
    assert b"transfer-encoding" not in head
    assert call.is_complete


@pytest.mark.parametrize(
    ("status", "line"), [(200, b"200 OK"), (429, b"429 Too Many Requests"), (529, b"529 "), (999, b"999 ")]
)
def test_any_status_has_its_line(status: int, line: bytes) -> None:
    connection = Line()
    connection.call().begin(status, PLAIN, last=True)
    assert connection.wire.written.startswith(b"HTTP/1.1 " + line + b"\r\nContent-Type: text/plain\r\n")


# -- a client that leaves -----------------------------------------------------------------------------------


def test_the_owner_is_told_once_that_the_client_has_left_and_nothing_more_is_written() -> None:
    line, told = Line(), []
    call = line.call()
    call.on_gone = lambda: told.append("gone")
    call.begin(200, PLAIN, b"begun", last=False)
    before = line.wire.written
    call.leave()
    call.leave()
    call.write(b"more", last=True)
    assert told == ["gone"]
    assert (line.wire.written, line.completed, call.is_complete) == (before, 0, False)


def test_a_client_that_leaves_after_the_reply_is_nobodys_news() -> None:
    told: list[str] = []
    call = Line().call()
    call.on_gone = lambda: told.append("gone")
    call.begin(200, PLAIN, last=True)
    call.leave()
    assert not told


def test_a_client_that_left_before_the_reply_gets_none() -> None:
    line = Line()
    call = line.call()
    call.leave()
    call.begin(200, PLAIN, b"x", last=True)
    assert (line.wire.written, call.response_started) == (b"", False)


async def test_writing_waits_for_a_slow_client_but_not_for_one_that_left() -> None:
    line = Line()
    call = line.call()
    await call.writable()
    line.flow.pause_writing()
    waiting = await begun(call.writable())
    assert (call.is_congested, waiting.done()) == (True, False)
    line.flow.resume_writing()
    await waiting
    line.flow.pause_writing()
    call.leave()
    await call.writable()


# -- the request's body -------------------------------------------------------------------------------------


async def begun(step: Awaitable[object]) -> asyncio.Future[object]:
    """Start waiting for something; return when it waits."""
    future = asyncio.ensure_future(step)
    turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    asyncio.get_running_loop().call_soon(turn.set_result, None)
    await turn
    return future


@given(pieces=PIECES, taken=st.sets(st.integers(0, 5)))
def test_no_byte_of_the_body_is_lost_however_it_is_taken(pieces: list[bytes], taken: set[int]) -> None:
    call = Line().call(b"POST")
    found = b""
    for index, piece in enumerate(pieces):
        call.feed_body(piece)
        found += call.take_body() if index in taken else b""
    call.end_body()
    assert found + call.take_body() == b"".join(pieces)
    assert call.received_bytes == len(b"".join(pieces))
    assert call.take_body() == b""


async def test_a_reader_waits_for_more_and_opens_the_socket_for_it() -> None:
    line = Line()
    call = line.call(b"POST")
    line.flow.pause_reading()
    waiting = await begun(call.more_body())
    assert not waiting.done()
    assert not line.wire.is_paused
    call.feed_body(b"a")
    assert await waiting
    assert call.take_body() == b"a"
    waiting = await begun(call.more_body())
    call.end_body()
    assert not await waiting


async def test_what_is_there_is_read_also_after_the_end() -> None:
    call = Line().call(b"POST")
    call.feed_body(b"a")
    call.end_body()
    assert await call.more_body()
    call.take_body()
    assert not await call.more_body()


async def test_a_client_that_leaves_wakes_the_reader_of_a_body_that_is_not_whole() -> None:
    call = Line().call(b"POST")
    waiting = await begun(call.more_body())
    call.leave()
    assert not await waiting
    assert not call.body_complete


def test_only_who_expects_it_is_told_to_continue_once_and_before_the_reply() -> None:
    silent, asking, late = Line(), Line(), Line()
    silent.call(b"POST").send_continue()
    call = asking.call(b"POST")
    call.expects_continue = True
    call.send_continue()
    call.send_continue()
    call = late.call(b"POST")
    call.expects_continue = True
    call.begin(413, PLAIN, last=True)
    call.send_continue()
    assert silent.wire.written == b""
    assert asking.wire.written == b"HTTP/1.1 100 Continue\r\n\r\n"
    assert b"100 Continue" not in late.wire.written

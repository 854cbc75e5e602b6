"""What control is told about a caller, and what the caller is told when control cannot answer."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from proxy.gateway.call import ClientCall
from proxy.gateway.client_head import Headers
from proxy.gateway.forwarding import MAX_BODY, MAX_OPEN, ControlForwarder
from tests.support.scripted_upstream import ScriptedUpstream, Turn
from tests.support.waiting import wait_until_async
from tests.unit.gateway.conftest import Line, ceilings


@pytest.fixture
async def control(tmp_path: Path) -> AsyncIterator[ScriptedUpstream]:
    async with ScriptedUpstream(unix_path=str(tmp_path / "c.sock")) as server:
        yield server


@pytest.fixture
async def forwarder(tmp_path: Path) -> AsyncIterator[ControlForwarder]:
    made = ControlForwarder(tmp_path / "c.sock", "public")
    yield made
    await made.close()
    assert repr(made).endswith("open=0>"), "every slot was given back"


def asked(line: Line, body: bytes = b"", headers: Headers | None = None) -> ClientCall:
    """Return a call whose request is whole."""
    call = line.call(b"POST" if body else b"GET", b"/api/v1/x?a=%20b", headers)
    if body:
        call.feed_body(body)
    call.end_body()
    return call


def error_of(line: Line) -> tuple[int, str]:
    head, _, body = line.wire.written.partition(b"\r\n\r\n")
    code = json.loads(body)["error"]["code"]
    assert f"x-dashcam-error: {code}".encode() in head
    return int(head.split()[1]), code


async def test_the_request_is_the_callers_but_for_its_connection(
    control: ScriptedUpstream, forwarder: ControlForwarder
) -> None:
    headers = [
        (b"Host", b"box.example:8484"),
        (b"X-Custom", b"1"),
        (b"x-custom", b"2"),
        (b"Authorization", b"Bearer k"),
        (b"Connection", b"keep-alive"),
        (b"Transfer-Encoding", b"chunked"),
        (b"Expect", b"100-continue"),
    ]
    await forwarder.forward(asked(Line(), b'{"a":1}', headers), ceilings())
    (request,) = control.requests
    assert request.request_line == b"POST /api/v1/x?a=%20b HTTP/1.1"
    assert request.body == b'{"a":1}'
    assert [item for item in request.headers if item[0].lower() != b"content-length"] == [
        (b"Host", b"control"),
        (b"X-Custom", b"1"),
        (b"x-custom", b"2"),
        (b"Authorization", b"Bearer k"),
        (b"x-forwarded-host", b"box.example:8484"),
        (b"x-dashcam-peer", b"192.0.2.7;http;public"),
    ]


@pytest.mark.parametrize("name", [b"x-dashcam-peer", b"X-Dashcam-Peer", b"X-DASHCAM-PEER"])
async def test_nobody_can_say_for_himself_where_he_comes_from(
    control: ScriptedUpstream, forwarder: ControlForwarder, name: bytes
) -> None:
    await forwarder.forward(asked(Line(), headers=[(name, b"127.0.0.1;http;admin"), (name, b"::1")]), ceilings())
    (request,) = control.requests
    found = [value for key, value in request.headers if key.lower() == b"x-dashcam-peer"]
    assert found == [b"192.0.2.7;http;public"]


async def test_nobody_can_say_for_himself_where_he_was_led_to(
    control: ScriptedUpstream, forwarder: ControlForwarder
) -> None:
    headers = [(b"Host", b"box.example"), (b"X-Forwarded-Host", b"evil.example")]
    await forwarder.forward(asked(Line(), headers=headers), ceilings())
    (request,) = control.requests
    assert [value for key, value in request.headers if key.lower() == b"x-forwarded-host"] == [b"box.example"]


async def test_the_answer_comes_back_as_it_is(control: ScriptedUpstream, forwarder: ControlForwarder) -> None:
    async def script(turn: Turn) -> None:
        await turn.answer(b"no", b"X-Any: 1", b"Connection: x-hop", b"X-Hop: 1", status=b"404 Not Found")

    control.scenario = script
    line = Line()
    await forwarder.forward(asked(line), ceilings())
    head, _, body = line.wire.written.partition(b"\r\n\r\n")
    assert head.split(b"\r\n") == [b"HTTP/1.1 404 Not Found", b"X-Any: 1", b"Content-Length: 2"]
    assert (body, line.completed) == (b"no", 1)


async def test_control_away_is_a_503_that_says_calls_go_on(forwarder: ControlForwarder) -> None:
    line = Line()
    await forwarder.forward(asked(line), ceilings())
    assert error_of(line) == (503, "control_unavailable")
    assert b"Calls are still relayed" in line.wire.written
    assert not line.wire.is_closed


async def test_an_answer_that_breaks_is_no_clean_one(control: ScriptedUpstream, forwarder: ControlForwarder) -> None:
    async def script(turn: Turn) -> None:
        await turn.answer(b"half", length=8)
        turn.close()

    control.scenario = script
    line = Line()
    await forwarder.forward(asked(line), ceilings())
    assert line.wire.written.endswith(b"Content-Length: 8\r\n\r\nhalf")
    assert (line.wire.is_closed, line.completed) == (True, 0)


async def test_a_body_beyond_the_limit_is_refused_without_waiting_for_its_end(forwarder: ControlForwarder) -> None:
    line = Line()
    call = line.call(b"POST", b"/api/v1/x")
    call.feed_body(bytes(MAX_BODY + 1))
    await forwarder.forward(call, ceilings())
    assert error_of(line) == (413, "request_too_large")
    assert b"connection: close" in line.wire.written
    assert line.is_lingering


async def test_a_client_that_leaves_frees_control(control: ScriptedUpstream, forwarder: ControlForwarder) -> None:
    async def script(turn: Turn) -> None:
        await turn.head(b"Content-Type: text/event-stream", b"Transfer-Encoding: chunked")
        await turn.chunk(b"data: 1\n\n")
        await turn.client_closed()

    control.scenario = script
    line = Line()
    call = asked(line)
    async with asyncio.TaskGroup() as group:
        group.create_task(forwarder.forward(call, ceilings()))
        await wait_until_async(lambda: b"data: 1" in line.wire.written, "the event passed")
        call.leave()
    await wait_until_async(lambda: control.open_connections == 0, "control is free")
    assert not line.wire.written.endswith(b"0\r\n\r\n")


async def test_a_client_that_leaves_before_the_answer_frees_its_slot(
    control: ScriptedUpstream, forwarder: ControlForwarder
) -> None:
    async def script(turn: Turn) -> None:
        await turn.client_closed()

    control.scenario = script
    call = asked(Line())
    async with asyncio.TaskGroup() as group:
        group.create_task(forwarder.forward(call, ceilings()))
        await wait_until_async(lambda: len(control.requests) == 1, "control was asked")
        call.leave()
    await wait_until_async(lambda: control.open_connections == 0, "control is free")


async def test_half_a_request_never_reaches_control(control: ScriptedUpstream, forwarder: ControlForwarder) -> None:
    call = Line().call(b"POST", b"/api/v1/x")
    call.feed_body(b'{"delete":')
    async with asyncio.TaskGroup() as group:
        group.create_task(forwarder.forward(call, ceilings()))
        await wait_until_async(lambda: not call.parts, "it was taken")
        call.leave()
    assert control.connections == 0


async def test_a_busy_console_is_bounded(control: ScriptedUpstream, forwarder: ControlForwarder) -> None:
    async def script(turn: Turn) -> None:
        await turn.released()
        await turn.answer()

    control.scenario = script
    lines = [Line() for _ in range(MAX_OPEN)]
    async with asyncio.TaskGroup() as group:
        for line in lines:
            group.create_task(forwarder.forward(asked(line), ceilings()))
        await wait_until_async(lambda: len(control.requests) == MAX_OPEN, "every slot is taken")
        refused = Line()
        await forwarder.forward(asked(refused), ceilings())
        assert error_of(refused) == (503, "control_busy")
        control.release()
    assert all(line.completed == 1 for line in lines)
    free = Line()
    await forwarder.forward(asked(free), ceilings())
    assert free.completed == 1

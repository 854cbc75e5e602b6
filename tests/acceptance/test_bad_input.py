"""Clients that send what they should not are told why; memory stays flat, and one row tells the truth."""

from __future__ import annotations

import json
import uuid

import pytest

from tests.acceptance.conftest import Starter
from tests.support import oracle as oracle_upstream
from tests.support.dashcam import RunningDashcam
from tests.support.processes import resident_kb
from tests.support.raw_http import RawClient, exchange, request
from tests.support.waiting import wait_until

HEADER_SECONDS = 1.0


@pytest.fixture(scope="module")
def dashcam(start_dashcam: Starter, oracle: str) -> RunningDashcam:
    limits = {"DASHCAM_LIMITS__HEADER_TIMEOUT": str(HEADER_SECONDS), "DASHCAM_LIMITS__BODY_IDLE_TIMEOUT": "1.5"}
    return start_dashcam("--upstream", f"openai={oracle}/v1", environment=limits)


def chat(text: str = "hello") -> bytes:
    return json.dumps(oracle_upstream.question(text, False, 2)).encode()


ODD_BODIES = {
    "no json": b"this is no JSON",
    "half a document": b'{"model": "gpt-4o-mini", "messages": [{"role"',
    "a list": b"[1, 2, 3]",
    "a bare string": b'"gpt-4o-mini"',
    "nul bytes": b'{"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "a\x00b\\u0000c"}]}',
    "a lone surrogate": b'{"user": "\\ud800", "messages": [{"role": "user", "content": "\\udc00"}]}',
    "invalid utf-8": b'{"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "\xff\xfe"}]}',
    "a huge integer": b'{"model": "gpt-4o-mini", "max_tokens": 123456789012345678901234567890, "seed": 1e400}',
    "not a number": b'{"model": "gpt-4o-mini", "temperature": NaN, "top_p": Infinity}',
    "duplicate keys": b'{"model": "one", "model": "two", "stream": true, "stream": false}',
    "wrong types": b'{"model": 7, "messages": "none", "stream": "yes", "temperature": [], "tools": {}, "metadata": 1}',
    "too deep": b'{"messages": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "a million members": b"{" + b",".join(b'"k%d":1' % number for number in range(200_000)) + b"}",
    "odd spaces": b' \t\r\n{"model" : "gpt-4o-mini" ,\n"max_tokens":1.0, "n":1e0 , "x":"\\/\\u00e9" } \n',
}


@pytest.mark.parametrize("body", ODD_BODIES.values(), ids=ODD_BODIES)
def test_an_odd_body_goes_through_as_it_is_and_is_kept_byte_for_byte(dashcam: RunningDashcam, body: bytes) -> None:
    answer = exchange(dashcam.port, request(body))
    assert (answer.status, answer.body) == (400, oracle_upstream.REFUSAL)
    row = dashcam.row(id=answer.header("x-dashcam-id"))
    assert (row["outcome"], row["http_status"], row["error_code"]) == ("upstream_error", 400, "unreadable")
    assert dashcam.body(row["id"], "request") == body


BAD_FRAMING = {
    "two lengths that differ": request(chat(), "Content-Length: 5", "Content-Length: 7"),
    "a length that is no number": request(chat(), "Content-Length: many"),
    "a negative length": request(chat(), "Content-Length: -5"),
    "length and chunks": request(b"0\r\n\r\n", "Content-Length: 5", "Transfer-Encoding: chunked"),
    "a coding before chunks": request(b"5\r\nhello\r\n0\r\n\r\n", "Transfer-Encoding: gzip, chunked"),
    "a coding of nobody's": request(b"5\r\nhello\r\n0\r\n\r\n", "Transfer-Encoding: xchunked"),
    "a folded header": request(chat(), "X-Folded: one\r\n two"),
    "a line that is no header": request(chat(), "no colon here"),
    "no http at all": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 hello\r\n\r\n",
}


@pytest.mark.parametrize("data", BAD_FRAMING.values(), ids=BAD_FRAMING)
def test_a_request_that_is_no_http_is_refused_and_the_connection_closed(dashcam: RunningDashcam, data: bytes) -> None:
    with RawClient(dashcam.port) as client:
        client.send(data)
        answer = client.read()
        assert answer.status == 400
        assert answer.error["type"] == "invalid_request_error"
        assert client.read_to_the_end() == b""


def test_a_body_that_breaks_in_the_middle_ends_the_connection_and_never_reaches_the_upstream(
    dashcam: RunningDashcam,
) -> None:
    before = len(dashcam.rows())
    with RawClient(dashcam.port) as client:
        client.send(request(b"5\r\nhello\r\nzz\r\nhello\r\n0\r\n\r\n", "Transfer-Encoding: chunked"))
        left = client.read_to_the_end()
    assert left == b"" or left.startswith(b"HTTP/1.1 400")
    assert all(row["outcome"] in ("rejected", "client_gone") for row in dashcam.rows()[before:])


def test_a_body_shorter_than_announced_never_reaches_the_upstream(dashcam: RunningDashcam) -> None:
    before = len(dashcam.rows())
    with RawClient(dashcam.port) as client:
        client.send(request(chat(), "Content-Length: 5000"))
        left = client.read_to_the_end()
    assert left == b"" or left.startswith(b"HTTP/1.1 408")
    assert all(row["outcome"] in ("rejected", "client_gone") for row in dashcam.rows()[before:])


@pytest.mark.parametrize(
    ("data", "status", "code"),
    [
        (request(chat(), host="evil.example"), 403, None),
        (request(chat(), "Origin: https://evil.example"), 403, None),
        (request(chat(), path="/v1/../metrics"), 400, None),
        (request(chat(), path="/v1/%2e%2e/metrics"), 400, None),
        (request(chat(), path="/v1//chat/completions"), 400, None),
        (request(chat()).replace(b"Host: 127.0.0.1\r\n", b""), 400, "invalid_host"),
        (request(chat()).replace(b"Host:", b"Host: 127.0.0.1\r\nHost:"), 400, "invalid_host"),
        (request(b"", "Connection: Upgrade", "Upgrade: websocket", method="GET"), 426, "websocket_unsupported"),
    ],
    ids=["host", "origin", "climbing", "climbing encoded", "double slash", "no host", "two hosts", "websocket"],
)
def test_a_request_we_do_not_serve_is_told_why(
    dashcam: RunningDashcam, data: bytes, status: int, code: str | None
) -> None:
    answer = exchange(dashcam.port, data)
    assert answer.status == status
    assert answer.error["message"]
    assert code is None or answer.error["code"] == code


def test_a_head_of_20_mb_is_refused_at_once_and_costs_no_memory(dashcam: RunningDashcam) -> None:
    before = resident_kb(*dashcam.pids("proxy.gateway"))
    with RawClient(dashcam.port) as client:
        client.send(b"POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Large: ")
        sent = 0
        while sent < 20_000_000 and client.send(b"x" * 65536):
            sent += 65536
        received = client.read_to_the_end()
    assert sent < 10_000_000
    assert received == b"" or received.startswith(b"HTTP/1.1 431")
    assert resident_kb(*dashcam.pids("proxy.gateway")) - before < 8_000


def test_too_many_headers_are_refused(dashcam: RunningDashcam) -> None:
    answer = exchange(dashcam.port, request(chat(), *(f"X-{number}: 1" for number in range(1000))))
    assert (answer.status, answer.error["code"]) == (431, "request_headers_too_large")


def test_a_body_beyond_the_limit_is_refused_with_a_row_and_costs_no_memory(start_dashcam: Starter, oracle: str) -> None:
    small = start_dashcam("--upstream", f"openai={oracle}/v1", environment={"DASHCAM_LIMITS__BODY_BYTES": "1000000"})
    before = resident_kb(*small.pids("proxy.gateway"))
    answer = exchange(small.port, request(b" " * 1_000_001))
    assert (answer.status, answer.error["code"]) == (413, "request_too_large")
    assert answer.header("x-should-retry") == "false"
    row = small.row(id=answer.header("x-dashcam-id"))
    assert (row["outcome"], row["http_status"], row["error_code"]) == ("rejected", 413, "request_too_large")
    with RawClient(small.port) as client:
        client.send(request(b"", "Content-Length: 4000000000"))
        received = client.read_to_the_end() if client.send(b"x" * 2_000_000) else b""
    assert received == b"" or received.startswith(b"HTTP/1.1 413")
    assert resident_kb(*small.pids("proxy.gateway")) - before < 20_000


def test_a_large_body_within_the_limit_passes_without_being_held_in_memory(dashcam: RunningDashcam) -> None:
    text = uuid.uuid4().hex
    body = chat(text)[:-1] + b', "padding": "' + b"x" * 40_000_000 + b'"}'
    before = resident_kb(*dashcam.pids("proxy.gateway"))
    answer = exchange(dashcam.port, request(body))
    assert answer.status == 200
    assert resident_kb(*dashcam.pids("proxy.gateway")) - before < 20_000
    row = dashcam.row(id=answer.header("x-dashcam-id"))
    assert (row["outcome"], row["request_bytes"], row["model"]) == ("completed", len(body), oracle_upstream.MODEL)


def test_a_silent_client_is_closed_at_the_deadline(dashcam: RunningDashcam) -> None:
    with RawClient(dashcam.port, seconds=HEADER_SECONDS * 5) as client:
        assert client.read_to_the_end() == b""


def test_a_client_that_drips_its_head_is_closed_at_the_deadline(dashcam: RunningDashcam) -> None:
    with RawClient(dashcam.port, seconds=HEADER_SECONDS * 5) as client:
        client.send(b"POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1\r\n")
        wait_until(lambda: not client.send(b"X-A: 1\r\n"), "the dripping client is cut off", seconds=HEADER_SECONDS * 5)


def test_a_pipelined_request_is_not_answered_and_the_first_one_is(dashcam: RunningDashcam) -> None:
    with RawClient(dashcam.port) as client:
        client.send(request(chat("pipelined first")) + request(chat("pipelined second")))
        first = client.read()
        rest = client.read_to_the_end()
    assert (first.status, rest) == (200, b"")
    dashcam.settle()
    seen = dashcam.query("select input_preview from interaction where input_preview like 'pipelined%'")
    assert seen == [{"input_preview": "pipelined first"}]


def test_ordinary_calls_go_on_beside_a_hundred_silent_connections(dashcam: RunningDashcam) -> None:
    silent = [RawClient(dashcam.port) for _ in range(100)]
    try:
        assert exchange(dashcam.port, request(chat())).status == 200
    finally:
        for client in silent:
            client.__exit__()

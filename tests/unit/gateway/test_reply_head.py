"""What of an answer's head reaches the client, what is recorded, what the gateway itself reads of it."""

from __future__ import annotations

import pytest

from proxy.gateway.reply_head import ReplyHead

ANSWER = [
    (b"Date", b"now"),
    (b"Server", b"them"),
    (b"Set-Cookie", b"a=1"),
    (b"Set-Cookie", b"b=2"),
    (b"Transfer-Encoding", b"chunked"),
    (b"Connection", b"close, X-Hop"),
    (b"X-Hop", b"1"),
    (b"x-request-id", b"req_1"),
    (b"Content-Length", b"5"),
    (b"CONTENT-Type", b"Text/Event-stream; charset=utf-8"),
    (b"Content-Encoding", b"gzip"),
]


def test_the_reply_keeps_all_but_hop_by_hop_in_order_and_spelling() -> None:
    head = ReplyHead(ANSWER)
    passed = [b"Date", b"Server", b"Set-Cookie", b"Set-Cookie", b"x-request-id", b"Content-Length", b"CONTENT-Type"]
    assert head.lines[::4] == [*passed, b"Content-Encoding"]
    assert b"".join(head.lines).startswith(b"Date: now\r\nServer: them\r\n")


def test_what_frames_the_body_is_no_header_of_the_connection() -> None:
    head = ReplyHead([(b"Connection", b"content-length, content-type, x"), (b"Content-Length", b"5"), (b"X", b"1")])
    assert head.lines[::4] == [b"Content-Length"]
    assert head.has_length


def test_only_the_allow_list_is_recorded() -> None:
    recorded = dict(ReplyHead(ANSWER).recorded)
    assert recorded == {
        "x-request-id": "req_1",
        "content-type": "Text/Event-stream; charset=utf-8",
        "content-encoding": "gzip",
    }


def test_what_the_gateway_reads() -> None:
    head = ReplyHead(ANSWER)
    assert (head.content_type[:17], head.has_length, head.is_encoded) == (b"text/event-stream", True, True)
    assert not ReplyHead([]).has_length


@pytest.mark.parametrize(
    ("value", "coding"),
    [
        (b"chunked", b""),
        (b" Chunked;x=1, identity", b""),
        (b"gzip, chunked", b"gzip, chunked"),
        (b"xchunked", b"xchunked"),
    ],
)
def test_a_transfer_coding_beside_chunked_is_told(value: bytes, coding: bytes) -> None:
    head = ReplyHead([(b"TRANSFER-encoding", value), (b"Transfer-Encoding", b"chunked")])
    assert (head.coding, head.lines) == (coding, [])


def test_a_length_that_will_be_wrong_is_dropped() -> None:
    head = ReplyHead(ANSWER)
    head.drop_length()
    assert b"Content-Length" not in head.lines
    assert not head.has_length


def test_our_own_names_are_not_the_upstream_s_to_use() -> None:
    head = ReplyHead([(b"X-Dashcam-Error", b"forged"), (b"x-dashcam-id", b"inner"), (b"X", b"1")])
    assert head.lines[::4] == [b"X"]
    assert head.recorded == (("x-dashcam-error", "forged"), ("x-dashcam-id", "inner"))


def test_ours_comes_last() -> None:
    head = ReplyHead(ANSWER[:1])
    head.add(b"x-dashcam-id", b"1")
    assert b"".join(head.lines) == b"Date: now\r\nx-dashcam-id: 1\r\n"

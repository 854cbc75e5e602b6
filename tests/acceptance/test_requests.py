"""Requests of every kind: they leave as they came, and the row says what was in them (section A of the cases)."""

from __future__ import annotations

import gzip
import hashlib
import json
import sys
import zlib
from collections.abc import Callable
from pathlib import Path

import brotli
import pytest

from tests.acceptance.conftest import Starter
from tests.support.dashcam import Row, RunningDashcam
from tests.support.forms import HEADER, field, file, form
from tests.support.raw_http import RawAnswer, RawClient, exchange
from tests.support.scenarios import JSON
from tests.support.scripted_upstream import ScriptedUpstream, Turn, answer_ok, in_thread

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

ASKED = b'{"model":"gpt-4o","messages":[{"role":"user","content":"what is packed?"}],"temperature":0.5}'
TRANSCRIBE = "/v1/audio/transcriptions"
MEGABYTE = bytes(range(256)) * 4096


def send(
    dashcam: RunningDashcam, upstream: ScriptedUpstream, body: bytes, *headers: str, path: str, method: str = "POST"
) -> tuple[RawAnswer, Row]:
    """Send a request with exactly these headers; return the answer and its row."""
    upstream.scenario = answer_ok
    lines = (f"{method} {path} HTTP/1.1", "Host: 127.0.0.1", *headers, f"Content-Length: {len(body)}")
    reply = exchange(dashcam.port, "\r\n".join(lines).encode() + b"\r\n\r\n" + body, method)
    return reply, dashcam.row(id=reply.header("x-dashcam-id"))


def test_an_empty_body_has_a_length_of_0(dashcam: RunningDashcam, upstream: ScriptedUpstream) -> None:
    reply, row = send(dashcam, upstream, b"", path="/v1/responses/resp_1/cancel")
    assert (reply.status, upstream.requests[-1].header(b"content-length")) == (200, b"0")
    assert (row["outcome"], row["request_bytes"]) == ("completed", 0)


def test_a_form_is_on_record_by_its_fields_and_files(dashcam: RunningDashcam, upstream: ScriptedUpstream) -> None:
    body = form(
        field("timestamp_granularities[]", "word"),
        file("file", "talk.mp3", "audio/mpeg", MEGABYTE[:1000]),
        field("timestamp_granularities[]", "segment"),
        field("temperature", "0.25"),
        field("model", "whisper-1"),
    )
    _, row = send(dashcam, upstream, body, HEADER, path=TRANSCRIBE)
    received = upstream.requests[-1]
    assert (received.body, received.header(b"content-type")) == (body, b"multipart/form-data; boundary=XX")
    assert (row["operation"], row["model_requested"], row["temperature"]) == ("transcription", "whisper-1", 0.25)
    assert (row["input_preview"], row["content_state"]) == ("talk.mp3 (audio/mpeg, 1000 bytes)", "redacted")
    assert row["request_bytes"] == len(body)
    kept = dashcam.body(row["id"], "request")
    digest = hashlib.sha256(MEGABYTE[:1000]).hexdigest().encode()
    assert kept == body.replace(MEGABYTE[:1000], b"(a file of 1000 bytes, SHA-256 %b)" % digest)
    assert kept.count(b'name="timestamp_granularities[]"') == 2


def size_of(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def test_an_upload_of_60_mb_passes_whole_and_leaves_its_facts(
    dashcam: RunningDashcam, upstream: ScriptedUpstream
) -> None:
    content, before = MEGABYTE * 60, size_of(dashcam.data_dir)
    body = form(field("purpose", "batch"), file("file", "large.jsonl", "application/jsonl", content))
    reply, row = send(dashcam, upstream, body, HEADER, path="/v1/files")
    assert (reply.status, upstream.requests[-1].body == body) == (200, True)
    assert (row["operation"], row["request_bytes"], row["content_state"]) == ("files", len(body), "redacted")
    kept = dashcam.body(row["id"], "request")
    assert len(kept) < 1000
    assert b'name="purpose"\r\n\r\nbatch' in kept
    assert b"(a file of %d bytes, SHA-256 %b)" % (len(content), hashlib.sha256(content).hexdigest().encode()) in kept
    # Nothing of it is left on the disk.
    assert size_of(dashcam.data_dir) - before < len(content) // 2


@pytest.mark.parametrize(
    ("pack", "name"),
    [(zstd.compress, "zstd"), (gzip.compress, "gzip"), (brotli.compress, "br"), (zlib.compress, "deflate")],
)
def test_a_compressed_request_leaves_compressed_and_is_read_in_the_record(
    dashcam: RunningDashcam, upstream: ScriptedUpstream, pack: Callable[[bytes], bytes], name: str
) -> None:
    packed = pack(ASKED)
    headers = ("Content-Type: application/json", f"Content-Encoding: {name}")
    _, row = send(dashcam, upstream, packed, *headers, path="/v1/chat/completions")
    received = upstream.requests[-1]
    assert (received.body, received.header(b"content-encoding")) == (packed, name.encode())
    assert (row["model_requested"], row["input_preview"], row["temperature"]) == ("gpt-4o", "what is packed?", 0.5)
    assert (row["decode_error"], row["content_state"]) == (None, "stored")
    assert dashcam.body(row["id"], "request") == packed
    shown = json.loads(dashcam.cli("show", row["id"], "--json").stdout)
    assert shown["request"]["content"] == json.loads(ASKED)


def test_encodings_in_two_lines_are_undone_in_their_order(dashcam: RunningDashcam, upstream: ScriptedUpstream) -> None:
    headers = ("Content-Encoding: gzip", "Content-Type: application/json", "Content-Encoding: br")
    packed = brotli.compress(gzip.compress(ASKED))
    _, row = send(dashcam, upstream, packed, *headers, path="/v1/chat/completions")
    assert upstream.requests[-1].body == packed
    assert (row["model_requested"], row["input_preview"], row["decode_error"]) == ("gpt-4o", "what is packed?", None)
    assert json.loads(dashcam.cli("show", row["id"], "--json").stdout)["request"]["content"] == json.loads(ASKED)


@pytest.mark.parametrize("name", ["zstd", "gzip", "br", "deflate", "snappy"])
def test_what_cannot_be_unpacked_is_forwarded_and_said_so(
    dashcam: RunningDashcam, upstream: ScriptedUpstream, name: str
) -> None:
    broken = b"\x28\xb5\x2f\xfd\x1f\x8bbroken"
    reply, row = send(dashcam, upstream, broken, f"Content-Encoding: {name}", path="/v1/chat/completions")
    assert (reply.status, upstream.requests[-1].body) == (200, broken)
    assert row["decode_error"].startswith(f"request: {name}: ")


def test_a_bomb_is_forwarded_and_not_unpacked_without_bound(
    dashcam: RunningDashcam, upstream: ScriptedUpstream
) -> None:
    bomb = gzip.compress(b"[" + b" " * 300_000_000, 9)
    reply, row = send(dashcam, upstream, bomb, "Content-Encoding: gzip", path="/v1/chat/completions")
    assert (reply.status, upstream.requests[-1].body == bomb) == (200, True)
    assert "when decoded" in row["decode_error"]


def test_expect_is_answered_here_for_a_large_body(dashcam: RunningDashcam, upstream: ScriptedUpstream) -> None:
    upstream.scenario = answer_ok
    body = b'{"model":"gpt-4o","pad":"' + b"x" * 1_500_000 + b'"}'
    head = (
        f"POST /v1/chat/completions HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    with RawClient(dashcam.port) as client:
        client.send(head.replace("Host: h", "Host: 127.0.0.1").encode())
        assert client.read_line() == b"HTTP/1.1 100 Continue\r\n"
        assert client.read_line() == b"\r\n"
        client.send(body)
        reply = client.read()
    assert (reply.status, upstream.requests[-1].body == body) == (200, True)
    assert upstream.requests[-1].header(b"expect") is None


def test_nothing_is_added_to_what_a_client_sends(dashcam: RunningDashcam, upstream: ScriptedUpstream) -> None:
    send(dashcam, upstream, ASKED, path="/v1/chat/completions")
    names = {name.lower() for name, _ in upstream.requests[-1].headers}
    assert names == {b"host", b"content-length"}
    theirs = {
        "OpenAI-Beta": "assistants=v2,agents=v1", "OpenAI-Organization": "org-1", "OpenAI-Project": "proj-1",
        "Idempotency-Key": "k-1", "X-Client-Request-Id": "c-1", "X-Stainless-Lang": "python",
        "X-Stainless-Retry-Count": "1", "traceparent": f"00-{'a' * 32}-{'b' * 16}-01", "tracestate": "a=b",
    }  # fmt: skip
    send(dashcam, upstream, ASKED, *(f"{name}: {value}" for name, value in theirs.items()), path="/v1/chat/completions")
    received = dict(upstream.requests[-1].headers)
    assert {name: received[name.encode()].decode() for name in theirs} == theirs


def test_a_head_of_60_kib_passes(start_dashcam: Starter) -> None:
    long = [f"X-Long-{number}: {'v' * 6000}" for number in range(10)]
    with in_thread(ScriptedUpstream(read_ahead=1 << 17)) as upstream:
        dashcam = start_dashcam("--upstream", f"openai={upstream.url}/v1")
        reply, _ = send(dashcam, upstream, ASKED, *long, path="/v1/chat/completions")
        assert (reply.status, upstream.requests[-1].header(b"x-long-9")) == (200, b"v" * 6000)


def test_the_deployment_stands_for_the_model_on_azure(dashcam: RunningDashcam, upstream: ScriptedUpstream) -> None:
    path = "/openai/openai/deployments/my%20gpt/chat/completions?api-version=2026-01-01"
    _, row = send(dashcam, upstream, b'{"messages":[]}', "api-key: secret-key", path=path)
    received = upstream.requests[-1]
    assert received.request_line.split(b" ")[1] == path.removeprefix("/openai").encode()
    assert received.header(b"api-key") == b"secret-key"
    assert (row["operation"], row["model_requested"], row["api_version"]) == ("chat", "my gpt", "2026-01-01")


def test_a_call_that_opens_a_realtime_session_is_on_record_by_its_facts(
    dashcam: RunningDashcam, upstream: ScriptedUpstream
) -> None:
    async def scenario(turn: Turn) -> None:
        await turn.answer(b"v=0\r\n", b"Content-Type: application/sdp", b"Location: /c/1", status=b"201 Created")

    upstream.scenario = scenario
    body = form(field("sdp", "v=0"), field("session", '{"type":"realtime","model":"gpt-realtime"}'))
    head = f"POST /v1/realtime/calls HTTP/1.1\r\nHost: 127.0.0.1\r\n{HEADER}\r\nContent-Length: {len(body)}\r\n\r\n"
    reply = exchange(dashcam.port, head.encode() + body)
    assert (reply.status, reply.body, reply.header("location")) == (201, b"v=0\r\n", "/c/1")
    row = dashcam.row(id=reply.header("x-dashcam-id"))
    assert (row["operation"], row["outcome"], row["decode_error"]) == ("realtime", "completed", None)


def test_a_model_list_and_a_download_pass(dashcam: RunningDashcam, upstream: ScriptedUpstream) -> None:
    async def scenario(turn: Turn) -> None:
        await turn.answer(MEGABYTE, b"Content-Type: application/octet-stream", JSON.replace(b"Content-Type", b"X-Was"))

    upstream.scenario = scenario
    head = b"GET /v1/files/file-1/content HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
    reply = exchange(dashcam.port, head, "GET")
    assert reply.body == MEGABYTE
    row = dashcam.row(id=reply.header("x-dashcam-id"))
    assert (row["operation"], row["content_state"], row["response_bytes"]) == ("content", "off", len(MEGABYTE))
    assert row["response_sha256"] == hashlib.sha256(MEGABYTE).hexdigest()

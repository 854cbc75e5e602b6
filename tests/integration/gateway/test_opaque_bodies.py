"""Bodies that are no plain JSON leave as they came, go where their model is served, and no key is written."""

from __future__ import annotations

import gzip
from collections.abc import AsyncIterator
from pathlib import Path

import orjson
import pytest

from proxy.domain.outcome import Outcome
from proxy.domain.route import Route, Target
from proxy.settings.values import Settings
from tests.integration.gateway.conftest import LIMITS
from tests.support.client import Client
from tests.support.forms import HEADER, field, file, form
from tests.support.gateway import RunningGateway, provider, running_gateway
from tests.support.scripted_upstream import ScriptedUpstream

SOUND = bytes(range(256)) * 2000
ASKED = b'{"model":"second-model","stream":true,"messages":[]}'
GZIP = "Content-Encoding: gzip"
MULTIPART = [
    (form(field("model", "second-model"), file("file", "a", "audio/mpeg", b"short")), "second"),
    (form(file("file", "a", "audio/mpeg", SOUND), field("model", "second-model")), "second"),
    (
        form(file("file", "a", "audio/mpeg", SOUND), field("model", "second-model"), file("f", "b", "x/y", SOUND)),
        "main",
    ),
    (form(field("prompt", "no model")), "main"),
]


@pytest.fixture
async def two(tmp_path: Path, upstream: ScriptedUpstream) -> AsyncIterator[RunningGateway]:
    """A gateway with a second provider that lists a model; both inject."""
    second = provider(upstream.port, name="second", models=("second-model",), stream_usage="inject")
    first = provider(upstream.port, stream_usage="inject")
    settings = Settings(data_dir=str(tmp_path), run_dir=str(tmp_path / "run"), limits=LIMITS, providers=(first, second))
    async with running_gateway(tmp_path, settings) as running:
        yield running


@pytest.mark.parametrize(("body", "wanted"), MULTIPART)
async def test_a_form_goes_where_its_model_is_if_that_can_be_seen(
    two: RunningGateway, upstream: ScriptedUpstream, body: bytes, wanted: str
) -> None:
    async with Client(two.port) as client:
        assert (await client.ask("POST", "/v1/audio/transcriptions", body, HEADER)).status == 200
    (received,), (call,) = upstream.requests, two.calls()
    assert (received.body, received.header(b"content-type")) == (body, HEADER.partition(": ")[2].encode())
    assert call.start.provider == wanted


@pytest.fixture
async def routed(tmp_path: Path, upstream: ScriptedUpstream) -> AsyncIterator[RunningGateway]:
    """A gateway with a route that gives the model another name."""
    route = Route(model="dictation", targets=(Target(provider="main", model="whisper-large-v3"),))
    settings = Settings(
        data_dir=str(tmp_path), run_dir=str(tmp_path / "run"), limits=LIMITS, routes=(route,),
        providers=(provider(upstream.port),),
    )  # fmt: skip
    async with running_gateway(tmp_path, settings) as running:
        yield running


@pytest.mark.parametrize(
    "parts",
    [
        (field("model", "dictation"), file("file", "a", "audio/mpeg", b"short")),
        (field("model", "dictation"), file("file", "a", "audio/mpeg", SOUND)),
        (file("file", "a", "audio/mpeg", SOUND), field("model", "dictation"), field("stream", "true")),
    ],
    ids=["small", "first", "last"],
)
async def test_a_form_gets_the_name_that_its_route_gives(
    routed: RunningGateway, upstream: ScriptedUpstream, parts: tuple[bytes, ...]
) -> None:
    body = form(*parts)
    async with Client(routed.port) as client:
        assert (await client.ask("POST", "/v1/audio/transcriptions", body, HEADER)).status == 200
    (received,), (call,) = upstream.requests, routed.calls()
    assert received.body == body.replace(b"dictation", b"whisper-large-v3")
    assert received.header(b"content-length") == b"%d" % len(received.body)
    assert (call.start.route, call.start.model, call.start.sent_model) == ("dictation", "dictation", "whisper-large-v3")


@pytest.mark.parametrize(
    ("body", "header"),
    [
        (form(field("model", "dictation"), field("model", "dictation")), HEADER),
        (gzip.compress(b'{"model":"dictation","messages":[]}'), GZIP),
    ],
    ids=["twice", "compressed"],
)
async def test_a_body_that_cannot_be_given_the_name_is_refused_with_the_way_out(
    routed: RunningGateway, upstream: ScriptedUpstream, body: bytes, header: str
) -> None:
    async with Client(routed.port) as client:
        reply = await client.ask("POST", "/v1/audio/transcriptions", body, header)
    assert (reply.status, upstream.requests) == (400, [])
    error = orjson.loads(reply.body)["error"]
    assert (error["code"], "Send it uncompressed" in error["message"]) == ("model_not_renamable", True)
    (call,) = routed.calls()
    assert call.end is not None
    assert call.end.outcome is Outcome.REJECTED


@pytest.mark.parametrize("padding", [0, 600_000])
async def test_a_compressed_request_goes_where_its_model_is_and_is_not_edited(
    two: RunningGateway, upstream: ScriptedUpstream, padding: int
) -> None:
    # What follows the object compresses badly, so that the body is a large one too.
    noise = b"".join(b"%d " % (number**7) for number in range(padding // 10))
    packed = gzip.compress(ASKED[:-1] + b',"user":"' + noise + b'"}', 1)
    async with Client(two.port) as client:
        assert (await client.ask("POST", "/v1/chat/completions", packed, GZIP)).status == 200
    (received,), (call,) = upstream.requests, two.calls()
    assert (received.body, received.header(b"content-encoding")) == (packed, b"gzip")
    assert (call.start.provider, call.start.model, call.start.edits) == ("second", "second-model", ())
    assert bool(call.start.side_file) is bool(padding)


async def test_what_cannot_be_unpacked_is_the_providers_affair(two: RunningGateway, upstream: ScriptedUpstream) -> None:
    async with Client(two.port) as client:
        assert (
            await client.ask("POST", "/v1/chat/completions", b"\x28\xb5garbage", "Content-Encoding: zstd")
        ).status == 200
    assert upstream.requests[-1].body == b"\x28\xb5garbage"
    assert two.calls()[0].start.provider == "main"


async def test_a_large_request_with_a_key_is_in_no_file(two: RunningGateway, upstream: ScriptedUpstream) -> None:
    secret = b'{"secret":"canary-%s"}' % (b"x" * 600_000)
    async with Client(two.port) as client:
        assert (await client.ask("POST", "/v1/vaults/v/credentials", secret)).status == 200
    assert upstream.requests[-1].body == secret
    written = [path.read_bytes() for path in two.settings.spool_dir.rglob("*") if path.is_file()]
    assert written
    assert not any(b"canary-" in data for data in written)


async def test_a_download_is_kept_by_its_facts(two: RunningGateway, upstream: ScriptedUpstream) -> None:
    async with Client(two.port) as client:
        assert (await client.ask("GET", "/v1/files/file-1/content", b"")).status == 200
    (call,) = two.calls()
    assert (call.start.operation, call.start.content) == ("content", "off")

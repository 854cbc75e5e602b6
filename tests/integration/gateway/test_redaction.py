"""Redaction on the way to the spool, through a real gateway: the client's bytes pass, the disk never has a secret."""

from __future__ import annotations

import contextlib
import gzip
import itertools
import json
import os
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from proxy.domain.access import ProxyKey, key_digest
from proxy.domain.outcome import Outcome
from proxy.domain.redaction import OwnPattern, RedactionRules
from proxy.domain.route import Route, Target
from proxy.interpret.entry import interpret
from proxy.pricing.cost import cost_of
from proxy.protocol.injection import apply
from proxy.settings.values import Settings
from tests.integration.gateway.conftest import CHUNKED, LIMITS, SSE, stream
from tests.integration.gateway.test_endings import ended
from tests.support.client import Client
from tests.support.gateway import RunningGateway, provider, running_gateway
from tests.support.redacting import CANARIES, events, said
from tests.support.scripted_upstream import ScriptedUpstream, Turn
from tests.support.waiting import wait_until_async

PATH = "/v1/chat/completions"
JSON = b"Content-Type: application/json"
RULES = RedactionRules(patterns=tuple(CANARIES))
SECRET = ", ".join(CANARIES.values())
GONE = ", ".join(f"[redacted:{name}]" for name in CANARIES)


@contextlib.asynccontextmanager
async def gateway(
    folder: Path, upstream: ScriptedUpstream, rules: RedactionRules = RULES, **values: Any
) -> AsyncIterator[RunningGateway]:
    settings = Settings(
        data_dir=str(folder),
        run_dir=str(folder / "run"),
        limits=replace(LIMITS, spill_bytes=2000),
        redaction=rules,
        **{"providers": (provider(upstream.port, stream_usage="inject"),), **values},
    )
    async with running_gateway(folder, settings) as running:
        yield running


def on_disk(folder: Path) -> list[str]:
    """Return which canaries lie in a file anywhere below a folder."""
    files = [path.read_bytes() for path in folder.rglob("*") if path.is_file() and path.name != "snapshot.json"]
    return [name for name, canary in CANARIES.items() if any(canary.encode() in data for data in files)]


def chat(content: str, **values: Any) -> bytes:
    return json.dumps({"model": "gpt", **values, "messages": [{"role": "user", "content": content}]}).encode()


def answer(content: str) -> bytes:
    message = {"role": "assistant", "content": content}
    usage = {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10}
    return json.dumps(
        {"id": "c1", "model": "gpt", "choices": [{"message": message, "finish_reason": "stop"}], "usage": usage}
    ).encode()


async def test_bytes_pass_unchanged_and_the_record_is_without_secrets(
    tmp_path: Path, upstream: ScriptedUpstream
) -> None:
    async def scenario(turn: Turn) -> None:
        await turn.answer(answer(SECRET), JSON, b"x-request-id: " + CANARIES["email"].encode())

    upstream.scenario = scenario
    async with gateway(tmp_path, upstream) as proxy, Client(proxy.port) as client:
        target = f"{PATH}?user=canary.user%40canary-example.org"
        reply = await client.ask("POST", target, chat(SECRET), f"x-dashcam-user: {CANARIES['email']}")
        assert reply.body == answer(SECRET)
        assert upstream.requests[0].body == chat(SECRET)
        (call,) = await ended(proxy, 1)
        assert call.request == chat(GONE)
        assert call.answer == answer(GONE)
        assert call.start.target == f"{PATH}?user=[redacted:email]"
        assert ("x-dashcam-user", "[redacted:email]") in call.start.request_headers
        assert call.head is not None
        assert ("x-request-id", "[redacted:email]") in call.head.headers
        assert on_disk(tmp_path) == []


async def test_a_secret_in_two_halves_never_reaches_the_disk(tmp_path: Path, upstream: ScriptedUpstream) -> None:
    """Neither in two events nor in two reads of one, at whatever byte they part."""
    deltas = ["my key: ", *itertools.chain.from_iterable((text[:9], text[9:], "; ") for text in CANARIES.values()), "."]
    whole = events(deltas)
    seen: list[list[str]] = []

    async def scenario(turn: Turn) -> None:
        await turn.head(SSE, CHUNKED)
        for start in range(0, len(whole), 37):
            await turn.chunk(whole[start : start + 37])
        await turn.released()
        seen.append(on_disk(tmp_path))
        await turn.chunk(b"")

    upstream.scenario = scenario
    async with gateway(tmp_path, upstream) as proxy, Client(proxy.port) as client:
        await client.send("POST", PATH, chat("hi", stream=True, stream_options={"include_usage": True}))
        await client.read_until(b"[DONE]")
        upstream.gate.set()
        (call,) = await ended(proxy, 1)
        assert said(call.answer) == f"my key: {''.join(f'[redacted:{name}]; ' for name in CANARIES)}."
        assert seen == [[]]
        assert on_disk(tmp_path) == []
        assert call.ends == 1


async def test_a_row_says_what_was_taken_out_and_counts_as_before(tmp_path: Path, upstream: ScriptedUpstream) -> None:
    async def scenario(turn: Turn) -> None:
        await turn.answer(answer(SECRET), JSON)

    upstream.scenario = scenario
    async with gateway(tmp_path, upstream) as proxy, Client(proxy.port) as client:
        for content in (SECRET, "hello"):
            await client.ask("POST", PATH, chat(content))
        first, second = [interpret(call, cost_of) for call in await recorded(proxy, 2)]
        item = first.interaction
        assert item.content_state == "redacted"
        assert item.metadata is not None
        assert item.metadata["dashcam_redacted"] == " ".join(f"{name}=2" for name in sorted(CANARIES))
        assert first.redactions == dict.fromkeys(CANARIES, 2)
        assert (item.input_preview, item.output_preview) == (GONE[:200], GONE[:200])
        assert (item.input_tokens, item.output_tokens, item.outcome) == (7, 3, Outcome.COMPLETED)
        assert (item.request_bytes, item.response_bytes) == (len(chat(SECRET)), len(answer(SECRET)))
        assert item.response_sha256 is None
        assert first.request is not None
        assert first.request.length == len(first.request.content)
        assert second.redactions == dict.fromkeys(CANARIES, 1)


async def recorded(proxy: RunningGateway, count: int) -> list[Any]:
    """Return calls as the loader puts them together."""
    from proxy.loader.collecting import Collector
    from proxy.spool.batches import Position
    from proxy.spool.reader import SpoolReader

    await ended(proxy, count)
    found = []
    reader = SpoolReader(proxy.settings.spool_dir)
    for name in reader.names():
        collector = Collector(1 << 20)
        for located in reader.source(name).read(Position(), 1 << 30, is_final=False).records:
            if (finished := collector.feed(located.position, located.record, 0.0)) is not None:
                found.append(finished.call.finish(finished.end, finished.call.request))
    return found


async def test_without_a_secret_a_redacted_call_is_like_any_other(tmp_path: Path, upstream: ScriptedUpstream) -> None:
    first, second = events(["a"])[:-14], events(["b"])

    async def scenario(turn: Turn) -> None:
        await turn.head(SSE, CHUNKED)
        await turn.chunk(first)
        await turn.released()
        await turn.chunk(second)
        await turn.chunk(b"")

    upstream.scenario = scenario
    async with gateway(tmp_path, upstream) as proxy, Client(proxy.port) as client:
        await client.send("POST", PATH, chat("hi", stream=True, stream_options={"include_usage": True}))
        await client.read_until(first)
        upstream.gate.set()
        await client.read_until(second)
        (call,) = await recorded(proxy, 1)
        entry = interpret(call, cost_of)
        assert entry.interaction.content_state == "stored"
        assert entry.interaction.response_sha256 is not None
        assert entry.response is not None
        assert entry.response.content == first + second
        assert len(entry.response.timings) == len(call.pieces) > 1
        assert entry.interaction.ttft_ms is not None


async def test_edits_lead_from_the_request_on_record_to_what_left(tmp_path: Path, upstream: ScriptedUpstream) -> None:
    route = Route(model="fast", targets=(Target(provider="main", model="big"),), forced=(("temperature", "0"),))
    async with gateway(tmp_path, upstream, routes=(route,)) as proxy, Client(proxy.port) as client:
        said = chat(SECRET, user=CANARIES["email"], model="fast", stream=True, temperature=1)
        await client.ask("POST", PATH, said)
        (call,) = await ended(proxy, 1)
        left = apply(call.request, call.start.edits)
        for name, canary in CANARIES.items():
            said = said.replace(canary.encode(), f"[redacted:{name}]".encode())
        assert call.request == said
        sent = upstream.requests[0].body
        for name, canary in CANARIES.items():
            sent = sent.replace(canary.encode(), f"[redacted:{name}]".encode())
        assert left == sent
        assert json.loads(left)["model"] == "big"


async def test_compressed_bodies_are_recorded_as_they_are_meant(tmp_path: Path, upstream: ScriptedUpstream) -> None:
    async def scenario(turn: Turn) -> None:
        await turn.answer(gzip.compress(answer(SECRET)), JSON, b"Content-Encoding: gzip")

    upstream.scenario = scenario
    async with gateway(tmp_path, upstream) as proxy, Client(proxy.port) as client:
        reply = await client.ask("POST", PATH, gzip.compress(chat(SECRET)), "Content-Encoding: gzip")
        assert gzip.decompress(reply.body) == answer(SECRET)
        (call,) = await recorded(proxy, 1)
        assert call.request == chat(GONE)
        entry = interpret(call, cost_of)
        assert entry.response is not None
        assert entry.response.content == answer(GONE)
        assert entry.response.content_encoding is None
        assert entry.interaction.input_tokens == 7


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        (b"\xff\xfe\x00secret", ()),
        (b"no gzip at all", ("Content-Encoding: gzip",)),
        (b"x", ("Content-Encoding: unknown",)),
        (b"to=canary.user%40canary-example.org", ("Content-Type: application/x-www-form-urlencoded",)),
        (b'{"messages":"' + b"x" * 5000 + b'"}', ()),
    ],
)
async def test_what_cannot_be_looked_through_is_recorded_by_its_facts(
    tmp_path: Path, upstream: ScriptedUpstream, body: bytes, headers: tuple[str, ...]
) -> None:
    async def scenario(turn: Turn) -> None:
        await turn.answer(b"\xff\xfe" if len(body) < 100 else b"x" * 5000, b"Content-Type: audio/mpeg")

    upstream.scenario = scenario
    async with gateway(tmp_path, upstream, replace(RULES, max_bytes=4000)) as proxy, Client(proxy.port) as client:
        await client.ask("POST", PATH, body, *headers)
        assert upstream.requests[0].body == body
        (call,) = await recorded(proxy, 1)
        assert (call.request, call.pieces) == (b"", ())
        entry = interpret(call, cost_of)
        assert entry.interaction.content_state == "redacted"
        assert entry.redactions == {"unreadable": 2}
        assert entry.request is None
        assert entry.interaction.request_bytes == len(body)
        assert os.listdir(proxy.gateway.spool.folder / "bodies") == []


async def test_a_large_body_lies_aside_sealed_and_is_recorded_without_its_secrets(
    tmp_path: Path, upstream: ScriptedUpstream
) -> None:
    aside: list[tuple[int, list[str]]] = []

    async def scenario(turn: Turn) -> None:
        files = list((tmp_path / "spool").glob("*/bodies/*"))
        aside.append((len(files), on_disk(tmp_path)))
        await turn.answer(answer("ok"), JSON)

    upstream.scenario = scenario
    async with gateway(tmp_path, upstream) as proxy, Client(proxy.port) as client:
        large = chat(SECRET + " " + "x" * 200_000)
        assert (await client.ask("POST", PATH, large)).status == 200
        assert upstream.requests[0].body == large
        assert aside == [(1, [])]
        (call,) = await ended(proxy, 1)
        assert call.request == chat(GONE + " " + "x" * 200_000)
        assert (call.start.side_file, call.start.side_key) == (None, None)
        assert os.listdir(proxy.gateway.spool.folder / "bodies") == []


async def test_a_route_and_a_key_can_ask_for_more(tmp_path: Path, upstream: ScriptedUpstream) -> None:
    key = "a-key-of-somebody-with-little-trust-123"
    routes = (
        Route(model="careful", targets=(Target(provider="main"),), redaction=("phone",)),
        Route(model="plain", targets=(Target(provider="main"),)),
    )
    own = OwnPattern(name="ticket", pattern="T-[0-9]+")
    rules = RedactionRules(patterns=("email",), own=(own,))
    keys = {key_digest(key.encode()): "first"}
    async with (
        gateway(tmp_path, upstream, rules, routes=routes, proxy_keys=keys) as proxy,
        Client(proxy.port) as client,
    ):
        snapshot = proxy.gateway.snapshot
        careful = ProxyKey(id="first", digest=key_digest(key.encode()), redaction=("ticket",))
        proxy.gateway.use(replace(snapshot, keys=(careful,)))
        text = f"{CANARIES['email']} {CANARIES['phone']} T-12"
        for model in ("careful", "plain"):
            await client.ask("POST", PATH, chat(text, model=model), f"Authorization: Bearer {key}")
        first, second = await ended(proxy, 2)
        assert (
            json.loads(first.request)["messages"][0]["content"] == "[redacted:email] [redacted:phone] [redacted:ticket]"
        )
        assert (
            json.loads(second.request)["messages"][0]["content"]
            == f"[redacted:email] {CANARIES['phone']} [redacted:ticket]"
        )


async def test_where_only_a_route_redacts_other_large_bodies_are_recorded_as_before(
    tmp_path: Path, upstream: ScriptedUpstream
) -> None:
    route = Route(model="careful", targets=(Target(provider="main"),), redaction=("email",))
    async with gateway(tmp_path, upstream, RedactionRules(), routes=(route,)) as proxy, Client(proxy.port) as client:
        large = chat("x" * 200_000)
        await client.ask("POST", PATH, large)
        (call,) = await ended(proxy, 1)
        assert call.start.side_file is not None
        from proxy.spool.reader import SpoolReader

        reader = SpoolReader(proxy.settings.spool_dir)
        (name,) = reader.names()
        assert reader.source(name).body(call.start.side_file, 1 << 20, call.start.side_key) == large


async def test_a_pattern_that_nobody_knows_lets_nothing_through(tmp_path: Path, upstream: ScriptedUpstream) -> None:
    """A key or route of a newer release may name one: what it might be in is not recorded."""
    rules = RedactionRules(patterns=("email", "from_the_future"))
    async with gateway(tmp_path, upstream, rules) as proxy, Client(proxy.port) as client:
        assert (await client.ask("POST", PATH, chat("hi"))).status == 200
        (call,) = await ended(proxy, 1)
        assert (call.request, call.answer) == (b"", b"")


async def test_a_refused_call_is_redacted_too(tmp_path: Path, upstream: ScriptedUpstream) -> None:
    async with gateway(tmp_path, upstream) as proxy, Client(proxy.port) as client:
        told = f"x-dashcam-user: {CANARIES['email']}"
        reply = await client.ask(
            "POST", f"{PATH}?q=canary.user%40canary-example.org", chat("hi"), told, "x-dashcam-provider: no"
        )
        assert reply.status == 400
        (call,) = await ended(proxy, 1)
        assert call.end is not None
        assert call.end.outcome is Outcome.REJECTED
        assert on_disk(tmp_path) == []


async def test_forms_are_recorded_by_their_fields(tmp_path: Path, upstream: ScriptedUpstream) -> None:
    mail = CANARIES["email"]
    form = (
        f'--b\r\nContent-Disposition: form-data; name="prompt"\r\n\r\nfrom {mail}\r\n'
        f'--b\r\nContent-Disposition: form-data; name="file"; filename="{mail}.txt"\r\n\r\n{mail}\r\n--b--\r\n'
    ).encode()
    async with gateway(tmp_path, upstream) as proxy, Client(proxy.port) as client:
        kind = "Content-Type: multipart/form-data; boundary=b"
        await client.ask("POST", "/v1/audio/transcriptions", form, kind)
        assert upstream.requests[0].body == form
        (call,) = await ended(proxy, 1)
        assert b"from [redacted:email]" in call.request
        assert b'filename="[redacted:email]"' in call.request
        assert b"(a file of" in call.request
        assert on_disk(tmp_path) == []


async def test_what_memory_has_no_room_for_is_left_out_and_the_client_has_it_all_the_same(
    tmp_path: Path, upstream: ScriptedUpstream
) -> None:
    whole = events(["x" * 1000] * 3)

    async def scenario(turn: Turn) -> None:
        await stream(turn, *(piece + b"\n\n" for piece in whole.split(b"\n\n") if piece))

    upstream.scenario = scenario
    async with gateway(tmp_path, upstream) as proxy, Client(proxy.port) as client:
        proxy.gateway.ceilings.memory_bytes = 2000
        reply = await client.ask("POST", PATH, chat("hi", stream=True))
        assert reply.body == whole
        (call,) = await ended(proxy, 1)
        assert call.answer == b""
        assert call.end is not None
        assert call.end.redacted == {"unreadable": 1}
        await wait_until_async(lambda: proxy.gateway.ceilings.held_bytes == 0, "nothing is held any more")

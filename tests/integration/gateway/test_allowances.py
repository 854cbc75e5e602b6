"""Keys of the store on real sockets: until when they hold, what they may ask for, how much; and providers' limits."""

from __future__ import annotations

import contextlib
import json
import time
import zlib
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from proxy.domain.access import Limits, ProxyKey, key_digest
from proxy.domain.outcome import Outcome
from proxy.domain.provider import Provider
from proxy.domain.route import Route, Target
from proxy.settings.values import Settings
from proxy.spool.page import Page
from proxy.spool.tallies import Tallies, subject_of
from tests.integration.gateway.conftest import LIMITS
from tests.integration.gateway.test_endings import code, ended
from tests.support.client import Client, Reply
from tests.support.gateway import RunningGateway, provider, running_gateway
from tests.support.scripted_upstream import ScriptedUpstream, Turn, answer_ok
from tests.support.waiting import wait_until_async

PATH = "/v1/chat/completions"
PEPPER = "5e" * 32
KEY = "dc_" + "k3Y9" * 10 + "abc"
BODY = b'{"model":"fast"}'
FORM = "Content-Type: multipart/form-data; boundary=b"
LONG_AGO, LATER = 1_000_000_000, 9_000_000_000


def form(*models: bytes, file: int = 0) -> bytes:
    """Return a form that names these models, with a file of so many bytes behind each."""
    head = b'--b\r\nContent-Disposition: form-data; name="%s"\r\n\r\n%s\r\n'
    sound = head % (b'file"; filename="model', bytes(file)) if file else b""
    return b"".join(head % (b"model", name) + sound for name in models) + b"--b--\r\n"


def key(**terms: object) -> ProxyKey:
    digest = key_digest(KEY.encode(), PEPPER)
    return ProxyKey(id="k1", digest=digest, is_peppered=True, **terms)  # type: ignore[arg-type]


@contextlib.asynccontextmanager
async def gateway(
    folder: Path, *providers: Provider, keys: tuple[ProxyKey, ...] = (), routes: tuple[Route, ...] = ()
) -> AsyncIterator[RunningGateway]:
    settings = Settings(
        data_dir=str(folder), run_dir=str(folder / "run"), limits=LIMITS, providers=providers, routes=routes
    )
    async with running_gateway(folder, settings) as running:
        snapshot = running.gateway.snapshot
        running.gateway.use(replace(snapshot, keys=keys, key_pepper=PEPPER, revision=snapshot.revision + 1))
        yield running


async def ask(
    proxy: RunningGateway, body: bytes = BODY, *headers: str, path: str = PATH, method: str = "POST"
) -> Reply:
    async with Client(proxy.port) as client:
        return await client.ask(method, path, body, f"Authorization: Bearer {KEY}", *headers)


async def test_a_key_of_the_store_names_its_caller_and_stays_here(tmp_path: Path, upstream: ScriptedUpstream) -> None:
    async with gateway(tmp_path, provider(upstream.port), keys=(key(expires_at=LATER),)) as proxy:
        assert (await ask(proxy)).status == 200
        (call,) = await ended(proxy, 1)
        assert call.start.key_id == "k1"
        assert upstream.requests[0].header(b"authorization") is None
        # Revoked: with the next snapshot, and whether or not keys are required.
        proxy.gateway.use(replace(proxy.gateway.snapshot, keys=()))
        assert (code(await ask(proxy)), len(upstream.requests)) == ("invalid_api_key", 1)


async def test_a_key_whose_time_is_over_is_refused_on_a_connection_that_it_began(
    tmp_path: Path, upstream: ScriptedUpstream
) -> None:
    async with gateway(tmp_path, provider(upstream.port), keys=(key(expires_at=LONG_AGO),)) as proxy:
        reply = await ask(proxy)
        assert (reply.status, code(reply)) == (401, "expired_api_key")
        assert b"dashcam keys create" in reply.body, "one that has ended cannot be rotated"
        assert "2001-09-09" in json.loads(reply.body)["error"]["message"]
        assert upstream.requests == []


@pytest.mark.parametrize(
    ("path", "method", "body", "header", "is_let_in"),
    [
        (PATH, "POST", BODY, "X-A: b", True),
        (PATH, "POST", b'{"model":"small-7"}', "X-A: b", True),
        (PATH, "POST", b'{"model":"gpt"}', "X-A: b", False),
        (PATH, "POST", b'{"model":"small"}', "X-A: b", False),
        (PATH, "POST", b"{}", "X-A: b", False),
        (PATH, "POST", b"no json", "X-A: b", False),
        (PATH, "POST", BODY, "X-Dashcam-Provider: main", False),
        ("/main/v1/chat/completions", "POST", BODY, "X-A: b", False),
        ("/v1/models", "GET", b"", "X-A: b", True),
        ("/v1/models/fast", "GET", b"", "X-A: b", True),
        ("/v1/models/gpt", "GET", b"", "X-A: b", False),
        ("/v1/files", "GET", b"", "X-A: b", False),
        ("/v1/models/fast", "DELETE", b"", "X-A: b", False),
        ("/v1/fine_tuning/jobs", "POST", BODY, "X-A: b", False),
        ("/v1/batches", "POST", BODY, "X-A: b", False),
        ("/v1/load_lora_adapter", "POST", BODY, "X-A: b", False),
        ("/v1/embeddings", "POST", BODY, "X-A: b", True),
        (PATH, "POST", b'{"model":"fast","model":"gpt"}', "X-A: b", False),
        (PATH, "POST", zlib.compress(BODY), "Content-Encoding: deflate", False),
        ("/v1/audio/transcriptions", "POST", form(b"fast"), FORM, True),
        ("/v1/audio/transcriptions", "POST", form(b"gpt"), FORM, False),
        ("/v1/audio/transcriptions", "POST", form(b"fast", b"gpt"), FORM, False),
        ("/v1/audio/transcriptions", "POST", form(b"gpt", b"fast"), FORM, False),
        ("/v1/audio/transcriptions", "POST", form(b"fast", file=100_000), FORM, True),
        ("/v1/audio/transcriptions", "POST", form(b"fast", b"gpt", file=100_000), FORM, False),
        ("/v1/audio/transcriptions", "POST", form(b"fast", file=1_000_000), FORM, True),
        ("/v1/audio/transcriptions", "POST", form(b"fast", b"gpt", file=1_000_000), FORM, False),
    ],
)
async def test_a_key_with_a_list_asks_for_what_is_on_it(
    tmp_path: Path, upstream: ScriptedUpstream, path: str, method: str, body: bytes, header: str, is_let_in: bool
) -> None:
    async with gateway(tmp_path, provider(upstream.port), keys=(key(routes=("fast", "small-*")),)) as proxy:
        reply = await ask(proxy, body, header, path=path, method=method)
        assert (reply.status == 200) == is_let_in
        assert len(upstream.requests) == (is_let_in and path != "/v1/models")
        if not is_let_in:
            assert (reply.status, code(reply)) == (403, "model_not_allowed")
            assert "fast, small-*" in json.loads(reply.body)["error"]["message"]


async def test_requests_of_a_minute_are_counted_and_told(tmp_path: Path, upstream: ScriptedUpstream) -> None:
    limits = Limits(requests_per_minute=2, tokens_per_minute=1000)
    async with gateway(tmp_path, provider(upstream.port), keys=(key(limits=limits),)) as proxy:
        first, second, third = [await ask(proxy) for _ in range(3)]
        assert [reply.status for reply in (first, second, third)] == [200, 200, 429]
        assert first.headers("x-dashcam-ratelimit-limit-requests") == ["2"]
        assert first.headers("x-dashcam-ratelimit-remaining-requests") == ["1"]
        assert second.headers("x-dashcam-ratelimit-remaining-tokens") == ["1000"]
        assert first.headers("x-ratelimit-limit-requests") == []
        assert code(third) == "rate_limit_exceeded"
        assert set(json.loads(third.body)["error"]) == {"message", "type", "param", "code"}
        assert third.headers("x-ratelimit-remaining-requests") == ["0"]
        (seconds,) = third.headers("retry-after")
        assert 1 <= int(seconds) <= 120
        assert third.headers("retry-after-ms") == [f"{seconds}000"]
        assert proxy.page.get(Page.RATE_LIMITED_KEYS) == 1
        outcomes = [call.end.outcome for call in await ended(proxy, 3) if call.end]
        assert outcomes == [Outcome.COMPLETED, Outcome.COMPLETED, Outcome.REJECTED]


async def test_the_limits_headers_of_a_provider_pass_as_they_came(tmp_path: Path, upstream: ScriptedUpstream) -> None:
    async def tell(turn: Turn) -> None:
        await turn.answer(b"{}", b"x-ratelimit-remaining-requests: 7", b"x-dashcam-ratelimit-limit-requests: 1")

    upstream.scenario = tell
    keys = (key(limits=Limits(requests_per_minute=9)),)
    async with gateway(tmp_path, provider(upstream.port), keys=keys) as proxy:
        reply = await ask(proxy)
        assert reply.headers("x-ratelimit-remaining-requests") == ["7"]
        assert reply.headers("x-dashcam-ratelimit-limit-requests") == ["9"]


async def test_what_others_of_the_host_have_counted_counts(tmp_path: Path, upstream: ScriptedUpstream) -> None:
    keys = (key(limits=Limits(requests_per_minute=100, tokens_per_minute=500)),)
    async with gateway(tmp_path, provider(upstream.port), keys=keys) as proxy:
        control = Tallies(proxy.settings.tallies_dir, "control")
        proxy.gateway.tallies.look()
        assert (await ask(proxy)).status == 200
        control.look()
        assert control.is_counted(subject_of("key", "k1"))
        assert not control.is_counted(subject_of("key", "k2"))
        control.own.count(subject_of("key", "k1"), time.time(), tokens=600)
        reply = await ask(proxy)
        assert (reply.status, reply.headers("x-ratelimit-remaining-tokens")) == (429, ["0"])
        assert "500 tokens" in json.loads(reply.body)["error"]["message"]


async def test_calls_at_once_are_given_back_however_they_end(tmp_path: Path, upstream: ScriptedUpstream) -> None:
    async def late(turn: Turn) -> None:
        await turn.released()
        await answer_ok(turn)

    upstream.scenario = late
    keys = (key(limits=Limits(concurrent=1)),)
    async with gateway(tmp_path, provider(upstream.port), keys=keys) as proxy:
        async with Client(proxy.port) as client:
            await client.send("POST", PATH, BODY, f"Authorization: Bearer {KEY}")
            await wait_until_async(lambda: upstream.requests, "it is with the upstream")
            refused = await ask(proxy)
            assert (refused.status, refused.headers("retry-after")) == (429, ["1"])
        # The client has left.
        await wait_until_async(lambda: not proxy.gateway.exchanges, "its call is over")
        upstream.gate.set()
        assert [(await ask(proxy)).status for _ in range(2)] == [200, 200]
        # Let in by its key and then refused for its body.
        large = "Content-Length: 5000000000"
        assert (await ask(proxy, b"", large, "Expect: 100-continue")).status == 413
        assert (await ask(proxy)).status == 200


async def test_a_candidate_that_has_nothing_left_is_passed_over(tmp_path: Path, upstream: ScriptedUpstream) -> None:
    route = Route(model="fast", targets=(Target(provider="main"), Target(provider="other")))
    async with ScriptedUpstream() as second:
        main = provider(upstream.port, limits=Limits(requests_per_minute=1))
        other = provider(second.port, name="other", limits=Limits(requests_per_minute=1))
        async with gateway(tmp_path, main, other, routes=(route,)) as proxy:
            replies = [await ask_anybody(proxy) for _ in range(3)]
            assert [reply.headers("x-dashcam-provider") for reply in replies] == [["main"], ["other"], []]
            assert (replies[2].status, code(replies[2])) == (429, "rate_limit_exceeded")
            assert "Provider 'main'" in json.loads(replies[2].body)["error"]["message"]
            assert [call.start.route for call in await ended(proxy, 3)][:2] == ["fast", "fast"]
            assert (len(upstream.requests), len(second.requests)) == (1, 1)
            assert proxy.page.get(Page.RATE_LIMITED_PROVIDERS) == 3


async def ask_anybody(proxy: RunningGateway) -> Reply:
    async with Client(proxy.port) as client:
        return await client.ask("POST", PATH, BODY)

"""Providers' keys change while calls go on: sealed ones open, files are read again, what cannot be opened is told."""

from __future__ import annotations

import contextlib
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from proxy.domain.provider import Provider
from proxy.domain.route import Route, Target
from proxy.settings.credentials import master_key_of
from proxy.settings.provider_secret import seal
from proxy.settings.values import Settings
from tests.integration.gateway.conftest import LIMITS
from tests.integration.gateway.test_endings import code, ended
from tests.support.client import Client
from tests.support.gateway import RunningGateway, provider, running_gateway
from tests.support.scripted_upstream import ScriptedUpstream
from tests.support.waiting import wait_until_async

PATH = "/v1/chat/completions"
MASTER = "k3Y9" * 10 + "abc"


@contextlib.asynccontextmanager
async def gateway(folder: Path, *providers: Provider, routes: tuple[Route, ...] = ()) -> AsyncIterator[RunningGateway]:
    settings = Settings(
        data_dir=str(folder), run_dir=str(folder / "run"), limits=LIMITS, providers=providers, routes=routes
    )
    async with running_gateway(folder, settings) as running:
        yield running


def sealed(port: int, key: str) -> Provider:
    found = provider(port, source="catalogue")
    return replace(found, key_sealed=seal(key, "main", found.base_url, master_key_of(MASTER)))


async def test_a_key_that_is_sealed_anew_is_used_by_the_next_call(
    tmp_path: Path, upstream: ScriptedUpstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DASHCAM_MASTER_KEY", MASTER)
    async with gateway(tmp_path, sealed(upstream.port, "sk-old")) as proxy, Client(proxy.port) as client:
        assert (await client.ask("POST", PATH, b"{}")).status == 200
        proxy.gateway.use(replace(proxy.gateway.snapshot, providers=(sealed(upstream.port, "sk-new"),)))
        assert (await client.ask("POST", PATH, b"{}")).status == 200
    keys = [request.header(b"authorization") for request in upstream.requests]
    assert keys == [b"Bearer sk-old", b"Bearer sk-new"]


async def test_a_key_file_that_changes_is_used_by_the_next_call(
    tmp_path: Path, upstream: ScriptedUpstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "key"
    file.write_text("sk-old\n")
    monkeypatch.setenv("MAIN_KEY_FILE", str(file))
    async with gateway(tmp_path, provider(upstream.port, key_env="MAIN_KEY")) as proxy, Client(proxy.port) as client:
        assert (await client.ask("POST", PATH, b"{}")).status == 200
        before = proxy.gateway.snapshot
        file.write_text("sk-newer\n")
        await wait_until_async(lambda: proxy.gateway.snapshot is not before, "the file was read again")
        assert (await client.ask("POST", PATH, b"{}")).status == 200
    keys = [request.header(b"authorization") for request in upstream.requests]
    assert keys == [b"Bearer sk-old", b"Bearer sk-newer"]


async def test_without_the_master_key_that_provider_says_so_and_others_serve(
    tmp_path: Path, upstream: ScriptedUpstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DASHCAM_MASTER_KEY", raising=False)
    route = Route(model="fast", targets=(Target(provider="main"), Target(provider="other")))
    async with (
        ScriptedUpstream() as second,
        gateway(
            tmp_path, sealed(upstream.port, "sk-old"), provider(second.port, name="other"), routes=(route,)
        ) as proxy,
        Client(proxy.port) as client,
    ):
        reply = await client.ask("POST", PATH, b"{}", "Authorization: Bearer sk-of-the-client")
        assert (reply.status, code(reply)) == (502, "proxy_config_error")
        assert "DASHCAM_MASTER_KEY" in json.loads(reply.body)["error"]["message"]
        assert reply.headers("x-should-retry") == ["false"]
        assert (await client.ask("POST", PATH, b'{"model":"fast"}')).headers("x-dashcam-provider") == ["other"]
        assert (await client.ask("POST", "/other/v1/chat/completions", b"{}")).status == 200
        assert (len(upstream.requests), len(second.requests)) == (0, 2)
        (call, *_) = await ended(proxy, 3)
        assert call.end is not None
        assert [attempt.error for attempt in call.end.attempts] == ["key_unusable"]

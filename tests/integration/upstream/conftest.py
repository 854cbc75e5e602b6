"""What the upstream tests share: both event loops, a client that is closed, providers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest
import uvloop

from proxy.domain.provider import Provider
from proxy.upstream import client as client_module
from proxy.upstream.client import UpstreamClient


def pytest_asyncio_loop_factories() -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Every test runs on the loop of the standard library and on the one that is used in production."""
    return {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}


@pytest.fixture
async def client() -> AsyncIterator[UpstreamClient]:
    made = UpstreamClient()
    yield made
    await made.close()


@pytest.fixture
def provider() -> Callable[..., Provider]:
    """Make a provider at an address."""

    def make(url: str, **values: object) -> Provider:
        return Provider(**{"name": "main", "kind": "custom", "base_url": url, "root_url": url, **values})  # type: ignore[arg-type]

    return make


@pytest.fixture
def quick_sweep(monkeypatch: pytest.MonkeyPatch) -> None:
    """Time-outs are looked at often, so that short ones can be tested."""
    monkeypatch.setattr(client_module, "SWEEP_SECONDS", 0.02)

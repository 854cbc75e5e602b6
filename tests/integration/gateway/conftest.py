"""An upstream and a gateway in front of it, both in the test's loop."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from proxy.settings.values import LimitSettings, Settings
from tests.support.gateway import RunningGateway, provider, running_gateway
from tests.support.scripted_upstream import ScriptedUpstream, Turn

SSE = b"Content-Type: text/event-stream"
CHUNKED = b"Transfer-Encoding: chunked"
LIMITS = LimitSettings(drain=1.0, linger_seconds=0.2, header_timeout=1.0, body_idle_timeout=1.0)


async def stream(turn: Turn, *events: bytes) -> None:
    """Send a whole event stream, each event a write of its own."""
    await turn.head(SSE, CHUNKED)
    for event in events:
        await turn.chunk(event)
    await turn.chunk(b"")


@pytest.fixture
async def upstream() -> AsyncIterator[ScriptedUpstream]:
    async with ScriptedUpstream() as running:
        yield running


@pytest.fixture
async def proxy(tmp_path: Path, upstream: ScriptedUpstream) -> AsyncIterator[RunningGateway]:
    settings = Settings(
        data_dir=str(tmp_path),
        run_dir=str(tmp_path / "run"),
        limits=LIMITS,
        providers=(provider(upstream.port, first_byte_timeout=1.0, idle_timeout=1.0, stream_usage="inject"),),
    )
    async with running_gateway(tmp_path, settings) as running:
        yield running


@pytest.fixture
def unused_port() -> int:
    """A port nobody listens at."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])

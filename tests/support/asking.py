"""Sending one request through the upstream client, as the gateway does."""

from __future__ import annotations

from proxy.domain.provider import Provider
from proxy.upstream.answer import Answer, Headers
from proxy.upstream.body import BodySource
from proxy.upstream.client import UpstreamClient
from proxy.upstream.request import head_for


async def send(
    client: UpstreamClient,
    provider: Provider,
    method: str,
    target: bytes,
    headers: Headers,
    body: bytes | BodySource,
    *,
    read_timeout: float | None = None,
) -> Answer:
    """Send a request and wait for its answer's head."""
    return await client.send(head_for(provider, method, target, headers, read_timeout), body)

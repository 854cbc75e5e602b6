"""One question to a provider, outside the data plane: a GET, bounded in time and size, that follows nothing.

No environment, no cookies, no redirects. Whatever goes wrong is None: who asks keeps what was known before.
"""

from __future__ import annotations

import asyncio
import ssl
from dataclasses import dataclass, field

import httpx2
import structlog

log = structlog.get_logger("discovery")

MAX_BYTES = 8 * 1024 * 1024
Headers = list[tuple[bytes, bytes]]
PLAIN: Headers = [(b"accept-encoding", b"identity")]


@dataclass(frozen=True, slots=True)
class Manners:
    """How to ask: headers, certificates, an outgoing proxy, HTTP/2 where it is spoken, how long to wait (seconds)."""

    headers: Headers = field(default_factory=lambda: PLAIN)
    verify: ssl.SSLContext | bool = True
    proxy: httpx2.Proxy | None = None
    http2: bool = False
    seconds: float = 5.0


async def fetch(url: str, manners: Manners) -> tuple[bytes, bool] | None:
    """Return (body, whether a Dashcam answered) of an answer with status 200, else None."""
    try:
        async with asyncio.timeout(manners.seconds):
            return await _fetch(url, manners)
    except (httpx2.HTTPError, httpx2.InvalidURL, OSError, ValueError) as error:
        log.debug("no_answer", url=url, error=type(error).__name__)
        return None


async def _fetch(url: str, manners: Manners) -> tuple[bytes, bool] | None:
    async with (
        httpx2.AsyncClient(
            timeout=manners.seconds,
            trust_env=False,
            follow_redirects=False,
            verify=manners.verify,
            proxy=manners.proxy,
            http2=manners.http2,
        ) as client,
        client.stream("GET", url, headers=manners.headers) as answer,
    ):
        if answer.status_code != 200:
            return None
        data = b""
        async for part in answer.aiter_raw():
            data += part
            if len(data) > MAX_BYTES:
                return None
        return data, "x-dashcam-id" in answer.headers

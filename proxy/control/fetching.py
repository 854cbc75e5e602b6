"""One question to a provider, outside the data plane: a GET, bounded in time and size, that follows nothing.

No environment, no cookies, no redirects. A name is resolved here, each address judged (``domain.network``), and the one
that was judged is connected to: a name that turns inward gets no key. Whatever goes wrong is None: who asks keeps what
was known before.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from dataclasses import dataclass, field
from typing import NamedTuple

import httpx2
import structlog

from proxy.domain.network import address_of, is_inward, never_because

log = structlog.get_logger("discovery")

MAX_BYTES = 8 * 1024 * 1024
Headers = list[tuple[bytes, bytes]]
_PROXY_PORTS = {"https": 443, "socks5": 1080, "socks5h": 1080}
PLAIN: Headers = [(b"accept-encoding", b"identity")]


@dataclass(frozen=True, slots=True)
class Manners:
    """How to ask: headers, certificates, an outgoing proxy, HTTP/2 where it is spoken, how long to wait (seconds).

    ``allow_private``: addresses that are not everybody's may be connected to; ``allow_private_proxy``: the proxy may be
    at one. Where there is a proxy, it resolves the name that is asked.
    """

    headers: Headers = field(default_factory=lambda: PLAIN)
    verify: ssl.SSLContext | bool = True
    proxy: httpx2.Proxy | None = None
    http2: bool = False
    seconds: float = 5.0
    allow_private: bool = True
    allow_private_proxy: bool = True
    max_bytes: int = MAX_BYTES


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came of a question: a status with its body, or in one word why there is none.

    ``failure`` is refused, timed_out, name_not_found, not_allowed, tls, too_large or failed.
    """

    status: int | None = None
    data: bytes = b""
    is_dashcam: bool = False
    failure: str | None = None


class InwardError(OSError):
    """A host has no address that may be connected to."""


async def fetch(url: str, manners: Manners) -> tuple[bytes, bool] | None:
    """Return (body, whether a Dashcam answered) of an answer with status 200, else None."""
    answer = await ask(url, manners)
    return (answer.data, answer.is_dashcam) if answer.status == 200 else None


async def ask(url: str, manners: Manners) -> Answer:
    """Return what came of a question."""
    try:
        async with asyncio.timeout(manners.seconds):
            return await _ask(url, manners)
    except (httpx2.HTTPError, httpx2.InvalidURL, OSError, ValueError) as error:
        log.debug("no_answer", url=url, error=type(error).__name__)
        return Answer(failure=_word_of(error))


def _word_of(error: Exception) -> str:
    if isinstance(error, TimeoutError | httpx2.TimeoutException):
        return "timed_out"
    if isinstance(error, InwardError):
        return "not_allowed"
    if isinstance(error, socket.gaierror):
        return "name_not_found"
    if "certificate" in str(error).lower() or isinstance(error, ssl.SSLError):
        return "tls"
    return "refused" if isinstance(error, httpx2.ConnectError | ConnectionError) else "failed"


async def judged(host: str, port: int, *, allow_private: bool) -> str:
    """Return an address of a host that may be connected to; ``OSError`` when there is none."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    for *_, place in found:
        address = address_of(str(place[0]))
        if address is not None and never_because(address) is None and (allow_private or not is_inward(address)):
            return str(place[0])
    raise InwardError("no address of this host may be connected to")


async def _judged_proxy(proxy: httpx2.Proxy, *, allow_private: bool) -> httpx2.Proxy:
    """Return a proxy at the address that was judged; ``OSError`` where there is none.

    One that speaks TLS keeps its name, for its certificate: who turns that name inward has none to show.
    """
    url = proxy.url
    port = url.port or _PROXY_PORTS.get(url.scheme, 80)
    address = await judged(url.host, port, allow_private=allow_private)
    if url.scheme == "https":
        return proxy
    return httpx2.Proxy(url.copy_with(host=address, port=port), auth=proxy.auth)


async def _ask(url: str, manners: Manners) -> Answer:
    aim = await _judged_aim(httpx2.URL(url), manners)
    async with (
        httpx2.AsyncClient(
            timeout=manners.seconds,
            trust_env=False,
            follow_redirects=False,
            verify=manners.verify,
            proxy=aim.proxy,
            http2=manners.http2,
        ) as client,
        client.stream("GET", aim.target, headers=aim.headers, extensions=aim.extensions) as answer,
    ):
        status = answer.status_code
        if status != 200:
            return Answer(status=status)
        data = bytearray()
        async for part in answer.aiter_raw():
            data += part
            if len(data) > manners.max_bytes:
                return Answer(failure="too_large")
        return Answer(status=status, data=bytes(data), is_dashcam="x-dashcam-id" in answer.headers)


class _Aim(NamedTuple):
    """Whom to connect to, and what to say there."""

    target: httpx2.URL
    headers: Headers
    extensions: dict[str, str]
    proxy: httpx2.Proxy | None = None


async def _judged_aim(url: httpx2.URL, manners: Manners) -> _Aim:
    """Return the address that was judged, under the name that was asked for; where there is a proxy, it is judged."""
    if manners.proxy is not None:
        proxy = await _judged_proxy(manners.proxy, allow_private=manners.allow_private_proxy)
        return _Aim(url, manners.headers, {}, proxy)
    port = url.port or (443 if url.scheme == "https" else 80)
    address = await judged(url.host, port, allow_private=manners.allow_private)
    headers = [(b"host", url.netloc), *manners.headers]
    return _Aim(url.copy_with(host=address), headers, {"sni_hostname": url.host})

"""Opening a connection: resolve off the loop, check the address, race IPv6 against IPv4 (RFC 8305).

Names are resolved in a thread, each once at a time, and kept for 30 s. The address that was checked is the address
that is dialled. One time-out covers the whole of it: resolving, connecting, TLS.
"""

from __future__ import annotations

import asyncio
import itertools
import socket
import ssl
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from proxy.domain.provider import INACTIVE
from proxy.upstream.addresses import blocked_because
from proxy.upstream.failure import FailureReason, UpstreamFailure
from proxy.upstream.origins import Origin
from proxy.upstream.tls import context_for

CACHE_SECONDS = 30.0
HEAD_START = 0.25
_IS_INACTIVE = "it is not active; who looks after this Dashcam can say: dashcam providers add NAME --set active=true"
STANDSTILL_SECONDS = 1.0
"""A timer that is so late says that our process stood still, not that the other side took so long."""
P = TypeVar("P", bound=asyncio.Protocol)
Resolve = Callable[[str, int], Awaitable[Sequence[str]]]


async def resolve_in_thread(host: str, port: int) -> Sequence[str]:
    """Return the addresses of a name in the system's order; ``OSError`` when there are none."""
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(item[4][0]) for item in found))


class Dialler:
    """Opens connections; ``forbidden`` are our own (address, port) pairs."""

    def __init__(self, forbidden: frozenset[tuple[str, int]], resolve: Resolve = resolve_in_thread) -> None:
        self._forbidden = forbidden
        self._resolve = resolve
        self._cache: dict[tuple[str, int], tuple[float, Sequence[str]]] = {}
        self._asking: dict[tuple[str, int], asyncio.Future[Sequence[str]]] = {}

    async def dial(self, origin: Origin, factory: Callable[[], P]) -> P:
        """Return a connected protocol; ``UpstreamFailure`` says why there is none."""
        try:
            return await self._in_time(origin, factory)
        except TimeoutError as error:
            message = f"{origin} did not accept a connection within {origin.connect_timeout:g} s"
            raise UpstreamFailure(FailureReason.CONNECT_TIMEOUT, message) from error
        except ssl.SSLError as error:
            message = f"TLS with {origin} failed: {error.reason or error}"
            raise UpstreamFailure(FailureReason.TLS, message) from error
        except ConnectionRefusedError as error:
            message = f"{origin} refused the connection; is the server running?"
            raise UpstreamFailure(FailureReason.REFUSED, message) from error
        except ConnectionResetError as error:
            message = f"{origin} closed the connection while it was being opened"
            raise UpstreamFailure(FailureReason.RESET, message) from error
        except OSError as error:
            message = f"{origin} cannot be reached: {error.strerror or error or type(error).__name__}"
            raise UpstreamFailure(FailureReason.UNREACHABLE, message) from error

    async def _in_time(self, origin: Origin, factory: Callable[[], P]) -> P:
        """Dial within the time-out; once anew where it was over because we stood still ourselves (a machine slept)."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + origin.connect_timeout
        try:
            async with asyncio.timeout_at(deadline):
                return await self._dial(origin, factory)
        except TimeoutError:
            if loop.time() - deadline <= STANDSTILL_SECONDS:
                raise
        async with asyncio.timeout(origin.connect_timeout):
            return await self._dial(origin, factory)

    async def permitted(self, origin: Origin) -> list[str]:
        """Return the addresses of an origin that may be dialled; ``UpstreamFailure`` when there is none."""
        return self._permitted(origin, await self._addresses(origin))

    async def _dial(self, origin: Origin, factory: Callable[[], P]) -> P:
        loop = asyncio.get_running_loop()
        if origin.unix_path is not None:
            _, protocol = await loop.create_unix_connection(factory, origin.unix_path)
            return protocol
        addresses = await self.permitted(origin)
        if len(addresses) == 1:
            return await self._connect(origin, addresses[0], factory)
        return await self._race(origin, addresses, factory)

    async def _addresses(self, origin: Origin) -> Sequence[str]:
        if origin.host.endswith(INACTIVE):
            raise UpstreamFailure(FailureReason.UNREACHABLE, _IS_INACTIVE)
        key = (origin.host, origin.port)
        known = self._cache.get(key)
        if known is not None and known[0] > time.monotonic():
            return known[1]
        asking = self._asking.get(key)
        if asking is None:
            # Threads that resolve are few: a name server that says nothing may hold one of them, not one for each call.
            asking = self._asking[key] = asyncio.ensure_future(self._resolve(origin.host, origin.port))
            asking.add_done_callback(lambda _: self._asking.pop(key, None))
        try:
            addresses = await asyncio.shield(asking)
        except (OSError, UnicodeError) as error:
            why = getattr(error, "strerror", None) or error
            message = f"the name {origin.host!r} cannot be resolved: {why}"
            raise UpstreamFailure(FailureReason.DNS, message) from error
        if len(self._cache) > 1024:
            self._cache.clear()
        self._cache[key] = (time.monotonic() + CACHE_SECONDS, addresses)
        return addresses

    def _permitted(self, origin: Origin, addresses: Sequence[str]) -> list[str]:
        reasons = {
            address: blocked_because(
                address, origin.port, allow_private=origin.allow_private, forbidden=self._forbidden
            )
            for address in addresses
        }
        permitted = [address for address, reason in reasons.items() if reason is None]
        if not permitted:
            message = f"{origin} may not be dialled: {next(iter(reasons.values()), 'it has no address')}"
            raise UpstreamFailure(FailureReason.BLOCKED_ADDRESS, message)
        return interleave(permitted)

    async def _connect(self, origin: Origin, address: str, factory: Callable[[], P]) -> P:
        loop = asyncio.get_running_loop()
        context = None
        if origin.is_tls:
            # Reading a store of certificates takes some tens of milliseconds, the first time.
            files = (origin.ca_file, origin.client_cert, origin.client_key)
            context = await loop.run_in_executor(None, context_for, *files)
        _, protocol = await loop.create_connection(
            factory,
            host=address,
            port=origin.port,
            ssl=context,
            server_hostname=origin.host if context else None,
        )
        return protocol

    async def _race(self, origin: Origin, addresses: list[str], factory: Callable[[], P]) -> P:
        """Give each address a head start over the next; the first connection wins, the others are closed."""
        tasks: list[asyncio.Task[P]] = []
        errors: list[BaseException] = []
        waiting = list(addresses)
        try:
            while waiting or tasks:
                if waiting:
                    name = f"dial {origin} {waiting[0]}"
                    coroutine = self._connect(origin, waiting.pop(0), factory)
                    tasks.append(asyncio.get_running_loop().create_task(coroutine, name=name))
                timeout = HEAD_START if waiting else None
                done, _ = await asyncio.wait(tasks, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    tasks.remove(task)
                    error = task.exception()
                    if error is None:
                        return task.result()
                    errors.append(error)
            raise errors[0]
        finally:
            for task in tasks:
                task.cancel()
                task.add_done_callback(_close_late_winner)


def _close_late_winner(task: asyncio.Task[P]) -> None:
    """A connection that came up after the race was won must not stay open."""
    if not task.cancelled() and task.exception() is None:
        transport = getattr(task.result(), "transport", None)
        if transport is not None:
            transport.abort()


def interleave(addresses: Sequence[str]) -> list[str]:
    """Order addresses so that families alternate, the first one's family first."""
    families: dict[bool, list[str]] = {}
    for address in addresses:
        families.setdefault(":" in address, []).append(address)
    rows = itertools.zip_longest(*families.values())
    return [address for row in rows for address in row if address is not None]

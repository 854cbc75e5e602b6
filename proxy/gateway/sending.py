"""What leaves for the upstream: target, headers and body of one call, ready to be sent once or again.

The client's bytes leave as they came, with the plan's edits cut in; a large body is read back from its side file.
Credentials: the client's own pass through, unless it used a proxy key (which no provider may see) or sent none, or a
placeholder, while a key is configured for the provider. A configured key goes to its provider only.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from proxy.domain.provider import Provider
from proxy.gateway.authentication import Caller
from proxy.gateway.body import Inbound
from proxy.gateway.call import ClientCall, Headers
from proxy.gateway.headers import Recorded, request_headers
from proxy.gateway.plan import Plan
from proxy.protocol.injection import Edit, apply
from proxy.upstream.body import BodySource, FileBody
from proxy.upstream.failure import Timing

_AZURE_KEY = b"api-key"


class UpstreamAnswer(Protocol):
    """An answer as the exchange uses it: see ``upstream.answer.Answer``."""

    status: int
    headers: Headers
    timing: Timing

    @property
    def is_finished(self) -> bool:
        """True when the answer ended cleanly and every piece was taken."""
        ...

    def take_ready(self) -> list[tuple[int, bytes]]:
        """Return what is there without waiting."""
        ...

    async def read(self) -> tuple[int, bytes] | None:
        """Return the next piece, None at the end."""
        ...

    def abort(self) -> None:
        """Give the answer up."""
        ...


class Upstream(Protocol):
    """Whatever answers: the network client, or the built-in echo model."""

    async def send(
        self,
        provider: Provider,
        method: str,
        target: bytes,
        headers: Headers,
        body: bytes | BodySource,
        *,
        read_timeout: float | None = None,
    ) -> UpstreamAnswer:
        """Send one request and return its answer's head."""
        ...


class Sending:
    """One request as it leaves; ``recorded_headers`` is the allow-listed part for the record."""

    __slots__ = ("_body", "_headers", "_plan", "_read_timeout", "_upstream", "call_id", "method", "recorded_headers")

    def __init__(
        self, call: ClientCall, call_id: bytes, plan: Plan, inbound: Inbound, caller: Caller, keys: Mapping[str, bytes]
    ) -> None:
        self.call_id = call_id
        self.method = call.method
        self._plan = plan
        self._body = inbound
        self._headers, self.recorded_headers = self._compose(call.headers, caller, keys)
        self._read_timeout = _announced_timeout(call.known)
        self._upstream: Upstream

    def through(self, upstream: Upstream) -> Sending:
        """Say who sends it; returns itself."""
        self._upstream = upstream
        return self

    async def send(self, edits: tuple[Edit, ...]) -> UpstreamAnswer:
        """Send the request with these edits in its body."""
        plan = self._plan
        return await self._upstream.send(
            plan.provider, self.method, plan.target, self._headers, self._edited(edits), read_timeout=self._read_timeout
        )

    def _edited(self, edits: tuple[Edit, ...]) -> bytes | BodySource:
        inbound = self._body
        if inbound.side_path is not None:
            return FileBody(inbound.side_path, inbound.length, edits)
        return apply(inbound.data, edits) if edits else inbound.data

    def _compose(self, headers: Headers, caller: Caller, keys: Mapping[str, bytes]) -> tuple[Headers, Recorded]:
        provider = self._plan.provider
        key = keys.get(provider.name)
        drops = caller.key_id is not None or (key is not None and not caller.has_own_key)
        passed, recorded = request_headers(headers, drop_credentials=drops, plain_answer=bool(self._plan.edits))
        if drops and key is not None:
            passed.append((_AZURE_KEY, key) if provider.kind == "azure" else (b"Authorization", b"Bearer " + key))
        for name, value in provider.headers:
            passed.append((name.encode("latin-1"), value.encode("latin-1")))
        return passed, recorded


def _announced_timeout(known: Mapping[bytes, bytes]) -> float | None:
    """Return how long the client says it will wait for data (seconds), as the official SDKs announce it."""
    value = known.get(b"x-stainless-read-timeout") or known.get(b"x-stainless-timeout")
    try:
        return float(value) if value else None
    except ValueError:
        return None

"""Asking providers which models they serve, so that a model name finds its provider.

Only providers that need no key of the client's are asked: those with a configured key, local kinds and private
addresses; whose models are configured is not asked. An answer is a list of names, capped in size, number and time; an
error leaves the last list as it was. A changed list is a new snapshot, which every gateway swaps in within the second.
"""

from __future__ import annotations

import asyncio
import ipaddress
import ssl
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import httpx2
import structlog

from proxy.domain.provider import Provider
from proxy.domain.snapshot import Snapshot
from proxy.protocol.jsontext import items, mapping, parse_object, text
from proxy.settings.addresses import leads_home
from proxy.settings.snapshot import publish

log = structlog.get_logger("discovery")

TIMEOUT_SECONDS = 5.0
MAX_BYTES = 1024 * 1024
MAX_MODELS = 2000
MAX_NAME = 200
FIRST_PAUSE_SECONDS = 1.0
INTERVAL_SECONDS = 60.0
_PRIVATE_SUFFIXES = (".localhost", ".local", ".internal", ".lan", ".home.arpa")


class Discovery:
    """Keeps the snapshot's model lists fresh. ``keys`` are the configured keys by provider, ``port`` is our own."""

    def __init__(
        self, path: Path, snapshot: Snapshot, keys: Mapping[str, bytes], fixed: frozenset[str], port: int
    ) -> None:
        self._path = path
        self._keys = keys
        self._fixed = fixed
        self._port = port
        self.snapshot = snapshot

    async def run(self) -> None:
        """Ask now and then, for ever; more often while a provider does not answer."""
        pause = FIRST_PAUSE_SECONDS
        while True:
            try:
                is_complete = await self.ask_all()
            except OSError as error:
                log.warning("snapshot_not_published", reason=error.strerror)
                is_complete = False
            await asyncio.sleep(INTERVAL_SECONDS if is_complete else pause)
            pause = FIRST_PAUSE_SECONDS if is_complete else min(INTERVAL_SECONDS, pause * 2)

    async def ask_all(self) -> bool:
        """Ask every provider that may be asked; False when one did not answer."""
        asked = [item for item in self.snapshot.providers if self._may_ask(item)]
        answers = await asyncio.gather(*(self._ask(item) for item in asked))
        found = {item.name: models for item, models in zip(asked, answers, strict=True) if models is not None}
        providers = tuple(replace(item, models=found.get(item.name, item.models)) for item in self.snapshot.providers)
        if providers != self.snapshot.providers:
            new = replace(self.snapshot, providers=providers)
            self.snapshot = await asyncio.to_thread(publish, self._path, new)
            log.info("models_found", providers=sorted(found), revision=self.snapshot.revision)
        return len(found) == len(asked)

    def _may_ask(self, provider: Provider) -> bool:
        if provider.name in self._fixed or not provider.base_url.startswith(("http://", "https://")):
            return False
        if leads_home(provider.base_url, self._port):
            return False
        return provider.name in self._keys or provider.is_local or is_private(provider.host)

    async def _ask(self, provider: Provider) -> tuple[str, ...] | None:
        try:
            async with asyncio.timeout(TIMEOUT_SECONDS):
                return await self._fetch(provider)
        except (httpx2.HTTPError, httpx2.InvalidURL, OSError, ValueError) as error:
            log.debug("models_not_found", provider=provider.name, error=type(error).__name__)
            return None

    async def _fetch(self, provider: Provider) -> tuple[str, ...] | None:
        async with (
            httpx2.AsyncClient(
                timeout=TIMEOUT_SECONDS, trust_env=False, follow_redirects=False, verify=_verify(provider)
            ) as client,
            client.stream("GET", f"{provider.base_url}/models", headers=self._headers(provider)) as answer,
        ):
            return names_of(await _read(answer)) if answer.status_code == 200 else None

    def _headers(self, provider: Provider) -> list[tuple[bytes, bytes]]:
        found = [(b"accept-encoding", b"identity")]
        key = self._keys.get(provider.name)
        if key is not None:
            found.append((b"api-key", key) if provider.kind == "azure" else (b"authorization", b"Bearer " + key))
        return found + [(name.encode("latin-1"), value.encode("latin-1")) for name, value in provider.headers]


def _verify(provider: Provider) -> ssl.SSLContext | bool:
    if provider.ca_file is None and provider.client_cert is None:
        return True
    context = ssl.create_default_context(cafile=provider.ca_file)
    if provider.client_cert is not None:
        context.load_cert_chain(provider.client_cert, provider.client_key)
    return context


async def _read(answer: httpx2.Response) -> bytes:
    data = b""
    async for part in answer.aiter_raw():
        data += part
        if len(data) > MAX_BYTES:
            return b""
    return data


def names_of(data: bytes) -> tuple[str, ...] | None:
    """Return the model names of a model list, None when it is none."""
    values = parse_object(data)
    if values is None or not isinstance(values.get("data"), list):
        return None
    names = [name for item in items(values["data"]) if (name := text(mapping(item).get("id")))]
    usable = (name for name in names if len(name) <= MAX_NAME and name.isprintable())
    return tuple(dict.fromkeys(usable))[:MAX_MODELS]


def is_private(host: str) -> bool:
    """Return True for an address or a name that can only be in the user's own network."""
    try:
        return ipaddress.ip_address(host).is_private
    except ValueError:
        return "." not in host or host.endswith(_PRIVATE_SUFFIXES)

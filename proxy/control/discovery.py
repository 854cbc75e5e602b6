"""Asking providers which models they serve, so that a model name finds its provider.

Only providers that need no key of the client's are asked: local ones, and those with a configured key. The answer is a
list of names, capped in size and number; an error leaves the last list as it was. A changed list is a new snapshot,
which every gateway swaps in within the second.
"""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import httpx2
import structlog

from proxy.domain.provider import Provider
from proxy.domain.snapshot import Snapshot
from proxy.protocol.jsontext import items, mapping, parse_object, text
from proxy.settings.snapshot import publish

log = structlog.get_logger("discovery")

TIMEOUT_SECONDS = 5.0
MAX_BYTES = 1024 * 1024
MAX_MODELS = 2000
INTERVAL_SECONDS = 60.0


class Discovery:
    """Keeps the snapshot's model lists fresh."""

    def __init__(self, path: Path, snapshot: Snapshot, keys: Mapping[str, bytes]) -> None:
        self._path = path
        self._keys = keys
        self.snapshot = snapshot

    async def run(self) -> None:
        """Ask now and then, for ever; more often while a provider does not answer."""
        pause = 1.0
        while True:
            is_complete = await self.ask_all()
            pause = INTERVAL_SECONDS if is_complete else min(INTERVAL_SECONDS, pause * 2)
            await asyncio.sleep(pause)

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
        return provider.name in self._keys or provider.is_local or _is_private(provider.host)

    async def _ask(self, provider: Provider) -> tuple[str, ...] | None:
        key = self._keys.get(provider.name)
        headers = {"authorization": f"Bearer {key.decode()}"} if key else {}
        verify = provider.ca_file or True
        try:
            async with (
                httpx2.AsyncClient(timeout=TIMEOUT_SECONDS, trust_env=False, verify=verify) as client,
                client.stream("GET", f"{provider.base_url}/models", headers=headers) as answer,
            ):
                return names_of(await _read(answer)) if answer.status_code == 200 else None
        except (httpx2.HTTPError, httpx2.InvalidURL, OSError):
            return None


async def _read(answer: httpx2.Response) -> bytes:
    data = b""
    async for part in answer.aiter_bytes():
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
    return tuple(dict.fromkeys(names))[:MAX_MODELS]


def _is_private(host: str) -> bool:
    if host == "localhost" or "." not in host:
        return True
    try:
        return ipaddress.ip_address(host).is_private
    except ValueError:
        return False

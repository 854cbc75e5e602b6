"""The proxy keys of ``DASHCAM_PROXY_KEYS_FILE``, read again when the file is another one: keys come and go without a
restart, by whoever writes secrets to files (Kubernetes, Vault's agent, a person).

A file that cannot be used changes nothing: it may be half written, and one that holds no key would let everybody in.
What is wrong is logged once for each state of the file.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from pathlib import Path

import structlog

from proxy.errors import ConfigurationError
from proxy.settings.credentials import key_digests, read_secret, secret_file, split_keys, weakness_of

log = structlog.get_logger("keys")

NAME = "DASHCAM_PROXY_KEYS"
_LOOK_SECONDS = 1.0
Signature = tuple[int, int, int] | None


class KeyFile:
    """Watches the file that a variable names; without one there is nothing to see."""

    def __init__(self, environment: Mapping[str, str] | None = None) -> None:
        self._environment = environment
        self._path = secret_file(NAME, environment)
        self._seen: Signature | tuple[()] = ()

    def __repr__(self) -> str:
        return f"<KeyFile {self._path}>"

    def look(self) -> dict[str, str] | None:
        """Return the keys (digest → public id) where the file is another one and can be used, else None."""
        if self._path is None:
            return None
        signature = _signature(self._path)
        if signature == self._seen:
            return None
        self._seen = signature
        try:
            return self._read()
        except ConfigurationError as error:
            log.error("proxy_keys_not_taken", reason=error.message, hint="the keys from before go on to count")
            return None

    def _read(self) -> dict[str, str]:
        text = read_secret(NAME, self._environment)
        keys = split_keys(text)
        if not keys:
            raise ConfigurationError(f"{self._path} holds no key, and would let everybody in")
        for number, key in enumerate(keys, start=1):
            if weakness := weakness_of(key):
                raise ConfigurationError(f"{self._path}: key {number} {weakness}; make one with: openssl rand -hex 32")
        return key_digests(text)

    async def run(self, use: Callable[[dict[str, str]], object]) -> None:
        """Look every second, until cancelled, and hand on what is new."""
        while self._path is not None:
            await asyncio.sleep(_LOOK_SECONDS)
            keys = await asyncio.to_thread(self.look)
            if keys is not None:
                await asyncio.to_thread(_hand_on, use, keys)


def _hand_on(use: Callable[[dict[str, str]], object], keys: dict[str, str]) -> None:
    try:
        use(keys)
    except OSError as error:
        log.error("proxy_keys_not_published", reason=str(error), hint="dashcam doctor")
        return
    log.info("proxy_keys_taken", keys=len(keys))


def _signature(path: Path) -> Signature:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino

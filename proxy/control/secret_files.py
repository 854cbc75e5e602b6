"""Secrets of ours that lie in files (``DASHCAM_PROXY_KEYS_FILE`` and those of the admin and the metrics token), read
again when a file is another one: keys come and go without a restart, by whoever writes them (Kubernetes, Vault's agent,
a person).

A file that cannot be used changes nothing: it may be half written, and one that holds no key would let everybody in.
What is wrong is logged once for each state of the file. Keys of providers are read again by the gateways.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from pathlib import Path

import structlog

from proxy.errors import ConfigurationError
from proxy.settings.credentials import digest, read_secret, secret_file, split_keys, weakness_of
from proxy.telemetry.repeating import Repeating

log = structlog.get_logger("keys")

PROXY_KEYS, ADMIN_TOKEN, METRICS_TOKEN = "DASHCAM_PROXY_KEYS", "DASHCAM_ADMIN_TOKEN", "DASHCAM_METRICS_TOKEN"
_LOOK_SECONDS = 1.0
Signature = tuple[int, int, int] | None


class SecretFile:
    """Watches the file of one secret; where it is in a variable or not set there is nothing to see."""

    def __init__(self, name: str, environment: Mapping[str, str] | None = None) -> None:
        self._name = name
        self._environment = environment
        self._path = secret_file(name, environment)
        self._seen: Signature | tuple[()] = ()
        self._complaints = Repeating()

    def __repr__(self) -> str:
        return f"<SecretFile {self._path}>"

    def look(self) -> list[str] | None:
        """Return what the file holds where it is another one and can be used, else None; a token is one text."""
        if self._path is None:
            return None
        signature = _signature(self._path)
        if signature == self._seen:
            return None
        self._seen = signature
        try:
            return self._read()
        except ConfigurationError as error:
            log.error("secret_not_taken", reason=error.message, hint="what was there before goes on to count")
            return None

    def _read(self) -> list[str]:
        text = read_secret(self._name, self._environment)
        found = split_keys(text) if self._name == PROXY_KEYS else [text] if text else []
        if not found:
            raise ConfigurationError(f"{self._path} holds nothing, and would let everybody in")
        for number, key in enumerate(found, start=1):
            if weakness := weakness_of(key):
                raise ConfigurationError(f"{self._path}: key {number} {weakness}; make one with: openssl rand -hex 32")
        return found

    async def run(self, use: Callable[[list[str]], object]) -> None:
        """Look every second, until cancelled, and hand on what is new, in a thread."""
        while self._path is not None:
            await asyncio.sleep(_LOOK_SECONDS)
            await asyncio.to_thread(self.take, use)

    def take(self, use: Callable[[list[str]], object]) -> None:
        """Look, and hand on what is new; what the disk does not take is tried again."""
        found = self.look()
        if found is None:
            return
        try:
            use(found)
        except OSError as error:
            self._seen = ()
            if self._complaints.is_due(str(error)):
                log.error("secret_not_published", name=self._name, reason=str(error), hint="dashcam doctor")
            return
        log.info("secret_taken", name=self._name, keys=len(found))


class WatchedToken:
    """A token of the environment as its digest: that of the settings, until its file holds another one."""

    def __init__(self, name: str, sha256: str | None, environment: Mapping[str, str] | None = None) -> None:
        self._file = SecretFile(name, environment)
        self.sha256 = sha256
        # Control may have been started anew, long after its settings were written.
        if (found := self._file.look()) is not None:
            self._use(found)

    def __repr__(self) -> str:
        return f"<WatchedToken {self._file!r}>"

    async def run(self) -> None:
        """Look every second, until cancelled."""
        await self._file.run(self._use)

    def look(self) -> None:
        """Take up what the file holds now."""
        self._file.take(self._use)

    def _use(self, found: list[str]) -> None:
        self.sha256 = digest(found[0])


def _signature(path: Path) -> Signature:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino

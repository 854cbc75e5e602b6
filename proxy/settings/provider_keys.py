"""The keys of the providers in use: from the environment, from files that may change meanwhile, or sealed by the store.

A key file is read again when it has changed; while it is gone or cannot be read, the key that was read before stays. A
sealed key is opened with the master keys of the environment as they are at that moment, once, and not again while it
stays the same. What cannot be opened makes its provider unusable, with a reason, and no other, until another snapshot
or another file of master keys lets it be tried again.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping

from proxy.domain.provider import Provider
from proxy.errors import ConfigurationError, DashcamError
from proxy.settings.credentials import MASTER_KEY, opening_keys, read_secret
from proxy.settings.provider_secret import unseal

Identity = tuple[int, int, int] | None


class ProviderKeys:
    """``found`` are the keys by provider name; ``unusable`` says of which providers the key cannot be had, and why."""

    def __init__(self, providers: Iterable[Provider] = ()) -> None:
        self.found: Mapping[str, bytes] = {}
        self.unusable: Mapping[str, str] = {}
        self._sources: dict[str, object] = {}
        self._files: dict[str, Identity] = {}
        self.use(providers)

    def __repr__(self) -> str:
        return f"<ProviderKeys found={sorted(self.found)} unusable={sorted(self.unusable)}>"

    def use(self, providers: Iterable[Provider]) -> None:
        """Read the keys of these providers and forget all others."""
        found: dict[str, bytes] = {}
        unusable: dict[str, str] = {}
        sources: dict[str, object] = {}
        files: dict[str, Identity] = {}
        for provider in providers:
            name, source = provider.name, _source_of(provider)
            if provider.key_env and (path := os.environ.get(f"{provider.key_env}_FILE")):
                files[path] = _identity(path)
            if provider.key_sealed is not None and (path := os.environ.get(f"{MASTER_KEY}_FILE")):
                files[path] = _identity(path)
            try:
                key = self._read(provider, source)
            except DashcamError as error:
                if provider.key_sealed is None and self._sources.get(name) == source:
                    key = self.found[name]
                else:
                    unusable[name] = f"{error.message}; {error.hint}" if error.hint else error.message
                    continue
            if key:
                found[name], sources[name] = key, source
        self.found, self.unusable, self._sources, self._files = found, unusable, sources, files

    def _read(self, provider: Provider, source: object) -> bytes | None:
        if provider.key_sealed is None:
            key = read_secret(provider.key_env) if provider.key_env else None
            return key.encode() if key else None
        if self._sources.get(provider.name) == source:
            return self.found[provider.name]
        return unseal(provider.key_sealed, provider.name, provider.base_url, _masters()).encode()

    def has_changed(self) -> bool:
        """Return True when a key file is another one than was read: time to ``use`` the providers again."""
        return any(identity != _identity(path) for path, identity in self._files.items())


def _masters() -> list[bytes]:
    try:
        return opening_keys()
    except ConfigurationError:
        # Its file cannot be read: the same as none, which is what is told of the provider.
        return []


def _source_of(provider: Provider) -> object:
    if provider.key_sealed is not None:
        return provider.key_sealed, provider.base_url
    return provider.key_env


def _identity(path: str) -> Identity:
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_ino, status.st_mtime_ns, status.st_size

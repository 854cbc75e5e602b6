"""Secrets: read from the environment or from files, never written down, never shown.

A secret ``NAME`` comes from the variable ``NAME`` or from the file that ``NAME_FILE`` names (Docker and Kubernetes
secrets). An empty value is *not set*; it never matches anything. Only digests of our own keys leave this module.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from proxy.domain.provider import Provider
from proxy.errors import ConfigurationError

MIN_TOKEN_LENGTH = 32
_WELL_KNOWN = ("changeme", "password", "secret", "admin", "0123456789", "abcdefgh", "test")


def read_secret(name: str, environment: Mapping[str, str] | None = None) -> str | None:
    """Return a secret, or None when it is not set; ``ConfigurationError`` when it or its file cannot be read."""
    values = os.environ if environment is None else environment
    path = values.get(f"{name}_FILE")
    if path:
        try:
            return Path(path).read_text(encoding="utf-8").strip() or None
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigurationError(f"{name}_FILE: {path} cannot be read: {error}") from error
    value = values.get(name, "").strip()
    if any("\ud800" <= character <= "\udfff" for character in value):
        raise ConfigurationError(f"{name}: is no UTF-8 text")
    return value or None


def provider_keys(providers: Iterable[Provider]) -> dict[str, bytes]:
    """Return the configured key of each provider that has one, by provider name."""
    found = {}
    for provider in providers:
        key = read_secret(provider.key_env) if provider.key_env else None
        if key:
            found[provider.name] = key.encode("utf-8")
    return found


def digest(secret: str) -> str:
    """Return the SHA-256 of a secret as hex."""
    return hashlib.sha256(secret.encode("utf-8")).hexdigest()


def split_keys(keys: str | None) -> list[str]:
    """Return the keys of a text that separates them by commas, spaces or lines."""
    return (keys or "").replace(",", " ").split()


def key_digests(keys: str | None) -> dict[str, str]:
    """Return digest → public id for keys separated by commas, spaces or lines."""
    return {digest(key): digest(key)[:8] for key in split_keys(keys)}


def weakness_of(secret: str) -> str | None:
    """Return why a token of ours is too weak, or None."""
    if len(secret) < MIN_TOKEN_LENGTH:
        return f"is shorter than {MIN_TOKEN_LENGTH} characters"
    if any(word in secret.lower() for word in _WELL_KNOWN) or len(set(secret)) < 10:
        return "is easy to guess"
    return None

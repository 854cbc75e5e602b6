"""Secrets: read from the environment or from files, never written down, never shown.

A secret ``NAME`` comes from the variable ``NAME`` or from the file that ``NAME_FILE`` names (Docker and Kubernetes
secrets). An empty value is *not set*; it never matches anything. Only digests of our own keys leave this module.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from proxy.domain.provider import Provider
from proxy.errors import ConfigurationError
from proxy.settings.values import MaintenanceSettings, RecordingSettings

MIN_TOKEN_LENGTH = 32
MASTER_KEY = "DASHCAM_MASTER_KEY"
_WELL_KNOWN = ("changeme", "password", "secret", "admin", "0123456789", "abcdefgh", "test")


def read_secret(name: str, environment: Mapping[str, str] | None = None) -> str | None:
    """Return a secret, or None when it is not set; ``ConfigurationError`` when it or its file cannot be read."""
    values = os.environ if environment is None else environment
    path = secret_file(name, values)
    if path is not None:
        try:
            return path.read_text(encoding="utf-8").strip() or None
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigurationError(f"{name}_FILE: {path} cannot be read: {error}") from error
    value = values.get(name, "").strip()
    if any("\ud800" <= character <= "\udfff" for character in value):
        raise ConfigurationError(f"{name}: is no UTF-8 text")
    return value or None


def secret_file(name: str, environment: Mapping[str, str] | None = None) -> Path | None:
    """Return the file that a secret is in, None where it is in a variable or not set."""
    values = os.environ if environment is None else environment
    path = values.get(f"{name}_FILE")
    return Path(path) if path else None


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


def master_keys() -> list[str]:
    """Return the master keys of DASHCAM_MASTER_KEY, which seal and open; the first one seals."""
    return split_keys(read_secret(MASTER_KEY))


def sealing_key(recording: RecordingSettings) -> bytes | None:
    """Return the key that seals the spool, None where it is not sealed; ``ConfigurationError`` without one."""
    return key_for("recording.seal is on") if recording.seal else None


def copies_key(maintenance: MaintenanceSettings) -> bytes | None:
    """Return the key that seals copies of the database, None where they are not; ``ConfigurationError`` without one."""
    return key_for("maintenance.seal_backups is on") if maintenance.seal_backups else None


def key_for(wish: str) -> bytes:
    """Return the key that seals; ``ConfigurationError``, which names the wish for it, without one."""
    problems = sealing_problems([wish])
    if problems:
        raise ConfigurationError(problems)
    return master_key_of(master_keys()[0])


def sealing_problems(wishes: Sequence[str]) -> list[str]:
    """Return what keeps the master key from sealing, where something wishes that."""
    if not wishes:
        return []
    try:
        found = master_keys()
    except ConfigurationError as error:
        return [error.message]
    if not found:
        return [f"{' and '.join(wishes)}: set {MASTER_KEY} or {MASTER_KEY}_FILE (make one: openssl rand -hex 32)"]
    reason = weakness_of(found[0])
    return [] if reason is None else [f"{MASTER_KEY} {reason} (make one: openssl rand -hex 32)"]


def opening_keys() -> list[bytes]:
    """Return all master keys in the form that opens what was sealed."""
    return [master_key_of(text) for text in master_keys()]


def master_key_of(text: str) -> bytes:
    """Return the 32 bytes that a secret text stands for."""
    return hashlib.sha256(b"dashcam master key\x00" + text.encode()).digest()

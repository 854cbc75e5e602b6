"""A provider's key as the store keeps it and the snapshot carries it: sealed, for this provider and this address.

``v1.KEYID.BASE64``: a salt, a nonce and the sealed text. What is sealed is bound to the provider's name and to scheme,
host and port of its address: put beside another address, it does not open. The master key that opens is in the
environment and nowhere else, so neither a copy of the database nor the snapshot's file gives anybody a key.
"""

from __future__ import annotations

import base64
import binascii
import os
from collections.abc import Sequence
from urllib.parse import urlsplit

from proxy.errors import DashcamError
from proxy.sealing import SALT_BYTES, cipher_of, derive, key_id_of

_VERSION = "v1"
_PURPOSE = b"dashcam provider key"
_NONCE_BYTES = 12
_PORTS = {"http": 80, "https": 443}


class SecretError(DashcamError):
    """A sealed provider key cannot be opened."""

    code = "provider_key_sealed"


def origin_of(base_url: str) -> str:
    """Return what a key is bound to: scheme, host and port of an address."""
    parts = urlsplit(base_url)
    return f"{parts.scheme}://{parts.hostname or ''}:{parts.port or _PORTS.get(parts.scheme, 0)}"


def seal(key: str, provider: str, base_url: str, master: bytes) -> str:
    """Return a provider's key as it may be stored."""
    salt, nonce = os.urandom(SALT_BYTES), os.urandom(_NONCE_BYTES)
    sealed = cipher_of(derive(master, salt, _PURPOSE)).encrypt(nonce, key.encode(), _about(provider, base_url))
    return f"{_VERSION}.{key_id_of(master).hex()}.{base64.urlsafe_b64encode(salt + nonce + sealed).decode()}"


def unseal(sealed: str, provider: str, base_url: str, masters: Sequence[bytes]) -> str:
    """Return the key; ``SecretError`` says which master key is missing, or that it was sealed for something else."""
    from cryptography.exceptions import InvalidTag

    name, data = _parts(sealed)
    master = next((item for item in masters if key_id_of(item).hex() == name), None)
    if master is None:
        raise SecretError(
            f"the key of provider {provider!r} is sealed with the master key {name}, which is not set",
            hint="set it in DASHCAM_MASTER_KEY (several: behind a comma, the first one seals), or give the key anew",
        )
    salt, rest = data[:SALT_BYTES], data[SALT_BYTES:]
    try:
        cipher = cipher_of(derive(master, salt, _PURPOSE))
        return cipher.decrypt(rest[:_NONCE_BYTES], rest[_NONCE_BYTES:], _about(provider, base_url)).decode()
    except InvalidTag as error:
        raise SecretError(
            f"the key of provider {provider!r} was sealed for another provider or address, or was changed",
            hint="give the key anew: it is bound to scheme, host and port of the address",
        ) from error


def master_of(sealed: str) -> str:
    """Return the public id of the master key that opens it."""
    return _parts(sealed)[0]


def _parts(sealed: str) -> tuple[str, bytes]:
    version, _, rest = sealed.partition(".")
    name, _, text = rest.partition(".")
    try:
        data = base64.urlsafe_b64decode(text)
    except (binascii.Error, ValueError):
        data = b""
    if version != _VERSION or len(data) <= SALT_BYTES + _NONCE_BYTES:
        raise SecretError("a sealed key is damaged, or of a newer Dashcam", hint="give the key anew")
    return name, data


def _about(provider: str, base_url: str) -> bytes:
    return "\x00".join((_VERSION, "key", provider, origin_of(base_url))).encode()

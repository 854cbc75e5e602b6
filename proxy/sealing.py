"""What sealing is made of: AES-256-GCM under keys that are drawn from a master key, and the public names of those.

The spool's payloads (``spool/sealing.py``) and copies of the database (``store/copies/sealed_file.py``) are sealed with
it, each with keys of its own: a salt at random and the purpose go into HKDF with the master key, so that nothing that
was sealed for one purpose opens for another. Where the master keys come from is not known here, nor
what is done with them.

``cryptography`` is imported when something is sealed or opened, and not before.
"""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

SALT_BYTES = 32
TAG_BYTES = 16
"""What is sealed is longer by so much."""


def key_id_of(master: bytes) -> bytes:
    """Return the public id (8 bytes) of a master key."""
    return hmac.digest(master, b"dashcam master key id", "sha256")[:8]


def derive(master: bytes, salt: bytes, purpose: bytes) -> bytes:
    """HKDF-SHA-256 (RFC 5869) for one block of output, which is all that a key of 256 bits needs."""
    extracted = hmac.digest(salt, master, "sha256")
    return hmac.digest(extracted, purpose + b"\x01", "sha256")


def cipher_of(key: bytes) -> AESGCM:
    """Return what seals and opens with a key of 32 bytes."""
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    return AESGCM(key)

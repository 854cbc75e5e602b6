"""Sealing of payloads with AES-256-GCM: what lies in the spool can be read with the master key only.

Each writer has a key of its own, drawn from the master key and a random salt by HKDF; key id and salt stand in the
header of each of its segments. The nonce of a record is its sequence, which never occurs twice in a writer's life; the
record's type, sequence and interaction id are authenticated with it, so that no payload can be put in another's place.
Checksums lie over what is sealed: damage is found, counted and passed over without any key, and a torn tail costs the
record it tears.

A key ring is several keys: the first seals, all open. What it is made of is in ``proxy.sealing``.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Sequence

from proxy.errors import SpoolError
from proxy.sealing import SALT_BYTES, cipher_of, derive, key_id_of
from proxy.spool.framing import Heading

_ABOUT = struct.Struct("<BQ16s")
_NONCE = struct.Struct("<4xQ")
_PURPOSE = b"dashcam spool"


class SealedError(SpoolError):
    """A segment whose key is not in the ring."""

    code = "spool_sealed"


class SealBrokenError(SpoolError):
    """A payload that is not what was sealed with this key: somebody changed it."""

    code = "spool_seal_broken"


class Seal:
    """Seals and opens one writer's payloads."""

    def __init__(self, master: bytes, salt: bytes | None = None) -> None:
        self.key_id = key_id_of(master)
        self.salt = os.urandom(SALT_BYTES) if salt is None else salt
        self._cipher = cipher_of(derive(master, self.salt, _PURPOSE))

    def seal(self, kind: int, identity: bytes, sequence: int, payload: bytes) -> bytes:
        """Return a payload as it lies in the segment, 16 bytes longer."""
        return self._cipher.encrypt(_NONCE.pack(sequence), payload, _ABOUT.pack(kind, sequence, identity))

    def open(self, kind: int, identity: bytes, sequence: int, sealed: bytes) -> bytes:
        """Undo ``seal``; ``SealBrokenError`` when it is not what was sealed."""
        from cryptography.exceptions import InvalidTag

        try:
            return self._cipher.decrypt(_NONCE.pack(sequence), sealed, _ABOUT.pack(kind, sequence, identity))
        except InvalidTag as error:
            raise SealBrokenError("a sealed payload was changed: its seal does not hold") from error


class KeyRing:
    """The master keys that open; those of dead gateways may be older ones."""

    def __init__(self, masters: Sequence[bytes] = ()) -> None:
        self._masters = {key_id_of(master): master for master in masters}
        self._seals: dict[bytes, Seal] = {}

    def __repr__(self) -> str:
        return f"<KeyRing keys={len(self._masters)}>"

    def seal_of(self, heading: Heading) -> Seal | None:
        """Return what opens a segment, None when it is not sealed; ``SealedError`` without its key."""
        if heading.key_id is None:
            return None
        if heading.salt not in self._seals:
            master = self._masters.get(heading.key_id)
            if master is None:
                known = ", ".join(item.hex() for item in self._masters) or "none"
                raise SealedError(
                    f"a segment is sealed with the master key {heading.key_id.hex()}; set are: {known}",
                    hint="start with that key in DASHCAM_MASTER_KEY too, behind a comma: the first one seals, all open",
                )
            self._seals[heading.salt] = Seal(master, heading.salt)
        return self._seals[heading.salt]

"""Values of the record that are sealed: AES-256-GCM under a key of each value's own, drawn from a master key.

A sealed value says by which master key it opens, and holds for one place only: what it is of is authenticated with it,
so that no text can be put in another's place. The first master key of the environment seals, all of them open. Where
one is missing, a read says which; nothing is taken for something else, and nothing is written over.
"""

from __future__ import annotations

import hmac
import os
from collections.abc import Iterable

from sqlalchemy import Connection

from proxy.errors import StoreError, UsageError
from proxy.query.terms import Term, Word
from proxy.sealing import TAG_BYTES, cipher_of, derive, key_id_of
from proxy.settings.credentials import key_for, opening_keys
from proxy.settings.database import DatabaseSettings

SEALED = "sealed"
"""The form of what is sealed, where others are packed or lists of slices."""
MARK = b"\x00dcs\x01"
_KEY_BYTES, _SALT_BYTES = 8, 16
_HEAD = len(MARK) + _KEY_BYTES + _SALT_BYTES
_NONCE = bytes(12)
"""Every value has a key of its own, under which nothing else is ever sealed."""
_PURPOSE, _IDENTITY = b"dashcam record", b"dashcam record slices"
_OPTION = "sealer"


class SealedRecordError(StoreError):
    """A text of the record is sealed with a key that is not set, or is not what was sealed."""

    code = "record_sealed"


class Sealer:
    """Seals what a writer stores, with one master key."""

    def __init__(self, master: bytes) -> None:
        self.key_id = key_id_of(master)
        self._master = master
        self._identity = derive(master, b"", _IDENTITY)

    def __repr__(self) -> str:
        return f"<Sealer {self.key_id.hex()}>"

    def seal(self, data: bytes, about: str) -> bytes:
        """Return a value as it is stored; ``about`` says what it is of, and in which place."""
        salt = os.urandom(_SALT_BYTES)
        cipher = cipher_of(derive(self._master, salt, _PURPOSE))
        return b"".join((MARK, self.key_id, salt, cipher.encrypt(_NONCE, data, about.encode())))

    def identity_of(self, data: bytes) -> bytes:
        """Return what equal texts have in common, and what tells nobody without the key which text it is."""
        return hmac.digest(self._identity, data, "sha256")


class _Ring:
    """The master keys that open, read anew where one is missing: another one may have been set meanwhile."""

    def __init__(self) -> None:
        self._masters: dict[bytes, bytes] = {}

    def find(self, key_id: bytes) -> bytes:
        if key_id not in self._masters:
            self._masters = {key_id_of(master): master for master in opening_keys()}
        found = self._masters.get(key_id)
        if found is None:
            known = ", ".join(item.hex() for item in self._masters) or "none"
            raise SealedRecordError(
                f"this text is sealed with the master key {key_id.hex()}; set are: {known}",
                hint="set that key in DASHCAM_MASTER_KEY too, behind a comma: the first one seals, all open",
            )
        return found


_ring = _Ring()


def sealer_of(database: DatabaseSettings) -> Sealer | None:
    """Return who seals what is written into a database, None where nothing is sealed there."""
    return Sealer(key_for("database.seal is on")) if database.seal else None


def options_for(database: DatabaseSettings) -> dict[str, Sealer | None]:
    """Return the execution options of an engine that writes."""
    return {_OPTION: sealer_of(database)}


def sealer_in(connection: Connection) -> Sealer | None:
    """Return who seals in a transaction."""
    found: Sealer | None = connection.get_execution_options().get(_OPTION)
    return found


def check_searchable(database: DatabaseSettings, terms: Iterable[Term | Word]) -> None:
    """Raise ``UsageError`` where words are to be looked for in texts that are sealed."""
    if database.seal and any(isinstance(term, Word) for term in terms):
        reason = "the record is sealed (database.seal), and no words can be looked for in its texts"
        hint = "filters still work: status:error model:gpt-* user:kim; dashcam show opens single calls"
        raise UsageError(reason, hint=hint)


def is_sealed(data: bytes) -> bool:
    """Tell whether a value is sealed; of bytes that anybody may have made, whether it looks so."""
    return data.startswith(MARK) and len(data) >= _HEAD + TAG_BYTES


def key_of(data: bytes) -> bytes:
    """Return the public id of the master key that a sealed value opens with."""
    return bytes(data[len(MARK) : len(MARK) + _KEY_BYTES])


def unsealed(data: bytes, about: str) -> bytes:
    """Undo ``Sealer.seal``; ``SealedRecordError`` without its key, or where it is no seal of this place."""
    from cryptography.exceptions import InvalidTag

    if not is_sealed(data):
        raise SealedRecordError("a sealed text is damaged", hint="dashcam db check")
    master = _ring.find(key_of(data))
    try:
        cipher = cipher_of(derive(master, bytes(data[_HEAD - _SALT_BYTES : _HEAD]), _PURPOSE))
        return cipher.decrypt(_NONCE, bytes(data[_HEAD:]), about.encode())
    except InvalidTag as error:
        raise SealedRecordError("a sealed text was changed: its seal does not hold", hint="dashcam db check") from error

"""Keys are drawn as RFC 5869 says, another one for each purpose and salt; their public names tell nothing of them."""

from __future__ import annotations

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from proxy.sealing import TAG_BYTES, cipher_of, derive, key_id_of

MASTER, SALT = bytes(range(32)), bytes(reversed(range(32)))


def test_keys_are_those_of_rfc_5869_and_differ_by_purpose_and_salt() -> None:
    theirs = HKDF(algorithm=SHA256(), length=32, salt=SALT, info=b"one").derive(MASTER)
    assert derive(MASTER, SALT, b"one") == theirs
    assert len({theirs, derive(MASTER, SALT, b"two"), derive(MASTER, bytes(32), b"one"), MASTER}) == 4


def test_a_keys_name_is_its_own_and_not_part_of_it() -> None:
    assert len(key_id_of(MASTER)) == 8
    assert key_id_of(MASTER) != key_id_of(SALT)
    assert key_id_of(MASTER) not in MASTER + derive(MASTER, SALT, b"one")


def test_what_is_sealed_is_longer_by_the_tag() -> None:
    assert len(cipher_of(MASTER).encrypt(bytes(12), b"content", None)) == len(b"content") + TAG_BYTES

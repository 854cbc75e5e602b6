"""Provider keys: sealed for one provider and address, and sealed anew with another master key all at once."""

from __future__ import annotations

import pytest
from sqlalchemy import Connection

from proxy.errors import NotFoundError
from proxy.settings.provider_secret import SecretError, unseal
from proxy.store.catalogue import provider_secrets as secrets
from proxy.store.engines.engine import Backend

OLD, NEW = b"o" * 32, b"n" * 32
KEY = "sk-acme-0123456789-abcd"
ACME, OTHER = "https://api.acme.example/v1", "https://other.example:8443/v1"


def give(connection: Connection, backend: Backend) -> None:
    secrets.put(connection, backend, "acme", ACME, KEY, OLD)
    secrets.put(connection, backend, "other", OTHER, "short", OLD)


def test_a_key_is_kept_sealed_and_its_end_is_shown(connection: Connection, backend: Backend) -> None:
    give(connection, backend)
    found = secrets.read(connection)
    assert {name: (item.last4, item.origin) for name, item in found.items()} == {
        "acme": ("abcd", "https://api.acme.example:443"),
        "other": ("", "https://other.example:8443"),
    }
    assert KEY not in str(found)
    assert unseal(found["acme"].sealed, "acme", ACME, [OLD]) == KEY


def test_a_new_key_takes_the_place_of_the_one_before(connection: Connection, backend: Backend) -> None:
    give(connection, backend)
    secrets.put(connection, backend, "acme", ACME, KEY[::-1], OLD)
    assert unseal(secrets.read(connection)["acme"].sealed, "acme", ACME, [OLD]) == KEY[::-1]


def test_all_are_sealed_anew_and_then_the_old_master_key_may_go(connection: Connection, backend: Backend) -> None:
    give(connection, backend)
    assert secrets.rotate(connection, [NEW, OLD]) == ["acme", "other"]
    found = secrets.read(connection)
    assert unseal(found["acme"].sealed, "acme", ACME, [NEW]) == KEY
    assert unseal(found["other"].sealed, "other", OTHER, [NEW]) == "short"


def test_none_is_sealed_anew_where_one_cannot_be_opened(connection: Connection, backend: Backend) -> None:
    give(connection, backend)
    before = secrets.read(connection)
    with pytest.raises(SecretError, match="master key"):
        secrets.rotate(connection, [NEW])
    assert secrets.read(connection) == before


def test_a_key_that_was_put_beside_another_address_stays_shut(connection: Connection, backend: Backend) -> None:
    give(connection, backend)
    connection.exec_driver_sql("UPDATE provider_secret SET origin = 'https://evil.example:443' WHERE provider = 'acme'")
    with pytest.raises(SecretError, match="another provider or address"):
        secrets.rotate(connection, [NEW, OLD])


def test_a_removed_key_is_gone(connection: Connection, backend: Backend) -> None:
    give(connection, backend)
    secrets.remove(connection, "acme")
    assert list(secrets.read(connection)) == ["other"]
    with pytest.raises(NotFoundError, match="'acme'"):
        secrets.remove(connection, "acme")

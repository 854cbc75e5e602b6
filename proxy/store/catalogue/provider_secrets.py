"""Sealed provider keys: given anew, read for the snapshot, sealed with another master key, all in a transaction."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection

from proxy.errors import NotFoundError
from proxy.settings.provider_secret import master_of, origin_of, seal, unseal
from proxy.store.engines.engine import Backend
from proxy.store.schema.columns import instant_text
from proxy.store.schema.rows import upsert_sql
from proxy.store.schema.tables import metadata

_SHORTEST_SHOWN = 12
"""Of a key below this nothing is shown: its end would be too much of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderSecret:
    """What may be known of a provider's key; ``sealed`` is for the gateways only."""

    provider: str
    sealed: str
    origin: str
    last4: str
    changed_at: str


def put(connection: Connection, backend: Backend, provider: str, base_url: str, key: str, master: bytes) -> None:
    """Keep a provider's key, sealed for this address; it takes the place of the one before."""
    sealed = seal(key, provider, base_url, master)
    last4 = key[-4:] if len(key) >= _SHORTEST_SHOWN else ""
    now = instant_text(backend.now(connection))
    row = (provider, sealed, origin_of(base_url), master_of(sealed), last4, now)
    connection.exec_driver_sql(_UPSERT, row)


def remove(connection: Connection, provider: str) -> None:
    """Forget a provider's key; ``NotFoundError`` where there is none."""
    if not connection.exec_driver_sql("DELETE FROM provider_secret WHERE provider = ?", (provider,)).rowcount:
        raise NotFoundError(f"no key of provider {provider!r} is stored")


def keep_only(connection: Connection, providers: Collection[str]) -> list[str]:
    """Forget the keys of all other providers, and return whose they were: a new one of that name takes up no key."""
    gone = [name for name in read(connection) if name not in providers]
    for name in gone:
        remove(connection, name)
    return gone


def read(connection: Connection) -> dict[str, ProviderSecret]:
    """Return the sealed keys by provider."""
    sql = "SELECT provider, sealed, origin, last4, changed_at FROM provider_secret ORDER BY provider"
    found = [ProviderSecret(**row) for row in connection.exec_driver_sql(sql).mappings()]
    return {item.provider: item for item in found}


def rotate(connection: Connection, masters: Sequence[bytes]) -> list[str]:
    """Seal every key anew with the first of the master keys; return whose. All are opened before one is written.

    Each stays bound to the address that it was given for, wherever its provider leads by now. ``SecretError`` where one
    cannot be opened: then nothing is changed.
    """
    opened = [(item, unseal(item.sealed, item.provider, item.origin, masters)) for item in read(connection).values()]
    for item, key in opened:
        sealed = seal(key, item.provider, item.origin, masters[0])
        sql = "UPDATE provider_secret SET sealed = ?, master = ? WHERE provider = ?"
        connection.exec_driver_sql(sql, (sealed, master_of(sealed), item.provider))
    return [item.provider for item, _ in opened]


_UPSERT = upsert_sql(metadata.tables["provider_secret"], replaced=("sealed", "origin", "master", "last4", "changed_at"))

"""Proxy keys and admin tokens as digests: made, shown without their text, revoked; a revoked one stays.

The digest of a proxy key is HMAC-SHA-256 with a pepper that is drawn once for the record; that of a token is SHA-256.
Both texts have 256 random bits, so that no slow hash is needed. The text itself is returned once, by whoever made it.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from proxy.catalogue.access import KeyDocument, NewKey, NewToken, TokenDocument
from proxy.domain.access import ProxyKey
from proxy.errors import NotFoundError
from proxy.store.catalogue.values import instant, json_of, read_instant, read_json
from proxy.store.engines.engine import Backend
from proxy.store.schema.columns import instant_text
from proxy.store.schema.rows import insert_sql
from proxy.store.schema.tables import metadata

_PEPPER = "key_pepper"
_ID_BYTES = 6
_IN_USE = "revoked_at IS NULL"


def pepper(connection: Connection) -> str:
    """Return the pepper of this record (hex), drawn when it is asked for first."""
    sql = "INSERT INTO deployment (name, value) VALUES (?, ?) ON CONFLICT DO NOTHING"
    connection.exec_driver_sql(sql, (_PEPPER, secrets.token_hex(32)))
    return str(connection.exec_driver_sql("SELECT value FROM deployment WHERE name = ?", (_PEPPER,)).scalar_one())


def drawn_pepper(connection: Connection) -> str:
    """Return the pepper of this record, empty where none was drawn: then no key has been made either."""
    sql = "SELECT value FROM deployment WHERE name = ?"
    return str(connection.exec_driver_sql(sql, (_PEPPER,)).scalar_one_or_none() or "")


def key_digest(text: str, pepper_hex: str) -> str:
    """Return the digest of a proxy key (hex)."""
    return hmac.digest(bytes.fromhex(pepper_hex), text.encode(), "sha256").hex()


def token_digest(text: str) -> str:
    """Return the digest of an admin token (hex)."""
    return hashlib.sha256(text.encode()).hexdigest()


# -- proxy keys ---------------------------------------------------------------------------------------------


def add_key(
    connection: Connection, backend: Backend, text: str, said: NewKey, *, author: str, replaces: str | None = None
) -> KeyDocument:
    """Keep a new key by its digest; return it as it is shown."""
    name, now = _new_id("dck"), instant_text(backend.now(connection))
    limits = None if said.limits is None else json_of(said.limits.to_mapping())
    row = (
        name, key_digest(text, pepper(connection)), text[-4:], said.owner, said.note, json_of(said.routes), limits,
        instant(said.expires_at), now, author[:200], None, replaces, said.recording, json_of(said.redaction),
        _retention(said),
    )  # fmt: skip
    connection.exec_driver_sql(insert_sql(metadata.tables["api_key"]), row)
    return key(connection, name)


def change_key(connection: Connection, name: str, said: NewKey) -> KeyDocument:
    """Say something else of a key that is there."""
    key(connection, name)
    limits = None if said.limits is None else json_of(said.limits.to_mapping())
    connection.exec_driver_sql(
        "UPDATE api_key SET owner = ?, note = ?, routes = ?, limits = ?, expires_at = ?, recording = ?, redaction = ?, "
        "retention = ? WHERE id = ?",
        (
            said.owner, said.note, json_of(said.routes), limits, instant(said.expires_at), said.recording,
            json_of(said.redaction), _retention(said), name,
        ),
    )  # fmt: skip
    return key(connection, name)


def _retention(said: NewKey) -> str | None:
    return None if said.retention is None else json_of(said.retention.to_mapping())


def intended_end(connection: Connection, name: str) -> datetime | None:
    """Return until when a key was to hold: of one that was replaced its successors say that, not the overlap."""
    found = keys(connection)
    end, current = key(connection, name).expires_at, name
    while (successor := next((item for item in found if item.replaces == current), None)) is not None:
        end, current = successor.expires_at, successor.id
    return end


def expire_key(connection: Connection, name: str, at: datetime) -> None:
    """Let a key end at an instant, if it does not end before."""
    sql = "UPDATE api_key SET expires_at = ? WHERE id = ? AND (expires_at IS NULL OR expires_at > ?)"
    connection.exec_driver_sql(sql, (instant(at), name, instant(at)))


def revoke_key(connection: Connection, backend: Backend, name: str) -> KeyDocument:
    """Let a key open nothing from now on, for ever."""
    key(connection, name)
    _revoke(connection, backend, "api_key", name)
    return key(connection, name)


def key(connection: Connection, name: str) -> KeyDocument:
    """Return a key as it is shown; ``NotFoundError`` where there is none."""
    found = [item for item in keys(connection) if item.id == name]
    if not found:
        raise NotFoundError(f"there is no key {name[:40]!r}", hint="dashcam keys list")
    return found[0]


def keys(connection: Connection) -> list[KeyDocument]:
    """Return all keys as they are shown, the newest first."""
    sql = (
        "SELECT id, last4, owner, note, routes, limits, expires_at, created_at, created_by, revoked_at, replaces, "
        "recording, redaction, retention FROM api_key ORDER BY created_at DESC, id"
    )
    return [KeyDocument.model_validate(_shown(row)) for row in connection.exec_driver_sql(sql).mappings()]


def proxy_keys(connection: Connection) -> tuple[ProxyKey, ...]:
    """Return the keys that are not revoked, as gateways need them."""
    columns = "id, digest, routes, limits, expires_at, recording, redaction"
    sql = f"SELECT {columns} FROM api_key WHERE {_IN_USE} ORDER BY id"  # noqa: S608 - ours
    return tuple(_proxy_key(dict(row)) for row in connection.exec_driver_sql(sql).mappings())


def redactions(connection: Connection) -> list[tuple[str, tuple[str, ...]]]:
    """Return of each key which patterns are taken out of the record of its calls, those that are revoked among them."""
    rows = connection.exec_driver_sql("SELECT id, redaction FROM api_key ORDER BY id").all()
    return [(str(name), tuple(read_json(said) or ())) for name, said in rows]


def _proxy_key(row: dict[str, Any]) -> ProxyKey:
    said = NewKey(routes=read_json(row["routes"]) or [], limits=read_json(row["limits"]))
    ends = read_instant(row["expires_at"])
    return ProxyKey(
        id=row["id"],
        digest=row["digest"],
        is_peppered=True,
        expires_at=None if ends is None else int(ends.timestamp()),
        routes=tuple(said.routes),
        limits=None if said.limits is None else said.limits.to_domain(),
        recording=row["recording"],
        redaction=tuple(read_json(row["redaction"]) or ()),
    )


# -- admin tokens -------------------------------------------------------------------------------------------


def add_token(connection: Connection, backend: Backend, text: str, said: NewToken, *, author: str) -> TokenDocument:
    """Keep a new admin token by its digest; return it as it is shown."""
    name, now = _new_id("dct"), instant_text(backend.now(connection))
    row = (
        name, token_digest(text), text[-4:], said.scope, said.owner, said.note, instant(said.expires_at), now,
        author[:200], None,
    )  # fmt: skip
    connection.exec_driver_sql(insert_sql(metadata.tables["admin_token"]), row)
    return token(connection, name)


def revoke_token(connection: Connection, backend: Backend, name: str) -> TokenDocument:
    """Let a token open nothing from now on, for ever."""
    token(connection, name)
    _revoke(connection, backend, "admin_token", name)
    return token(connection, name)


def token(connection: Connection, name: str) -> TokenDocument:
    """Return a token as it is shown; ``NotFoundError`` where there is none."""
    found = [item for item in tokens(connection) if item.id == name]
    if not found:
        raise NotFoundError(f"there is no token {name[:40]!r}", hint="GET /api/v1/tokens lists them")
    return found[0]


def tokens(connection: Connection) -> list[TokenDocument]:
    """Return all tokens as they are shown, the newest first."""
    sql = (
        "SELECT id, last4, scope, owner, note, expires_at, created_at, created_by, revoked_at FROM admin_token "
        "ORDER BY created_at DESC, id"
    )
    return [TokenDocument.model_validate(_shown(row)) for row in connection.exec_driver_sql(sql).mappings()]


def token_digests(connection: Connection) -> dict[str, TokenDocument]:
    """Return the tokens that are not revoked, by digest."""
    sql = f"SELECT digest, id FROM admin_token WHERE {_IN_USE}"  # noqa: S608 - ours
    shown = {item.id: item for item in tokens(connection)}
    return {str(digest): shown[name] for digest, name in connection.exec_driver_sql(sql)}


# -----------------------------------------------------------------------------------------------------------


def _new_id(kind: str) -> str:
    return f"{kind}_{secrets.token_hex(_ID_BYTES)}"


def _revoke(connection: Connection, backend: Backend, table: str, name: str) -> None:
    now = instant_text(backend.now(connection))
    sql = f"UPDATE {table} SET revoked_at = ? WHERE id = ? AND {_IN_USE}"  # noqa: S608 - ours
    connection.exec_driver_sql(sql, (now, name))


def _shown(row: Any) -> dict[str, Any]:
    values = dict(row)
    for name in ("expires_at", "created_at", "revoked_at"):
        values[name] = read_instant(values[name])
    for name, empty in (("routes", []), ("limits", None), ("redaction", []), ("retention", None)):
        if name in values:
            values[name] = read_json(values[name]) or empty
    return values

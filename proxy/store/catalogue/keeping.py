"""What the catalogue says of how long calls are kept, on top of the settings; a route's or key's own word wins."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from sqlalchemy import Connection

from proxy.catalogue.retention import RetentionDocument
from proxy.domain.retention import EXPIRES
from proxy.settings.values import RetentionSettings
from proxy.store.catalogue.values import read_json

_ROUTES = "SELECT name, document FROM route WHERE active"
_KEYS = "SELECT id, retention FROM api_key WHERE retention IS NOT NULL"
_DEEP_KEYS = "SELECT count(*) FROM api_key WHERE recording IS NOT NULL AND revoked_at IS NULL"
_WISHED = "SELECT count(*) FROM interaction_metadata WHERE key = ?"


def kept_by(connection: Connection, settings: RetentionSettings) -> RetentionSettings:
    """Return the settings with what the catalogue says now."""
    routes = {str(name): _seconds(read_json(said).get("retention")) for name, said in _all(connection, _ROUTES)}
    # Of a key that is revoked the calls are still there.
    keys = {str(name): _seconds(read_json(said)) for name, said in _all(connection, _KEYS)}
    return replace(
        settings,
        routes={**settings.routes, **{name: spans for name, spans in routes.items() if spans}},
        keys={**settings.keys, **{name: spans for name, spans in keys.items() if spans}},
    )


def depths(connection: Connection) -> tuple[set[str], int]:
    """Return which routes of the catalogue, and how many keys that open something, say how deep calls are recorded."""
    routes = {str(name) for name, said in _all(connection, _ROUTES) if read_json(said).get("recording")}
    return routes, int(connection.exec_driver_sql(_DEEP_KEYS).scalar_one())


def wished(connection: Connection) -> int:
    """Return how many calls are on record whose callers let them be kept for a while only."""
    return int(connection.exec_driver_sql(_WISHED, (EXPIRES,)).scalar_one())


def _all(connection: Connection, sql: str) -> list[Any]:
    return list(connection.exec_driver_sql(sql).all())


def _seconds(said: Any) -> dict[str, int]:
    return RetentionDocument.model_validate(said).seconds() if said else {}

"""What retention keeps in the store from one look to the next: how far it is, and when somebody looked last."""

from __future__ import annotations

from sqlalchemy import Connection


def note(connection: Connection, name: str) -> str:
    """Return what was kept under a name, "" for nothing."""
    sql = "SELECT value FROM deployment WHERE name = ?"
    return str(connection.exec_driver_sql(sql, (name,)).scalar_one_or_none() or "")


def keep(connection: Connection, name: str, value: str) -> None:
    """Keep a text under a name, 200 characters at most; "" is nothing."""
    sql = "INSERT INTO deployment (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value"
    connection.exec_driver_sql(sql, (name, value))

"""``dashcam db``: about the database file."""

from __future__ import annotations

import sys

import orjson

from proxy.settings.values import Settings
from proxy.store.reading import Reader


def info(settings: Settings, *, as_json: bool) -> None:
    """Print path, size, number of calls and revision."""
    reader = Reader(settings.database)
    found = {"path": settings.database.shown, **reader.counts(), "revision": reader.revision()}
    reader.close()
    if as_json:
        print(orjson.dumps(found).decode())
        return
    for name, value in found.items():
        print(f"{name:<12}  {value}" if sys.stdout.isatty() else f"{name}\t{value}")

"""The database as a command opens it: for reading, never as a second writer."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from proxy.errors import NotFoundError
from proxy.settings.values import Settings
from proxy.store.engines.engine import Backend, backend_of, lent
from proxy.store.engines.place import is_nothing


def check_record(settings: Settings) -> None:
    """Raise ``NotFoundError`` where there is no record: what changes one must not make an empty one in its place."""
    if not settings.database.is_postgres and is_nothing(settings.database.path):
        raise NotFoundError(
            f"there is no database at {settings.database.path} yet", hint="start Dashcam with: dashcam serve"
        )


@contextlib.contextmanager
def opened(settings: Settings, *, is_examined: bool = False) -> Iterator[tuple[Backend, Any]]:
    """Lend a database and an engine that reads it; ``is_examined`` is for looking at its tables, on the primary.

    Whatever its driver raises meanwhile becomes a ``StoreError`` that says what to do.
    """
    chosen = settings.database if is_examined else settings.database.for_reading()
    backend = backend_of(chosen)
    engine = backend.examiner() if is_examined else backend.reader()
    with lent(backend, engine, is_replica=chosen is not settings.database):
        yield backend, engine

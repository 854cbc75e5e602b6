"""A connection to Postgres as we want it: it does not wait for ever, and gives values as SQLite does.

The server ends a statement that takes too long, and the kernel a connection whose other end is gone. A server that is
stopped in its tracks does neither: its kernel still acknowledges what arrives. So inside a transaction nothing is
waited for longer than ``patience``; then the connection is given up, and what became of a commit is not known.
"""

from __future__ import annotations

import time
from collections.abc import Generator, Mapping
from datetime import UTC, datetime
from typing import Any

import psycopg
from psycopg.adapt import Loader


class PatientConnection(psycopg.Connection[Any]):
    """A connection that gives up when the server does not answer for ``patience`` seconds; None: never."""

    patience: float | None = None

    def wait(self, gen: Any, *arguments: Any, **options: Any) -> Any:
        """Wait for what was asked of the server; ``OperationalError`` when it takes too long."""
        bounded = gen if self.patience is None else self._bounded(gen, self.patience)
        return super().wait(bounded, *arguments, **options)

    def _bounded(self, gen: Generator[Any, Any, Any], seconds: float) -> Generator[Any, Any, Any]:
        """Do as the generator does; psycopg sends it a zero ten times a second while nothing has come."""
        deadline = time.monotonic() + seconds
        try:
            wanted = next(gen)
            while True:
                ready = yield wanted
                if not ready and time.monotonic() > deadline:
                    self.pgconn.finish()
                    raise psycopg.OperationalError(f"the server has not answered for {seconds:g} s")
                wanted = gen.send(ready)
        except StopIteration as ended:
            return ended.value


class _TextLoader(Loader):
    """Gives a value as the text the server writes."""

    def load(self, data: Any) -> str:
        """Return it."""
        return bytes(data).decode()


class _InstantLoader(Loader):
    """Gives an instant as SQLite keeps it: ISO 8601 UTC with milliseconds and a Z."""

    def load(self, data: Any) -> str:
        """Return it; the session's time zone is UTC."""
        text = bytes(data).decode()
        if not text.endswith("+00"):
            at = datetime.fromisoformat(text).astimezone(UTC)
            return f"{at:%Y-%m-%dT%H:%M:%S}.{at.microsecond // 1000:03d}Z"
        day, _, rest = text[:-3].partition(" ")
        second, _, fraction = rest.partition(".")
        return f"{day}T{second}.{fraction[:3]:0<3}Z"


class _TruthLoader(Loader):
    """Gives truth as 1 and 0."""

    def load(self, data: Any) -> int:
        """Return it."""
        return int(bytes(data) == b"t")


class _SumLoader(Loader):
    """Gives a sum of whole numbers as one; our tables have no other numerics."""

    def load(self, data: Any) -> int | float:
        """Return it."""
        text = bytes(data).decode()
        return int(text) if text.lstrip("-").isdigit() else float(text)


Loaders = Mapping[str, type[Loader]]
LOADERS: Loaders = {
    "uuid": _TextLoader, "json": _TextLoader, "jsonb": _TextLoader, "timestamptz": _InstantLoader,
    "bool": _TruthLoader, "numeric": _SumLoader,
}  # fmt: skip

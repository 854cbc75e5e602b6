"""What may go wrong with the store while calls are written: who is at fault, and so what to do."""

from __future__ import annotations

from proxy.errors import StoreError


class StoreUnavailableError(StoreError):
    """The database is away, locked, full or damaged; the same batch may be tried again.

    Where ``is_uncertain`` it may have been written all the same: then what the store says counts, and is to be asked.
    """

    code = "store_unavailable"
    is_uncertain = False


class StoreMovedError(StoreError):
    """The file at the database's path is not the one that was opened: it must be opened anew."""

    code = "store_moved"


class RowError(StoreError):
    """Something in this batch can never be stored."""

    code = "row_refused"


class CollisionError(RowError):
    """A row has the key of another one, which was not there a moment ago."""

    code = "row_there"


def reason_of(error: BaseException) -> str:
    """Return the driver's words without the statement, which would carry values."""
    return str(getattr(error, "orig", None) or type(error).__name__)[:300]

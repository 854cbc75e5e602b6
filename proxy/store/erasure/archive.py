"""Calls that go for their age or the size are kept elsewhere first, where there is such a place.

What keeps them is called in the transaction that lets them go; what it raises ends that, and they stay. Where and in
what form it keeps them is not decided here (``control/archiving``). What somebody wishes to be erased is not archived.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

from sqlalchemy import Connection

from proxy.store.erasure.erasing import PRUNED, erase, strip

What = Literal["texts", "calls"]
"""What of calls goes: what was said in them, or they themselves."""
Archive = Callable[[Sequence[str], What], None]
"""Keeps calls elsewhere of which something goes; what it raises keeps them here."""


def rows_of(ids: Sequence[str]) -> tuple[str, tuple[str, ...]]:
    """Return the question for the rows of some calls, in the order of their ids."""
    marks = ",".join("?" * len(ids))
    return f"SELECT * FROM interaction WHERE id IN ({marks}) ORDER BY id", tuple(ids)  # noqa: S608 - placeholders only


def let_go(connection: Connection, ids: Sequence[str], what: What, now: int, archive: Archive | None) -> int:
    """Let calls, or their texts, go after they were archived; return how many there were."""
    if archive is not None:
        archive(ids, what)
    return strip(connection, ids, keeps_facts=True) if what == "texts" else erase(connection, ids, now, PRUNED)

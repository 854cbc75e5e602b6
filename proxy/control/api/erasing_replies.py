"""What is answered about erasing, for the description; nothing is made of these classes."""

from __future__ import annotations

from datetime import date, datetime
from typing import Literal

from pydantic import BaseModel


class PurgeState(BaseModel, defer_build=True):
    """How far it is: matching calls that were done so far, or, with dry_run, that would be.

    number: with it it goes on (POST /api/v1/purges/NUMBER) until is_finished; null for a dry run. sealed_until is said
    by a dry run where words are looked for: not in calls up to that day that are sealed.
    """

    dry_run: bool
    number: int | None
    kind: Literal["purge", "anonymise"]
    calls: int
    is_finished: bool
    sealed_until: date | None = None


class Pruned(BaseModel, defer_build=True):
    """due are calls by what of them is too old; done says what went; it is repeated until is_finished.

    paused_since: the clock has jumped since that instant, and nothing goes without force. bytes are in use, and grow by
    bytes_per_day; full_in_days: when max_bytes is reached.
    """

    dry_run: bool
    due: dict[str, int]
    done: list[str]
    is_finished: bool
    paused_since: datetime | None
    bytes: int
    bytes_per_day: int
    max_bytes: int | None
    full_in_days: float | None


class Gone(BaseModel, defer_build=True):
    """Whose ids these are is erased; missing are those that were not on record."""

    deleted: list[str]
    missing: list[str]


class Redacted(BaseModel, defer_build=True):
    """Of these only facts, counts and costs are left; missing are those that were not on record."""

    redacted: list[str]
    missing: list[str]

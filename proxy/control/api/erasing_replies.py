"""What is answered about erasing, for the description; nothing is made of these classes."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel


class PurgeState(BaseModel):
    """How far it is: matching calls that were done so far, or, with dry_run, that would be.

    number: with it it goes on (POST /api/v1/purges/NUMBER) until is_finished; null for a dry run.
    """

    dry_run: bool
    number: int | None
    kind: Literal["purge", "anonymise"]
    calls: int
    is_finished: bool


class Gone(BaseModel):
    """Whose ids these are is erased; missing are those that were not on record."""

    deleted: list[str]
    missing: list[str]


class Redacted(BaseModel):
    """Of these only facts, counts and costs are left; missing are those that were not on record."""

    redacted: list[str]
    missing: list[str]

"""What somebody thinks of a call: a value of one of a few kinds, and where it can be one, a score from 0 to 1.

A score is what values of different kinds have in common: yes is 1, 3 from 1 to 5 is 0.5. A number without its bounds is
a score where it is between 0 and 1; a category and a text have none.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class FeedbackKind(StrEnum):
    """What a value is."""

    BOOLEAN = "boolean"
    NUMBER = "number"
    FIVE = "1-5"
    TEN = "1-10"
    CATEGORY = "category"
    TEXT = "text"


class FeedbackSource(StrEnum):
    """Who says it: we ourselves, who uses the application, a program, a model that judges."""

    US = "us"
    USER = "user"
    CODE = "code"
    JUDGE = "judge"


SCALES = {FeedbackKind.BOOLEAN: (0.0, 1.0), FeedbackKind.FIVE: (1.0, 5.0), FeedbackKind.TEN: (1.0, 10.0)}
WORDED = (FeedbackKind.CATEGORY, FeedbackKind.TEXT)
"""Kinds whose value is words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Feedback:
    """One thing that is thought of a call, or of a session; ``id`` is whoever's who says it.

    ``reference`` is the call's id, ours or the caller's own; ``value`` or ``words`` is what is said, ``low`` and
    ``high`` are between what, ``score`` is None where there is none.
    """

    id: str
    name: str
    kind: FeedbackKind
    source: FeedbackSource
    reference: str | None = None
    session_id: str | None = None
    value: float | None = None
    words: str | None = None
    low: float | None = None
    high: float | None = None
    score: float | None = None
    comment: str | None = None
    author: str = ""


def score_of(value: float, low: float | None, high: float | None) -> float | None:
    """Return a value as a score; ``ValueError`` where it is outside of its bounds, or these are none."""
    if low is None or high is None:
        return value if 0 <= value <= 1 else None
    if not low < high:
        raise ValueError("min is less than max")
    if not low <= value <= high:
        raise ValueError(f"is from {low:g} to {high:g}")
    return (value - low) / (high - low)

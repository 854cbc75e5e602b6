"""How long what is kept of a call is kept: spans as people write them, and what they mean for one kind of calls.

Nothing is deleted where no span is set. ``text`` is what was said (bodies, previews, variables), ``metadata`` the whole
call, ``errors`` the whole of a call that failed, where that is to be kept longer.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

EXPIRES = "dashcam_expires"
"""The property of a call that says until when its caller lets it be kept."""
_SPAN = re.compile(r"(\d{1,6})\s*([smhdwy])", re.ASCII)
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800, "y": 31_536_000}
_SIZE = re.compile(r"(\d{1,9}(?:\.\d{1,3})?)\s*(kb|mb|gb|tb)?", re.ASCII | re.IGNORECASE)
_SIZES = {"kb": 10**3, "mb": 10**6, "gb": 10**9, "tb": 10**12}
LONGEST = 100 * 365 * 86_400


def seconds_of(text: str) -> int:
    """Return a span such as 30d or 12h in seconds; "" is 0, for ever. ``ValueError`` says what it must be."""
    if not text.strip():
        return 0
    found = _SPAN.fullmatch(text.strip().lower())
    if found is None or not 0 < (seconds := int(found[1]) * _UNITS[found[2]]) <= LONGEST:
        raise ValueError("this is a span: 90m, 12h, 30d, 8w or 2y; nothing is for ever")
    return seconds


def bytes_of(text: str) -> int:
    """Return a size such as 50GB in bytes; "" is 0, no ceiling. ``ValueError`` says what it must be."""
    if not text.strip():
        return 0
    found = _SIZE.fullmatch(text.strip())
    if found is None or not (size := int(float(found[1]) * _SIZES.get((found[2] or "").lower(), 1))):
        raise ValueError("this is a size: 500MB, 50GB or 1.5TB; nothing is no ceiling")
    return size


@dataclass(frozen=True, slots=True, kw_only=True)
class Spans:
    """Seconds, 0 for ever."""

    text: int = 0
    metadata: int = 0
    errors: int = 0

    @property
    def of_errors(self) -> int:
        """How long a call that failed is kept: as long as the others where nothing is said of it."""
        return self.errors if self.errors else self.metadata

    def problem(self) -> str | None:
        """Return why these do not go together, None where they do."""
        if self.text and self.metadata and self.text > self.metadata:
            return "text is kept no longer than metadata: the whole call goes then"
        if self.errors and not self.metadata:
            return "errors needs metadata beside it: without it every call is kept for ever"
        if self.errors and self.errors < self.metadata:
            return "errors are kept at least as long as metadata"
        return None


def spans_from_mapping(values: Mapping[str, int]) -> Spans:
    """Rebuild spans from their JSON form."""
    return Spans(**{name: int(values.get(name, 0)) for name in ("text", "metadata", "errors")})

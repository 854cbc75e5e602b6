"""How long to wait before the database is tried again: full jitter, doubling from 0.1 s up to 15 s, for ever."""

from __future__ import annotations

import random

SHORTEST, LONGEST = 0.1, 15.0


def pause_after(failures: int) -> float:
    """Return the pause after so many failures in a row; drawn, so that several hosts do not come back at once."""
    ceiling = min(LONGEST, SHORTEST * 2 ** min(failures, 10))
    # Not for secrets.
    return random.uniform(SHORTEST, max(SHORTEST, ceiling))  # noqa: S311

"""How many files a process may have open: as many as the system lets us, for each connection is one.

The soft limit that a shell hands down (often 1024) is a relic of ``select``; what may be had without asking anybody is
the hard limit. The children inherit it; each gateway reckons from it how many clients it takes in.
"""

from __future__ import annotations

import contextlib
import resource

ENOUGH = 1 << 20


def raise_file_limit() -> int:
    """Raise the soft limit of open files to the hard one, or to a million; return what it is now."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = ENOUGH if hard == resource.RLIM_INFINITY else min(hard, ENOUGH)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        # Some systems (macOS) allow less than they say: what there was must do then.
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
            soft = wanted
    return soft

"""Where a chat request may be cut so that repeated messages are stored once: byte offsets at element borders.

A request repeats its whole history. The offsets returned lie behind each element of the top-level ``messages`` or
``input`` array and around ``tools`` and ``instructions``; slices between them join to the original bytes, always, since
only offsets are returned. A body that is not understood, or that has more structure than is worth a look, has none. One
linear pass over structure, strings are jumped over; nothing is parsed and nothing raises.
"""

from __future__ import annotations

import re

MIN_LENGTH = 4096
MAX_TOKENS = 300_000
"""About a tenth of a second of scanning."""

_ARRAYS = frozenset({b"messages", b"input"})
_WHOLE = frozenset({b"tools", b"instructions"})
# A string that never ends is one token too: to look for its end again at each quote in it would be quadratic.
_TOKEN = re.compile(rb'"[^"\\]*(?:\\.?[^"\\]*)*"?|[{}\[\],:]', re.DOTALL)


def cuts_of(body: bytes) -> tuple[int, ...]:
    """Return ascending offsets without 0 and the end."""
    if len(body) < MIN_LENGTH:
        return ()
    found: list[int] = []
    depth, key, is_cutting = 0, b"", False
    previous = b""
    for number, match in enumerate(_TOKEN.finditer(body)):
        token, at = match[0], match.start()
        mark = token[:1]
        if mark in b"{[":
            depth += 1
            if depth == 2 and key in _ARRAYS and mark == b"[":
                is_cutting = True
                found.append(match.end())
            elif depth == 2 and key in _WHOLE:
                found.append(at)
        elif mark in b"}]":
            if depth == 2 and (is_cutting or key in _WHOLE):
                found.append(at if is_cutting else match.end())
                is_cutting = False
            depth -= 1
        elif mark == b"," and depth == 2 and is_cutting:
            # The comma goes with what follows it: the last message now is a middle one in the next request.
            found.append(at)
        elif mark == b":" and depth == 1:
            key = previous[1:-1]
        elif mark == b'"' and depth == 1 and key == b"instructions" and previous == b":":
            found += (at, match.end())
        previous = token
        if number > MAX_TOKENS or depth < 0:
            return ()
    return tuple(offset for offset in sorted(set(found)) if 0 < offset < len(body))

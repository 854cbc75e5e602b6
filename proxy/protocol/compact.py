"""Bodies that are written as compactly as most clients write them: without blanks, as ``orjson`` writes.

Of such a body it is known where everything stands without looking for it: each member is as long as what is written of
it anew. All others are looked through (``scanning``).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson


def is_compact(body: bytes, values: Mapping[str, Any]) -> bool:
    """Tell whether a body that says these values is byte for byte what is written of them anew.

    One with a blank, a number such as 1.10, or a name that stands there twice is not.
    """
    try:
        return orjson.dumps(values) == body
    except TypeError:  # what only a lenient reader takes: half a character, more than 64 bits
        return False


def place_of(body: bytes, values: Mapping[str, Any], name: str, *, is_known: bool = False) -> tuple[int, int] | None:
    """Return where the value of one member stands (offset, length) in a compact body that says these values.

    None where the body is not compact, or has no such member; ``is_known``: the body has been written so by us.
    """
    if name not in values or not (is_known or is_compact(body, values)):
        return None
    before = 0
    for other, value in values.items():
        if other == name:
            start = before + len(orjson.dumps(name)) + 2
            return start, len(orjson.dumps(value))
        before += len(orjson.dumps({other: value})) - 1
    return None

"""Reading JSON as the wire really carries it: orjson first, the standard library where orjson refuses, never raising.

orjson refuses lone surrogates, NaN, Infinity, 1e400 and deep nesting, and silently turns integers beyond 64 bit into
floats; the standard library takes all of these. What neither can read is None. Nothing read here is ever written back
to a body that is forwarded.
"""

from __future__ import annotations

import json
from typing import Any

import orjson

MAX_SLOW_BYTES = 8 * 1024 * 1024
MISSING: Any = object()
_COUNTABLE = 2**53


def parse(data: bytes) -> Any:
    """Return the value, or ``MISSING`` when the bytes are no JSON."""
    try:
        return orjson.loads(data)
    except orjson.JSONDecodeError:
        return _parse_slowly(data)


def parse_object(data: bytes) -> dict[str, Any] | None:
    """Return the object, or None when the bytes are something else."""
    value = parse(data)
    return value if isinstance(value, dict) else None


def _parse_slowly(data: bytes) -> Any:
    if not data or len(data) > MAX_SLOW_BYTES:
        return MISSING
    try:
        return json.loads(data.decode("utf-8-sig", "replace"))
    except (ValueError, RecursionError):
        return MISSING


def text(value: object) -> str | None:
    """Return a non-empty text, or None."""
    return value if isinstance(value, str) and value else None


def count(value: object) -> int | None:
    """Return a token count that a 64-bit column can hold, or None; a whole float counts."""
    if type(value) is int:
        return value if 0 <= value < _COUNTABLE else None
    if not isinstance(value, float) or not value.is_integer():
        return None
    return int(value) if 0 <= value < _COUNTABLE else None


def mapping(value: object) -> dict[str, Any]:
    """Return the object, or an empty one."""
    return value if isinstance(value, dict) else {}


def items(value: object) -> list[Any]:
    """Return the list, or an empty one."""
    return value if isinstance(value, list) else []

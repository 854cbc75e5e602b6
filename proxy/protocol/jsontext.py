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
_COUNTABLE = 10**9
_MAX_DIGITS = 400


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
        return json.loads(data.decode("utf-8-sig", "replace"), parse_int=_integer)
    except (ValueError, RecursionError):
        return MISSING


def _integer(digits: str) -> int | float:
    """Return an integer; of one with hundreds of digits, which Python refuses to read, its size as a float."""
    return int(digits) if len(digits) < _MAX_DIGITS else float(digits)


def written(value: object, *, is_ascii: bool = False) -> str:
    """Return any value that was read as JSON text, a text as it is; what is too deep to be written down is not."""
    if isinstance(value, str):
        return value
    try:
        return json.dumps(value, ensure_ascii=is_ascii)
    except RecursionError:
        return "(nested too deeply)"


def text(value: object) -> str | None:
    """Return a non-empty text, or None."""
    return value if isinstance(value, str) and value else None


def count(value: object) -> int | None:
    """Return a token count, or None; a whole float counts, and what no call can have (a milliard) does not.

    So no provider can make up counts that overflow a sum over the table.
    """
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

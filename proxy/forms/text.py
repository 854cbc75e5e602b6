"""JSON as it is shown and exported: nothing in it harms a terminal, and its lines end nowhere else."""

from __future__ import annotations

import re

import orjson

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")


def json_text(value: object, option: int = 0) -> str:
    """Return JSON that shows nothing harmful and whose lines end nowhere else; orjson escapes only ASCII's controls."""
    return _CONTROL.sub(lambda found: f"\\u{ord(found[0]):04x}", orjson.dumps(value, option=option).decode())


def is_writable(value: object) -> bool:
    """Return True for what ``json_text`` takes: not half a character, a huge integer or a maze, which can be read."""
    try:
        orjson.dumps(value)
    except TypeError:
        return False
    return True

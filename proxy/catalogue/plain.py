"""Values from outside, looked at before they mean anything: only what JSON, and both database engines, can hold.

YAML and Python's JSON reader give more than that: NaN, numbers beyond 64 bits, half characters, dates, names that are
numbers. Each is a problem with its place.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import islice

from proxy.errors import Problem

MAX_DEPTH = 32
MAX_PROBLEMS = 50
_SURROGATES = range(0xD800, 0xE000)


def impurities(value: object, place: str = "") -> list[Problem]:
    """Return what in a value cannot be kept, with where it stands; the first fifty."""
    return list(islice(_walk(value, place, 0), MAX_PROBLEMS))


def below(place: str, name: object) -> str:
    """Return the place of a member."""
    text = str(name)
    if len(text) > 80:
        text = text[:80] + "…"
    return f"{place}.{text}" if place else text


def _walk(value: object, place: str, depth: int) -> Iterator[Problem]:
    if depth > MAX_DEPTH:
        yield Problem(place, f"is nested deeper than {MAX_DEPTH} levels")
    elif isinstance(value, dict):
        for name, item in value.items():
            if not isinstance(name, str):
                yield Problem(below(place, repr(name)), "a name of a field is a text; write it in quotes")
            elif reason := _reason_against(name):
                yield Problem(below(place, ascii(name)), f"its name {reason}")
            else:
                yield from _walk(item, below(place, name), depth + 1)
    elif isinstance(value, list):
        for position, item in enumerate(value):
            yield from _walk(item, below(place, position), depth + 1)
    elif reason := _reason_against(value):
        yield Problem(place, reason)


def _reason_against(value: object) -> str | None:
    if value is None or isinstance(value, bool):
        return None
    if isinstance(value, str):
        if "\0" in value:
            return "has a NUL character in it, which no database keeps"
        return "has half a character in it (a lone surrogate)" if _has_half(value) else None
    if isinstance(value, int):
        return None if -(1 << 63) <= value < 1 << 63 else "is a number beyond 64 bits"
    if isinstance(value, float):
        return None if math.isfinite(value) else "is no number that JSON has (NaN or infinity)"
    return f"is a {type(value).__name__}, which JSON has not; write it in quotes"


def _has_half(text: str) -> bool:
    return not text.isascii() and any(ord(letter) in _SURROGATES for letter in text)

"""Texts that a stream says in pieces: the strings at the same place of one event after another, joined.

A place is the names of the members that lead there, with the numbers by which streams tell several answers, tools or
parts apart (``index``, ``output_index`` …). No dialect is known here, so that a new one is looked through as well. What
merely repeats itself in each event (ids, names) is not joined; it has been looked at as it stands.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Container, Iterator, Sequence
from itertools import accumulate
from typing import Any

from proxy.redaction.strings import Token

Place = tuple[object, ...]
_REPEATED = frozenset(
    (
        "id", "object", "model", "type", "role", "status", "finish_reason", "system_fingerprint", "service_tier",
        "item_id", "obfuscation", "created_at", "provider",
    )
)  # fmt: skip
_UNKNOWN: Place = ("?",)
MAX_DEPTH = 64
"""No answer has members within members as deep as this."""


class _TooDeepError(Exception):
    """An event has more in itself than is worth a look."""


class Flow:
    """The strings of one place, and the text that they make together."""

    def __init__(self, tokens: Sequence[Token]) -> None:
        self._tokens = tokens
        self._starts = list(accumulate((len(token.text) for token in tokens), initial=0))

    def text(self) -> bytes:
        """Return what the strings say together, what is hidden in them as well."""
        return b"".join([token.text for token in self._tokens])

    def left(self) -> bytes:
        """Return the same without what is hidden."""
        return b"".join([token.left() for token in self._tokens])

    def holds(self, tokens: Container[int]) -> bool:
        """Return True where one of its strings is among some, which are known by their ids."""
        return any(id(token) in tokens for token in self._tokens)

    def parts_between(self, start: int, end: int) -> Iterator[tuple[Token, int, int]]:
        """Yield the strings that a part of the text goes through, and which part of each."""
        number = bisect_right(self._starts, start) - 1
        while number < len(self._tokens) and self._starts[number] < end:
            token, base = self._tokens[number], self._starts[number]
            low, high = max(start - base, 0), min(end - base, len(token.text))
            if high > low:
                yield token, low, high
            number += 1


class Flows:
    """Collects the strings of events by their places."""

    def __init__(self) -> None:
        self._places: dict[Place, list[Token]] = {}

    def add(self, value: object, tokens: Sequence[Token]) -> None:
        """Take the next event: what it means, and its strings in the order they stand there."""
        try:
            places = list(_places_of(value, (), MAX_DEPTH))
        except _TooDeepError:
            places = []
        if len(places) != len(tokens):
            # Too deep, or a member is said twice, so that nobody knows which is which: all of them are joined.
            places = [_UNKNOWN] * len(tokens)
        for place, token in zip(places, tokens, strict=True):
            if place is not None and token.text:
                self._places.setdefault(place, []).append(token)

    def joined(self) -> list[Flow]:
        """Return what was said in more than one piece."""
        return [Flow(tokens) for tokens in self._places.values() if len(tokens) > 1]


def _places_of(value: object, above: Place, depth: int) -> Iterator[Place | None]:
    """Yield the place of each string in the order of the document, None for one that is not joined."""
    if not depth:
        raise _TooDeepError
    if isinstance(value, str):
        yield above
    elif isinstance(value, dict):
        here = (*above, *_numbers(value))
        for name, member in value.items():
            yield None
            if isinstance(member, str):
                yield None if name in _REPEATED else (*here, name)
            elif isinstance(member, dict | list):
                yield from _places_of(member, (*here, name), depth - 1)
    elif isinstance(value, list):
        for member in value:
            yield from _places_of(member, above, depth - 1)


def _numbers(value: dict[str, Any]) -> Iterator[object]:
    for name, member in value.items():
        if (name.endswith("index") and isinstance(member, int)) or (name == "item_id" and isinstance(member, str)):
            yield (name, member)

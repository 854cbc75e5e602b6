"""What is due: kinds of calls, each with the span for which what of them is kept.

A kind is a condition on rows, and what goes of them: texts first, whole calls later, failures last. A route and a key
have kinds of their own, where a key decides before a route, and both before what is said of all: so a call's text, and
the call, is of one kind at most. Nothing is due where no span is set. Who goes through the calls is ``retention``.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from proxy.domain.retention import Spans
from proxy.settings.values import RetentionSettings
from proxy.store.erasure.erasing import WITH_TEXT
from proxy.store.schema.columns import instant_text

REPLAYED_MS = 30 * 86_400_000
"""So old a spool does not become: an older call needs no tombstone."""


@dataclass(frozen=True, slots=True)
class Pass:
    """One kind of calls and how long what of them is kept: ``is_text`` is what was said, else it is the whole call."""

    name: str
    conditions: tuple[str, ...]
    values: tuple[Any, ...]
    seconds: int
    is_text: bool

    @property
    def mark(self) -> str:
        """A name that another span or another kind of calls does not have."""
        return hashlib.sha256(repr(self).encode()).hexdigest()[:16]

    def cutoff(self, now: int) -> int:
        """Return before when calls of this kind are due."""
        return max(0, now - self.seconds * 1000)

    def due(self, now: int) -> tuple[str, tuple[Any, ...]]:
        """Return the condition under which a call is due, and its values."""
        return " AND ".join([*self.conditions, "started_at < ?"]), (*self.values, instant_text(self.cutoff(now)))


def passes_of(retention: RetentionSettings) -> list[Pass]:
    """Return what is to be gone through; none where nothing is set."""
    routes, keys = sorted(retention.routes), sorted(retention.keys)
    without_keys = _without("key_id", keys)
    found = list(_passes("", _joined(_without("route", routes), without_keys), retention.spans))
    for name in routes:
        where = _joined((("route = ?",), (name,)), without_keys)
        found += _passes(f"route {name}: ", where, retention.spans_of(retention.routes[name]))
    for name in keys:
        found += _passes(f"key {name}: ", (("key_id = ?",), (name,)), retention.spans_of(retention.keys[name]))
    return found


_Where = tuple[tuple[str, ...], tuple[Any, ...]]


def _passes(prefix: str, where: _Where, spans: Spans) -> Iterator[Pass]:
    states = ", ".join(f"'{state}'" for state in WITH_TEXT)
    conditions, values = where
    if spans.text:
        said = (*conditions, f"content_state IN ({states})")
        yield Pass(f"{prefix}texts", said, values, spans.text, is_text=True)
    if spans.metadata:
        yield Pass(f"{prefix}calls", (*conditions, "success"), values, spans.metadata, is_text=False)
    if spans.of_errors:
        yield Pass(f"{prefix}failures", (*conditions, "NOT success"), values, spans.of_errors, is_text=False)


def whole_before(retention: RetentionSettings, now: int) -> int | None:
    """Return before when every call is due, and too old for a tombstone; None where some are kept for ever."""
    spans = [retention.spans, *map(retention.spans_of, (*retention.routes.values(), *retention.keys.values()))]
    if not all(item.metadata for item in spans):
        return None
    return max(0, now - max(REPLAYED_MS, *(item.of_errors * 1000 for item in spans)))


def _without(column: str, names: Sequence[str]) -> _Where:
    if not names:
        return (), ()
    return (f"({column} IS NULL OR {column} NOT IN ({', '.join('?' * len(names))}))",), tuple(names)


def _joined(one: _Where, other: _Where) -> _Where:
    return one[0] + other[0], one[1] + other[1]

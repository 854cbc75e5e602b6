"""An SDK's own retries, linked: the repetition of a failed call points at its first try.

The official SDKs repeat a failed request by themselves, byte for byte, and number the repetitions in
``x-stainless-retry-count``. Nothing else says which call it was, so what is remembered of a call that did not complete
is a digest of everything that stays the same. Linked is only what is certain: one candidate, with the number before,
that ended before the repetition began. Two of them (the same question asked twice at once) and what was forgotten (a
restart, too many, too long ago) stay without a link; the number is on record in any case.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from dataclasses import dataclass

from proxy.domain.interaction import Interaction
from proxy.domain.outcome import Outcome
from proxy.domain.recording import RecordedCall

_MOST, _MOST_ALIKE = 4096, 16
_WINDOW_MS = 180_000
"""Longer than the SDKs wait for a retry, also where ``retry-after`` asks them to."""
_CHANGING = frozenset({"x-stainless-retry-count", "traceparent", "tracestate"})
"""What differs between two tries of one call."""


@dataclass(frozen=True, slots=True)
class _Try:
    first_id: str
    ended_at: int


class Retries:
    """What is remembered of calls that did not complete; for one thread."""

    def __init__(self) -> None:
        self._tries: OrderedDict[bytes, list[_Try]] = OrderedDict()

    def link(self, call: RecordedCall, item: Interaction) -> None:
        """Set ``parent_id`` of a repetition, and remember what may be repeated. Calls come in the order they ended."""
        number = item.retry_count
        if number is None or (number == 0 and item.outcome is Outcome.COMPLETED):
            return
        same = _digest(call)
        if number > 0:
            item.parent_id = self._first_try(same, number - 1, item.started_at)
        if item.outcome is not Outcome.COMPLETED and item.completed_at is not None:
            self._remember(_key(same, number), _Try(item.parent_id or item.id, item.completed_at))

    def _first_try(self, same: bytes, number: int, started_at: int) -> str | None:
        key = _key(same, number)
        tries = [item for item in self._tries.get(key, ()) if started_at - item.ended_at <= _WINDOW_MS]
        found = [item for item in tries if item.ended_at <= started_at]
        if len(found) != 1:
            return None
        tries.remove(found[0])
        self._tries[key] = tries
        return found[0].first_id

    def _remember(self, key: bytes, item: _Try) -> None:
        recent = [old for old in self._tries.pop(key, ()) if item.ended_at - old.ended_at <= _WINDOW_MS]
        self._tries[key] = [*recent[-_MOST_ALIKE:], item]
        while len(self._tries) > _MOST:
            self._tries.popitem(last=False)


def _key(same: bytes, number: int) -> bytes:
    return b"%d " % number + same


def _digest(call: RecordedCall) -> bytes:
    """Return a digest of what two tries of one call have in common."""
    start = call.start
    headers = sorted(pair for pair in start.request_headers if pair[0] not in _CHANGING)
    body = start.request_sha256 or hashlib.sha256(call.request or b"").hexdigest()
    text = repr((start.method, start.target, start.key_id, start.request_bytes, body, headers))
    return hashlib.sha256(text.encode("utf-8", "replace")).digest()

"""How long a call and its tries took, in milliseconds with microsecond precision.

``duration_ms`` runs from the acceptance of the request to the end of the call. ``upstream_ms`` is the part of it that
was spent waiting for upstreams, summed over the tries: dialling, and from the moment the request had left to the last
byte of the answer. ``overhead_ms`` is all the rest: reading and planning, recording, waiting for the pool, and the
client's own slowness in taking the answer after its last byte had come. When a client leaves, the time we read on for
the sake of its usage is waiting too. ``ttft_ms`` runs from the acceptance to the
arrival of the piece that made the first event with content whole; None where that cannot be known.
"""

from __future__ import annotations

from dataclasses import dataclass

from proxy.domain.interaction import Attempt
from proxy.domain.outcome import Outcome
from proxy.domain.recording import AttemptFact, CallEnd, RecordedCall
from proxy.interpret.texts import clean


@dataclass(slots=True)
class Durations:
    """Milliseconds; None where an instant never came."""

    duration: float | None
    upstream: float | None
    overhead: float | None


def durations_of(end: CallEnd | None) -> Durations:
    """Return how long the whole took and what of it was waiting for upstreams."""
    if end is None:
        return Durations(None, None, None)
    duration = max(0, end.ended_ns)
    if not end.attempts:
        return Durations(duration / 1e6, None, duration / 1e6)
    waited = 0
    for position, fact in enumerate(end.attempts):
        waited += _waited(fact, _end_of(end, position))
    waited = min(waited, duration)
    return Durations(duration / 1e6, waited / 1e6, (duration - waited) / 1e6)


def _waited(fact: AttemptFact, until: int) -> int:
    if fact.sent_ns is None:
        return max(0, until - fact.started_ns)
    dialling = 0 if fact.connected_ns is None or fact.reused else max(0, fact.connected_ns - fact.started_ns)
    return dialling + max(0, until - fact.sent_ns)


def _end_of(end: CallEnd, position: int) -> int:
    """Return when a try was over: its own end, the beginning of the next one, or what came last."""
    fact = end.attempts[position]
    if fact.ended_ns is not None:
        return fact.ended_ns
    if position + 1 < len(end.attempts):
        return end.attempts[position + 1].started_ns
    if end.outcome is Outcome.CLIENT_GONE:
        return end.ended_ns
    if end.last_byte_ns is not None:
        return end.last_byte_ns
    return fact.head_ns if fact.head_ns is not None else end.ended_ns


def attempts_of(call: RecordedCall, identity: str) -> tuple[Attempt, ...]:
    """Return the tries as child rows."""
    end = call.end
    if end is None:
        return ()
    base = call.start.accepted_at_ns
    made = []
    for position, fact in enumerate(end.attempts):
        ended = _end_of(end, position)
        made.append(
            Attempt(
                interaction_id=identity,
                number=fact.number,
                provider=fact.provider,
                upstream=clean(fact.upstream, 500) or "",
                started_at=(base + fact.started_ns) // 1_000_000,
                connect_ms=None if fact.connected_ns is None else (fact.connected_ns - fact.started_ns) / 1e6,
                first_byte_ms=None if fact.head_ns is None else (fact.head_ns - fact.started_ns) / 1e6,
                duration_ms=max(0, ended - fact.started_ns) / 1e6,
                http_status=fact.status,
                error=fact.error,
                error_message=clean(fact.error_message, 500),
                reused=fact.reused,
            )
        )
    return tuple(made)

"""The limits of keys and providers: requests and tokens of a minute, and calls at once, over all gateways of the host.

A minute slides: what was used in the minute of the clock before counts by the part of it that still lies within the
last sixty seconds. A call is counted when it is let in; its tokens when control has read its answer, some moments after
its end, so that calls already under way may go beyond. Both are approximate (``spool.tallies``), and held by each host
for itself. Nothing waits here: who is beyond a limit is told so, and when to come again.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterable
from dataclasses import dataclass

from proxy.domain.access import Limits
from proxy.domain.snapshot import Snapshot
from proxy.gateway.guard import Refusal
from proxy.spool.tallies import Counts, Tallies, subject_of

CODE = "rate_limit_exceeded"
_OURS = b"x-dashcam-ratelimit-"
_USUAL = b"x-ratelimit-"
_MINUTE = 60.0
FULL = Refusal(
    503,
    "limits_full",
    "More keys and providers with limits are in use than this Dashcam can count (4096). Take limits off some of them.",
)


@dataclass(frozen=True, slots=True)
class Subject:
    """Who has limits: ``number`` is what it is counted under, ``name`` how it is called; replies tell of a key's."""

    number: int
    name: str
    limits: Limits
    is_told: bool = False


class Limiting:
    """The limits of one snapshot."""

    def __init__(self, snapshot: Snapshot, tallies: Tallies) -> None:
        self._tallies = tallies
        self._keys = {
            key.id: Subject(subject_of("key", key.id), f"This proxy key ({key.id})", key.limits, is_told=True)
            for key in snapshot.keys
            if key.limits is not None
        }
        self.providers = {
            item.name: Subject(subject_of("provider", item.name), f"Provider {item.name!r}", item.limits)
            for item in snapshot.providers
            if item.limits is not None
        }

    def __repr__(self) -> str:
        return f"<Limiting keys={len(self._keys)} providers={len(self.providers)}>"

    def key(self, key_id: str) -> Subject | None:
        """Return a key as one that has limits, None where it has none."""
        return self._keys.get(key_id)

    def refusal(self, subject: Subject) -> Refusal | None:
        """Return why a subject may not have one more call now, or None."""
        now = time.time()
        return refusal_of(subject, self._tallies.counts(subject.number, now), now)

    def begin(self, subject: Subject) -> Refusal | Counts:
        """Count one more call of a subject, until ``end``, and return what it has used; or why it may not have one."""
        now = time.time()
        counts = self._tallies.counts(subject.number, now)
        refusal = refusal_of(subject, counts, now)
        if refusal is not None:
            return refusal
        if not self._tallies.own.count(subject.number, now, requests=1, under_way=1):
            return FULL
        counts.requests += 1
        return counts

    def end(self, subjects: Iterable[Subject]) -> None:
        """A call of these is over."""
        for subject in subjects:
            self._tallies.own.count(subject.number, time.time(), under_way=-1)

    @staticmethod
    def lines(subject: Subject, counts: Counts) -> tuple[bytes, ...]:
        """Return what a reply says of a subject's limits, as one of ``ReplyHead.lines`` for all."""
        said = headers_of(subject.limits, counts, time.time(), _OURS)
        if not said:
            return ()
        name, _, rest = b"\r\n".join([b"%s: %s" % item for item in said]).partition(b": ")
        return (name, b": ", rest, b"\r\n")


def refusal_of(subject: Subject, counts: Counts, now: float) -> Refusal | None:
    """Return why somebody who has used so much may have no more at an instant (Unix time), or None."""
    limits = subject.limits
    if limits.concurrent is not None and counts.under_way >= limits.concurrent:
        return _refusal(
            subject, counts, now, f"has {_counted(counts.under_way, 'call')} under way, of {limits.concurrent}", 1.0
        )
    most = limits.requests_per_minute
    if most is not None and _used(counts.requests_before, counts.requests, now) > most - 1:
        wait = seconds_until(counts.requests_before, counts.requests, max(0, most - 1), now)
        return _refusal(subject, counts, now, f"has had its {_counted(most, 'request')} of a minute", wait)
    most = limits.tokens_per_minute
    if most is not None and _used(counts.tokens_before, counts.tokens, now) >= most:
        wait = seconds_until(counts.tokens_before, counts.tokens, max(0, most - 1), now)
        return _refusal(subject, counts, now, f"has used its {_counted(most, 'token')} of a minute", wait)
    return None


def _counted(number: int, what: str) -> str:
    return f"{number} {what}{'s' if number != 1 else ''}"


def _refusal(subject: Subject, counts: Counts, now: float, what: str, wait: float) -> Refusal:
    seconds = max(1, math.ceil(wait))
    message = f"{subject.name} {what} that its limits allow on this host. Send the call again in {seconds} s."
    return Refusal(429, CODE, message, seconds * 1000, headers_of(subject.limits, counts, now, _USUAL))


def headers_of(limits: Limits, counts: Counts, now: float, beginning: bytes) -> tuple[tuple[bytes, bytes], ...]:
    """Return limit, remaining and reset for what is limited, as OpenAI names them behind ``beginning``."""
    found: list[tuple[bytes, bytes]] = []
    for word, most, before, current in (
        (b"requests", limits.requests_per_minute, counts.requests_before, counts.requests),
        (b"tokens", limits.tokens_per_minute, counts.tokens_before, counts.tokens),
    ):
        if most is not None:
            left = max(0, math.floor(most - _used(before, current, now)))
            reset = math.ceil(seconds_until(before, current, 0, now))
            found += (
                (beginning + b"limit-" + word, b"%d" % most),
                (beginning + b"remaining-" + word, b"%d" % left),
                (beginning + b"reset-" + word, b"%ds" % reset),
            )
    return tuple(found)


def _used(before: int, current: int, now: float) -> float:
    """Return what was used in the last sixty seconds, as far as two buckets tell."""
    return current + before * (1 - now % _MINUTE / _MINUTE)


def seconds_until(before: int, current: int, most: float, now: float) -> float:
    """Return in how many seconds no more than ``most`` will count as used, when nothing is added."""
    if _used(before, current, now) <= most:
        return 0.0
    passed = now % _MINUTE
    if current <= most:
        return (1 - (most - current) / before) * _MINUTE - passed
    return _MINUTE - passed + (1 - most / current) * _MINUTE

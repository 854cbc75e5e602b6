"""The record of one call while it is in flight: the one owner of "what happened and how did it end".

``start`` before the upstream is dialled, ``piece`` before a piece is handed to the client, ``end`` exactly once before
the last byte leaves. Every step is a plain synchronous append to the spool, which survives the cancellation of its
task and the death of the process. A second ``end`` is ignored: the first ending is the true one.
"""

from __future__ import annotations

import hashlib
import time

from proxy.domain.identity import id_text
from proxy.domain.outcome import Outcome
from proxy.domain.provider import Provider
from proxy.domain.recording import AnswerHead, AttemptFact, CallEnd, CallStart
from proxy.gateway.endings import Ending
from proxy.gateway.plan import Plan
from proxy.gateway.redacting import CallRedaction
from proxy.protocol.injection import is_addition
from proxy.spool.page import Page
from proxy.spool.writer import SpoolWriter
from proxy.upstream.failure import FailureReason, Timing, UpstreamFailure

_LIMITS = {
    FailureReason.CONNECT_TIMEOUT: Page.LIMIT_CONNECT_TIMEOUT,
    FailureReason.FIRST_BYTE_TIMEOUT: Page.LIMIT_FIRST_BYTE_TIMEOUT,
    FailureReason.IDLE_TIMEOUT: Page.LIMIT_IDLE_TIMEOUT,
}
"""Which of a provider's time-outs a failure is, by its slot of the page."""


class Observation:
    """What is known of one call so far. Instants given are monotonic ns, noted relative to ``accepted_at``."""

    status: int | None = None
    first_byte_at: int | None = None
    last_byte_at: int | None = None
    received_bytes = 0
    sent_bytes = 0
    is_started = False
    is_ended = False
    attempts: tuple[AttemptFact, ...] = ()
    _head: AnswerHead | None = None
    _is_head_written = False
    _sha256: hashlib._Hash | None = None
    _replanned: Plan | None = None
    _is_taken_over = False
    _redaction: CallRedaction | None = None

    def __init__(self, spool: SpoolWriter, identity: bytes, accepted_at: int) -> None:
        self._spool = spool
        self.identity = identity
        self.call_id = id_text(identity).encode()
        self.accepted_at = accepted_at

    def __repr__(self) -> str:
        state = "ended" if self.is_ended else "open"
        return f"<Observation {self.identity.hex()} {state} status={self.status} received={self.received_bytes}>"

    @property
    def spool(self) -> SpoolWriter:
        """Where this call is recorded."""
        return self._spool

    def offset(self, instant: int) -> int:
        """Return an instant as nanoseconds since the call was accepted."""
        return instant - self.accepted_at

    def start(self, start: CallStart, body: bytes, *, is_secret: bool = False) -> bool:
        """Note the call as accepted and planned; False when policy says to refuse it instead."""
        self.is_started = self._spool.start(self.identity, start, body, is_secret=is_secret)
        return self.is_started

    def redact(self, redaction: CallRedaction) -> CallRedaction:
        """From here on nothing is written down that was not looked through; what begins the call is the caller's."""
        self._redaction = redaction
        return redaction

    def leave_out(self, *, is_over: bool = False) -> None:
        """The caller lets us keep nothing of this call: it is counted, and no more."""
        self.is_started, self.is_ended = not is_over, is_over
        self._spool.leave_out(self.identity, is_over=is_over)

    def attempted(
        self, provider: Provider, timing: Timing, status: int | None, failure: UpstreamFailure | None
    ) -> None:
        """Keep the facts of one try; an answered one lasts until the call's end."""
        zero = self.accepted_at
        if timing.replaced is not None:
            self._replaced(provider, timing)
        fact = AttemptFact(
            number=len(self.attempts) + 1,
            provider=provider.name,
            upstream=provider.base_url,
            started_ns=timing.started_ns - zero,
            connected_ns=None if timing.connected_ns is None else timing.connected_ns - zero,
            sent_ns=None if timing.sent_ns is None else timing.sent_ns - zero,
            head_ns=None if timing.head_ns is None else timing.head_ns - zero,
            status=status,
            reused=timing.reused,
        )
        if failure is not None:
            self._note_failure(fact, failure)
        self.attempts += (fact,)

    def _replaced(self, provider: Provider, timing: Timing) -> None:
        """Note the try on a dead pooled connection that this one stands for: it was over when this one began."""
        failure, timing.replaced = timing.replaced, None
        assert failure is not None
        self.attempted(provider, failure.timing, None, failure)
        self.attempts[-1].ended_ns = timing.started_ns - self.accepted_at

    def replanned(self, plan: Plan, *, is_taken_over: bool) -> None:
        """The answer will be to another request than START says; ``is_taken_over``: by another candidate."""
        self._replanned = plan
        self._is_taken_over |= is_taken_over

    def _note_replanned(self, end: CallEnd, plan: Plan) -> None:
        end.edits_undone = not any(map(is_addition, plan.edits))
        end.edits = plan.recorded_edits
        if self._is_taken_over:
            end.provider, end.provider_kind = plan.provider.name, plan.provider.kind
            end.upstream, end.sent_model = plan.provider.base_url, plan.sent_model

    def broke_off(self, failure: UpstreamFailure) -> None:
        """The answer of the last try ended before its time."""
        self._note_failure(self.attempts[-1], failure)

    def _note_failure(self, fact: AttemptFact, failure: UpstreamFailure) -> None:
        fact.ended_ns = time.monotonic_ns() - self.accepted_at
        fact.error, fact.error_message = failure.reason.value, failure.message[:500]
        limit = _LIMITS.get(failure.reason)
        if limit is not None:
            self._spool.page.add(limit, 1)

    def answered(self, status: int, headers: tuple[tuple[str, str], ...]) -> None:
        """Keep the answer's head; it is written with the first piece or the end."""
        self.status = status
        self._head = AnswerHead(status=status, headers=headers)
        if self._redaction is not None:
            self._head = self._redaction.head(self._head)

    def piece(self, at: int, data: bytes) -> None:
        """Append one piece as the upstream gave it."""
        self._count(at, data)
        head = None if self._is_head_written else self._head
        self._is_head_written = True
        if self._redaction is None:
            self._spool.piece(self.identity, self.offset(at), data, head)
            return
        self._redaction.hold(self.offset(at), data)
        if head is not None:
            self._spool.pieces(self.identity, (), head)

    def hash_what_is_sent(self) -> None:
        """The client is handed other bytes than the upstream gave: only we can hash them."""
        self._sha256 = hashlib.sha256()

    def sent(self, data: bytes) -> None:
        """Note what is handed to the client."""
        self.sent_bytes += len(data)
        if self._sha256 is not None:
            self._sha256.update(data)

    def end(
        self, outcome: Outcome, ended_at: int, *, error: Ending | None = None, last: tuple[int, bytes] | None = None
    ) -> None:
        """Append the end, with the last piece of the answer when it was not appended before."""
        if self.is_ended:
            return
        self.is_ended = True
        if last is not None:
            self._count(*last)
            last = (self.offset(last[0]), last[1])
        end = self._call_end(outcome, ended_at, error)
        if self._redaction is not None:
            self._end_redacted(self._redaction, end, last)
        else:
            self._spool.end(self.identity, end, last)

    def _end_redacted(self, redaction: CallRedaction, end: CallEnd, last: tuple[int, bytes] | None) -> None:
        if last is not None:
            redaction.hold(*last)
        *pieces, last = redaction.finish(end) or (None,)
        self._spool.pieces(self.identity, [piece for piece in pieces if piece is not None])
        self._spool.end(self.identity, end, last)

    def reject(self, start: CallStart, ended_at: int, error: Ending) -> None:
        """Note a call that we refuse ourselves, start and end in one write."""
        self.is_ended = True
        self.status = error.status
        end = self._call_end(error.outcome, ended_at, error)
        if self._redaction is not None:
            self._redaction.start(start, b"")
            self._redaction.finish(end)
        self._spool.reject(self.identity, start, end)

    def _count(self, at: int, data: bytes) -> None:
        self.received_bytes += len(data)
        self.last_byte_at = at
        if self.first_byte_at is None:
            self.first_byte_at = at

    def _call_end(self, outcome: Outcome, ended_at: int, error: Ending | None) -> CallEnd:
        last, zero = self.last_byte_at, self.accepted_at
        end = CallEnd(
            outcome=outcome,
            ended_ns=ended_at - zero,
            status=self.status,
            head=None if self._is_head_written else self._head,
            last_byte_ns=None if last is None else last - zero,
            received_bytes=self.received_bytes,
            sent_bytes=self.sent_bytes,
            sha256=self._sha256.hexdigest() if self._sha256 is not None else None,
            attempts=self.attempts,
        )
        if self._replanned is not None:
            self._note_replanned(end, self._replanned)
        if error is not None:
            end.error_type, end.error_code, end.error_message = error.kind, error.code, error.message[:500]
        return end

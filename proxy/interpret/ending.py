"""How a recorded call ended: the gateway's word, with four exceptions that only the bytes can tell.

An error inside an answer of status 200 is an ``upstream_error``. An answer whose transport ended cleanly although the
stream never said that it was over (no ``[DONE]``, no finish reason, no terminal event) broke off: ``upstream_aborted``.
A client that left with a whole stream in its hands, before the transport's own end, is not gone: clients read to
``[DONE]`` and close. And a call whose gateway died after the whole answer had been kept is ``completed``; without an
end it is otherwise ``interrupted``. Only an answer that was kept whole can prove anything by what is missing from it.
"""

from __future__ import annotations

from proxy.domain.outcome import Outcome
from proxy.domain.recording import CallEnd, RecordedCall
from proxy.interpret.content import edits_of
from proxy.interpret.reading import Reading
from proxy.protocol.assembly import AnswerError
from proxy.protocol.endpoints import Answer, operation_named
from proxy.protocol.stripping import UsageStripper

INCOMPLETE = "answer_incomplete"
"""The error code of an answer whose transport ended and which itself had not."""
_CUT = AnswerError(
    "The answer ended without [DONE], a finish reason or a terminal event.", "upstream_error", INCOMPLETE
)

_WITH_TERMINAL = frozenset({Answer.RUN, Answer.TRANSCRIPT, Answer.RESPONSES})


def ending_of(call: RecordedCall, reading: Reading) -> tuple[Outcome, AnswerError | None]:
    """Return the outcome, and the error that explains it where there is one."""
    assembly, end = reading.assembly, call.end
    inner = assembly.error if assembly else None
    is_whole_stream = assembly is not None and assembly.is_terminal and reading.is_stream
    if end is None:
        return (Outcome.COMPLETED if is_whole_stream and inner is None else Outcome.INTERRUPTED), inner
    if end.error_code is not None:
        return end.outcome, AnswerError(end.error_message, end.error_type, end.error_code)
    has_left_with_all = end.outcome is Outcome.CLIENT_GONE and is_whole_stream and _was_handed_all(call, end)
    if end.outcome is not Outcome.COMPLETED and not has_left_with_all:
        return end.outcome, inner
    if inner is not None:
        return Outcome.UPSTREAM_ERROR, inner
    return (Outcome.UPSTREAM_ABORTED, _CUT) if _is_cut(call, end, reading) else (Outcome.COMPLETED, None)


def _was_handed_all(call: RecordedCall, end: CallEnd) -> bool:
    """Return True when the client was handed all that came, or all of it but the usage that it had not asked for."""
    if call.lost_bytes:
        return False
    if end.sent_bytes == end.received_bytes or not edits_of(call):
        return end.sent_bytes == end.received_bytes
    gone = end.received_bytes - (call.answer_bytes or 0)
    stripper = UsageStripper()
    sent = sum([len(stripper.feed(piece.data)) for piece in call.pieces]) + len(stripper.finish())
    return sent == end.sent_bytes - gone


def _is_cut(call: RecordedCall, end: CallEnd, reading: Reading) -> bool:
    assembly, operation = reading.assembly, operation_named(call.start.operation)
    says_when_over = operation.generates or (reading.is_stream and operation.answer in _WITH_TERMINAL)
    if assembly is None or assembly.has_ended or not says_when_over:
        return False
    kept = sum(len(piece.data) for piece in call.pieces)
    is_left_out = end.recorded_bytes == 0 and end.received_bytes > 0
    return reading.decode_error is None and call.lost_bytes == 0 and kept == call.answer_bytes and not is_left_out

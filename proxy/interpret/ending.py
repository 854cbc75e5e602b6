"""How a recorded call ended: the gateway's word, with three exceptions that only the bytes can tell.

An error inside an answer of status 200 is an ``upstream_error``. An answer whose transport ended cleanly although the
stream never said that it was over (no ``[DONE]``, no finish reason, no terminal event) broke off: ``upstream_aborted``.
And a call whose gateway died after the whole answer had been kept is ``completed``; without an end it is otherwise
``interrupted``. Only an answer that was kept whole can prove anything by what is missing from it.
"""

from __future__ import annotations

from proxy.domain.outcome import Outcome
from proxy.domain.recording import CallEnd, RecordedCall
from proxy.interpret.reading import Reading
from proxy.protocol.assembly import AnswerError
from proxy.protocol.endpoints import GENERATING

_CUT = AnswerError(
    "The answer ended without [DONE], a finish reason or a terminal event.", "upstream_error", "answer_incomplete"
)


def ending_of(call: RecordedCall, reading: Reading) -> tuple[Outcome, AnswerError | None]:
    """Return the outcome, and the error that explains it where there is one."""
    assembly, end = reading.assembly, call.end
    inner = assembly.error if assembly else None
    if end is None:
        is_whole = assembly is not None and assembly.is_terminal and inner is None and reading.is_event_stream
        return (Outcome.COMPLETED if is_whole else Outcome.INTERRUPTED), inner
    if end.error_code is not None:
        return end.outcome, AnswerError(end.error_message, end.error_type, end.error_code)
    if end.outcome is not Outcome.COMPLETED:
        return end.outcome, inner
    if inner is not None:
        return Outcome.UPSTREAM_ERROR, inner
    return (Outcome.UPSTREAM_ABORTED, _CUT) if _is_cut(call, end, reading) else (Outcome.COMPLETED, None)


def _is_cut(call: RecordedCall, end: CallEnd, reading: Reading) -> bool:
    assembly = reading.assembly
    if assembly is None or assembly.has_ended or call.start.operation not in GENERATING:
        return False
    kept = sum(len(piece.data) for piece in call.pieces)
    return reading.decode_error is None and call.lost_bytes == 0 and kept == end.received_bytes

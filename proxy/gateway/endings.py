"""How a call ended, set in one place: the table from failures to outcomes, statuses and codes.

Only this module knows which status belongs to which failure. Errors that would also reach a direct client stay
retryable; a permanent misconfiguration says ``x-should-retry: false``. Nothing here translates an upstream's answer.
"""

from __future__ import annotations

from dataclasses import dataclass

from proxy.domain.outcome import Outcome
from proxy.gateway.guard import Refusal
from proxy.gateway.reply_head import ReplyHead
from proxy.protocol.envelope import error_body
from proxy.upstream.failure import FailureReason, Timing, UpstreamFailure


@dataclass(frozen=True, slots=True)
class Ending:
    """An outcome with the error the client is told: ``kind`` is the envelope's type, ``param`` what it blames."""

    outcome: Outcome
    status: int
    kind: str
    code: str
    message: str
    should_retry: bool | None = None
    retry_after_ms: int | None = None
    headers: tuple[tuple[bytes, bytes], ...] = ()
    param: str | None = None


_UNREACHABLE = (Outcome.UPSTREAM_UNREACHABLE, 502, "upstream_error", "upstream_unreachable", None)
_MISCONFIGURED = (Outcome.UPSTREAM_UNREACHABLE, 502, "upstream_error", "proxy_config_error", False)
_TIMED_OUT = (Outcome.TIMED_OUT, 504, "upstream_error", "timed_out", None)
_INVALID = (Outcome.UPSTREAM_ERROR, 502, "upstream_error", "upstream_invalid_answer", None)

_BEFORE_ANSWER = {
    FailureReason.TLS: _MISCONFIGURED,
    FailureReason.BLOCKED_ADDRESS: _MISCONFIGURED,
    FailureReason.KEY_UNUSABLE: _MISCONFIGURED,
    FailureReason.CONNECT_TIMEOUT: _TIMED_OUT,
    FailureReason.FIRST_BYTE_TIMEOUT: _TIMED_OUT,
    FailureReason.IDLE_TIMEOUT: _TIMED_OUT,
    FailureReason.PROTOCOL: _INVALID,
    FailureReason.HEAD_TOO_LARGE: _INVALID,
}


def before_answer(failure: UpstreamFailure, provider: str) -> Ending:
    """Return the ending of a call whose upstream never answered."""
    outcome, status, kind, code, should_retry = _BEFORE_ANSWER.get(failure.reason, _UNREACHABLE)
    message = f"Provider {provider!r} could not answer ({failure.reason.value}): {failure.message}"
    return Ending(outcome, status, kind, code, message, should_retry)


def in_answer(failure: UpstreamFailure, provider: str) -> Ending:
    """Return the ending of a call whose upstream broke in the middle of its answer."""
    message = f"Provider {provider!r} broke off its answer ({failure.reason.value}): {failure.message}"
    if failure.reason is FailureReason.IDLE_TIMEOUT:
        return Ending(Outcome.TIMED_OUT, 504, "upstream_error", "timed_out", message)
    return Ending(Outcome.UPSTREAM_ABORTED, 502, "upstream_error", "upstream_aborted", message)


SHUT_DOWN = Ending(
    Outcome.SHUT_DOWN,
    503,
    "server_error",
    "proxy_shutting_down",
    "Dashcam is shutting down and could not wait for the end of this call. Send it again.",
    True,
    1000,
)


def out_of_time(seconds: float, provider: str) -> Ending:
    """Return the ending of a call whose caller has bounded it, by its first provider."""
    message = f"Provider {provider!r} has not answered in full within the {seconds:g} s of x-dashcam-timeout."
    return Ending(Outcome.TIMED_OUT, 504, "upstream_error", "timed_out", message)


STALLED = Ending(
    Outcome.CLIENT_GONE,
    408,
    "client_error",
    "client_stalled",
    "The client took nothing of the answer for limits.write_stall, or was the slowest while memory ran short.",
)
"""Told to nobody: it marks on record that we have ended the connection."""


def of_client(is_stalled: bool) -> Ending | None:
    """A client that we have cut off is gone like any other, with a mark."""
    return STALLED if is_stalled else None


def unasked_coding(coding: bytes, timing: Timing) -> UpstreamFailure:
    """Return the failure of an answer in a transfer coding other than chunked.

    Transfer codings belong to one connection (RFC 9112, 6.1 and 7): passed on as they are, without their header, the
    bytes would be somebody else's riddle. Nothing but chunked is ever asked for: no ``TE`` goes to an upstream.
    """
    shown = coding[:80].decode("latin-1")
    message = f"its answer has the transfer coding {shown!r}, which was not asked for"
    return UpstreamFailure(FailureReason.PROTOCOL, message, timing, answered=True)


INTERNAL = Ending(
    Outcome.REJECTED,
    500,
    "server_error",
    "internal_error",
    "Dashcam met an unexpected error of its own; its log has the details under this call's x-dashcam-id.",
    True,
)


_KINDS = {429: "rate_limit_error"}


def rejected(refusal: Refusal) -> Ending:
    """Return the ending of a call that we refuse ourselves."""
    should_retry = refusal.status in (429, 503)
    retry = refusal.retry_after_ms or (500 if should_retry else None)
    kind = _KINDS.get(refusal.status) or ("server_error" if refusal.status >= 500 else "invalid_request_error")
    outcome, status, code = Outcome.REJECTED, refusal.status, refusal.code
    message, headers, param = refusal.message, refusal.headers, refusal.param
    return Ending(outcome, status, kind, code, message, should_retry, retry, headers, param)


def reply(ending: Ending, call_id: bytes | None) -> tuple[ReplyHead, bytes]:
    """Return head and body of our own error answer; None where nothing is on record under an id."""
    body = error_body(ending.message, kind=ending.kind, code=ending.code, param=ending.param)
    head = ReplyHead([(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))])
    if call_id is not None:
        head.add(b"x-dashcam-id", call_id)
    head.add(b"x-dashcam-error", ending.code.encode())
    if ending.should_retry is not None:
        head.add(b"x-should-retry", b"true" if ending.should_retry else b"false")
    if ending.retry_after_ms is not None:
        head.add(b"retry-after-ms", b"%d" % ending.retry_after_ms)
        head.add(b"retry-after", b"%d" % -(-ending.retry_after_ms // 1000))
    for name, value in ending.headers:
        head.add(name, value)
    return head, body

"""What the errors of the second way's engine say about an upstream, in the words of ``failure``.

The engine wraps the system's errors several times over; the innermost one tells a refused connection from one that TLS
ended.
"""

from __future__ import annotations

import ssl

import httpcore2

from proxy.upstream.failure import FailureReason, Timing, UpstreamFailure

_REASONS: tuple[tuple[type[Exception], FailureReason], ...] = (
    (httpcore2.ConnectTimeout, FailureReason.CONNECT_TIMEOUT),
    (httpcore2.PoolTimeout, FailureReason.CONNECT_TIMEOUT),
    (httpcore2.ReadTimeout, FailureReason.IDLE_TIMEOUT),
    (httpcore2.WriteTimeout, FailureReason.IDLE_TIMEOUT),
    (httpcore2.ProxyError, FailureReason.UNREACHABLE),
    (httpcore2.ConnectError, FailureReason.UNREACHABLE),
    (httpcore2.NetworkError, FailureReason.RESET),
    (httpcore2.ProtocolError, FailureReason.PROTOCOL),
)
ENGINE_ERRORS = (
    httpcore2.NetworkError,
    httpcore2.TimeoutException,
    httpcore2.ProtocolError,
    httpcore2.ProxyError,
    httpcore2.UnsupportedProtocol,
    UpstreamFailure,
    OSError,
)
"""All that the engine, and what it dials with, may raise."""
_CLOSED = ("disconnected without", "peer closed connection", "incomplete", "GOAWAY", "ConnectionTerminated")


def failure_of(error: Exception, timing: Timing, *, answered: bool) -> UpstreamFailure:
    """Return what an error of the engine says about the upstream."""
    if isinstance(error, UpstreamFailure):
        error.timing = timing
        return error
    cause = _cause_of(error)
    reason = next((reason for kind, reason in _REASONS if isinstance(error, kind)), FailureReason.PROTOCOL)
    if isinstance(cause, ssl.SSLError) and not answered:
        reason = FailureReason.TLS
    elif isinstance(cause, ConnectionRefusedError):
        reason = FailureReason.REFUSED
    elif reason is FailureReason.PROTOCOL and any(word in str(error) for word in _CLOSED):
        reason = FailureReason.CLOSED_EARLY
    elif reason is FailureReason.IDLE_TIMEOUT and not answered:
        reason = FailureReason.FIRST_BYTE_TIMEOUT
    who = "the outgoing proxy" if isinstance(error, httpcore2.ProxyError) else "it"
    message = f"{who} failed: {type(error).__name__}: {cause or error}"
    return UpstreamFailure(reason, message[:500], timing, answered=answered)


def _cause_of(error: BaseException) -> BaseException | None:
    """Return the system's own error, the innermost one below those of the libraries, if there is one."""
    seen: BaseException | None = error
    found = None
    for _ in range(8):
        if seen is None:
            break
        found = seen if isinstance(seen, OSError) else found
        inner = seen.exceptions[0] if isinstance(seen, BaseExceptionGroup) else None
        seen = inner or seen.__cause__ or seen.__context__
    return found

"""Why an upstream did not answer, or broke off: one closed set of reasons.

The reason is a fact of the wire; what the client is told about it is decided by the gateway's ``endings``. Lower
errors (OSError, ssl, httptools) are translated here and in ``dialling``, with their cause kept.
"""

from __future__ import annotations

from enum import StrEnum

from proxy.errors import UpstreamError


class FailureReason(StrEnum):
    """What went wrong, as a stable word."""

    DNS = "dns"
    REFUSED = "refused"
    UNREACHABLE = "unreachable"
    TLS = "tls"
    BLOCKED_ADDRESS = "blocked_address"
    KEY_UNUSABLE = "key_unusable"
    CONNECT_TIMEOUT = "connect_timeout"
    FIRST_BYTE_TIMEOUT = "first_byte_timeout"
    IDLE_TIMEOUT = "idle_timeout"
    RESET = "reset"
    CLOSED_EARLY = "closed_early"
    PROTOCOL = "protocol"
    HEAD_TOO_LARGE = "head_too_large"


class Timing:
    """Instants of one attempt in monotonic nanoseconds; None when it never came.

    ``replaced`` is the failure of the try on a dead pooled connection that this one stands for.
    """

    __slots__ = ("connected_ns", "head_ns", "replaced", "reused", "sent_ns", "started_ns")

    def __init__(
        self,
        started_ns: int,
        connected_ns: int | None = None,
        sent_ns: int | None = None,
        head_ns: int | None = None,
        reused: bool = False,
    ) -> None:
        self.started_ns = started_ns
        self.connected_ns = connected_ns
        self.sent_ns = sent_ns
        self.head_ns = head_ns
        self.reused = reused
        self.replaced: UpstreamFailure | None = None


class UpstreamFailure(UpstreamError):  # noqa: N818 - it is the upstream's failure, not an error of ours
    """The upstream did not answer, or broke off its answer; ``answered`` when any byte of one had come."""

    def __init__(
        self, reason: FailureReason, message: str, timing: Timing | None = None, *, answered: bool = False
    ) -> None:
        super().__init__(message)
        self.reason = reason
        self.answered = answered
        self.timing = timing or Timing(0)

    @property
    def code(self) -> str:  # type: ignore[override]
        """The reason is the code."""
        return self.reason.value

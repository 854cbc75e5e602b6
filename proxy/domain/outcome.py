"""How a call ended, and the other small closed sets of the record.

The nine outcomes are the only answer to "how did it end"; they are set in one place (the gateway's
``endings``), except ``interrupted``, which the loader writes for a call whose gateway died.
A truncated or filtered answer is ``completed``: what the provider wanted to say has been said.
"""

from __future__ import annotations

from enum import StrEnum


class Outcome(StrEnum):
    """How an interaction ended."""

    COMPLETED = "completed"
    UPSTREAM_ERROR = "upstream_error"
    UPSTREAM_UNREACHABLE = "upstream_unreachable"
    UPSTREAM_ABORTED = "upstream_aborted"
    TIMED_OUT = "timed_out"
    CLIENT_GONE = "client_gone"
    REJECTED = "rejected"
    SHUT_DOWN = "shut_down"
    INTERRUPTED = "interrupted"


class FinishKind(StrEnum):
    """Why the model stopped, normalised over all dialects; the raw word is kept beside it."""

    STOP = "stop"
    TRUNCATED = "truncated"
    TOOL_CALL = "tool_call"
    FILTERED = "filtered"
    ERROR = "error"
    NONE = "none"
    UNKNOWN = "unknown"


class UsageSource(StrEnum):
    """Where the token counts come from; estimates are never mixed silently with reports."""

    REPORTED = "reported"
    UPSTREAM_TIMINGS = "upstream_timings"
    ESTIMATED_CHARS = "estimated:chars"
    NONE = "none"

    @property
    def is_estimate(self) -> bool:
        """True where the provider did not count: the number is a guess of ours."""
        return self.startswith("estimated")


class CostStatus(StrEnum):
    """How far the amount may be trusted."""

    REPORTED = "reported"
    COMPUTED = "computed"
    COMPUTED_FROM_ESTIMATE = "computed_from_estimate"
    LOCAL = "local"
    FREE = "free"
    UNPRICED = "unpriced"
    LOWER_BOUND = "lower_bound"


class ContentState(StrEnum):
    """What became of the bodies of a call."""

    STORED = "stored"
    OFF = "off"
    REDACTED = "redacted"
    TRUNCATED = "truncated"
    PRUNED = "pruned"


SUCCESSFUL = frozenset({Outcome.COMPLETED})

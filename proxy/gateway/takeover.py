"""Who takes over when a routed call's upstream fails before its answer has begun.

The next candidate is asked after a failed connection, a status 429 or one from 500, within the budget. A request that
had left whole when its connection broke may have been worked on: it is sent to another candidate only where that costs
no more than tokens. A time-out is not followed by another try: the client has waited, and the upstream may be at work.
After the first byte of an answer nothing is ever tried again; the last candidate's answer is passed on as it came.
"""

from __future__ import annotations

import email.utils
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from proxy.gateway.breaking import Breakers
from proxy.gateway.plan import Plan
from proxy.upstream.failure import FailureReason, UpstreamFailure

if TYPE_CHECKING:
    from proxy.gateway.client_head import Headers
    from proxy.gateway.sending import Sending

_NOT_CONNECTED = frozenset(
    {
        FailureReason.DNS,
        FailureReason.REFUSED,
        FailureReason.UNREACHABLE,
        FailureReason.TLS,
        FailureReason.BLOCKED_ADDRESS,
        FailureReason.KEY_UNUSABLE,
        FailureReason.CONNECT_TIMEOUT,
    }
)
_BROKEN = frozenset({FailureReason.RESET, FailureReason.CLOSED_EARLY})
_REPEATABLE = frozenset({"chat", "completions", "embeddings", "moderations", "ollama_chat", "ollama_generate"})
"""Operations that leave nothing behind but a bill."""

Following = tuple[Plan, "Sending"]


class Takeover:
    """The candidates of one routed call that were not tried yet; ``on_next`` hears whose turn it is."""

    __slots__ = ("_breakers", "_is_settled", "_on_next", "_provider", "_second_tries", "_waiting")

    def __init__(
        self, breakers: Breakers, waiting: Sequence[Following] = (), on_next: Callable[[str], None] | None = None
    ) -> None:
        self._on_next = on_next
        self._breakers = breakers
        self._waiting = list(waiting)
        self._provider = ""
        self._is_settled = True
        self._second_tries = 0

    def __repr__(self) -> str:
        return f"<Takeover from={self._provider!r} waiting={len(self._waiting)}>"

    def began(self, provider: str) -> None:
        """The call goes to this provider now."""
        self._provider, self._is_settled = provider, False
        if self._breakers.troubled:
            self._breakers.began(provider)

    def after_answer(self, status: int, headers: Headers, in_flight: int) -> Following | None:
        """Return who takes over from an answer with this status, None when it is to be passed on."""
        self._is_settled = True
        if status < 500 and status != 429:
            if self._breakers.troubled:
                self._breakers.succeeded(self._provider)
            return None
        asked = retry_after(headers, time.time()) if status in (429, 503) else None
        if status >= 500 or asked is not None:
            self._breakers.failed(self._provider, asked)
        else:
            self._breakers.left(self._provider)
        return self._next(in_flight)

    def after_failure(self, failure: UpstreamFailure, operation: str, in_flight: int) -> Following | None:
        """Return who takes over from an upstream that gave no answer, None when nobody may."""
        self._is_settled = True
        self._breakers.failed(self._provider)
        may_repeat = operation in _REPEATABLE and failure.reason in _BROKEN and not failure.answered
        return self._next(in_flight) if failure.reason in _NOT_CONNECTED or may_repeat else None

    def _next(self, in_flight: int) -> Following | None:
        if not self._waiting or not self._breakers.may_try_again(in_flight):
            return None
        self._second_tries += 1
        following = self._waiting.pop(0)
        if self._on_next is not None:
            self._on_next(following[0].provider.name)
        return following

    def finish(self) -> None:
        """The call is over."""
        if not self._is_settled:
            self._breakers.left(self._provider)
        while self._second_tries:
            self._second_tries -= 1
            self._breakers.tried_again()


def retry_after(headers: Headers, now: float) -> float | None:
    """Return the seconds that an answer asks to be left alone; ``now`` is Unix time. None when it does not say."""
    known = {name.lower(): value for name, value in headers}
    try:
        if milliseconds := known.get(b"retry-after-ms"):
            return max(0.0, float(milliseconds) / 1000)
        said = known.get(b"retry-after")
        if said is None:
            return None
        if said.strip().isdigit():
            return float(said)
        return max(0.0, email.utils.parsedate_to_datetime(said.decode("latin-1")).timestamp() - now)
    except (ValueError, OverflowError):
        return None

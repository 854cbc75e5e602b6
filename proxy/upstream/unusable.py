"""In the place of a provider whose key cannot be opened: it answers nothing, and says why.

To a call it is an upstream that cannot be reached: a route asks the next candidate, a caller is told what to set.
"""

from __future__ import annotations

import time
from typing import NoReturn

from proxy.upstream.body import BodySource
from proxy.upstream.failure import FailureReason, Timing, UpstreamFailure
from proxy.upstream.request import RequestHead


class UnusableProvider:
    """Takes requests as ``client`` does, and sends none; ``reason`` says what is wrong with its key, never the key."""

    def __init__(self, reason: str) -> None:
        self._reason = reason

    def __repr__(self) -> str:
        return f"<UnusableProvider {self._reason!r}>"

    def _failure(self) -> UpstreamFailure:
        return UpstreamFailure(FailureReason.KEY_UNUSABLE, self._reason, Timing(time.monotonic_ns()))

    def begin(self, head: RequestHead, body: bytes) -> NoReturn:
        """Refuse."""
        raise self._failure()

    async def send(self, head: RequestHead, body: bytes | BodySource) -> NoReturn:
        """Refuse."""
        raise self._failure()

    async def dial(self, head: RequestHead, body: bytes | BodySource, stale: UpstreamFailure | None = None) -> NoReturn:
        """Refuse."""
        raise self._failure()

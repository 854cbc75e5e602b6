"""The tries of an exchange: asking an upstream, and who is asked again.

A request leaves at once on a kept connection; only dialling, a body from a file and a second attempt wait in a task. A
second attempt is made only before the first answer byte, for one of three reasons: a pooled connection turned out
dead; the upstream refused the usage option that we had added, so it is asked without, once; a route has another
candidate (``takeover``). What comes of an answer is not decided here.
"""

from __future__ import annotations

import asyncio
import time
from abc import ABC, abstractmethod
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any

from proxy.gateway.open_exchange import OpenExchange
from proxy.gateway.sending import read_some
from proxy.upstream.client import is_stale
from proxy.upstream.failure import Timing, UpstreamFailure

if TYPE_CHECKING:
    from proxy.gateway.plan import Plan
    from proxy.gateway.sending import Sending, UpstreamAnswer

_MAX_REFUSAL = 64 * 1024


class AttemptingExchange(OpenExchange, ABC):
    """An exchange as far as it asks for an answer; ``advance`` is called whenever that has changed."""

    @abstractmethod
    def advance(self) -> None:
        """Something has changed: take what is there and hand it on."""

    def _start(self) -> None:
        if self._takeover is not None:
            self._takeover.began(self.plan.provider.name)
        try:
            answer = self._sending.begin(self.plan.edits)
        except UpstreamFailure as failure:
            self._not_answered(failure)
            return
        if answer is None:
            self._wait_for(self._send())
        else:
            self._follow(answer)

    def _wait_for(self, step: Coroutine[Any, Any, None]) -> None:
        self._task = asyncio.get_running_loop().create_task(self._guarded(step))

    async def _guarded(self, step: Coroutine[Any, Any, None]) -> None:
        try:
            await step
        except Exception:  # noqa: BLE001 - the edge of a call: logged, and ended all the same
            self._task = None
            self._give_up()

    async def _send(self, stale: UpstreamFailure | None = None) -> None:
        self._waiting_since = Timing(time.monotonic_ns())
        self._waiting_since.replaced = stale
        try:
            answer = await self._sending.send(self.plan.edits, stale)
        except UpstreamFailure as failure:
            self._not_answered(failure)
        else:
            self._follow(answer)

    async def _ask_plainly(self, refused: UpstreamAnswer) -> None:
        """The usage option may be what was refused: send the request without it, once, and remember."""
        self._answer = None
        message = await read_some(refused, _MAX_REFUSAL)
        self.plan = self.plan.without_usage()
        self.observation.replanned(self.plan, is_taken_over=False)
        self._waiting_since = Timing(time.monotonic_ns())
        try:
            answer = await self._sending.send(self.plan.edits)
        except UpstreamFailure as failure:
            self._not_answered(failure)
            return
        if answer.status < 400 or b"stream_options" in message:
            self._gateway.remember_without_usage(self.plan.provider.name)
        self._follow(answer)

    def _follow(self, answer: UpstreamAnswer) -> None:
        self._task = self._waiting_since = None
        self._answer = answer
        if self.is_finished:
            answer.abort()
            return
        answer.listen(self.advance)
        if answer.has_head or answer.failure is not None:
            self.advance()

    def _not_answered(self, failure: UpstreamFailure) -> None:
        """The attempt is over without an answer."""
        self._task = self._waiting_since = None
        if self.is_finished:
            return
        self.observation.attempted(self.plan.provider, failure.timing, None, failure)
        if self._takeover is not None and not self.call.is_gone:
            in_flight = len(self._gateway.exchanges)
            if following := self._takeover.after_failure(failure, self.plan.operation, in_flight):
                self._hand_over(*following)
                return
        self._failed(failure)

    def _lost_before_head(self, answer: UpstreamAnswer) -> None:
        """Its connection is gone: ask again where a kept one was dead already, else the attempt is over."""
        if (failure := answer.failure) is None:
            return
        answer.listen(None)
        if is_stale(failure):
            self._answer = None
            self._wait_for(self._send(failure))
        else:
            self._not_answered(failure)

    def _is_taken_over(self, answer: UpstreamAnswer) -> bool:
        """Let the next candidate of a route try where this answer says that its upstream cannot."""
        assert self._takeover is not None
        following = self._takeover.after_answer(answer.status, answer.headers, len(self._gateway.exchanges))
        if following is None:
            return False
        answer.listen(None)
        answer.abort()
        self._hand_over(*following)
        return True

    def _hand_over(self, plan: Plan, sending: Sending) -> None:
        self._answer = None
        self.plan, self._sending = plan, sending
        self.observation.replanned(plan, is_taken_over=True)
        self._start()

"""When a client has taken too long: one deadline per connection, looked at by the sweep in ``server``.

No timer is armed or cancelled per call. A connection that sends nothing, half a head or a byte a second is ended, with
a reason where a request had begun; one on which nothing happens makes room for others, and closes when we leave.
"""

from __future__ import annotations

import math

from proxy.gateway.call import ClientCall
from proxy.gateway.connection import ClientConnection
from proxy.spool.page import Page

_IDLE_SECONDS = 1.0


class TimedConnection(ClientConnection):
    """A connection that ends when its deadline has passed."""

    def expire(self) -> None:
        """The deadline has passed: end the connection, with a reason when a request had begun."""
        due, self.deadline = self.deadline, math.inf
        call = self.call
        if self.transport.is_closing():
            self._look_at_rest()
        elif self._ignores_input:
            self.transport.abort()
        elif call is not None and not call.body_complete:
            is_idle = due < self._latest(call)
            self.ceilings.struck(Page.LIMIT_BODY_IDLE_TIMEOUT if is_idle else Page.LIMIT_BODY_TIMEOUT)
            self.refuse(408, "request_timeout", "The request body did not arrive in time.")
            self.end()
        elif self._head_bytes and self.in_head:
            self.ceilings.struck(Page.LIMIT_HEADER_TIMEOUT)
            self.refuse(408, "request_timeout", "The request head did not arrive in time.")
        else:
            self.ceilings.struck(Page.LIMIT_HEADER_TIMEOUT if call is None else Page.LIMIT_KEEP_ALIVE)
            self.end()

    def _look_at_rest(self) -> None:
        """Wait on for a client that still takes some of what was written before the close."""
        left = self.transport.get_write_buffer_size()
        if left < self._unsent_bytes:
            self._unsent_bytes = left
            self.deadline = self.loop.time() + self.limits.write_stall
        else:
            self.transport.abort()

    def make_room(self, now: float) -> None:
        """There are too many connections: end this one when nothing has happened on it for a moment."""
        call = self.call
        is_quiet = not (self.in_head and self._head_bytes) and (call is None or call.is_complete)
        given = self.limits.header_timeout if call is None else self.limits.keep_alive
        if is_quiet and not self.transport.is_closing() and self.deadline - now < given - _IDLE_SECONDS:
            self.ceilings.struck(Page.LIMIT_CONNECTIONS)
            self.end()

    def shutdown(self) -> None:
        """Close now when idle, else after the running answer; a newcomer's first request may be on its way."""
        if self.call is None:
            return
        if self.call.is_complete:
            self.transport.close()
        else:
            self.call.keep_alive = False

    def _wait_for_body(self, call: ClientCall) -> None:
        """What is still to come of a body may take its time, but not for ever."""
        self.deadline = min(self.loop.time() + self.limits.body_idle_timeout, self._latest(call))

    def _latest(self, call: ClientCall) -> float:
        """Return when a body that drips is given up (loop time)."""
        limits = self.limits
        return call.accepted_at / 1e9 + limits.body_timeout + call.received_bytes / limits.body_rate

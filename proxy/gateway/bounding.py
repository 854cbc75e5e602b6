"""How long a call may take and how often it may be tried, where its caller says so.

``x-dashcam-retries`` is how many other candidates of a route may be asked; a call that no route decides is sent once.
``x-dashcam-timeout`` counts seconds from when the request is whole. It bounds all of the call: connecting, every try of
a route, the answer to its last byte. When the time is over the call ends as timed out, with a 504 or, in mid-answer,
like any answer that breaks off. It can only shorten a call: the provider's own time-outs count beside it. Other calls
have no timer; a value that is no such number is refused.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

from proxy.gateway import endings
from proxy.gateway.guard import Refusal

if TYPE_CHECKING:
    from proxy.gateway.open_exchange import OpenExchange

NAME = b"x-dashcam-timeout"
RETRIES = b"x-dashcam-retries"
MAX_SECONDS = 86_400
MAX_RETRIES = 99
_RETRIES = re.compile(rb"[0-9]{1,2}")
_NUMBER = re.compile(rb"[0-9]{1,6}(?:\.[0-9]{1,6})?")


def read_bound(value: bytes) -> float | Refusal:
    """Return the seconds that a header's value says."""
    said = value.strip()
    seconds = float(said) if _NUMBER.fullmatch(said) else 0.0
    if 0 < seconds <= MAX_SECONDS:
        return seconds
    message = f"x-dashcam-timeout is a number of seconds above 0 and up to {MAX_SECONDS}, such as 30 or 2.5."
    return Refusal(400, "invalid_timeout", message)


def read_retries(value: bytes) -> int | Refusal:
    """Return the number of further tries that a header's value says."""
    said = value.strip()
    if _RETRIES.fullmatch(said):
        return int(said)
    message = f"x-dashcam-retries is a whole number from 0 to {MAX_RETRIES}: how many others of a route may be tried."
    return Refusal(400, "invalid_retries", message)


def read_both(known: Mapping[bytes, bytes]) -> tuple[float | None, int | None] | Refusal:
    """Return the seconds and the further tries that headers (by their lower-case names) say; None is not said."""
    seconds = read_bound(known[NAME]) if NAME in known else None
    if isinstance(seconds, Refusal):
        return seconds
    retries = read_retries(known[RETRIES]) if RETRIES in known else None
    return retries if isinstance(retries, Refusal) else (seconds, retries)


class Bounds:
    """The timers of the calls that have one."""

    def __init__(self) -> None:
        self._timers: dict[OpenExchange, asyncio.TimerHandle] = {}

    def begin(self, exchange: OpenExchange, seconds: float) -> None:
        """End a call when the time is over, unless it has ended by then."""
        ending = endings.out_of_time(seconds, exchange.plan.provider.name)
        self._timers[exchange] = asyncio.get_running_loop().call_later(seconds, exchange.end_early, ending)

    def end(self, exchange: OpenExchange) -> None:
        """The call is over."""
        if self._timers and (timer := self._timers.pop(exchange, None)) is not None:
            timer.cancel()

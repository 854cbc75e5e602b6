"""Which upstreams a route avoids for now, in which order it tries the others, and how many calls may be tried again.

A breaker per provider: five failures in a row (no connection, a status from 500), or an answer 429 or 503 that says
when to come back, open it; while it is open a route passes the provider over. After that time one call goes there to
see: its success closes the breaker, its failure opens it for twice as long, at most two minutes. Where every candidate
is avoided the first one is asked all the same: a route never refuses a call by itself.

At most a fifth of the calls under way may be second tries, but three always: a provider in trouble is not hit twice as
hard. Calls that no route decides are none of this module's business. Each gateway knows what it has seen itself.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence

import structlog

from proxy.domain.provider import Provider
from proxy.gateway.routing import Choice
from proxy.spool.page import Page

log = structlog.get_logger("gateway")

FAILURES = 5
FIRST_PAUSE = 15.0
LONGEST_PAUSE = 120.0
BUDGET_SHARE = 0.2
BUDGET_MIN = 3
Candidates = tuple[tuple[Provider, str | None], ...]


class Breaker:
    """What is known of one provider. Times are those of the breakers' clock, in seconds."""

    __slots__ = ("failures", "is_open", "is_probed", "pause", "until")

    def __init__(self) -> None:
        self.failures = 0
        self.is_open = False
        self.is_probed = False
        self.until = 0.0
        self.pause = FIRST_PAUSE

    def allows(self, now: float) -> bool:
        """Return True when a call may go there: closed, or open for long enough and nobody is there to see."""
        return not self.is_open or (now >= self.until and not self.is_probed)


class Breakers:
    """All breakers of one gateway, and its budget for second tries; ``page`` returns the page in use.

    ``troubled`` are the providers that have failed of late: while there are none, nothing is noted of those that work.
    """

    def __init__(
        self,
        page: Callable[[], Page],
        clock: Callable[[], float] = time.monotonic,
        draw: Callable[[], float] = random.random,
    ) -> None:
        self._page = page
        self._clock = clock
        self._draw = draw
        self.troubled: dict[str, Breaker] = {}
        self._second_tries = 0

    def __repr__(self) -> str:
        return f"<Breakers open={[name for name, item in self.troubled.items() if item.is_open]}>"

    def order(self, choice: Choice) -> Sequence[tuple[Provider, str | None]]:
        """Return a route's candidates in the order to try them: by weight where there is one, without the avoided."""
        drawn = choice.candidates if choice.weights is None else _drawn(choice.candidates, choice.weights, self._draw)
        if not self.troubled:
            return drawn
        now = self._clock()
        allowed = [item for item in drawn if self._allows(item[0].name, now)]
        return allowed or drawn[:1]

    def _allows(self, name: str, now: float) -> bool:
        breaker = self.troubled.get(name)
        return breaker is None or breaker.allows(now)

    def began(self, name: str) -> None:
        """A call goes to this provider; where its breaker is open, to see."""
        breaker = self.troubled.get(name)
        if breaker is not None and breaker.is_open:
            breaker.is_probed = True

    def left(self, name: str) -> None:
        """A call is over that told nothing about the provider."""
        breaker = self.troubled.get(name)
        if breaker is not None:
            breaker.is_probed = False

    def succeeded(self, name: str) -> None:
        """The provider answered."""
        breaker = self.troubled.get(name)
        if breaker is None:
            return
        if breaker.is_open:
            log.info("breaker_closed", provider=name)
            self._page().add(Page.BREAKERS_OPEN, -1)
        del self.troubled[name]

    def failed(self, name: str, retry_after: float | None = None) -> None:
        """The provider failed; ``retry_after`` are the seconds it asked to be left alone."""
        breaker = self.troubled.setdefault(name, Breaker())
        breaker.failures += 1
        if breaker.is_open:
            # Only who went there to see has news; a call that began before must not lengthen the pause.
            if breaker.is_probed:
                breaker.is_probed = False
                breaker.pause = min(LONGEST_PAUSE, breaker.pause * 2)
                self._open(name, breaker, retry_after)
        elif retry_after is not None or breaker.failures >= FAILURES:
            self._page().add(Page.BREAKERS_OPEN, 1)
            self._open(name, breaker, retry_after)

    def _open(self, name: str, breaker: Breaker, retry_after: float | None) -> None:
        seconds = breaker.pause if retry_after is None else min(LONGEST_PAUSE, retry_after)
        breaker.is_open = True
        breaker.until = self._clock() + seconds
        self._page().add(Page.BREAKER_OPENINGS, 1)
        log.warning("breaker_open", provider=name, seconds=seconds, failures=breaker.failures)

    # -- budget ---------------------------------------------------------------------------------------------

    def may_try_again(self, in_flight: int) -> bool:
        """Take a second try out of the budget; False when there is none left. Give it back with ``tried_again``."""
        if self._second_tries >= max(BUDGET_MIN, BUDGET_SHARE * in_flight):
            self._page().add(Page.TAKEOVERS_REFUSED, 1)
            return False
        self._second_tries += 1
        self._page().add(Page.TAKEOVERS, 1)
        return True

    def tried_again(self) -> None:
        """A second try is over."""
        self._second_tries -= 1


def _drawn(candidates: Candidates, weights: tuple[int, ...], draw: Callable[[], float]) -> Candidates:
    """Return the candidates with one of the weighted ones first, drawn by its weight; the others keep their order."""
    point = draw() * sum(weights)
    for position, weight in enumerate(weights):
        point -= weight
        if point < 0:
            return (candidates[position], *candidates[:position], *candidates[position + 1 :])
    return candidates

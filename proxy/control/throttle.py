"""How often one place may fail to say who it is: a bucket for each, emptied slowly. A place is an IPv4 address, or the
/64 of an IPv6 one, since whoever has one address there has all of them.

Only failures are bounded, each place by itself: who holds a right token is let in whatever others do, and whatever was
guessed from the same place. There is no bound for all places together, which would let strangers lock everybody out.
"""

from __future__ import annotations

import ipaddress
import time
from collections.abc import Callable

from proxy.domain.network import address_of

_FAILURES = 10.0
_FORGIVEN_PER_SECOND = 0.1
_MOST_PLACES = 4096
_SITE_BITS = 64


def place_of(address: str) -> str:
    """Return the place that an address belongs to; what is no address is a place of its own."""
    found = address_of(address)
    if isinstance(found, ipaddress.IPv6Address):
        return str(ipaddress.ip_network((found, _SITE_BITS), strict=False))
    return str(found) if found is not None else address


class Throttle:
    """Counts failures by place, each forgotten after a while; of too many places the one that failed first is."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._places: dict[str, tuple[float, float]] = {}

    def __repr__(self) -> str:
        return f"<Throttle places={len(self._places)}>"

    def wait_seconds(self, place: str) -> int:
        """Return how long a place has to wait before its next failure is looked at, 0 for not at all."""
        seconds = (self._left(place) - _FAILURES) / _FORGIVEN_PER_SECOND
        return int(seconds) + 1 if seconds >= 0 else 0

    def failed(self, place: str) -> None:
        """Note a failure."""
        number = self._left(place) + 1
        self._places.pop(place, None)
        if len(self._places) >= _MOST_PLACES:
            self._places.pop(next(iter(self._places)))
        self._places[place] = number, self._clock()

    def _left(self, place: str) -> float:
        number, at = self._places.get(place, (0.0, 0.0))
        return max(0.0, number - (self._clock() - at) * _FORGIVEN_PER_SECOND)

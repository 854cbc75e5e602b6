"""How much one gateway takes on at once: calls, connections, memory. What is beyond is refused before it costs much.

The settings are of the whole instance; each gateway has its even share of them, rounded up, and knows only its own
calls: the kernel spreads connections, so the shares fill alike. Nothing waits here: there is no queue that could grow,
a refused caller is told at once when to come again, and the next call finds whatever has become free.

- **Calls under way.** Those that are being answered or whose body is arriving, silent streams among them: one that says
  nothing costs two descriptors and 15 kB, so the ceiling is where thousands of them are fine.
- **Connections.** At most what the limit of open files has room for: each may need a second descriptor for its
  upstream. Some more are let in to ask for health; they get a 503 for anything else. Beyond these nobody is let in.
- **Memory.** Bodies that are arriving or are kept for a second try, and what slow readers have not taken. Small bodies
  that came in one read are not counted: the ceiling of calls bounds those. When slow readers alone would go beyond the
  ceiling, the one that has been slow for longest is cut off.

Each strike is counted in the page under the setting's name. Refused calls get a row each, up to a rate; beyond it they
are counted as accepted and dropped (``refused``), so that a flood fills neither spool nor database.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from proxy.gateway.guard import Refusal
from proxy.settings.values import LimitSettings
from proxy.spool.page import Page

if TYPE_CHECKING:
    from proxy.gateway.slow_reader import SlowReader

_SPARE_FILES = 512
_BURST_SECONDS = 5


def _overloaded(what: str) -> Refusal:
    return Refusal(503, "proxy_overloaded", f"Dashcam {what}. Send the call again in a moment.")


OVERLOADED = _overloaded("relays as many calls as limits.in_flight allows")
NO_MEMORY = _overloaded("holds as much in memory as limits.memory_bytes allows")
NO_CONNECTION = _overloaded("has as many connections as limits.connections or the limit of open files allows")
NO_CONNECTION_FROM_THERE = _overloaded(
    "has as many connections from your address as limits.connections_per_address allows"
)
KEY_OVERLOADED = Refusal(
    429,
    "key_overloaded",
    "This proxy key has as many calls under way as limits.in_flight_per_key allows. Send the call again in a moment.",
)


def share_of(number: int, gateways: int) -> int:
    """Return one gateway's share of a number for all of them; what must not be 0 never is."""
    return -(-number // gateways)


def room_for_connections(files: int) -> int:
    """Return how many clients a limit of open files has room for, each with an upstream of its own."""
    return max(8, (files - min(_SPARE_FILES, files // 4)) // 2)


class Ceilings:
    """The ceilings of one gateway and how full it is.

    ``page`` returns the page in use; ``rows`` is how many refused calls get a row a second, ``gateways`` among how many
    the numbers are shared, ``files`` how many files the process may open.
    """

    def __init__(
        self, limits: LimitSettings, page: Callable[[], Page], *, rows: int, gateways: int, files: int
    ) -> None:
        self._page = page
        self.in_flight = share_of(limits.in_flight, gateways)
        self.per_key = share_of(limits.in_flight_per_key, gateways)
        room = room_for_connections(files)
        self.connections = min(share_of(limits.connections, gateways) or room, room)
        self.per_address = share_of(limits.connections_per_address, gateways)
        self.memory_bytes = share_of(limits.memory_bytes, gateways)
        self.held_bytes = 0
        self.slow_readers: dict[SlowReader, None] = {}
        self._calls_of: dict[str, int] = {}
        self._connections_of: dict[str, int] = {}
        self._rows_per_second = rows
        self._rows = float(rows * _BURST_SECONDS)
        self._rows_at = 0

    def __repr__(self) -> str:
        return f"<Ceilings held={self.held_bytes} slow={len(self.slow_readers)}>"

    def struck(self, limit: int) -> None:
        """Count that a limit has struck, in its slot of the page."""
        self._page().slots[limit] += 1

    # -- calls ----------------------------------------------------------------------------------------------

    def refusal(self, under_way: int) -> Refusal | None:
        """Return why one more call is too many for so many under way, or None."""
        if under_way >= self.in_flight:
            self.struck(Page.LIMIT_IN_FLIGHT)
            return OVERLOADED
        if self.held_bytes > self.memory_bytes:
            self.struck(Page.LIMIT_MEMORY_BYTES)
            return NO_MEMORY
        return None

    def begin_of(self, key_id: str) -> Refusal | None:
        """Take one of a key's calls, to be given back with ``end_of``; or return why it has too many."""
        count = self._calls_of.get(key_id, 0)
        if 0 < self.per_key <= count:
            self.struck(Page.LIMIT_IN_FLIGHT_PER_KEY)
            return KEY_OVERLOADED
        self._calls_of[key_id] = count + 1
        return None

    def end_of(self, key_id: str) -> None:
        """A call of this key is over."""
        _take_one(self._calls_of, key_id)

    def may_have_row(self, now: int) -> bool:
        """Return True when a call that is refused now (monotonic ns) gets a row; it is taken from the rate."""
        rate = self._rows_per_second
        self._rows = min(float(rate * _BURST_SECONDS), self._rows + rate * max(0, now - self._rows_at) / 1e9)
        self._rows_at = max(now, self._rows_at)
        if self._rows < 1:
            self.struck(Page.LIMIT_REFUSED_PER_SECOND)
            return False
        self._rows -= 1
        return True

    # -- connections ----------------------------------------------------------------------------------------

    @property
    def margin(self) -> int:
        """How many connections beyond the ceiling are let in to be told so, or to ask for health."""
        return max(16, self.connections // 16)

    def is_crowded(self, connections: int) -> bool:
        """Return True when connections on which nothing happens are to make room."""
        return connections > self.connections - self.connections // 10

    def connect(self, address: str, connections: int) -> Refusal | None:
        """Take in a connection, now one of so many; or return why its calls are refused. ``disconnect`` follows."""
        if self.per_address:
            count = self._connections_of[address] = self._connections_of.get(address, 0) + 1
            if count > self.per_address:
                self.struck(Page.LIMIT_CONNECTIONS_PER_ADDRESS)
                return NO_CONNECTION_FROM_THERE
        if connections > self.connections:
            self.struck(Page.LIMIT_CONNECTIONS)
            return NO_CONNECTION
        return None

    def has_no_room(self, address: str, connections: int) -> bool:
        """Return True when a connection is not even let in to be told."""
        beyond = self.per_address + self.margin
        return connections > self.connections + self.margin or (
            self.per_address > 0 and self._connections_of.get(address, 0) > beyond
        )

    def disconnect(self, address: str) -> None:
        """A connection is gone."""
        if self.per_address:
            _take_one(self._connections_of, address)

    # -- memory ---------------------------------------------------------------------------------------------

    def hold(self, size: int) -> None:
        """So many bytes more are in memory; given back with ``let_go``."""
        self.held_bytes += size

    def let_go(self, size: int) -> None:
        """So many bytes are no longer."""
        self.held_bytes -= size

    def cut_slow_readers(self) -> None:
        """Cut off who has been slow for longest, while there is too much in memory."""
        while self.held_bytes > self.memory_bytes and self.slow_readers:
            next(iter(self.slow_readers)).give_up(Page.LIMIT_MEMORY_BYTES)


class Holding:
    """What one body that is arriving holds in memory."""

    __slots__ = ("_ceilings", "size")

    def __init__(self, ceilings: Ceilings) -> None:
        self._ceilings = ceilings
        self.size = 0

    def __repr__(self) -> str:
        return f"<Holding {self.size}>"

    def take(self, size: int) -> bool:
        """Hold so many bytes more; False when there is no room for them."""
        ceilings = self._ceilings
        if ceilings.held_bytes + size > ceilings.memory_bytes:
            ceilings.struck(Page.LIMIT_MEMORY_BYTES)
            return False
        self.size += size
        ceilings.hold(size)
        return True

    def give_back(self) -> None:
        """Hold nothing any more; may be said twice."""
        self._ceilings.let_go(self.size)
        self.size = 0


def _take_one(counts: dict[str, int], name: str) -> None:
    left = counts[name] - 1
    if left:
        counts[name] = left
    else:
        del counts[name]

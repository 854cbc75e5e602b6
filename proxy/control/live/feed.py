"""The thread between the record and those who listen; it is there only while somebody does.

In each round: what was recorded since the last one, then the beginnings that the loader has seen, which are told first.
So a call's beginning comes before its end, and a call that has only begun is one whose end is still to be told. A
database that is away is told once, and asked again. Nothing here holds up the loader: it leaves beginnings in a bounded
list, and only while somebody listens.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import structlog

from proxy.control.live import events
from proxy.control.live.events import Event
from proxy.control.live.listeners import EVERYTHING, Listener, Wish
from proxy.domain.identity import id_text
from proxy.errors import DashcamError, StoreError
from proxy.interpret.beginning import beginning_of
from proxy.loader.collecting import OpenCall
from proxy.query.judging import holds
from proxy.settings.database import DatabaseSettings
from proxy.store.reading.following import Recorded
from proxy.store.reading.reader import Reader
from proxy.store.schema.columns import instant_text
from proxy.store.schema.decoding import Row
from proxy.store.schema.rows import TRUTHS

log = structlog.get_logger("live")

MOST_LISTENERS = 20
MOST_REPLAYED = 1000
"""So many ends are told to one that comes back."""
_MOST_BEGUN = 5000
MOST_UNDER_WAY = 200
"""So many calls are told to a newcomer that have begun and not ended."""
_AT_ONCE, _REMEMBERED = 500, 5000
_ROUND_SECONDS, _LEAST_SECONDS = 0.25, 0.05


class TooManyListenersError(DashcamError):
    """As many listen as there may be."""

    code = "too_many_listeners"


class Feed:
    """``under_way`` gives the calls that have begun and not ended; ``begun`` is for the loader, the rest for any."""

    def __init__(self, database: DatabaseSettings, under_way: Callable[[], list[OpenCall]] = list) -> None:
        self._database = database
        self._under_way = under_way
        self._begun: deque[OpenCall] = deque(maxlen=_MOST_BEGUN)
        self._listeners: list[Listener] = []
        self._coming: list[Listener] = []
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._is_closed = False
        self._ended: deque[str] = deque(maxlen=_REMEMBERED)
        self._woken = threading.Event()

    def __repr__(self) -> str:
        return f"<Feed listeners={len(self._listeners)}>"

    def begun(self, calls: Sequence[OpenCall]) -> None:
        """Take calls that have begun; of too many at once the newest are told."""
        if self._thread is not None:
            self._begun.extend(calls)
            self._woken.set()

    def listen(self, wish: Wish) -> Listener:
        """Return a new listener; ``TooManyListenersError`` where there is no room for it."""
        with self._lock:
            if len(self._listeners) + len(self._coming) >= MOST_LISTENERS:
                reason = f"{MOST_LISTENERS} listen already, which is the most"
                raise TooManyListenersError(reason, hint="close one, or come back later")
            listener = Listener(wish, self._leave)
            if self._is_closed:
                listener.end(events.LEAVING)
                return listener
            self._coming.append(listener)
            self._woken.set()
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="live", daemon=True)
                self._thread.start()
        return listener

    def close(self) -> None:
        """Tell everybody that we leave; who comes now is told at once."""
        with self._lock:
            self._is_closed = True
            for listener in (*self._listeners, *self._coming):
                listener.end(events.LEAVING)

    def _leave(self, listener: Listener) -> None:
        with self._lock:
            self._listeners = [item for item in self._listeners if item is not listener]
            self._coming = [item for item in self._coming if item is not listener]

    # -- the thread -----------------------------------------------------------------------------------------

    def _run(self) -> None:
        with contextlib.closing(Reader(self._database)) as reader:
            recorded: Recorded | None = None
            while self._has_listeners():
                pause = _ROUND_SECONDS
                try:
                    recorded = recorded or reader.recorded()
                    self._round(reader, recorded)
                    pause = 0.0 if recorded.is_behind else pause
                except StoreError as error:
                    self._tell_starts(self._present(), self._take_begun())
                    self._tell_away(error)
                except Exception as error:  # noqa: BLE001 - the thread's round: logged, and those who listen are told
                    log.error("live_failed", error=type(error).__name__)
                    self._end_all(events.LEAVING)
                if pause and self._woken.wait(pause):
                    # However many calls begin, the store is not asked without end.
                    time.sleep(_LEAST_SECONDS)
                self._woken.clear()

    def _present(self) -> list[Listener]:
        with self._lock:
            return list(self._listeners)

    def _has_listeners(self) -> bool:
        """Tell whether anybody listens; where nobody does, this thread is over."""
        with self._lock:
            self._listeners = [item for item in self._listeners if not item.is_ended]
            if self._listeners or self._coming:
                return True
            self._thread = None
            self._begun.clear()
            return False

    def _take_begun(self) -> list[OpenCall]:
        return [self._begun.popleft() for _ in range(len(self._begun))]

    def _tell_away(self, error: StoreError) -> None:
        with self._lock:
            told = [item for item in (*self._listeners, *self._coming) if not item.is_in_trouble]
        for listener in told:
            listener.is_in_trouble = True
            listener.tell([Event("trouble", {"reason": "store", "detail": error.message})])

    def _end_all(self, last: Event) -> None:
        with self._lock:
            for listener in (*self._listeners, *self._coming):
                listener.end(last)
            self._coming = []

    def _round(self, reader: Reader, recorded: Recorded) -> None:
        rows = recorded.next(EVERYTHING, _AT_ONCE)
        begun = self._take_begun()
        listeners = self._present()
        self._tell_starts(listeners, begun)
        for listener in listeners:
            listener.is_in_trouble = False
            self._tell_ends(listener, rows, reader, recorded)
        self._ended.extend(row["id"] for row in rows)
        self._let_in(reader, recorded)

    # -- starts ---------------------------------------------------------------------------------------------

    def _tell_starts(self, listeners: Iterable[Listener], begun: Sequence[OpenCall]) -> None:
        told_to = [listener for listener in listeners if listener.has_starts]
        if not told_to or not begun:
            return
        # A loader that starts over reads calls anew that have been told to their end.
        ended, now = set(self._ended), time.time_ns() // 1_000_000
        new = [call for call in begun if id_text(call.identity) not in ended]
        facts = [beginning_of(call.identity, call.start, call.request) for call in new]
        for listener in told_to:
            wanted = [one for one in facts if holds(listener.wish.terms, one, now)]
            told = [_start(one, listener.wish.columns) for one in wanted if one["id"] not in listener.known_starts]
            listener.tell(told)

    # -- ends -----------------------------------------------------------------------------------------------

    def _tell_ends(self, listener: Listener, rows: Sequence[Row], reader: Reader, recorded: Recorded) -> None:
        wish, new = listener.wish, [row for row in rows if row["id"] not in listener.known_ends]
        if new and wish.filters != EVERYTHING:
            wanted = recorded.among([row["id"] for row in new], wish.filters)
            new = [row for row in new if row["id"] in wanted]
        if not new or listener.is_ended:
            return
        try:
            if wish.audit is not None:
                wish.audit(len(new))
        except DashcamError:
            listener.end(events.UNAUDITED)
            return
        texts = reader.texts_of([row["id"] for row in new]) if wish.with_texts else {}
        listener.tell([_end(row, wish.columns, texts.get(row["id"])) for row in new])

    # -- newcomers ------------------------------------------------------------------------------------------

    def _let_in(self, reader: Reader, recorded: Recorded) -> None:
        """Greet those who have come, with what they missed and what is under way; from now on they are told all."""
        with self._lock:
            coming = list(self._coming)
        for listener in coming:
            self._greet(listener, reader, recorded)
        with self._lock:
            # Whoever has left meanwhile stays away.
            self._listeners += [item for item in coming if item in self._coming and not item.is_ended]
            self._coming = [item for item in self._coming if item not in coming]

    def _greet(self, listener: Listener, reader: Reader, recorded: Recorded) -> None:
        under_way = self._under_way()[-MOST_UNDER_WAY:] if listener.has_starts else []
        missed, gap = _missed(listener.wish.after, recorded)
        hello = {"starts": listener.has_starts, "unjudged": list(listener.wish.unjudged)}
        listener.tell([Event("hello", hello), *gap])
        self._tell_ends(listener, missed, reader, recorded)
        self._tell_starts([listener], under_way)
        listener.known_ends = {row["id"] for row in missed}
        listener.known_starts = {id_text(call.identity) for call in under_way}


def _missed(after: str | None, recorded: Recorded) -> tuple[list[Row], list[Event]]:
    """Return the calls that ended behind one, or the event that says why they are not told."""
    found = [] if after is None else recorded.replay(after, MOST_REPLAYED + 1)
    if found is not None and len(found) <= MOST_REPLAYED:
        return found, []
    reason = "unknown" if found is None else "many"
    detail = "that call is not on record" if found is None else f"more than {MOST_REPLAYED} calls ended since then"
    return [], [Event("gap", {"reason": reason, "after": after, "detail": f"{detail}; list them instead"})]


def _start(facts: Mapping[str, Any], columns: Sequence[str]) -> Event:
    told = {**facts, "started_at": instant_text(facts["started_at"])}
    return events.start({name: value for name, value in told.items() if name in columns})


def _end(row: Row, columns: Sequence[str], texts: tuple[str | None, str | None] | None) -> Event:
    told = {name: bool(row[name]) if name in TRUTHS and row[name] is not None else row[name] for name in columns}
    return events.end(told if texts is None else {**told, "input_text": texts[0], "output_text": texts[1]})

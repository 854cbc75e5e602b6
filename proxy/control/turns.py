"""Work for the store's one writer on SQLite, asked for by another thread of control: done between two batches.

Whoever asks waits for the result. Where the loader is not running, or does not come round in time, the work is not
begun any more and the asker is told; what has begun is waited for.
"""

from __future__ import annotations

import collections
import threading
from collections.abc import Callable
from typing import Generic, TypeVar

from proxy.store.engines.failures import StoreUnavailableError
from proxy.store.writing.writer import StoreWriter

T = TypeVar("T")
PATIENCE_SECONDS = 5.0


class _Turn(Generic[T]):
    """One piece of work and what came of it."""

    def __init__(self, work: Callable[[StoreWriter], T]) -> None:
        self._work = work
        self._lock = threading.Lock()
        self._done = threading.Event()
        self._state = "waiting"
        self._result: T | None = None
        self._error: Exception | None = None

    def do(self, writer: StoreWriter) -> None:
        """Do it, unless it is not wanted any more."""
        with self._lock:
            if self._state != "waiting":
                return
            self._state = "begun"
        try:
            self._result = self._work(writer)
        except Exception as error:  # noqa: BLE001 - handed to whoever asked, who raises it
            self._error = error
        self._done.set()

    def wait(self, seconds: float) -> T:
        """Return the result or raise what the work raised; ``StoreUnavailableError``: it has not begun in time."""
        if not self._done.wait(seconds):
            with self._lock:
                if self._state == "waiting":
                    self._state = "given up"
            if self._state == "given up":
                hint = "try again in a moment; dashcam doctor says what keeps it"
                raise StoreUnavailableError("the database was busy for too long, and nothing was changed", hint=hint)
            self._done.wait()
        if self._error is not None:
            raise self._error
        return self._result  # type: ignore[return-value]


class Turns:
    """The queue; ``take`` is for any thread, ``do_next`` for the writer's."""

    def __init__(self) -> None:
        self._waiting: collections.deque[_Turn[object]] = collections.deque()

    def __repr__(self) -> str:
        return f"<Turns waiting={len(self._waiting)}>"

    def take(self, work: Callable[[StoreWriter], T], seconds: float = PATIENCE_SECONDS) -> T:
        """Let the writer do this when it comes to it, and return the result."""
        turn = _Turn(work)
        self._waiting.append(turn)  # type: ignore[arg-type]
        return turn.wait(seconds)

    def do_next(self, writer: StoreWriter) -> bool:
        """Do what has waited longest; False when nothing waits."""
        if not self._waiting:
            return False
        self._waiting.popleft().do(writer)
        return True

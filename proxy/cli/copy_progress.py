"""How far a copy is: a bar on a terminal, a line every few seconds elsewhere; on standard error."""

from __future__ import annotations

import sys
import time
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeRemainingColumn

from proxy.store.moving.procedure import Watch

_EVERY_SECONDS = 5.0


class CopyProgress:
    """Tells people of a copy; ``watch`` is what the copy tells."""

    def __init__(self) -> None:
        self._is_terminal = sys.stderr.isatty()
        self._bar = _bar() if self._is_terminal else None
        self._task = self._bar.add_task("opening both", total=None, rate="") if self._bar else None
        self._name, self._total, self._done, self._new = "", 0, 0, 0
        self._begun = self._told = time.monotonic()
        self._waiting = ""

    def __enter__(self) -> Watch:
        if self._bar:
            self._bar.start()
        return Watch(self._step, self._rows, self._wait)

    def __exit__(
        self, kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        if self._bar:
            self._bar.stop()
        elif kind is None:
            self._tell_line()

    def _step(self, name: str, total: int) -> None:
        self._tell_line()
        self._name, self._total, self._done, self._new = name, total, 0, 0
        self._begun = self._told = time.monotonic()
        if self._bar and self._task is not None:
            self._bar.reset(self._task, total=total or None, description=name, rate="")
        else:
            _say(f"{name} …")

    def _rows(self, table: str, count: int) -> None:
        self._done += count
        # What an earlier run had done says nothing of how fast this one is.
        self._new += count if table else 0
        self._waiting = ""
        if self._bar and self._task is not None:
            # A step that is over is seen to be: the next one begins at once, and nothing is drawn in between by itself.
            is_over = self._done >= self._total
            total = self._whole() or None
            self._bar.update(self._task, completed=self._done, rate=self._rate(), total=total, refresh=is_over)
        elif time.monotonic() - self._told > _EVERY_SECONDS:
            self._tell_line()

    def _wait(self, reason: str) -> None:
        if reason != self._waiting:
            self._waiting = reason
            text = f"waiting, and trying again: {reason}"
            if self._bar:
                self._bar.console.print(text, markup=False, highlight=False)
            else:
                _say(text)

    def _whole(self) -> int:
        # The source goes on growing.
        return max(self._total, self._done)

    def _rate(self) -> str:
        seconds = time.monotonic() - self._begun
        return f"{self._new / seconds:,.0f} rows/s" if seconds > 0.2 else ""

    def _tell_line(self) -> None:
        """Say how far it is, where there is no bar and something to say."""
        if self._bar or not self._done:
            return
        self._told = time.monotonic()
        seconds = self._told - self._begun
        parts = [f"{self._name}: {self._done:,} of {self._whole():,} rows", self._rate()]
        if self._new and self._done < self._total:
            parts.append(f"about {(self._total - self._done) * seconds / self._new:,.0f} s left")
        _say(", ".join(part for part in parts if part))


def _bar() -> Progress:
    return Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
        console=Console(file=sys.stderr),
        transient=True,
    )


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)

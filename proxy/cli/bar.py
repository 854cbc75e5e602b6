"""How far a long step has come, on one line of standard error, where that is a terminal."""

from __future__ import annotations

import shutil
import sys
import time

_WIDTH = 24
_EVERY_SECONDS = 0.1


class Bar:
    """A bar where the whole is known, else a count or the seconds; ``with`` takes the line away at the end."""

    def __init__(self, title: str) -> None:
        self._title = title
        self._is_on = sys.stderr.isatty()
        self._begun = time.monotonic()
        self._shown_at = 0.0

    def __enter__(self) -> Bar:
        return self

    def __exit__(self, *_reason: object) -> None:
        if self._is_on and self._shown_at:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)

    def tell(self, what: str, done: int, total: int) -> None:
        """Show how much is done, of how much; a total of 0 is not known."""
        if total:
            filled = _WIDTH * done // total
            self._show(f"{what} {'█' * filled}{'░' * (_WIDTH - filled)} {100 * done // total:3d} %")
        else:
            self._show(f"{what}: {done:,}" if done else what)

    def look(self, who: str) -> None:
        """Show who is at it; for ``Errands``."""
        self._show(who)

    def _show(self, text: str) -> None:
        now = time.monotonic()
        if self._is_on and now - self._shown_at >= _EVERY_SECONDS:
            self._shown_at = now
            line = f"{self._title}: {text}  {now - self._begun:.0f} s"
            # A line that wraps could not be taken away again.
            print(f"\r\x1b[K{line[: shutil.get_terminal_size().columns - 1]}", end="", file=sys.stderr, flush=True)

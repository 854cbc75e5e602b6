"""A long page through a pager, on a terminal only: ``less -FRX``, or what PAGER says.

``-F`` leaves at once where the page fits the screen and ``-X`` leaves it there. Somebody who leaves the pager early has
seen enough; a pager that cannot be started is none.
"""

from __future__ import annotations

import contextlib
import io
import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator

from proxy.cli import terminal


@contextlib.contextmanager
def paged(*, is_wanted: bool) -> Iterator[None]:
    """Show what the block prints, through the pager where that helps."""
    command = command_of(os.getenv("PAGER"))
    if not is_wanted or not command or not sys.stdout.isatty() or os.getenv("TERM") == "dumb":
        yield
        return
    # Decided for the terminal, before standard output is something else.
    terminal.settle_colours("always" if terminal.has_colours() else "never")
    page = io.StringIO()
    with contextlib.redirect_stdout(page):
        yield
    if not _show(command, page.getvalue()):
        sys.stdout.write(page.getvalue())


def command_of(pager: str | None) -> list[str]:
    """Return the command that PAGER means, empty when it wants none."""
    try:
        words = shlex.split(pager) if pager is not None else ["less", "-FRX"]
    except ValueError:
        return []
    return [] if words in ([], ["cat"]) else words


def _show(command: list[str], text: str) -> bool:
    """Hand the page over and wait; False when the pager cannot be started."""
    settled = {**os.environ, "LESS": os.getenv("LESS", "FRX"), "LESSCHARSET": os.getenv("LESSCHARSET", "utf-8")}  # noqa: TID251 - handed on
    try:
        process = subprocess.Popen(command, stdin=subprocess.PIPE, env=settled)
    except OSError:
        return False
    # Ctrl+C is the pager's own key while it is there.
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with contextlib.suppress(BrokenPipeError):
            process.communicate(text.encode("utf-8", "replace"))
        process.wait()
    finally:
        signal.signal(signal.SIGINT, before)
    return True

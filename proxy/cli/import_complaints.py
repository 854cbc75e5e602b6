"""What is told of a file while it is imported or checked: the first few of each kind; the others are counted."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from proxy.cli.database import calls
from proxy.cli.import_line import Line
from proxy.cli.import_source import Source
from proxy.cli.terminal import harmless, short_id
from proxy.domain.interaction import Entry

TOLD = 10
"""So many lines and calls are told of one by one; the others are counted."""
NOTHING_OF_OURS = "  nothing of it is a call; what is read: dashcam export --content --to FILE"


class Complaints:
    """Tells what is wrong, the first few of each kind."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._left = {"refused": TOLD, "different": TOLD}

    def refused(self, line: Line, reason: str) -> None:
        """Tell why a line cannot be taken."""
        self._say("refused", f"{self._source.unit} {line.number:,}: {reason}")

    def different(self, entry: Entry, names: Sequence[str]) -> None:
        """Tell in what a call differs from itself on record."""
        self._say("different", f"{short_id(entry.interaction.id)} is on record with another {', '.join(names[:5])}")

    def broken(self) -> None:
        """Tell that a file ended too early."""
        if self._source.broken is not None:
            print(f"dashcam: the file {self._source.broken}; what came before is not lost", file=sys.stderr)

    def _say(self, kind: str, text: str) -> None:
        self._left[kind] -= 1
        if self._left[kind] >= 0:
            print(f"dashcam: {harmless(text)}", file=sys.stderr)


def tell_left_out(count: int) -> None:
    """Say of how many calls the texts were there, and are not kept."""
    if count:
        print(f"  the texts of {calls(count)} were left out", file=sys.stderr)

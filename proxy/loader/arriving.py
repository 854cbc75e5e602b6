"""Calls that come from elsewhere: out of an export, on their way to the one writer.

They did not pass through a gateway: the account of ``/api/v1/recorder`` and the counters behind ``/metrics``, which are
of accepted calls, do not know them. Rows, bodies, rollups and views do, as of any other call.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from proxy.domain.interaction import Entry
from proxy.forms.calls import entry_of

IMPORTED = "import"
"""Stands where other calls name the gateway whose spool they were in; no such source is in the account."""


@dataclass(frozen=True, slots=True)
class Arrival:
    """Calls as they were exported, and the entries that they are."""

    calls: Sequence[Mapping[str, Any]]
    entries: Sequence[Entry]

    def __len__(self) -> int:
        return len(self.entries)

    def part(self, start: int, end: int) -> Arrival:
        """Return some of them."""
        return Arrival(self.calls[start:end], self.entries[start:end])


def arrival_of(calls: Sequence[Mapping[str, Any]]) -> Arrival:
    """Return calls with their entries; ``InvalidError`` where one is none."""
    now = time.time_ns() // 1_000_000
    return Arrival(calls, [entry_of(values, now) for values in calls])

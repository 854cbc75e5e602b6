"""What a listener is told, as server-sent events.

``start`` and ``end`` of a call; ``hello`` first; ``gap`` where what was missed cannot all be told, ``trouble`` where
ends cannot be told for the time being, and ``closing`` last, with the reason. Only ends have ids, those of their calls:
whoever comes back with one is told what ended since.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

HEARTBEAT = b": all is well\n\n"
"""A comment, which no client takes for an event."""
RETRY = b"retry: 2000\n\n"
"""How long a browser waits before it comes back, in milliseconds."""


@dataclass(frozen=True, slots=True)
class Event:
    """One event; ``call_id`` is the id that a client comes back with."""

    name: str
    data: Mapping[str, Any]
    call_id: str | None = None

    def to_bytes(self) -> bytes:
        """Return the event as it is sent; JSON has no line ends of its own."""
        line = b"" if self.call_id is None else b"id: %s\n" % self.call_id.encode()
        data = orjson.dumps(self.data, option=orjson.OPT_UTC_Z)
        return b"event: %s\n%sdata: %s\n\n" % (self.name.encode(), line, data)


def start(facts: Mapping[str, Any]) -> Event:
    """Return the event of a call that has begun."""
    return Event("start", facts)


def end(row: Mapping[str, Any]) -> Event:
    """Return the event of a call that is on record."""
    return Event("end", row, str(row["id"]))


def closing(reason: str, detail: str) -> Event:
    """Return the last event; ``reason`` is a stable word."""
    return Event("closing", {"reason": reason, "detail": detail})


SLOW = closing("slow", "what was told was not taken in time; come back with Last-Event-ID for what ended since")
LEAVING = closing("leaving", "Dashcam stops or starts anew; come back with Last-Event-ID")
TIME = closing("time", "the seconds that were asked for are over")
REFUSED = closing("refused", "who listens may not read any more")
UNAUDITED = closing("unaudited", "the audit log cannot be written, and without that no text is shown")

"""Server-sent events out of bytes: incremental, tolerant, without text decoding before a line is whole.

Lines end with LF, CR or CRLF, also when a CR and its LF come in two pieces; U+2028 and the like are ordinary text. One
byte-order mark at the start is ignored, one space after the colon too; several ``data`` lines are joined with LF.
Comments, ``id``, ``retry`` and unknown fields are skipped. An event without data is none. The decoder watches a copy:
nothing it does can reach the client. It never raises. An event may be as long as what was kept of the answer: the last
one of a Responses stream repeats the whole, images included, and tells how it ended and what it cost.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_LINE_END = re.compile(rb"\r\n|\n|\r")
_BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class Event:
    """One event: its name (empty when unnamed), its data, and the offset in the stream at which it was whole.

    ``is_whole`` False: the stream ended before the blank line that would have ended the event.
    """

    name: str
    data: bytes
    end: int
    is_whole: bool = True


class EventDecoder:
    """Feed pieces, get events; ``finish`` gives an event that lacks its blank line."""

    def __init__(self) -> None:
        self._rest: list[bytes] = []
        self._offset = 0
        self._name = ""
        self._data: list[bytes] = []
        self._is_first_line = True

    def feed(self, piece: bytes) -> list[Event]:
        """Return the events that this piece made whole."""
        events: list[Event] = []
        if self._rest and b"\n" not in piece and b"\r" not in piece and not self._rest[-1].endswith(b"\r"):
            # A long line in many pieces is joined once, not once a piece.
            self._rest.append(piece)
            return events
        data = b"".join(self._rest) + piece
        start = 0
        for match in _LINE_END.finditer(data):
            if match.end() == len(data) and match[0] == b"\r":
                # The LF of a CRLF may still come.
                break
            self._line(data[start : match.start()], self._offset + match.end(), events)
            start = match.end()
        self._offset += start
        self._rest = [data[start:]] if start < len(data) else []
        return events

    def finish(self) -> list[Event]:
        """Return what the end of the stream makes whole."""
        events: list[Event] = []
        rest = b"".join(self._rest)
        if rest:
            self._offset += len(rest)
            self._rest = []
            self._line(rest.removesuffix(b"\r"), self._offset, events)
        if self._data:
            self._dispatch(self._offset, events, is_whole=False)
        return events

    def _line(self, line: bytes, end: int, events: list[Event]) -> None:
        if self._is_first_line:
            self._is_first_line = False
            line = line.removeprefix(_BOM)
        if not line:
            self._dispatch(end, events)
            return
        field, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if field == b"data":
            self._data.append(value)
        elif field == b"event":
            self._name = value.decode("utf-8", "replace")

    def _dispatch(self, end: int, events: list[Event], *, is_whole: bool = True) -> None:
        if self._data:
            events.append(Event(self._name, b"\n".join(self._data), end, is_whole))
        self._name, self._data = "", []


def decode(data: bytes) -> list[Event]:
    """Return all events of a whole stream."""
    decoder = EventDecoder()
    return decoder.feed(data) + decoder.finish()

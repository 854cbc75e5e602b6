"""Taking injected usage out of a stream again, byte for byte.

When we added ``stream_options.include_usage``, the provider adds one chunk with empty ``choices`` and the totals,
and ``"usage":null`` to every other chunk. ``UsageStripper`` drops the one and removes the other; every other byte
passes as it came. Only a chunk with *empty* choices and *non-null* usage is dropped: providers also send
empty-choices chunks with annotations, and some put usage on the finish chunk, which the client must keep.

A piece that ends on an event border and does not speak of usage passes untouched; of any other piece only the
unfinished last event is held back, which no client could have read yet anyway. It never raises.
"""

from __future__ import annotations

import re

import orjson

from proxy.protocol.scanner import Member
from proxy.protocol.scanning import scan

_BORDER = re.compile(rb"\r\n\r\n|\n\n|\r\r")
_LONGEST_BORDER = 4
# What may stand before the data of an event: a byte-order mark, comments, a name, an id.
# Nothing possessive: Python 3.11.2, which Debian ships, matches such patterns wrongly where they nest.
_DATA = re.compile(rb"(?:\xef\xbb\xbf)?(?:(?!data:)[^\r\n]*(?:\r\n|\r(?!\n)|\n))*data:")
_USAGE = b'"usage"'
_MEMBERS = frozenset({b"usage"})
MAX_HELD = 1 << 20
"""An event longer than this is passed on unexamined rather than kept in memory."""


class UsageStripper:
    """Feed pieces of an SSE body, get the pieces for the client."""

    __slots__ = ("_held", "_is_passing")

    def __init__(self) -> None:
        self._held = b""
        self._is_passing = False

    def feed(self, piece: bytes) -> bytes:
        """Return what of the stream may go to the client now."""
        if not self._held and not self._is_passing and _USAGE not in piece and piece.endswith(b"\n\n"):
            return piece
        data = self._held + piece
        output = []
        start = 0
        # What was held has no border, but may end with the beginning of one: a long event is not searched once a piece.
        for border in _BORDER.finditer(data, max(0, len(self._held) - _LONGEST_BORDER + 1)):
            output.append(self._event(data[start : border.end()]))
            start = border.end()
        self._held = data[start:]
        if len(self._held) > MAX_HELD or (self._is_passing and self._held):
            passed = self._held.rstrip(b"\r\n")
            output.append(passed)
            # Line breaks at the very end may be half a border.
            self._held, self._is_passing = self._held[len(passed) :], True
        return b"".join(output)

    def finish(self) -> bytes:
        """Return what was held back of an unfinished last event."""
        held, self._held = self._held, b""
        return self._event(held) if held else b""

    def _event(self, event: bytes) -> bytes:
        if self._is_passing:
            self._is_passing = False
            return event
        return _strip(event) if _USAGE in event else event


def _strip(event: bytes) -> bytes:
    """Drop the event, cut its null usage, or return it as it is."""
    before = _DATA.match(event)
    if before is None:
        return event
    start, end = event.find(b"{", before.end()), event.rfind(b"}") + 1
    payload = event[start:end]
    if start < 0 or b"\n" in payload or b"\r" in payload:
        return event
    try:
        values = orjson.loads(payload)
    except orjson.JSONDecodeError:
        return event
    if not isinstance(values, dict) or "usage" not in values:
        return event
    if values["usage"] is not None:
        return b"" if values.get("choices") == [] else event
    member = scan(payload, _MEMBERS).members.get(b"usage")
    return event if member is None else event[:start] + _without(payload, member) + event[end:]


def _without(payload: bytes, member: Member) -> bytes:
    """Cut one member and the comma that belongs to it."""
    before = payload[: member.key_start].rstrip()
    after = payload[member.end :].lstrip()
    if before.endswith(b","):
        return payload[: len(before) - 1] + payload[member.end :]
    if after.startswith(b","):
        return payload[: member.key_start] + after[1:]
    return payload[: member.key_start] + payload[member.end :]

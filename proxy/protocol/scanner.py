"""A bounded look at the top level of a JSON object, in slices, without parsing it whole.

Large bodies are not parsed on the event loop; this scanner is fed their slices as they arrive, runs over strings and
over what lies below the top level in one expression each, and keeps only the top-level members it was asked for, with
their byte offsets.

A duplicate key overwrites: the last one counts, as in the parsers of the providers; ``doubles`` holds the
others. ``has_members``: the object is not empty; ``has_escaped_key``: the name of one is spelled with escapes.
It never raises; ``is_sound`` says whether what it saw was an object as far as it can tell. It does not validate
what it skips, and gives up on what no endpoint takes, thousands of members or of nested brackets: the event loop waits
meanwhile.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from proxy.protocol.skipping import CLOSING, MAX_DEPTH, OPENING, QUOTE, RUN, end_of_text

_STRUCTURE = re.compile(rb'["{}\[\]:,]')
MAX_KEPT = 4096
"""Longest raw value kept, in bytes; a longer one is noted by its span only."""
MAX_TOKENS = 5000
"""Quotes, brackets, colons and commas of the top level: some thousand members."""


class Member(NamedTuple):
    """One top-level member: where its key and its value stand, and the value's bytes when short.

    ``before`` and ``after`` are the offsets of the comma or brace on either side of it; ``has_next``: it is a comma.
    """

    key_start: int
    start: int
    end: int
    raw: bytes | None
    before: int
    after: int
    has_next: bool


class TopLevelScanner:
    """Fed slices, tells top-level members; ``open_brace`` is the offset of the object's brace or -1."""

    __slots__ = (
        "_before",
        "_depth",
        "_escaped",
        "_in_string",
        "_keeping",
        "_kept",
        "_key",
        "_key_start",
        "_offset",
        "_parts",
        "_tokens",
        "_value_start",
        "doubles",
        "has_escaped_key",
        "has_members",
        "is_sound",
        "members",
        "open_brace",
        "wanted",
    )  # fmt: skip

    def __init__(self, wanted: frozenset[bytes]) -> None:
        self.wanted = wanted
        self._offset = 0
        self._depth = 0
        self._in_string = False
        self._escaped = False
        self._key: bytes | None = None
        self._key_start = -1
        self._value_start = -1
        self._keeping = False
        self._parts: list[bytes] = []
        self._kept = 0
        self.open_brace = -1
        self.is_sound = True
        self.has_members = self.has_escaped_key = False
        self.members: dict[bytes, Member] = {}
        self.doubles: list[tuple[bytes, Member]] = []
        self._before = -1
        self._tokens = 0

    def feed(self, data: bytes) -> None:
        """Look at the next slice."""
        position = 0
        while position < len(data) and self.is_sound:
            if self._in_string:
                position = self._skip_string(data, position)
            elif self._depth > 1 and not self._keeping:
                position = self._skip_deep(data, position)
            else:
                position = self._structure(data, position)
        self._offset += len(data)

    def finish(self) -> bool:
        """Return True when the bytes were one whole object."""
        self.is_sound = self.is_sound and self.open_brace >= 0 and self._depth == 0 and not self._in_string
        return self.is_sound

    def note(self, data: bytes, found: re.Match[bytes], place: tuple[int, int, int, bool]) -> None:
        """Note a member that was found whole: its key and the beginning of its value, and where it stands."""
        end, before, at, has_next = place
        key = found[1][1:-1]
        self.has_members = True
        self.has_escaped_key = self.has_escaped_key or b"\\" in key
        if key not in self.wanted:
            return
        if key in self.members:
            self.doubles.append((key, self.members[key]))
        key_start, start = found.start(1), found.start(2)
        # The colon is what stands behind the key: blanks on either side of a value count as part of a long one.
        colon = data.index(b":", found.end(1))
        if at - colon - 1 > MAX_KEPT:
            self.members[key] = Member(key_start, colon + 1, at, None, before, at, has_next)
        else:
            self.members[key] = Member(key_start, start, end, data[start:end], before, at, has_next)

    def _structure(self, data: bytes, position: int) -> int:
        found = _STRUCTURE.search(data, position)
        end = found.start() if found else len(data)
        if self._depth == 0 and data[position:end].strip():
            self.is_sound = False
            return end
        self._keep(data, position, end)
        if found is None:
            return end
        self._tokens += 1
        self.is_sound = self._tokens <= MAX_TOKENS
        self._token(data[end : end + 1], self._offset + end)
        return end + 1

    def _skip_deep(self, data: bytes, position: int) -> int:
        """Run on until the top level is reached again, or the slice ends."""
        depth = self._depth
        for found in RUN.finditer(data, position):
            position = found.end()
            token = data[position - 1] if position - found.start() == 1 else 0
            if token in OPENING:
                depth += 1
                if depth > MAX_DEPTH:
                    break
            elif token in CLOSING:
                depth -= 1
                if depth == 1:
                    break
            elif token == QUOTE:
                self._in_string = True
                break
        self._depth = depth
        self.is_sound = depth <= MAX_DEPTH
        return position

    def _token(self, token: bytes, at: int) -> None:
        if token == b'"':
            self._open_string(at)
        elif token in b"{[":
            self._open(token, at)
        elif token in b"}]":
            self._close(token, at)
        elif self._depth == 1 and token == b":" and self._value_start < 0:
            self._begin_value(at)
        elif self._depth == 1 and token == b",":
            self._end_value(at, has_next=True)
        else:
            self._append(token)

    def _open_string(self, at: int) -> None:
        if self._depth == 0:
            self.is_sound = False
        self._in_string = True
        if self._depth == 1 and self._value_start < 0:
            self._key_start = at
            self._parts, self._kept, self._keeping = [], 0, True
        else:
            self._append(b'"')

    def _open(self, token: bytes, at: int) -> None:
        if self._depth == 0:
            if token != b"{" or self.open_brace >= 0:
                self.is_sound = False
            self.open_brace = self._before = at
        else:
            self._append(token)
        self._depth += 1

    def _close(self, token: bytes, at: int) -> None:
        if self._depth == 1:
            self._end_value(at, has_next=False)
        else:
            self._append(token)
        self._depth -= 1
        if self._depth < 0:
            self.is_sound = False

    def _begin_value(self, at: int) -> None:
        self._key = b"".join(self._parts)
        self.has_members = True
        self.has_escaped_key = self.has_escaped_key or b"\\" in self._key
        self._value_start = at + 1
        self._parts, self._kept = [], 0
        self._keeping = self._key in self.wanted

    def _end_value(self, at: int, *, has_next: bool) -> None:
        if self._key in self.wanted and self._value_start >= 0:
            assert self._key is not None
            raw = b"".join(self._parts) if self._keeping else None
            if self._key in self.members:
                self.doubles.append((self._key, self.members[self._key]))
            place = self._before, at, has_next
            self.members[self._key] = _member(self._key_start, self._value_start, at, raw, place)
        self._before = at
        self._key, self._value_start, self._keeping, self._parts = None, -1, False, []

    def _skip_string(self, data: bytes, position: int) -> int:
        if self._escaped:
            self._escaped = False
            self._keep(data, position, position + 1)
            return position + 1
        end = end_of_text(data, position)
        self._keep(data, position, end)
        if end == len(data):
            return end
        if data[end] != QUOTE:
            # The slice ends behind a backslash.
            self._append(b"\\")
            self._escaped = True
            return end + 1
        self._in_string = False
        if self._value_start >= 0:
            self._append(b'"')
        elif self._depth == 1:
            self._keeping = False
        return end + 1

    def _keep(self, data: bytes, start: int, end: int) -> None:
        if self._keeping and end > start:
            self._append(data[start : min(end, start + MAX_KEPT + 1)])

    def _append(self, data: bytes) -> None:
        if not self._keeping:
            return
        self._kept += len(data)
        if self._kept > MAX_KEPT:
            self._keeping, self._parts = False, []
        else:
            self._parts.append(data)


def _member(key_start: int, start: int, end: int, raw: bytes | None, place: tuple[int, int, bool]) -> Member:
    """Trim the white space around a value off its span."""
    if raw is None:
        return Member(key_start, start, end, None, *place)
    left = len(raw) - len(raw.lstrip())
    right = len(raw) - len(raw.rstrip())
    return Member(key_start, start + left, end - right, raw.strip(), *place)

"""The top level of a small body that is here whole: the exact span of a member, for edits that touch nothing else.

One that is written as compactly as most clients write it is measured, which is a fifth of the work; one that is plain
is looked at member by member; any other goes through the scanner as if it came in slices. All three say the same.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import orjson

from proxy.protocol.compact import is_compact
from proxy.protocol.scanner import MAX_KEPT, MAX_TOKENS, Member, TopLevelScanner
from proxy.protocol.skipping import OPENING, end_of_nested

_BEGINNING = re.compile(rb"[ \t\r\n]*\{")
_MEMBER = re.compile(
    rb'[ \t\r\n]*("[^"\\]*(?:\\.[^"\\]*)*")[ \t\r\n]*:[ \t\r\n]*'
    rb'("[^"\\]*(?:\\.[^"\\]*)*"|[-+.0-9A-Za-z]+|[\[{])',
    re.DOTALL,
)
_BEHIND = re.compile(rb"[ \t\r\n]*([,}])")


def scan(body: bytes, wanted: frozenset[bytes]) -> TopLevelScanner:
    """Scan one whole body: measure it, or go member by member where it is plain, or as if it came in slices."""
    found = _measured_anew(body, wanted)
    if found is not None:
        return found
    scanner = TopLevelScanner(wanted)
    if not _scan_members(scanner, body):
        scanner = TopLevelScanner(wanted)
        scanner.feed(body)
        scanner.finish()
    return scanner


def measured(body: bytes, values: Mapping[str, Any], wanted: frozenset[bytes]) -> TopLevelScanner | None:
    """Return the same of a body that says these values without a blank, None of one that is spelled otherwise.

    Each member is then as long as what is written of it anew.
    """
    if len(values) > MAX_TOKENS // 8 or not is_compact(body, values):
        return None
    scanner = TopLevelScanner(wanted)
    scanner.has_members = bool(values)
    _note_measured(scanner, body, values)
    return scanner


def _note_measured(scanner: TopLevelScanner, body: bytes, values: Mapping[str, Any]) -> None:
    """Note where the members are; those behind the last one that is wanted need not be measured."""
    scanner.open_brace = before = 0
    last, names = len(body) - 1, _texts(scanner.wanted)
    is_plain = all(map(str.isidentifier, values))
    waiting = len(names & values.keys()) if is_plain else len(values)
    for name, value in values.items():
        if not waiting:
            return
        after = before + len(orjson.dumps({name: value})) - 1
        if not is_plain and not body.startswith(b'%b":' % name.encode(), before + 2):
            scanner.has_escaped_key = True
        elif name in names:
            start = before + len(name.encode()) + 4
            raw = body[start:after] if after - start <= MAX_KEPT else None
            scanner.members[name.encode()] = Member(before + 1, start, after, raw, before, after, after < last)
            waiting -= 1
        before = after


@lru_cache(maxsize=64)
def _texts(names: frozenset[bytes]) -> frozenset[str]:
    return frozenset(name.decode() for name in names)


def _measured_anew(body: bytes, wanted: frozenset[bytes]) -> TopLevelScanner | None:
    try:
        values = orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
    return measured(body, values, wanted) if isinstance(values, dict) else None


def _scan_members(scanner: TopLevelScanner, body: bytes) -> bool:
    """Look at a body member by member; False where it is to be looked at otherwise, whatever was noted so far."""
    begun = _BEGINNING.match(body)
    if begun is None:
        return False
    position = begun.end()
    scanner.open_brace = before = position - 1
    for _ in range(MAX_TOKENS // 8):
        found = _MEMBER.match(body, position)
        if found is None:
            return False
        end = found.end()
        if body[end - 1] in OPENING and (end := end_of_nested(body, end)) < 0:
            return False
        behind = _BEHIND.match(body, end)
        if behind is None:
            return False
        at, has_next = behind.start(1), behind[1] == b","
        scanner.note(body, found, (end, before, at, has_next))
        if not has_next:
            return not body[at + 1 :].strip()
        position, before = at + 1, at
    return False

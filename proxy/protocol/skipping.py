"""Running over what nobody asked for: the texts of a JSON document, and what lies below its top level.

In slices of large bodies, and in whole small ones; a slice begins at a byte that nothing before it escapes. Nothing is
validated: brackets are counted, whatever their shape. The time that it takes grows with the bytes, whatever they are:
what an expression has run over it never tries again, and only what is not whole is looked at once for each level.
"""

from __future__ import annotations

import re

_LEVELS = 4


def _run_over(text: bytes) -> re.Pattern[bytes]:
    """Return what runs over all that is whole: texts, and brackets within brackets as deep as is usual.

    What is not whole, or lies deeper, is one bracket or quote.
    """
    plain = run = rb'[^"{}\[\]]++|' + text
    for _ in range(_LEVELS):
        run = plain + rb"|[\[{](?:" + run + rb")*+[\]}]"
    return re.compile(rb"(?:" + run + rb')++|["{}\[\]]', re.DOTALL)


# Long texts are left to ``end_of_text``, which is thirty times as quick, and most often it is one that a slice cuts.
RUN = _run_over(rb'"[^"\\]{0,512}+(?:\\.[^"\\]{0,512}+){0,32}+"')
_WHOLE_RUN = _run_over(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"')
OPENING, CLOSING, QUOTE, _ESCAPE = frozenset(b"{["), frozenset(b"}]"), ord('"'), ord("\\")
MAX_DEPTH = 10_000
_FIRST_WINDOW, _LAST_WINDOW = 64, 4096


def end_of_text(data: bytes, position: int) -> int:
    """Return where the quote is that ends a text; without one the slice's end, or that of a backslash at its end."""
    end = data.find(b'"', position)
    if end < 0 and data[-1] != _ESCAPE:
        return len(data)
    if end == position or (end > 0 and data[end - 1] != _ESCAPE):
        return end
    # What is escaped is written over, two bytes by two, in windows that grow: only a quote that counts is left.
    size = _FIRST_WINDOW
    while position < len(data):
        window = data[position : position + size].replace(b"\\\\", b"..").replace(b'\\"', b"..")
        end = window.find(b'"')
        if end >= 0:
            return position + end
        is_cut = window.endswith(b"\\")
        if is_cut and position + len(window) == len(data):
            return len(data) - 1
        position += len(window) - is_cut
        size = min(size * 2, _LAST_WINDOW)
    return len(data)


def end_of_nested(body: bytes, position: int) -> int:
    """Return where what was opened just before a position of a whole body ends; -1 where it does not."""
    depth = 1
    for found in _WHOLE_RUN.finditer(body, position):
        position = found.end()
        token = body[position - 1] if position - found.start() == 1 else 0
        if token in CLOSING:
            depth -= 1
            if depth == 0:
                return position
        elif token in OPENING:
            depth += 1
            if depth > MAX_DEPTH:
                return -1
        elif token == QUOTE:
            return -1
    return -1

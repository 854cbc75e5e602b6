"""A whole body without what must not be on record: JSON, events, lines of JSON, forms and plain text.

Of JSON only the strings change, so that it stays JSON with the same members. Of a stream the texts that go on from
event to event are looked at joined: a secret may come in two halves. What was found is replaced where it begins, and
gone where it goes on.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from proxy.redaction.moved import Moved, apply
from proxy.redaction.patterns import placeholder
from proxy.redaction.reading import Reading, value_of
from proxy.redaction.redactor import Redactor
from proxy.redaction.strings import Token


@dataclass(slots=True)
class Redacted:
    """``data`` is what may be recorded; ``moved`` says where the rest has gone, None where nothing was found.

    ``taken`` is what was found, each by its pattern, in the order of the body; ``counts`` by pattern alone.
    """

    data: bytes
    counts: Counter[str] = field(default_factory=Counter)
    taken: list[tuple[str, bytes]] = field(default_factory=list)
    moved: Moved | None = None

    def place(self, offset: int, *, is_end: bool = False) -> int:
        """Return where an offset of the body is now."""
        return offset if self.moved is None else self.moved.place(offset, is_end=is_end)


def redact_body(redactor: Redactor, data: bytes, reading: Reading | None = None) -> Redacted | None:
    """Return a body without its secrets; None for one that cannot be looked through: it is no text, or too long.

    ``reading`` has been fed all of it already, line by line.
    """
    if len(data) > redactor.max_bytes or not _is_text(data):
        return None
    if reading is None:
        reading = Reading(redactor)
        if value_of(data) is None:
            reading.feed(data)
        else:
            reading.read_json(data)
    touched = reading.finish()
    if touched is None:
        return None
    return _without(data, touched) if touched else Redacted(data)


def _is_text(data: bytes) -> bool:
    """True for UTF-8, the last character of which may be cut off."""
    try:
        data.decode()
    except UnicodeDecodeError as error:
        return error.reason == "unexpected end of data"
    return True


class _Mark(NamedTuple):
    """What is to go, in the document; ``shows``: something takes its place. What a flow says counts more."""

    start: int
    end: int
    name: str
    shows: bool
    is_of_flow: bool


def _without(data: bytes, touched: Iterable[Token]) -> Redacted:
    marks = _joined(
        _Mark(*token.place(part.start, part.end), part.name, part.shows, part.is_of_flow)
        for token in touched
        for part in token.hidden
    )
    cuts = [(mark.start, mark.end, placeholder(mark.name).encode() if mark.shows else b"") for mark in marks]
    return Redacted(
        apply(data, cuts),
        Counter(mark.name for mark in marks if mark.shows),
        [(mark.name, data[mark.start : mark.end]) for mark in marks],
        Moved(cuts),
    )


def _joined(marks: Iterable[_Mark]) -> list[_Mark]:
    """Return ascending marks that do not overlap."""
    joined: list[_Mark] = []
    for mark in sorted(marks, key=lambda item: (item.start, -item.end, not item.is_of_flow)):
        if not joined or mark.start >= joined[-1].end:
            joined.append(mark)
        elif mark.end > joined[-1].end:
            joined[-1] = joined[-1]._replace(end=mark.end, shows=joined[-1].shows or mark.shows)
    return joined

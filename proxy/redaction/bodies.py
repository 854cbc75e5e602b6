"""A whole body without what must not be on record: JSON, events, lines of JSON, forms and plain text.

Of JSON only the strings change, so that it stays JSON with the same members. What is no JSON is looked at as the text
it is, and the strings in it as what they mean. Of a stream the texts that go on from event to event are looked at
joined (``flows``): a secret may come in two halves. What was found is replaced where it begins, and gone where it goes
on. After that all is looked at again, since a number may have been hidden by what stood before it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import orjson

from proxy.redaction.flows import Flow, Flows
from proxy.redaction.moved import Cut, Moved, apply
from proxy.redaction.patterns import placeholder
from proxy.redaction.redactor import MAX_ROUNDS, Match, Redactor
from proxy.redaction.strings import Token, strings_of


@dataclass(slots=True)
class Redacted:
    """``data`` is what may be recorded; ``moves`` say where the rest has gone, in turn.

    ``taken`` is what was found, each by its pattern, in the order of the body; ``counts`` by pattern alone.
    """

    data: bytes
    counts: Counter[str] = field(default_factory=Counter)
    taken: list[tuple[str, bytes]] = field(default_factory=list)
    moves: tuple[Moved, ...] = ()

    def place(self, offset: int, *, is_end: bool = False) -> int:
        """Return where an offset of the body is now."""
        for moved in self.moves:
            offset = moved.place(offset, is_end=is_end)
        return offset


@dataclass(slots=True)
class _Texts:
    """What is looked through: strings, stretches of plain text, and what flows from event to event."""

    tokens: list[Token] = field(default_factory=list)
    flows: Flows = field(default_factory=Flows)


def redact_body(redactor: Redactor, data: bytes) -> Redacted | None:
    """Return a body without its secrets; None for one that cannot be looked through: it is no text, or too long."""
    if len(data) > redactor.max_bytes or not _is_text(data):
        return None
    found = Redacted(data)
    for number in range(MAX_ROUNDS):
        cuts = _cuts_of(redactor, found, is_first=number == 0)
        if not cuts:
            return found
        found.data = apply(found.data, cuts)
        found.moves += (Moved(cuts),)
    return None


def _is_text(data: bytes) -> bool:
    """True for UTF-8, the last character of which may be cut off."""
    try:
        data.decode()
    except UnicodeDecodeError as error:
        return error.reason == "unexpected end of data"
    return True


def _cuts_of(redactor: Redactor, found: Redacted, *, is_first: bool) -> list[Cut]:
    data = found.data
    texts = _texts_of(data)
    flows = texts.flows.joined()
    matches = redactor.find([*(item.text for item in texts.tokens), *(flow.text for flow in flows)], is_first=is_first)
    if not matches:
        return []
    marks: list[_Mark] = []
    for number, items in matches.items():
        for match in items:
            if number < len(texts.tokens):
                marks.append(_Mark(*texts.tokens[number].place(data, match.start, match.end), match.name))
            else:
                marks += _marks_of_flow(data, flows[number - len(texts.tokens)], match)
    joined = _joined(marks)
    found.counts.update(mark.name for mark in joined if mark.shows)
    found.taken += ((mark.name, data[mark.start : mark.end]) for mark in joined)
    return [(mark.start, mark.end, placeholder(mark.name).encode() if mark.shows else b"") for mark in joined]


class _Mark(NamedTuple):
    """What is to go, in the document; ``shows``: something takes its place. What a flow says counts more."""

    start: int
    end: int
    name: str
    shows: bool = True
    is_of_flow: bool = False


def _marks_of_flow(data: bytes, flow: Flow, match: Match) -> Iterator[_Mark]:
    """Yield where a match stands in the strings it goes through; something takes its place in the first one only."""
    shows = True
    for token, start, end in flow.parts_between(match.start, match.end):
        yield _Mark(*token.place(data, start, end), match.name, shows, is_of_flow=True)
        shows = False


def _joined(marks: Sequence[_Mark]) -> list[_Mark]:
    """Return ascending marks that do not overlap."""
    joined: list[_Mark] = []
    for mark in sorted(marks, key=lambda item: (item.start, -item.end, not item.is_of_flow)):
        if not joined or mark.start >= joined[-1].end:
            joined.append(mark)
        elif mark.end > joined[-1].end:
            joined[-1] = joined[-1]._replace(end=mark.end, shows=joined[-1].shows or mark.shows)
    return joined


# -- what there is to look through --------------------------------------------------------------------------


def _texts_of(data: bytes) -> _Texts:
    texts = _Texts()
    if _value_of(data) is not None:
        texts.tokens = list(strings_of(data, 0, len(data)))
        return texts
    plain_from: int | None = None
    for start, end in _lines(data):
        at = _payload(data, start, end)
        value = _value_of(data[at:end])
        if value is None:
            plain_from = start if plain_from is None else plain_from
            continue
        _add_plain(texts, data, plain_from, start)
        plain_from = None
        tokens = list(strings_of(data, at, end))
        texts.tokens += tokens
        texts.flows.add(value, tokens)
    _add_plain(texts, data, plain_from, len(data))
    return texts


def _add_plain(texts: _Texts, data: bytes, start: int | None, end: int) -> None:
    """Add a stretch of plain text, and the strings in it that mean something else than what stands there."""
    if start is None or start == end:
        return
    texts.tokens.append(Token(start, end, data[start:end], is_plain=True))
    texts.tokens += [token for token in strings_of(data, start, end, is_sound=False) if not token.is_plain]


def _value_of(data: bytes) -> object:
    """Return what a text means as JSON, None where it is no object, list or string."""
    if data.lstrip()[:1] not in (b"{", b"[", b'"'):
        return None
    try:
        return orjson.loads(data)
    except orjson.JSONDecodeError:
        return None


def _lines(data: bytes) -> Iterator[tuple[int, int]]:
    start = 0
    while start < len(data):
        end = data.find(b"\n", start)
        end = len(data) if end < 0 else end
        yield start, end
        start = end + 1


def _payload(data: bytes, start: int, end: int) -> int:
    """Return where the JSON of a line would begin: behind the name of an event's field."""
    return start + 5 if data.startswith(b"data:", start, end) else start

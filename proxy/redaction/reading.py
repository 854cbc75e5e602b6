"""What there is to look through in a body, also while it is still coming: its strings, its plain text, its flows.

A body is read line by line: a line (or what follows ``data:`` in it) that is JSON is looked at by its strings, all else
as the text it is, and by the strings in it as what they mean. So is a string that holds JSON again, as the arguments of
a tool do: by what its own strings mean, once. Texts that come again and again, as the names of members
do, are looked at once. What was found is hidden in its text, and the text is looked at again, since a number may have
been hidden by what stood before it; nothing else has changed, so nothing else is looked at twice.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

import orjson

from proxy.redaction.flows import Flow, Flows
from proxy.redaction.redactor import Match, Redactor
from proxy.redaction.strings import Hidden, Token, strings_of

MAX_ROUNDS = 3
_MANY = 1000
"""So many texts are looked at in one go."""
_LINE = re.compile(rb"[^\r\n]*+[\r\n]++")
_ESCAPE = re.compile(rb"\\u[0-9a-fA-F]{4}")
_BOM = b"\xef\xbb\xbf"


class Reading:
    """Takes a body in slices; ``finish`` returns the strings in which something is hidden."""

    def __init__(self, redactor: Redactor) -> None:
        self._redactor = redactor
        self._waiting: dict[bytes, list[Token]] = {}
        self._clean: set[bytes] = set()
        self._touched: dict[int, Token] = {}
        self._fresh: dict[int, Token] = {}
        self._flows = Flows()
        self._rest: list[bytes] = []
        self._at = 0
        self._plain: list[bytes] = []
        self._plain_at = 0

    def feed(self, data: bytes) -> None:
        """Take the next slice."""
        self._rest.append(data)
        if b"\n" not in data and b"\r" not in data:
            return
        data, end = b"".join(self._rest), 0
        for line in _LINE.finditer(data):
            end = line.end()
            self._take(line[0])
        self._rest = [data[end:]]

    def read_json(self, data: bytes) -> None:
        """Take a body that is one JSON value."""
        self._add(strings_of(data))

    def finish(self) -> list[Token] | None:
        """Return what has something hidden in it; None where more and more would come to light."""
        self._take(b"".join(self._rest))
        self._end_plain()
        self._settle()
        flows = self._flows.joined()
        self._look_at_flows(flows, is_first=True)
        for _ in range(MAX_ROUNDS):
            fresh, self._fresh = self._fresh, {}
            if not fresh:
                return list(self._touched.values())
            left: dict[bytes, list[Token]] = {}
            for token in fresh.values():
                left.setdefault(token.left(), []).append(token)
            self._look_at(left, is_first=False)
            self._look_at_flows([flow for flow in flows if flow.holds(fresh)], is_first=False)
        return None if self._fresh else list(self._touched.values())

    # -- lines ----------------------------------------------------------------------------------------------

    def _take(self, line: bytes) -> None:
        at = len(_BOM) if not self._at and line.startswith(_BOM) else 0
        at += 5 if line.startswith(b"data:", at) else 0
        value = value_of(line[at:])
        if value is None:
            if not self._plain:
                self._plain_at = self._at
            self._plain.append(line)
        else:
            self._end_plain()
            tokens = list(strings_of(line, at, base=self._at))
            self._add(tokens)
            self._flows.add(value, tokens)
        self._at += len(line)

    def _end_plain(self) -> None:
        """Look at a stretch of plain text, and at the strings in it that mean something else than what stands there."""
        text = b"".join(self._plain)
        self._plain.clear()
        if text.strip():
            self._add([Token(self._plain_at, self._plain_at + len(text), text, text)])
            self._add(token for token in strings_of(text, is_sound=False, base=self._plain_at) if not token.is_plain)

    # -- looking --------------------------------------------------------------------------------------------

    def _add(self, tokens: Iterable[Token]) -> None:
        for token in tokens:
            if token.text not in self._clean:
                self._waiting.setdefault(token.text, []).append(token)
        if len(self._waiting) > _MANY:
            self._settle()

    def _settle(self) -> None:
        waiting, self._waiting = self._waiting, {}
        found = self._look_at(waiting, is_first=True) | self._look_within(waiting)
        self._clean.update(text for text in waiting if text not in found)

    def _look_at(self, tokens: dict[bytes, list[Token]], *, is_first: bool) -> set[bytes]:
        """Hide what is in some texts; return those that have something."""
        texts = list(tokens)
        found = self._redactor.find(texts, is_first=is_first)
        for number, matches in found.items():
            for token in tokens[texts[number]]:
                for match in matches:
                    self._hide(token, Hidden(match.start, match.end, match.name))
        return {texts[number] for number in found}

    def _look_within(self, tokens: dict[bytes, list[Token]]) -> set[bytes]:
        """Hide what strings within some texts mean; return the texts that have something."""
        texts, touched = list(tokens), set[bytes]()
        for number, match in self._found_within(texts):
            touched.add(texts[number])
            for token in tokens[texts[number]]:
                self._hide(token, Hidden(match.start, match.end, match.name))
        return touched

    def _found_within(self, texts: Sequence[bytes]) -> Iterator[tuple[int, Match]]:
        """Yield the number of a text and what a string in it means that is to be hidden, where that stands in it."""
        inner = [
            (number, token)
            for number, text in enumerate(texts)
            if _ESCAPE.search(text)
            for token in strings_of(text, is_sound=False)
            if not token.is_plain
        ]
        found = self._redactor.find([token.text for _, token in inner]) if inner else {}
        for at, matches in found.items():
            number, token = inner[at]
            for match in matches:
                yield number, Match(*token.place(match.start, match.end), match.name)

    def _look_at_flows(self, flows: Sequence[Flow], *, is_first: bool) -> None:
        # A string alone may have the end of what begins in another: at first each flow is looked at whole.
        texts = [flow.text() if is_first else flow.left() for flow in flows]
        for number, matches in self._redactor.find(texts, is_first=is_first).items():
            self._hide_in_flow(flows[number], matches)
        if is_first:
            for number, match in self._found_within(texts):
                self._hide_in_flow(flows[number], [match])

    def _hide_in_flow(self, flow: Flow, matches: Iterable[Match]) -> None:
        for match in matches:
            shows = True
            for token, start, end in flow.parts_between(match.start, match.end):
                self._hide(token, Hidden(start, end, match.name, shows, is_of_flow=True))
                shows = False

    def _hide(self, token: Token, part: Hidden) -> None:
        token.hide(part)
        self._touched[id(token)] = self._fresh[id(token)] = token


def value_of(data: bytes) -> object:
    """Return what a text means as JSON, None where it is no object, list or string."""
    if data.lstrip()[:1] not in (b"{", b"[", b'"'):
        return None
    try:
        return orjson.loads(data)
    except orjson.JSONDecodeError:
        return None

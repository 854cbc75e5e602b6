"""Redaction before the spool: which patterns concern a call, and its record without what they find.

The client's bytes pass unchanged; what is written down is another matter. A request is looked through before START is
appended. Of an answer the pieces are held in memory, and appended when it is whole, before its last byte leaves: so a
secret in two halves is found, and nothing of it is ever on the disk. A gateway that is killed in between loses the text
of the answers under way; their calls are on record as interrupted, with all that was known when they began.

What cannot be looked through (compressed in a way we cannot undo, no text, longer than ``redaction.max_bytes``, more
than memory has room for) is not recorded; that it was left out is.
"""

from __future__ import annotations

import hashlib
import traceback
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import structlog

from proxy.domain.recording import AnswerHead, AttemptFact, CallEnd, CallStart
from proxy.gateway.ceilings import Ceilings, Holding
from proxy.protocol.decoding import decode, encodings_of
from proxy.protocol.injection import Edit
from proxy.protocol.multipart import Reducer, boundary_of
from proxy.redaction.bodies import Redacted, redact_body
from proxy.redaction.fields import Headers, redact_edit, redact_headers, redact_target, redact_text, redact_values
from proxy.redaction.own import compiled
from proxy.redaction.patterns import BUILT_IN, UNREADABLE, Pattern, placeholder
from proxy.redaction.reading import Reading
from proxy.redaction.redactor import Redactor
from proxy.upstream.body import FileBody

if TYPE_CHECKING:
    from proxy.domain.route import Route
    from proxy.domain.snapshot import Snapshot
    from proxy.gateway.authentication import Caller
    from proxy.gateway.body import Inbound

log = structlog.get_logger("gateway")

_SPELT = "application/x-www-form-urlencoded"
"""Bodies that spell what they mean in signs of their own: nobody asks models so, and nothing is read in them."""
_IN_LINES = ("text/event-stream", "application/x-ndjson")
"""Kinds of answers that are looked through while they come, so that their end waits for little."""
Pieces = Sequence[tuple[int, bytes]]


class Redacting:
    """What a snapshot says about redaction; ``is_needed`` False: nothing, for nobody."""

    def __init__(self, snapshot: Snapshot, ceilings: Ceilings) -> None:
        self._ceilings = ceilings
        self._rules = rules = snapshot.redaction
        self._all = frozenset(rules.patterns)
        self._made: dict[frozenset[str], Redactor] = {}
        self._known: dict[str, Pattern] = dict(BUILT_IN)
        for own in rules.own:
            try:
                self._known[own.name] = compiled(own)
            except ValueError as error:
                log.error("redaction_pattern_unusable", name=own.name, reason=str(error))
        is_named = any(item.redaction for item in snapshot.routes) or any(item.redaction for item in snapshot.keys)
        self.is_needed = bool(self._all) or is_named

    def __repr__(self) -> str:
        return f"<Redacting {' '.join(sorted(self._all))}>"

    def of(self, caller: Caller | None, rule: Route | None = None) -> CallRedaction | None:
        """Return what looks through the record of a call; None where nothing is to be looked for."""
        redactor = self._redactor(caller, rule)
        return None if redactor is None else CallRedaction(redactor, self._ceilings)

    def _redactor(self, caller: Caller | None, rule: Route | None) -> Redactor | None:
        names = self._all
        if caller is not None and caller.redaction:
            names |= frozenset(caller.redaction)
        if rule is not None and rule.redaction:
            names |= frozenset(rule.redaction)
        return self._made_of(names) if names else None

    def _made_of(self, names: frozenset[str]) -> Redactor | None:
        found = self._made.get(names)
        if found is None:
            unknown = names - self._known.keys()
            # Who asks for a pattern that cannot be looked for gets no record of what it might be in.
            most = -1 if unknown else self._rules.max_bytes
            found = self._made[names] = Redactor([self._known[name] for name in sorted(names - unknown)], most)
        return found


class CallRedaction:
    """The record of one call, redacted on its way to the spool."""

    def __init__(self, redactor: Redactor, ceilings: Ceilings) -> None:
        self._redactor = redactor
        self._holding = Holding(ceilings)
        self._counts: Counter[str] = Counter()
        self._reading: Reading | None = None
        self._request: Redacted | None = None
        self._coding: str | None = None
        self._held: list[tuple[int, bytes]] = []
        self._is_left_out = False

    def __repr__(self) -> str:
        return f"<CallRedaction {self._redactor!r} held={self._holding.size}>"

    # -- what begins a call ---------------------------------------------------------------------------------

    def start(self, start: CallStart, body: bytes, inbound: Inbound | None = None) -> bytes:
        """Redact a start in its place and return the request for the record; ``inbound``: it may be in a file."""
        try:
            return self._start(start, body, inbound)
        except Exception as error:  # noqa: BLE001 - a defect of ours keeps nobody from calling, and nothing passes it
            _complain(error)
        self._request, self._counts = None, Counter()
        start.target, start.model, start.request_headers, start.edits = placeholder(UNREADABLE), None, (), ()
        start.side_file = start.side_key = start.request_sha256 = None
        start.prompt = None if start.prompt is None else replace(start.prompt, variables=None)
        start.redacted, start.recorded_bytes = {UNREADABLE: 1}, 0
        return b""

    def _start(self, start: CallStart, body: bytes, inbound: Inbound | None) -> bytes:
        redactor, counts = self._redactor, self._counts
        coding = encodings_of(start.request_headers)
        kind = dict(start.request_headers).get("content-type")
        boundary = boundary_of(kind)
        if inbound is not None and inbound.side_path is not None:
            body = self._read_aside(inbound)
        is_there = bool(body) or start.side_file is not None
        start.side_file = start.side_key = None
        found = self._redacted(_without_files(body, boundary, coding), coding)
        if kind is not None and kind.lstrip().lower().startswith(_SPELT):
            found = None
        self._request = found
        if is_there and (found is None or not body):
            counts[UNREADABLE] += 1
        elif found is not None:
            counts.update(found.counts)
        start.request_headers = redact_headers(redactor, _plain(start.request_headers, coding), counts)
        start.target = redact_target(redactor, start.target, counts)
        start.model = None if start.model is None else redact_text(redactor, start.model, counts)
        start.edits = self.edits(start.edits)
        if start.prompt is not None:
            variables = redact_values(redactor, start.prompt.variables, counts)
            start.prompt = replace(start.prompt, variables=variables)
        start.request_sha256 = None
        start.redacted, self._counts = dict(counts), Counter()
        data = found.data if found is not None else b""
        start.recorded_bytes = len(data) if is_there else None
        return data

    def _read_aside(self, inbound: Inbound) -> bytes:
        if inbound.length > self._redactor.max_bytes or inbound.side_path is None:
            return b""
        return b"".join(FileBody(inbound.side_path, inbound.length, seal=inbound.seal).slices())

    def _redacted(self, body: bytes, coding: str | None, reading: Reading | None = None) -> Redacted | None:
        if coding:
            body, error = decode(body, coding, max(1, self._redactor.max_bytes))
            if error is not None:
                return None
        return redact_body(self._redactor, body, reading)

    def edits(self, edits: tuple[Edit, ...]) -> tuple[Edit, ...]:
        """Return edits of the request as edits of the one on record."""
        made, before = [], 0
        for offset, removed, text in edits:
            start, end = offset, offset + removed
            if self._request is not None:
                start, end = self._request.place(start), self._request.place(end, is_end=True)
            start = max(start, before)
            before = end = max(start, end)
            made.append((start, end - start, redact_edit(self._redactor, text, self._counts) if text else text))
        return tuple(made)

    # -- what comes back ------------------------------------------------------------------------------------

    def head(self, head: AnswerHead) -> AnswerHead:
        """Return the answer's head for the record: of a body as it is when its encoding is undone."""
        self._coding = encodings_of(head.headers)
        kind = dict(head.headers).get("content-type", "").partition(";")[0].strip().lower()
        if self._coding is None and kind in _IN_LINES:
            self._reading = Reading(self._redactor)
        try:
            headers = redact_headers(self._redactor, _plain(head.headers, self._coding), self._counts)
        except Exception as error:  # noqa: BLE001 - as above: the answer goes on, its headers are left out
            _complain(error)
            headers = ()
        return AnswerHead(status=head.status, headers=headers)

    def hold(self, at_ns: int, data: bytes) -> None:
        """Keep a piece until the answer is whole, within what may be looked through and memory has room for."""
        if self._is_left_out:
            return
        if self._holding.size + len(data) > self._redactor.max_bytes or not self._holding.take(len(data)):
            self._leave_out()
            return
        self._held.append((at_ns, data))
        if self._reading is not None:
            try:
                self._reading.feed(data)
            except Exception as error:  # noqa: BLE001 - as above: the answer goes on, and is left out
                _complain(error)
                self._leave_out()

    def _leave_out(self) -> None:
        self._held.clear()
        self._holding.give_back()
        self._is_left_out, self._reading = True, None

    def finish(self, end: CallEnd) -> Pieces:
        """Redact an end in its place and return the answer's pieces for the record."""
        try:
            pieces = self._answer(end)
            self._redact_words(end)
        except Exception as error:  # noqa: BLE001 - as above: the call ends, by its facts
            _complain(error)
            pieces, self._counts = (), Counter({UNREADABLE: 1})
            end.recorded_bytes, end.sha256, end.error_message, end.head = 0, None, None, None
            end.edits = None if end.edits is None else ()
            end.attempts = tuple(replace(fact, error_message=None) for fact in end.attempts)
        self._holding.give_back()
        self._held = []
        end.redacted = dict(self._counts)
        return pieces

    def _redact_words(self, end: CallEnd) -> None:
        redactor, counts = self._redactor, self._counts
        if end.error_message is not None:
            end.error_message = redact_text(redactor, end.error_message, counts)
        if end.edits is not None:
            end.edits = self.edits(end.edits)
        end.attempts = tuple(self._attempt(fact) for fact in end.attempts)

    def _attempt(self, fact: AttemptFact) -> AttemptFact:
        if fact.error_message is None:
            return fact
        return replace(fact, error_message=redact_text(self._redactor, fact.error_message, self._counts))

    def _answer(self, end: CallEnd) -> Pieces:
        data = b"".join([piece for _, piece in self._held])
        found = None if self._is_left_out else self._redacted(data, self._coding, self._reading)
        if found is None:
            self._counts[UNREADABLE] += 1
            end.recorded_bytes, end.sha256 = 0, None
            return ()
        if found.moved is None and not self._coding:
            return self._held
        if found.moved is not None:
            # What is taken out could be guessed by the hash of the whole.
            end.sha256 = None
        elif end.sha256 is None and end.sent_bytes:
            end.sha256 = hashlib.sha256(data[: end.sent_bytes]).hexdigest()
        self._counts.update(found.counts)
        end.recorded_bytes, end.decoded_from = len(found.data), self._coding
        return self._pieces_of(found)

    def _pieces_of(self, found: Redacted) -> Pieces:
        """Return the answer in the pieces it came in, as far as they are still there."""
        if self._coding:
            return ((self._held[-1][0], found.data),) if self._held else ()
        return tuple(_cut(self._held, found))


def _complain(error: Exception) -> None:
    """Say where redaction failed, and never on what."""
    place = traceback.extract_tb(error.__traceback__)[-1]
    log.error("redaction_failed", reason=f"{type(error).__name__} at {place.name}:{place.lineno}")


def _cut(held: Pieces, found: Redacted) -> Iterator[tuple[int, bytes]]:
    before = at = 0
    for at_ns, data in held:
        at += len(data)
        border = max(before, found.place(at, is_end=True))
        yield at_ns, found.data[before:border]
        before = border


def _plain(headers: Headers, coding: str | None) -> Headers:
    """Return headers without the encoding that is undone."""
    return tuple(item for item in headers if item[0] != "content-encoding") if coding else headers


def _without_files(body: bytes, boundary: bytes | None, coding: str | None) -> bytes:
    """Return a form without what is in its files, which nobody has looked through."""
    if boundary is None or coding or not body:
        return body
    reducer = Reducer(boundary)
    reducer.feed(body)
    reduced = reducer.finish()
    return reduced if reducer.form.files else body

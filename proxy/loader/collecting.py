"""Putting interleaved records together: records in, whole calls out. No files, no clock of its own.

Memory is bounded per call: the answer's head up to the body limit and a tail of its end are kept, what lies between is
counted as lost; usage stands at the end, so it survives the cut. Damaged payloads are reported, not raised.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from proxy.domain.recording import AnswerHead, CallEnd, CallStart, Piece, RecordedCall
from proxy.errors import SpoolError
from proxy.spool import records
from proxy.spool.framing import Record, RecordType
from proxy.spool.reader import Position

TAIL_BYTES = 256 * 1024


@dataclass(slots=True)
class OpenCall:
    """A call whose END has not been read. ``held_at`` is where its oldest record that is not parked begins."""

    identity: bytes
    held_at: Position | None
    opened_at: float
    start: CallStart | None = None
    request: bytes = b""
    head: AnswerHead | None = None
    pieces: list[Piece] = field(default_factory=list)
    tail: deque[Piece] = field(default_factory=deque)
    kept: int = 0
    tail_size: int = 0
    lost: int = 0
    until_sequence: int = 0
    parts: int = 0
    unparked: list[Record] = field(default_factory=list)

    def add(self, piece: Piece, limit: int) -> None:
        """Keep a piece, within the limits."""
        if self.kept + len(piece.data) <= limit:
            self.kept += len(piece.data)
            self.pieces.append(piece)
            return
        self.tail.append(piece)
        self.tail_size += len(piece.data)
        while self.tail_size > TAIL_BYTES and len(self.tail) > 1:
            gone = self.tail.popleft()
            self.tail_size -= len(gone.data)
            self.lost += len(gone.data)
        if self.tail_size > TAIL_BYTES:
            only = self.tail.pop()
            self.lost += len(only.data) - TAIL_BYTES
            self.tail.append(Piece(only.at_ns, only.data[-TAIL_BYTES:]))
            self.tail_size = TAIL_BYTES

    def finish(self, end: CallEnd | None, request: bytes | None) -> RecordedCall:
        """Return the whole call."""
        assert self.start is not None
        pieces = (*self.pieces, *self.tail)
        head = self.head or (end.head if end is not None else None)
        return RecordedCall(
            id=self.identity,
            start=self.start,
            request=request,
            head=head,
            pieces=pieces,
            end=end,
            lost_bytes=self.lost,
        )


@dataclass(frozen=True, slots=True)
class Finished:
    """A call that has ended, with what its request's body needs."""

    call: OpenCall
    end: CallEnd | None


@dataclass(slots=True)
class Collector:
    """Collects one source's records. ``limit`` is the most bytes of an answer kept from its beginning."""

    limit: int
    open: dict[bytes, OpenCall] = field(default_factory=dict)
    starts_seen: int = 0
    orphans: int = 0

    def feed(self, position: Position, record: Record, now: float) -> Finished | None:
        """Take one record; return the call it ends. ``SpoolError`` when its payload cannot be read."""
        if record.type == RecordType.START:
            self._start(position, record, now)
            return None
        call = self.open.get(record.identity)
        if call is None:
            # The START was dropped by policy, or committed before: nothing is to be done with the rest.
            self.orphans += record.type in (RecordType.CHUNK, RecordType.END)
            return None
        if record.sequence <= call.until_sequence:
            return None
        if record.type == RecordType.END:
            end, last = records.decode_end(record.payload)
            if last is not None:
                call.add(last, self.limit)
            del self.open[record.identity]
            return Finished(call, end)
        if record.type == RecordType.CHUNK:
            self._chunk(call, position, record)
        return None

    def _start(self, position: Position, record: Record, now: float) -> None:
        self.starts_seen += 1
        known = self.open.get(record.identity)
        if known is not None:
            return
        start, body = records.decode_start(record.payload)
        call = OpenCall(record.identity, position, now, start, body)
        call.unparked.append(record)
        self.open[record.identity] = call

    def _chunk(self, call: OpenCall, position: Position, record: Record) -> None:
        part = records.decode_chunk(record.payload)
        if isinstance(part, AnswerHead):
            call.head = part
        else:
            call.add(part, self.limit)
        call.unparked.append(record)
        if call.held_at is None:
            call.held_at = position

    def resume(self, identity: bytes, parked: list[Record], until_sequence: int, parts: int, now: float) -> None:
        """Take up a call that was parked before a restart."""
        for record in parked:
            self.feed(Position(), record, now)
        call = self.open.get(identity)
        if call is not None:
            call.held_at, call.until_sequence, call.parts, call.unparked = None, until_sequence, parts, []
            self.starts_seen -= 1

    def hold(self, at: Position) -> Position:
        """Return how far everything is finished or parked: at most ``at``."""
        held = [call.held_at for call in self.open.values() if call.held_at is not None]
        return min([*held, at])

    def overdue(self, now: float, seconds: float) -> list[OpenCall]:
        """Return the calls that have held the position for too long."""
        return [call for call in self.open.values() if call.unparked and now - call.opened_at > seconds]

    def give_up(self) -> list[Finished]:
        """The gateway is dead: return all open calls, to be recorded as interrupted."""
        left = [Finished(call, None) for call in self.open.values() if call.start is not None]
        self.open.clear()
        return left


def readable(record: Record) -> str | None:
    """Return why a record's payload cannot be read, or None."""
    try:
        if record.type == RecordType.START:
            records.decode_start(record.payload)
        elif record.type == RecordType.CHUNK:
            records.decode_chunk(record.payload)
        elif record.type == RecordType.END:
            records.decode_end(record.payload)
    except SpoolError as error:
        return error.message
    return None

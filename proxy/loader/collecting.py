"""Putting interleaved records together: records in, whole calls out. No files, no clock of its own.

Memory is bounded per call: the answer's head up to the body limit and a tail of its end are kept, what lies between is
counted as lost; usage stands at the end, so it survives the cut. A call that stays open is *parked*: what was read of
it since the last part is written down again as records, and its place in the spool may go. A parked call that is taken
up again is fed its parts, and skips the records they already hold.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field

from proxy.domain.recording import AnswerHead, CallEnd, CallStart, Piece, RecordedCall
from proxy.spool import records
from proxy.spool.batches import Position
from proxy.spool.framing import Record, RecordType, encode
from proxy.spool.records import UNSYNCED

TAIL_BYTES = 256 * 1024


@dataclass(slots=True)
class OpenCall:
    """A call whose END has not been read. ``held_at`` is where its oldest record that is not parked begins."""

    identity: bytes
    start: CallStart
    request: bytes
    held_at: Position | None
    opened_at: float
    sequence: int
    head: AnswerHead | None = None
    pieces: list[Piece] = field(default_factory=list)
    tail: deque[Piece] = field(default_factory=deque)
    kept: int = 0
    tail_size: int = 0
    lost: int = 0
    parts: int = 0
    until_sequence: int = 0
    _parked_pieces: int = 0
    _parked_tail: int = 0
    _parked_lost: int = 0

    def add(self, piece: Piece, limit: int) -> None:
        """Keep a piece, within the limits."""
        if not self.tail and not self.lost and self.kept + len(piece.data) <= limit:
            self.kept += len(piece.data)
            self.pieces.append(piece)
            return
        if len(piece.data) > TAIL_BYTES:
            self.lost += len(piece.data) - TAIL_BYTES
            piece = Piece(piece.at_ns, piece.data[-TAIL_BYTES:])
        self.tail.append(piece)
        self.tail_size += len(piece.data)
        while self.tail_size > TAIL_BYTES:
            self._forget_oldest()

    def _forget_oldest(self) -> None:
        gone = self.tail.popleft()
        self.tail_size -= len(gone.data)
        self.lost += len(gone.data)
        if self._parked_tail:
            # Whoever takes the parts up again loses this piece by the same rule, and counts it then.
            self._parked_tail -= 1
            self._parked_lost += len(gone.data)

    def skip(self, lost: int) -> None:
        """Bytes were lost before they could be parked: the oldest go first, so the tail parked before them is gone."""
        while self.tail:
            self._forget_oldest()
        self.lost += lost

    def part(self) -> bytes:
        """Return what is not parked yet as records; ``parked`` says that they are kept."""
        found: list[tuple[int, bytes]] = []
        if not self.parts:
            found.append((RecordType.START, records.encode_start(self.start, self.request)))
        if self.head is not None:
            found.append((RecordType.CHUNK, records.encode_head(self.head)))
        found += _chunks(self.pieces[self._parked_pieces :])
        if self.lost > self._parked_lost:
            # Before the tail: what comes after something lost is not taken for the answer's beginning.
            found.append((RecordType.AMEND, records.encode_facts({"lost": self.lost - self._parked_lost})))
        found += _chunks(list(self.tail)[self._parked_tail :])
        return b"".join([encode(kind, self.identity, self.sequence, payload) for kind, payload in found])

    def parked(self, sequence: int, now: float) -> None:
        """What ``part`` returned up to a sequence is committed: the position is held no longer."""
        self.parts += 1
        self.until_sequence, self.held_at, self.opened_at = sequence, None, now
        self._parked_pieces, self._parked_tail, self._parked_lost = len(self.pieces), len(self.tail), self.lost

    def finish(self, end: CallEnd | None, request: bytes | None) -> RecordedCall:
        """Return the whole call; ``end`` is None when the gateway died."""
        return RecordedCall(
            id=self.identity,
            start=self.start,
            request=request,
            head=self.head or (end.head if end is not None else None),
            pieces=(*self.pieces, *self.tail),
            end=end,
            lost_bytes=self.lost,
        )


def _chunks(pieces: Iterable[Piece]) -> list[tuple[int, bytes]]:
    return [(RecordType.CHUNK, records.encode_piece(piece.at_ns, piece.data)) for piece in pieces]


@dataclass(slots=True)
class Finished:
    """A call that has ended, or (``end`` is None) whose gateway has."""

    call: OpenCall
    end: CallEnd | None

    @property
    def ended_at_ns(self) -> int:
        """When it ended, Unix nanoseconds; when it was accepted where nobody knows."""
        return self.call.start.accepted_at_ns + (self.end.ended_ns if self.end is not None else 0)


@dataclass(slots=True)
class Collector:
    """Collects one source's records. ``limit`` is the most bytes of an answer kept from its beginning."""

    limit: int
    open: dict[bytes, OpenCall] = field(default_factory=dict)
    starts_seen: int = 0
    unsynced: set[bytes] = field(default_factory=set)
    """Calls that have ended and whose replies did not wait for the disk."""

    def feed(self, position: Position, record: Record, now: float) -> Finished | None:
        """Take one record; return the call it ends. ``SpoolError`` when its payload cannot be read."""
        if record.type == RecordType.START:
            self._start(position, record, now)
            return None
        call = self.open.get(record.identity)
        if call is None and record.type == RecordType.AMEND and records.decode_facts(record.payload).get(UNSYNCED):
            self.unsynced.add(record.identity)
        # No such call: it was committed before this replay, or its START is damaged. Parked already: not twice.
        if call is None or record.sequence <= call.until_sequence:
            return None
        if record.type == RecordType.END:
            end, last = records.decode_end(record.payload)
            if last is not None:
                call.add(last, self.limit)
            del self.open[record.identity]
            return Finished(call, end)
        if record.type in (RecordType.CHUNK, RecordType.AMEND):
            self._learn(call, record)
            call.sequence = record.sequence
            if call.held_at is None:
                call.held_at = position
        return None

    def _start(self, position: Position, record: Record, now: float) -> None:
        self.starts_seen += 1
        if record.identity not in self.open:
            start, body = records.decode_start(record.payload)
            self.open[record.identity] = OpenCall(record.identity, start, body, position, now, record.sequence)

    def _learn(self, call: OpenCall, record: Record) -> None:
        if record.type == RecordType.AMEND:
            call.skip(int(records.decode_facts(record.payload).get("lost", 0)))
            return
        found = records.decode_chunk(record.payload)
        if isinstance(found, AnswerHead):
            call.head = found
        else:
            call.add(found, self.limit)

    def resume(self, identity: bytes, parts: Iterable[Record], until_sequence: int, count: int, now: float) -> None:
        """Take up a call that was parked in ``count`` parts before a restart."""
        before = self.starts_seen
        for record in parts:
            self.feed(Position(), record, now)
        self.starts_seen = before
        call = self.open.get(identity)
        if call is not None:
            call.parked(until_sequence, now)
            call.parts = count

    def hold(self, at: Position, leaving: Iterable[OpenCall] = ()) -> Position:
        """Return how far everything is finished, parked or about to be: at most ``at``."""
        gone = {call.identity for call in leaving}
        held = [call.held_at for call in self.open.values() if call.held_at is not None and call.identity not in gone]
        return min([*held, at])

    def overdue(self, now: float, seconds: float) -> list[OpenCall]:
        """Return the calls that have held the position for too long."""
        return [call for call in self.open.values() if call.held_at is not None and now - call.opened_at > seconds]

    def give_up(self) -> list[Finished]:
        """The gateway is dead: return all open calls, to be recorded without an end."""
        left = [Finished(call, None) for call in self.open.values()]
        self.open.clear()
        return left

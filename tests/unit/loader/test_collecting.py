"""Interleaved records become whole calls; parking and taking up again changes nothing of them."""

from __future__ import annotations

import dataclasses

from hypothesis import example, given
from hypothesis import strategies as st

from proxy.domain.recording import Piece, RecordedCall
from proxy.loader import collecting
from proxy.loader.collecting import Collector, Finished
from proxy.spool import records
from proxy.spool.batches import Position
from proxy.spool.framing import Record, RecordType, scan
from tests.support.spooling import a_head, a_start, an_end

LIMIT = 1000


class Tape:
    """Records in order, with positions and sequences as a spool has them."""

    def __init__(self, limit: int = LIMIT) -> None:
        self.collector = Collector(limit)
        self.sequence = 0

    def feed(self, kind: RecordType, identity: bytes, payload: bytes, now: float = 0.0) -> Finished | None:
        self.sequence += 1
        record = Record(kind, 1, self.sequence, identity, payload, 0, 0)
        return self.collector.feed(Position(1, self.sequence), record, now)

    def start(self, identity: bytes, now: float = 0.0) -> None:
        self.feed(RecordType.START, identity, records.encode_start(a_start(), b"asked"), now)

    def piece(self, identity: bytes, data: bytes) -> None:
        self.feed(RecordType.CHUNK, identity, records.encode_piece(self.sequence, data))

    def end(self, identity: bytes, last: bytes | None = None) -> RecordedCall:
        finished = self.feed(
            RecordType.END, identity, records.encode_end(an_end(), None if last is None else (9, last))
        )
        assert finished is not None
        return finished.call.finish(finished.end, finished.call.request)

    def park(self, identity: bytes) -> tuple[bytes, int]:
        call = self.collector.open[identity]
        part, until = call.part(), call.sequence
        call.parked(until, 0.0)
        return part, until


ONE, TWO = b"1" * 16, b"2" * 16


def text_of(call: RecordedCall) -> bytes:
    return b"".join([piece.data for piece in call.pieces])


def test_interleaved_calls_are_kept_apart() -> None:
    tape = Tape()
    for identity in (ONE, TWO):
        tape.start(identity)
    tape.feed(RecordType.CHUNK, ONE, records.encode_head(a_head()))
    tape.piece(ONE, b"a")
    tape.piece(TWO, b"b")
    first, second = tape.end(ONE, b"c"), tape.end(TWO)
    assert (text_of(first), text_of(second)) == (b"ac", b"b")
    assert first.head == a_head()
    assert not tape.collector.open


def test_the_oldest_open_call_holds_the_position() -> None:
    tape = Tape()
    tape.start(ONE)
    tape.start(TWO)
    tape.end(TWO)
    assert tape.collector.hold(Position(1, 9)) == Position(1, 1)
    tape.end(ONE)
    assert tape.collector.hold(Position(1, 9)) == Position(1, 9)


def test_a_parked_call_holds_again_from_its_next_record() -> None:
    tape = Tape()
    tape.start(ONE)
    tape.piece(ONE, b"a")
    tape.park(ONE)
    assert tape.collector.hold(Position(1, 9)) == Position(1, 9)
    tape.piece(ONE, b"b")
    assert tape.collector.hold(Position(1, 9)) == Position(1, 3)


def test_only_calls_that_hold_are_overdue() -> None:
    tape = Tape()
    tape.start(ONE, now=100.0)
    assert tape.collector.overdue(159.0, 60.0) == []
    assert [call.identity for call in tape.collector.overdue(161.0, 60.0)] == [ONE]
    tape.park(ONE)
    assert tape.collector.overdue(1e9, 60.0) == []


def test_records_of_unknown_calls_are_passed_over() -> None:
    tape = Tape()
    tape.piece(ONE, b"a")
    assert tape.feed(RecordType.END, ONE, records.encode_end(an_end(), None)) is None


def test_a_start_that_comes_twice_is_one_call() -> None:
    tape = Tape()
    tape.start(ONE)
    tape.piece(ONE, b"a")
    tape.start(ONE)
    assert text_of(tape.end(ONE)) == b"a"


def test_stats_are_nobodys_call() -> None:
    tape = Tape()
    assert tape.feed(RecordType.STATS, bytes(16), records.encode_facts({"in_flight": 1})) is None
    assert not tape.collector.open


def test_a_dead_gateways_calls_are_given_up_without_an_end() -> None:
    tape = Tape()
    tape.start(ONE)
    tape.piece(ONE, b"a")
    (left,) = tape.collector.give_up()
    assert left.end is None
    assert text_of(left.call.finish(None, b"asked")) == b"a"
    assert not tape.collector.open


def test_of_a_huge_answer_head_and_tail_are_kept_and_the_rest_is_counted() -> None:
    tape = Tape(limit=1000)
    tape.start(ONE)
    data = b"0123456789" * 100_000
    for start in range(0, len(data), 9_973):
        tape.piece(ONE, data[start : start + 9_973])
    call = tape.end(ONE)
    kept = text_of(call)
    assert len(kept) <= 1000 + collecting.TAIL_BYTES
    assert len(kept) + call.lost_bytes == len(data)
    assert data.endswith(kept[-100_000:])


def test_one_huge_piece_is_cut_to_its_tail() -> None:
    tape = Tape(limit=10)
    tape.start(ONE)
    data = bytes(range(256)) * 4096
    tape.piece(ONE, data)
    call = tape.end(ONE)
    assert text_of(call) == data[-collecting.TAIL_BYTES :]
    assert call.lost_bytes == len(data) - collecting.TAIL_BYTES


@example(sizes=[0, 1, 0, 6, 22_139, 120_000, 120_000], parks={0, 1, 6}, restarts={0, 1, 6}, limit=0)
@example(sizes=[9, 4, 2, 120_000, 120_000, 22_142], parks={5}, restarts={5}, limit=11)
@given(
    sizes=st.lists(st.integers(0, 120_000), max_size=30),
    parks=st.sets(st.integers(0, 30)),
    restarts=st.sets(st.integers(0, 30)),
    limit=st.integers(0, 200_000),
)
def test_parking_and_restarting_anywhere_gives_the_same_call(
    sizes: list[int], parks: set[int], restarts: set[int], limit: int
) -> None:
    pieces = [Piece(index, bytes([index + 1]) * size) for index, size in enumerate(sizes)]
    plain, parked = Tape(limit), Tape(limit)
    parts: list[tuple[bytes, int]] = []
    for tape in (plain, parked):
        tape.start(ONE)
        tape.feed(RecordType.CHUNK, ONE, records.encode_head(a_head()))
    for index, piece in enumerate(pieces):
        for tape in (plain, parked):
            tape.feed(RecordType.CHUNK, ONE, records.encode_piece(piece.at_ns, piece.data))
        if index in parks:
            parts.append(parked.park(ONE))
        if index in restarts and index in parks:
            parked.collector = resumed(parts, limit)
    wanted, found = plain.end(ONE, b"last"), parked.end(ONE, b"last")
    assert dataclasses.asdict(found) == dataclasses.asdict(wanted)


def resumed(parts: list[tuple[bytes, int]], limit: int) -> Collector:
    collector = Collector(limit)
    found = [item for payload, _ in parts for item in scan(payload) if isinstance(item, Record)]
    collector.resume(ONE, found, max(until for _, until in parts), len(parts), 0.0)
    return collector


def test_what_is_parked_is_not_taken_twice_from_the_spool() -> None:
    tape = Tape()
    tape.start(ONE)
    tape.piece(ONE, b"a")
    part = tape.park(ONE)
    replay = Tape()
    replay.collector = resumed([part], LIMIT)
    replay.start(ONE)
    replay.piece(ONE, b"a")
    replay.piece(ONE, b"b")
    assert text_of(replay.end(ONE)) == b"ab"
    assert replay.collector.starts_seen == 1

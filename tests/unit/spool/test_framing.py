"""A cut, a flipped bit or a lie about a length is noticed, and never read as another record."""

from __future__ import annotations

import dataclasses
import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.spool.framing import (
    HEADER,
    MARK,
    MAX_PAYLOAD,
    SEGMENT_HEADER,
    Damage,
    Heading,
    Record,
    RecordType,
    decode_at,
    encode,
    heading_of,
    new_mark,
    scan,
    segment_header,
)

ID = bytes(range(16))
KINDS = st.sampled_from(RecordType)
IDS = st.binary(min_size=16, max_size=16)
SEQUENCES = st.integers(0, 2**64 - 1)
# Half of the payloads look like the beginnings of records.
PAYLOADS = st.one_of(
    st.binary(max_size=120),
    st.lists(st.sampled_from([MARK, MARK[:1], MARK + b"\x01\x01", HEADER.pack(MARK, 1, 1, 40, 0, 7, ID)])).map(
        b"".join
    ),
)
SEGMENTS = st.lists(st.tuples(KINDS, IDS, SEQUENCES, PAYLOADS), min_size=1, max_size=6)
Items = list[tuple[RecordType, bytes, int, bytes]]


def written(items: Items) -> tuple[bytes, list[Record]]:
    """Return a segment's bytes and the records that must come back from them."""
    encoded = [encode(*item) for item in items]
    ends = list(itertools.accumulate(map(len, encoded)))
    made = [
        Record(kind, 1, sequence, identity, payload, end - len(raw), end)
        for (kind, identity, sequence, payload), raw, end in zip(items, encoded, ends, strict=True)
    ]
    return b"".join(encoded), made


def shifted(record: Record, by: int) -> Record:
    return dataclasses.replace(record, start=record.start + by, end=record.end + by)


def lying(length: int, payload: bytes = b"") -> bytes:
    """Return a record's header that lies about its length."""
    return HEADER.pack(MARK, 1, 1, length, 0, 1, ID) + payload


def test_the_layout_is_a_contract_between_versions() -> None:
    assert encode(2, ID, 3, b"abc").hex() == (
        "d5cad5ca" "02" "01" "03000000" "f3b66156" "0300000000000000" "000102030405060708090a0b0c0d0e0f" "616263"
    )  # fmt: skip
    assert segment_header(b"mark") == b"DSHSEG\x01\x00mark" + bytes(4)
    assert [kind.value for kind in RecordType] == [1, 2, 3, 4, 5, 6]


@given(items=SEGMENTS, before=st.binary(max_size=20))
def test_records_come_back_in_order_wherever_they_begin(items: Items, before: bytes) -> None:
    data, made = written(items)
    expected = [shifted(record, len(before)) for record in made]
    assert list(scan(before + data, len(before))) == expected
    assert [decode_at(before + data, record.start) for record in expected] == expected


@given(items=SEGMENTS, data=st.data(), is_final=st.booleans())
def test_a_cut_leaves_the_records_before_it_and_no_damage(items: Items, data: st.DataObject, is_final: bool) -> None:
    whole, made = written(items)
    cut = data.draw(st.integers(0, len(whole)))
    assert list(scan(whole[:cut], is_final=is_final)) == [record for record in made if record.end <= cut]


@given(items=SEGMENTS, data=st.data())
def test_a_flipped_bit_costs_exactly_its_record(items: Items, data: st.DataObject) -> None:
    whole, made = written(items)
    bit = data.draw(st.integers(0, len(whole) * 8 - 1))
    hit = next(record for record in made if record.end > bit // 8)
    flipped = bytearray(whole)
    flipped[bit // 8] ^= 1 << bit % 8
    found = list(scan(bytes(flipped), is_final=True))
    assert [item for item in found if isinstance(item, Record)] == [record for record in made if record != hit]
    damage = [(item.start, item.end) for item in found if isinstance(item, Damage)]
    assert damage == ([] if hit == made[-1] else [(hit.start, hit.end)]), "the last one is left for the reader to see"


@given(items=SEGMENTS, data=st.data())
def test_a_flipped_bit_is_never_a_wrong_record_while_the_writer_lives(items: Items, data: st.DataObject) -> None:
    whole, made = written(items)
    bit = data.draw(st.integers(0, len(whole) * 8 - 1))
    flipped = bytearray(whole)
    flipped[bit // 8] ^= 1 << bit % 8
    found = [item for item in scan(bytes(flipped)) if isinstance(item, Record)]
    untouched = [record for record in made if not record.start <= bit // 8 < record.end]
    assert found == untouched[: len(found)], "in order, without a gap but the damaged one"


@given(parts=st.lists(st.one_of(st.binary(max_size=60), st.tuples(KINDS, IDS, SEQUENCES, PAYLOADS)), max_size=8))
def test_every_record_between_rubbish_is_found_and_all_rubbish_is_told(
    parts: list[bytes | tuple[RecordType, bytes, int, bytes]],
) -> None:
    whole, made = b"", []
    for part in parts:
        raw = part if isinstance(part, bytes) else encode(*part)
        if not isinstance(part, bytes):
            made.append(shifted(written([part])[1][0], len(whole)))
        whole += raw
    found = list(scan(whole, is_final=True))
    assert [item for item in found if isinstance(item, Record)] == made
    assert [item.start for item in found] == [0, *(item.end for item in found)][: len(found)], "nothing is left out"


@given(data=st.binary(max_size=200), start=st.integers(0, 200), is_final=st.booleans())
def test_no_bytes_make_it_fail(data: bytes, start: int, is_final: bool) -> None:
    list(scan(data, start, is_final=is_final))
    decode_at(data, start)


@pytest.mark.parametrize("length", [MAX_PAYLOAD + 1, 2**31, 2**32 - 1])
def test_an_impossible_length_is_damage_at_once(length: int) -> None:
    good = encode(1, ID, 9, b"good")
    assert decode_at(lying(length), 0) == f"a payload of {length} bytes is not possible"
    bad, record = scan(lying(length) + good)
    assert isinstance(bad, Damage)
    assert (bad.start, bad.end) == (0, HEADER.size)
    assert isinstance(record, Record)
    assert record.payload == b"good"


@pytest.mark.parametrize("length", [5, MAX_PAYLOAD])
def test_a_possible_length_is_waited_for_until_nobody_writes(length: int) -> None:
    data = lying(length, b"1234")
    assert decode_at(data, 0) is None
    assert list(scan(data)) == []
    whole = lying(1000) + encode(1, ID, 9, b"good")
    assert list(scan(whole)) == [], "what lies in a payload that is being written is not for us to read"
    reasons = [item.reason if isinstance(item, Damage) else item.payload for item in scan(whole, is_final=True)]
    assert reasons == ["a record is cut short", b"good"]


def test_many_lies_one_after_another_hide_no_record() -> None:
    good = encode(3, ID, 9, b"good")
    lies = b"".join(lying(length) for length in (0, 1, 36, 100, 10_000, MAX_PAYLOAD, 2**32 - 1)) * 50
    *_, last = scan(lies + good, is_final=True)
    assert isinstance(last, Record)
    assert last.payload == b"good"


def test_the_first_half_of_a_mark_may_be_a_beginning() -> None:
    assert decode_at(MARK[:1], 0) is None
    assert decode_at(MARK[1:], 0) == "no record begins here"
    assert decode_at(b"\0" * HEADER.size, 0) == "no record begins here"


@given(kind=st.integers(7, 255), payload=PAYLOADS)
def test_types_of_later_versions_pass_through(kind: int, payload: bytes) -> None:
    (record,) = scan(encode(kind, ID, 1, payload))
    assert isinstance(record, Record)
    assert (record.type, record.payload) == (kind, payload)


@given(rest=st.binary(max_size=40), mark=st.binary(min_size=4, max_size=4))
def test_a_segment_is_known_by_its_header(rest: bytes, mark: bytes) -> None:
    assert heading_of(segment_header(mark) + rest) == Heading(mark)
    assert heading_of(b"DSHSEG\x03\x00" + bytes(8) + rest) is None
    assert heading_of(b"DSHSEH" + segment_header()[6:] + rest) is None
    assert heading_of(segment_header()[: SEGMENT_HEADER.size - 1]) is None
    assert heading_of(rest) is None


@given(items=SEGMENTS, data=st.data())
def test_records_inside_a_payload_are_never_found_without_the_writer_s_mark(items: Items, data: st.DataObject) -> None:
    """Whoever sends a payload does not know the mark: what is torn or flipped around it does not set it free."""
    mark = b"\xf1\xf2\xf3\xf4"
    forged, _ = written(items)
    whole = encode(1, ID, 1, forged, mark) + encode(3, ID, 2, b"good", mark)
    bit = data.draw(st.integers(0, (HEADER.size + len(forged)) * 8 - 1))
    flipped = bytearray(whole)
    flipped[bit // 8] ^= 1 << bit % 8
    found = [item.payload for item in scan(bytes(flipped), mark=mark, is_final=True) if isinstance(item, Record)]
    assert found == [b"good"]


def test_marks_are_drawn_anew_and_look_like_nothing_that_is_sent() -> None:
    drawn = {new_mark() for _ in range(100)}
    assert len(drawn) > 90
    assert all(min(mark) >= 0x80 for mark in drawn)

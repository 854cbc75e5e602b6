"""Whatever a gateway noted comes back as it was; what it cannot have noted is an error, never a guess."""

from __future__ import annotations

import contextlib
import struct
from collections.abc import Callable, Mapping
from typing import Any, TypeVar, get_type_hints

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from proxy.domain.outcome import Outcome
from proxy.domain.recording import AnswerHead, AttemptFact, CallEnd, CallStart, Piece, PromptFact
from proxy.errors import SpoolError
from proxy.spool import records
from tests.support.spooling import a_head, a_start, an_end

T = TypeVar("T")
COUNTS = st.integers(0, 2**63 - 1)
TEXTS = st.text(max_size=20)
BODIES = st.binary(max_size=100)
PAIRS = st.lists(st.tuples(TEXTS, TEXTS), max_size=4).map(tuple)
BY_TYPE: dict[object, SearchStrategy[Any]] = {
    int: COUNTS,
    int | None: st.none() | COUNTS,
    str: TEXTS,
    str | None: st.none() | TEXTS,
    bool: st.booleans(),
    Outcome: st.sampled_from(Outcome),
    tuple[tuple[str, str], ...]: PAIRS,
    tuple[tuple[int, int, str], ...]: st.lists(st.tuples(COUNTS, COUNTS, TEXTS), max_size=3).map(tuple),
    tuple[tuple[int, int, str], ...] | None: st.none()
    | st.lists(st.tuples(COUNTS, COUNTS, TEXTS), max_size=3).map(tuple),
}


def any_of(kind: type[T]) -> SearchStrategy[T]:
    """Any value of a domain class; a member of a new type must be given its strategy above."""
    return st.builds(kind, **{name: BY_TYPE[hint] for name, hint in get_type_hints(kind).items()})


BY_TYPE[Mapping[str, Any] | None] = st.none() | st.dictionaries(TEXTS, COUNTS | TEXTS, max_size=3)
BY_TYPE[Mapping[str, int] | None] = st.none() | st.dictionaries(TEXTS, COUNTS, max_size=3)
BY_TYPE[PromptFact | None] = st.none() | any_of(PromptFact)
BY_TYPE[AnswerHead | None] = st.none() | any_of(AnswerHead)
BY_TYPE[tuple[AttemptFact, ...]] = st.lists(any_of(AttemptFact), max_size=3).map(tuple)
STARTS, HEADS, ENDS = any_of(CallStart), any_of(AnswerHead), any_of(CallEnd)
MEMBERS = sorted({name for kind in (CallStart, AnswerHead, CallEnd) for name in get_type_hints(kind)})
JSON = st.recursive(
    st.none() | st.booleans() | COUNTS | st.floats(allow_nan=False, allow_infinity=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=8,
)
DECODERS: tuple[Callable[[bytes], object], ...] = (
    records.decode_start,
    records.decode_chunk,
    records.decode_end,
    records.decode_facts,
)


def with_meta(values: object, rest: bytes = b"") -> bytes:
    meta = orjson.dumps(values)
    return struct.pack("<I", len(meta)) + meta + rest


def meta_of(payload: bytes) -> dict[str, Any]:
    found: dict[str, Any] = orjson.loads(payload[4 : 4 + struct.unpack_from("<I", payload)[0]])
    return found


# -- round trips --------------------------------------------------------------------------------------------


@given(start=STARTS, body=BODIES)
def test_a_start_comes_back(start: CallStart, body: bytes) -> None:
    assert records.decode_start(records.encode_start(start, body)) == (start, body)


@given(at_ns=st.integers(0, 2**64 - 1), data=BODIES)
def test_a_piece_comes_back(at_ns: int, data: bytes) -> None:
    assert records.decode_chunk(records.encode_piece(at_ns, data)) == Piece(at_ns, data)


@given(head=HEADS)
def test_a_head_comes_back(head: AnswerHead) -> None:
    assert records.decode_chunk(records.encode_head(head)) == head


@given(end=ENDS, last=st.none() | st.tuples(st.integers(0, 2**64 - 1), BODIES))
def test_an_end_comes_back_with_its_last_piece(end: CallEnd, last: tuple[int, bytes] | None) -> None:
    expected = None if last is None else Piece(*last)
    assert records.decode_end(records.encode_end(end, last)) == (end, expected)


@given(facts=st.dictionaries(TEXTS, COUNTS, max_size=5))
def test_facts_come_back(facts: dict[str, int]) -> None:
    assert records.decode_facts(records.encode_facts(facts)) == facts


# -- other versions -----------------------------------------------------------------------------------------


@given(news=st.dictionaries(TEXTS.map("new_".__add__), JSON, max_size=3))
def test_members_of_a_later_version_are_ignored(news: dict[str, Any]) -> None:
    start = meta_of(records.encode_start(a_start(), b""))
    end = meta_of(records.encode_end(an_end(head=a_head()), None))
    end["attempts"][0].update(news)
    end["head"].update(news)
    assert records.decode_start(with_meta({**start, **news}, b"asked")) == (a_start(), b"asked")
    assert records.decode_end(with_meta({**end, **news})) == (an_end(head=a_head()), None)


def test_members_of_an_earlier_version_have_their_defaults() -> None:
    start, _ = records.decode_start(with_meta({"accepted_at_ns": 1, "method": "GET", "target": "/", "operation": "x"}))
    assert start == CallStart(accepted_at_ns=1, method="GET", target="/", operation="x")


@pytest.mark.parametrize("name", ["accepted_at_ns", "method", "target", "operation"])
def test_a_start_without_what_it_must_have_is_an_error(name: str) -> None:
    values = meta_of(records.encode_start(a_start(), b""))
    del values[name]
    with pytest.raises(SpoolError, match=name):
        records.decode_start(with_meta(values))


def test_an_outcome_of_a_later_version_is_an_error() -> None:
    with pytest.raises(SpoolError, match="CallEnd"):
        records.decode_end(with_meta({"outcome": "teleported", "ended_ns": 1}))


@given(kind=st.integers(2, 255), rest=st.binary(min_size=8, max_size=40))
def test_a_chunk_of_an_unknown_kind_is_not_taken_for_the_answer(kind: int, rest: bytes) -> None:
    with pytest.raises(SpoolError, match=f"kind {kind}"):
        records.decode_chunk(bytes([kind]) + rest)


# -- cut and hostile payloads -------------------------------------------------------------------------------


@given(start=STARTS, body=BODIES, data=st.data())
def test_a_cut_start_is_an_error_or_cut_in_its_body_only(start: CallStart, body: bytes, data: st.DataObject) -> None:
    payload = records.encode_start(start, body)
    cut = data.draw(st.integers(0, len(payload) - 1))
    if cut < len(payload) - len(body):
        with pytest.raises(SpoolError):
            records.decode_start(payload[:cut])
    else:
        assert records.decode_start(payload[:cut]) == (start, body[: cut - len(payload)])


@given(end=ENDS, data=st.data())
def test_an_end_cut_before_its_last_pieces_bytes_is_an_error(end: CallEnd, data: st.DataObject) -> None:
    meta_size = len(records.encode_end(end, None))
    payload = records.encode_end(end, (7, b"last"))
    cut = data.draw(st.integers(0, meta_size + 7).filter(lambda size: size != meta_size))
    with pytest.raises(SpoolError):
        records.decode_end(payload[:cut])


@given(at_ns=COUNTS, cut=st.integers(0, 8))
def test_a_piece_cut_in_its_header_is_an_error(at_ns: int, cut: int) -> None:
    with pytest.raises(SpoolError):
        records.decode_chunk(records.encode_piece(at_ns, b"")[:cut])


@pytest.mark.parametrize("decode", [records.decode_start, records.decode_end])
@pytest.mark.parametrize("excess", [1, 2**16, 2**32 - 1])
def test_a_length_beyond_the_payload_is_an_error(decode: Callable[[bytes], object], excess: int) -> None:
    both = {**meta_of(records.encode_start(a_start(), b"")), **meta_of(records.encode_end(an_end(), None))}
    payload = with_meta(both)
    decode(payload)
    lie = min(len(payload) - 4 + excess, 2**32 - 1)
    with pytest.raises(SpoolError, match="shorter than its length field says"):
        decode(struct.pack("<I", lie) + payload[4:])


@given(data=st.binary(max_size=80))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    for decode in DECODERS:
        read_or_refuse(decode, data)


@given(values=st.dictionaries(st.sampled_from(MEMBERS), JSON, max_size=6), rest=BODIES)
def test_any_json_is_read_or_refused(values: dict[str, Any], rest: bytes) -> None:
    start = {**meta_of(records.encode_start(a_start(), b"")), **values}
    end = {**meta_of(records.encode_end(an_end(), None)), **values}
    read_or_refuse(records.decode_start, with_meta(start, rest))
    read_or_refuse(records.decode_end, with_meta(end, rest))
    read_or_refuse(records.decode_chunk, b"\x01" + orjson.dumps({"status": 200, **values}))


@pytest.mark.parametrize("head", [[], "x", 7, True])
@pytest.mark.parametrize("attempts", [["x"], [None], [[1]], 7])
def test_parts_that_are_no_objects_are_refused(head: object, attempts: object) -> None:
    for values in ({"head": head}, {"attempts": attempts}):
        with pytest.raises(SpoolError, match="cannot be read"):
            records.decode_end(with_meta({"outcome": "completed", "ended_ns": 1, **values}))


@pytest.mark.parametrize("name", ["outcome", "ended_ns"])
def test_an_end_without_what_it_must_have_is_refused_by_name(name: str) -> None:
    values = {"outcome": "completed", "ended_ns": 1, "of_a_newer_version": 1}
    del values[name]
    with pytest.raises(SpoolError, match=f"a CallEnd cannot be read: it has no '{name}'"):
        records.decode_end(with_meta(values))


@pytest.mark.parametrize("meta", [b"[]", b"1", b"null", b"{", b"", b"\xff", b'{"a":1}x', b"[" * 5000])
def test_what_is_no_json_object_is_refused(meta: bytes) -> None:
    for payload, decode in zip((meta, b"\x01" + meta), (records.decode_facts, records.decode_chunk), strict=True):
        with pytest.raises(SpoolError, match="JSON"):
            decode(payload)


def read_or_refuse(decode: Callable[[bytes], object], data: bytes) -> None:
    with contextlib.suppress(SpoolError):
        decode(data)

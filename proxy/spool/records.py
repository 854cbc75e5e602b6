"""Payloads of records: domain values as JSON, bodies beside them as raw bytes.

START  u32 length, JSON of ``CallStart``, request bytes
CHUNK  u8 kind: 0 = u64 arrival (ns since accepted), answer bytes; 1 = JSON of ``AnswerHead``; no other
END    u32 length, JSON of ``CallEnd``, optionally u64 arrival and the last piece
AMEND, STATS, DROP  JSON

Decoders ignore members they do not know (a gateway one minor version ahead) and raise ``SpoolError`` for the rest.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from dataclasses import MISSING, fields
from typing import Any, TypeVar

import orjson

from proxy.domain.outcome import Outcome
from proxy.domain.recording import AnswerHead, AttemptFact, CallEnd, CallStart, Piece, PromptFact
from proxy.errors import SpoolError

_LENGTH = struct.Struct("<I")
_ARRIVAL = struct.Struct("<Q")
_PIECE = struct.Struct("<BQ")
_HEAD = b"\x01"
UNSYNCED = "unsynced"
"""Member of an AMEND behind an END: the client had the whole answer before its record was synced."""
T = TypeVar("T")


def encode_start(start: CallStart, body: bytes) -> bytes:
    """Return the payload of a START."""
    meta = orjson.dumps(start)
    return b"".join((_LENGTH.pack(len(meta)), meta, body))


def encode_piece(at_ns: int, data: bytes) -> bytes:
    """Return the payload of a CHUNK with a piece of the answer."""
    return _PIECE.pack(0, at_ns) + data


def encode_head(head: AnswerHead) -> bytes:
    """Return the payload of a CHUNK with the answer's head."""
    return _HEAD + orjson.dumps(head)


def encode_end(end: CallEnd, last: tuple[int, bytes] | None) -> bytes:
    """Return the payload of an END; ``last`` is (arrival ns, bytes) of the last piece."""
    meta = orjson.dumps(end)
    if last is None:
        return _LENGTH.pack(len(meta)) + meta
    return b"".join((_LENGTH.pack(len(meta)), meta, _ARRIVAL.pack(last[0]), last[1]))


def encode_facts(values: Mapping[str, object]) -> bytes:
    """Return the payload of a STATS, DROP or AMEND."""
    return orjson.dumps(values)


def decode_start(payload: bytes) -> tuple[CallStart, bytes]:
    """Return the start and the request's bytes."""
    meta, rest = _split(payload)
    return _build(CallStart, meta, _START_TUPLES), rest


def decode_chunk(payload: bytes) -> Piece | AnswerHead:
    """Return a piece or the head."""
    if payload[:1] == _HEAD:
        return _head(_json(payload[1:]))
    if len(payload) < _PIECE.size:
        raise SpoolError("a CHUNK is shorter than its header")
    kind, at_ns = _PIECE.unpack_from(payload)
    if kind != 0:
        raise SpoolError(f"a CHUNK of kind {kind} is not known")
    return Piece(at_ns, payload[_PIECE.size :])


def decode_end(payload: bytes) -> tuple[CallEnd, Piece | None]:
    """Return the end and the last piece, if it travelled in it."""
    meta, rest = _split(payload)
    end = _build(CallEnd, meta, _END_PARTS)
    if not rest:
        return end, None
    if len(rest) < _ARRIVAL.size:
        raise SpoolError("the last piece in an END is shorter than its header")
    return end, Piece(_ARRIVAL.unpack_from(rest)[0], rest[_ARRIVAL.size :])


def decode_facts(payload: bytes) -> dict[str, Any]:
    """Return the members of a STATS, DROP or AMEND."""
    return _json(payload)


def _split(payload: bytes) -> tuple[dict[str, Any], bytes]:
    if len(payload) < _LENGTH.size:
        raise SpoolError("a payload is shorter than its length field")
    end = _LENGTH.size + _LENGTH.unpack_from(payload)[0]
    if end > len(payload):
        raise SpoolError("a payload is shorter than its length field says")
    return _json(payload[_LENGTH.size : end]), payload[end:]


def _json(data: bytes) -> dict[str, Any]:
    try:
        values = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise SpoolError(f"a record's JSON cannot be read: {error}") from error
    if not isinstance(values, dict):
        raise SpoolError("a record's JSON is no object")
    return values


def _pairs(values: list[list[str]]) -> tuple[tuple[str, str], ...]:
    return tuple(map(tuple, values))  # type: ignore[arg-type]


def _head(values: dict[str, Any]) -> AnswerHead:
    return _build(AnswerHead, values, {"headers": _pairs})


def _attempts(values: list[dict[str, Any]]) -> tuple[AttemptFact, ...]:
    return tuple([_build(AttemptFact, item, {}) for item in values])


def _edits(values: list[Any]) -> tuple[tuple[int, int, str], ...]:
    return tuple([(offset, removed, text) for offset, removed, text in values])


def _prompt(values: dict[str, Any]) -> PromptFact:
    return _build(PromptFact, values, {})


_START_TUPLES: dict[str, Callable[[Any], Any]] = {
    "edits": _edits,
    "request_headers": _pairs,
    "prompt": _prompt,
}
_END_PARTS: dict[str, Callable[[Any], Any]] = {
    "outcome": Outcome, "head": _head, "attempts": _attempts, "edits": _edits,
}  # fmt: skip
_KINDS = (CallStart, CallEnd, AnswerHead, AttemptFact, PromptFact)
_NAMES = {kind: frozenset(item.name for item in fields(kind)) for kind in _KINDS}
_DEFAULTS = {kind: {item.name: item.default for item in fields(kind) if item.default is not MISSING} for kind in _KINDS}


def _build(kind: type[T], values: dict[str, Any], parts: Mapping[str, Callable[[Any], Any]]) -> T:
    names = _NAMES[kind]  # type: ignore[index]
    try:
        found = {**_DEFAULTS[kind], **values}  # type: ignore[index]
        if found.keys() != names:
            found = {name: found[name] for name in names}
        for name, convert in parts.items():
            if found[name] is not None:
                found[name] = convert(found[name])
    except KeyError as error:
        raise SpoolError(f"a {kind.__name__} cannot be read: it has no {error}") from error
    except (AttributeError, TypeError, ValueError) as error:
        raise SpoolError(f"a {kind.__name__} cannot be read: {error}") from error
    # What its constructor would do, in a third of the time: that is given nineteen names, and looks for each.
    made = kind.__new__(kind)
    made.__dict__ = found
    return made

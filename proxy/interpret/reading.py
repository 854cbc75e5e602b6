"""The answer of a recorded call: decoded, assembled, with the instant of its first token."""

from __future__ import annotations

from dataclasses import dataclass

from proxy.domain.recording import Piece, RecordedCall
from proxy.protocol import chat, ndjson, responses, sse
from proxy.protocol.assembly import Assembly, read_error
from proxy.protocol.decoding import decode
from proxy.protocol.endpoints import GENERATING
from proxy.protocol.jsontext import parse_object


@dataclass(frozen=True, slots=True)
class Reading:
    """``assembly`` is None where the endpoint's answer is not assembled; ``first_token_ns`` is since accepted."""

    assembly: Assembly | None
    first_token_ns: int | None = None
    decode_error: str | None = None


def read_answer(call: RecordedCall) -> Reading:
    """Read the kept pieces of an answer; never raises for what a provider sent."""
    head = call.head
    if head is None or not call.pieces:
        return Reading(None)
    headers = dict(head.headers)
    raw = b"".join([piece.data for piece in call.pieces])
    encoding = headers.get("content-encoding")
    data, error = decode(raw, encoding) if encoding else (raw, None)
    media = headers.get("content-type", "").partition(";")[0].strip().lower()
    assembly = _assemble(call.start.operation, media, data)
    if assembly is None and media.endswith("json") and error is None:
        return Reading(None, None, None if parse_object(data.lstrip()) is not None else "the answer is no JSON object")
    end = assembly.first_token_end if assembly else None
    return Reading(assembly, None if end is None or encoding else _arrival(call.pieces, end), error)


def _assemble(operation: str, media: str, data: bytes) -> Assembly | None:
    if media == "text/event-stream" or data.startswith((b"data:", b"event:")):
        events = sse.decode(data)
        return responses.assemble_events(events) if operation.startswith("responses") else chat.assemble_events(events)
    if operation.startswith("ollama"):
        return ndjson.assemble(data)
    values = parse_object(data.lstrip())
    if values is None:
        return None
    if operation.startswith("responses"):
        return responses.assemble_whole(values)
    if operation in GENERATING or "usage" in values or read_error(values) is not None:
        return chat.assemble_whole(values)
    return None


def _arrival(pieces: tuple[Piece, ...], end: int) -> int:
    """Return when the piece arrived that made the event whole which ends at this offset."""
    position = 0
    for piece in pieces:
        position += len(piece.data)
        if position >= end:
            return piece.at_ns
    return pieces[-1].at_ns

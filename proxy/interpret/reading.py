"""The answer of a recorded call: decoded, assembled by its operation's dialect, with the instant of its first token.

That instant is the arrival of the piece that made the first event with content whole. It stays unknown for answers that
are no stream, and for compressed streams, whose events have no place of their own in the bytes that arrived.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from proxy.domain.recording import Piece, RecordedCall
from proxy.protocol import chat, llamacpp, messages, ndjson, outputs, responses, sse
from proxy.protocol.assembly import AnswerError, Assembly, read_error
from proxy.protocol.decoding import decode, encodings_of
from proxy.protocol.endpoints import Answer, Operation, operation_named
from proxy.protocol.jsontext import MISSING, items, mapping, parse, text
from proxy.protocol.quantities import with_exact_cost, with_quantities

_SENTENCE = 2000
_EVENTS = "text/event-stream"
_BOM = b"\xef\xbb\xbf"
_LINES = (b"data:", b"event:", b":")
"""How events begin that do not say so in their label; no JSON does."""


@dataclass(slots=True)
class Reading:
    """``assembly`` is None where the endpoint's answer is not assembled; ``first_token_ns`` is since accepted.

    ``is_stream``: the answer came as server-sent events or as lines, whatever was asked for.
    """

    assembly: Assembly | None
    first_token_ns: int | None = None
    decode_error: str | None = None
    is_stream: bool = False


NOTHING = Reading(None)


def read_answer(call: RecordedCall) -> Reading:
    """Read the kept pieces of an answer; never raises for what a provider sent."""
    head = call.head
    if head is None:
        return NOTHING
    headers = dict(head.headers)
    encoding = encodings_of(head.headers)
    media = headers.get("content-type", "").partition(";")[0].strip().lower()
    data, error = b"".join([piece.data for piece in call.pieces]), None
    if encoding and data:
        data, error = decode(data, encoding)
    if call.end is not None and call.end.decoded_from:
        # The gateway undid it: events have no place of their own in what arrived here either.
        encoding = call.end.decoded_from
    operation = operation_named(call.start.operation)
    if _holds_events(operation, media, data):
        assembly = _assemble_events(operation, sse.decode(data))
        assembly.usage = with_exact_cost(assembly.usage, data)
        is_stream = True
    elif data and operation.answer is Answer.OLLAMA and head.status < 400:
        assembly = ndjson.assemble(data)
        is_stream = call.start.is_stream or media == "application/x-ndjson"
    else:
        return _read_whole(operation, media, data, head.status, error) if data else Reading(None, None, error)
    end = assembly.first_token_end if is_stream and not encoding else None
    arrived = None if end is None else _arrival(call.pieces, end)
    return Reading(assembly, arrived, error or _unread(operation, assembly), is_stream)


def _holds_events(operation: Operation, media: str, data: bytes) -> bool:
    """Go by the label, but for events and objects that say themselves what they are."""
    if media == _EVENTS:
        # Errors are often one JSON object under the label that was asked for.
        return not data.lstrip().startswith((b"{", b"["))
    return operation.generates and data.removeprefix(_BOM).startswith(_LINES)


def _unread(operation: Operation, assembly: Assembly) -> str | None:
    """Return what to say of events that are no JSON, where they should be."""
    if not assembly.passed_over or operation.answer is Answer.FACTS:
        return None
    return f"not read, for they are no JSON: {assembly.passed_over} events of the stream"


def _assemble_events(operation: Operation, events: list[sse.Event]) -> Assembly:
    if operation.answer is Answer.RESPONSES:
        assembly = responses.assemble_events(events)
        if operation.repeats and assembly.is_terminal:
            # As below: the answer failed when it was made, and reading it has not.
            assembly.error = None
        return assembly
    if operation.answer is Answer.CHAT:
        return chat.assemble_events(events)
    if operation.answer is Answer.LLAMACPP:
        return llamacpp.assemble_events(events)
    if operation.answer is Answer.MESSAGES:
        return messages.assemble_events(events)
    return outputs.assemble_events(events)


def _read_whole(operation: Operation, media: str, data: bytes, status: int, error: str | None) -> Reading:
    """Read an answer that came in one piece: JSON where it is, and the text of a transcription."""
    if operation.answer is Answer.TRANSCRIPT and media.startswith("text/") and status < 400:
        return Reading(_of_text(data.decode("utf-8", "replace")), None, error)
    if not (media.endswith("json") or media == _EVENTS or operation.generates or status >= 400):
        return Reading(None, None, error)
    # An error page is what it is; a page instead of an answer is not.
    is_json_due = media.endswith("json") or (operation.generates and status < 300)
    value = parse(data.lstrip())
    if value is MISSING and status >= 400 and media == "text/plain" and error is None:
        # Load balancers say in a plain sentence what is wrong.
        return Reading(Assembly(error=AnswerError(text(data[:_SENTENCE].decode("utf-8", "replace").strip()))))
    if value is MISSING:
        return Reading(None, None, error or ("the answer is no JSON" if is_json_due else None))
    if isinstance(value, list):
        # Some providers wrap their errors into an array.
        value = next(iter(value), None)
    assembly = _of_object(operation, mapping(value), status)
    if assembly is not None:
        assembly.usage = with_exact_cost(with_quantities(assembly.usage, operation.name, mapping(value)), data)
    return Reading(assembly, None, error)


def _of_object(operation: Operation, values: dict[str, Any], status: int) -> Assembly | None:
    if status >= 400:
        return Assembly(error=read_error(values) or _plain_error(values))
    if operation.answer is Answer.FACTS:
        # A job that failed has an ``error`` too, and reading it has not.
        return Assembly(error=read_error(values)) if values.get("error") and "id" not in values else None
    if operation.answer is Answer.RESPONSES:
        return _of_read(operation, values, responses.assemble_whole(values))
    if operation.answer is Answer.CHAT:
        return _of_read(operation, values, chat.assemble_whole(values))
    if operation.answer is Answer.LLAMACPP:
        return llamacpp.assemble_whole(values)
    if operation.answer is Answer.MESSAGES:
        return messages.assemble_whole(values)
    return outputs.assemble_whole(values)


def _of_read(operation: Operation, values: dict[str, Any], assembly: Assembly) -> Assembly:
    """What failed when it was made has an ``error``, and reading it has not."""
    if operation.repeats and "id" in values:
        assembly.error = None
    return assembly


def _of_text(said: str) -> Assembly:
    assembly = Assembly(is_terminal=True)
    assembly.choice(0).content.append(said)
    return assembly


def _plain_error(values: dict[str, Any]) -> AnswerError | None:
    """Return the error of a body with a bare ``message``, or a list of them."""
    said = text(values.get("message")) or next(
        (text(mapping(item).get("message")) for item in items(values.get("errors"))), None
    )
    return AnswerError(said, text(values.get("type")), None) if said else None


def _arrival(pieces: tuple[Piece, ...], end: int) -> int:
    """Return when the piece arrived that made the event whole which ends at this offset."""
    position = 0
    for piece in pieces:
        position += len(piece.data)
        if position >= end:
            return piece.at_ns
    return pieces[-1].at_ns

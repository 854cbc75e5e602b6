"""Recorded calls as the loader hands them over, for tests of what they mean."""

from __future__ import annotations

import itertools
from pathlib import Path

import orjson

from proxy.domain.outcome import Outcome
from proxy.domain.recording import AnswerHead, AttemptFact, CallEnd, CallStart, Piece, RecordedCall

ANSWERS = Path(__file__).parent.parent / "data" / "answers"
ACCEPTED_NS = 1_795_000_000_000_000_000
MS = 1_000_000
SSE = "text/event-stream"
JSON = "application/json"


def answer(name: str) -> bytes:
    """Return the bytes of a kept answer."""
    return (ANSWERS / name).read_bytes()


def cut_up(data: bytes, size: int) -> list[bytes]:
    return [data[at : at + size] for at in range(0, len(data), size)]


def recorded(
    pieces: list[bytes] | bytes = b"",
    *,
    request: object = None,
    body: bytes | None = None,
    media: str = JSON,
    status: int = 200,
    headers: tuple[tuple[str, str], ...] = (),
    outcome: Outcome | None = Outcome.COMPLETED,
    lost_bytes: int = 0,
    **start: object,
) -> RecordedCall:
    """Return a call; ``outcome`` None: the gateway died. Piece n arrives n * 10 ms after 20 ms."""
    parts = [pieces] if isinstance(pieces, bytes) else pieces
    parts = [part for part in parts if part]
    kept = tuple(Piece((20 + 10 * number) * MS, part) for number, part in enumerate(parts, 1))
    asked = body if body is not None else orjson.dumps({} if request is None else request)
    last = kept[-1].at_ns if kept else None
    facts: dict[str, object] = {"method": "POST", "target": "/v1/chat/completions", "operation": "chat"}
    facts |= {"provider": "openai", "provider_kind": "openai", "upstream": "https://api.openai.com/v1"}
    facts |= {"accepted_at_ns": ACCEPTED_NS, "request_bytes": len(asked), **start}
    attempt = AttemptFact(number=1, provider="openai", upstream="u", started_ns=1 * MS, connected_ns=4 * MS)
    attempt.sent_ns, attempt.head_ns, attempt.status = 5 * MS, 20 * MS, status
    end = None
    if outcome is not None:
        end = CallEnd(outcome=outcome, ended_ns=(last or 20 * MS) + 2 * MS, status=status, attempts=(attempt,))
        end.last_byte_ns, end.received_bytes = last, sum(map(len, parts)) + lost_bytes
    return RecordedCall(
        id=bytes(range(16)),
        start=CallStart(**facts),  # type: ignore[arg-type]
        request=asked,
        head=AnswerHead(status=status, headers=(("content-type", media), *headers)),
        pieces=kept,
        end=end,
        lost_bytes=lost_bytes,
    )


def chat_chunks(*deltas: object, usage: object = None, finish: str | None = "stop", done: bool = True) -> bytes:
    """Return a chat stream: a chunk for each delta, the finish, the usage, the marker."""
    head = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "model": "gpt-5.4-2026-03-05"}
    chunks: list[object] = [
        {**head, "choices": [{"index": 0, "delta": delta, "finish_reason": None}]} for delta in deltas
    ]
    if finish is not None:
        chunks.append({**head, "choices": [{"index": 0, "delta": {}, "finish_reason": finish}]})
    if usage is not None:
        chunks.append({**head, "choices": [], "usage": usage})
    return events(*chunks) + (b"data: [DONE]\n\n" if done else b"")


def events(*values: object) -> bytes:
    """Return unnamed events."""
    return b"".join(b"data: " + orjson.dumps(value) + b"\n\n" for value in values)


def response_events(*values: dict[str, object]) -> bytes:
    """Return named events with sequence numbers."""
    numbered = zip(itertools.count(), values, strict=False)
    return b"".join(
        b"event: %b\ndata: %b\n\n" % (str(value["type"]).encode(), orjson.dumps({**value, "sequence_number": number}))
        for number, value in numbered
    )

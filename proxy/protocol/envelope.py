"""Our own errors as the client expects them: OpenAI's envelope, also inside a stream.

All four members are always there, with real nulls; ``code`` is stable. A chat stream gets ``data: {"error": …}``;
a Responses stream gets ``event: error`` with the flat members *and* an ``error`` member, the only form that both
official SDKs raise as APIError (facts of protocol 4.3). Upstream errors are never translated: they pass as they are.
"""

from __future__ import annotations

import re

import orjson

_NUMBER = re.compile(rb'"sequence_number"\s*:\s*(\d{1,15})')


def error_body(message: str, *, kind: str, code: str, param: str | None = None) -> bytes:
    """Return the JSON error envelope."""
    return orjson.dumps({"error": {"message": message, "type": kind, "param": param, "code": code}})


def error_event(operation: str, message: str, *, kind: str, code: str, after: bytes = b"") -> bytes:
    """Return one complete SSE error event for a stream of this operation; ``after`` is the last that was sent of it."""
    error = {"message": message, "type": kind, "param": None, "code": code}
    if operation.startswith("responses"):
        payload = {
            "type": "error",
            "code": code,
            "message": message,
            "param": None,
            "sequence_number": _next_number(after),
            "error": error,
        }
        return b"event: error\ndata: " + orjson.dumps(payload) + b"\n\n"
    return b"data: " + orjson.dumps({"error": error}) + b"\n\n"


def _next_number(after: bytes) -> int:
    """Return the number that follows the last event's; 0 where that has none, as on servers that do not count."""
    said = _NUMBER.findall(after)
    return int(said[-1]) + 1 if said else 0

"""What is known of a call as it begins: the columns that its request and our plan fill, in the words of the record.

Whoever answers in the end, with which model and at what price, its row says. No text of the request is here.
"""

from __future__ import annotations

from typing import Any

from proxy.domain.identity import id_text
from proxy.domain.recording import CallStart, RecordedCall
from proxy.interpret.asking import Request, read_request
from proxy.interpret.tagging import tags_of
from proxy.interpret.texts import clean


def beginning_of(identity: bytes, start: CallStart, request: bytes) -> dict[str, Any]:
    """Return the columns by name; ``started_at`` in Unix milliseconds. Never raises for what a client sent."""
    call = RecordedCall(id=identity, start=start, request=request, head=None, pieces=(), end=None)
    asked = read_request(call)
    prompt = start.prompt
    return {
        "id": id_text(identity), "started_at": start.accepted_at_ns // 1_000_000, "operation": start.operation,
        "method": clean(start.method, 16), "endpoint": clean(start.target.partition("?")[0], 500),
        "route": clean(start.route, 200), "provider": start.provider or None,
        "model_requested": clean(start.model or asked.model, 200),
        "model": clean(call.sent_model or asked.model, 200), "is_stream": start.is_stream, "key_id": start.key_id,
        **_whose(start, asked), **_parameters(asked),
        "prompt_name": None if prompt is None else clean(prompt.name, 200),
        "prompt_version": None if prompt is None else prompt.version,
        "prompt_label": None if prompt is None else clean(prompt.label, 100), "request_bytes": start.request_bytes,
    }  # fmt: skip


def _whose(start: CallStart, asked: Request) -> dict[str, Any]:
    found = tags_of(start.request_headers, asked.values)
    return {
        "client_request_id": found.client_id, "retry_count": found.retry, "trace_id": found.trace_id,
        "session_id": found.session_id, "user_id": found.user_id, "app": found.app, "environment": found.environment,
        "tags": list(found.tags), "metadata": dict(found.metadata) or None,
    }  # fmt: skip


def _parameters(asked: Request) -> dict[str, Any]:
    return {
        "temperature": asked.temperature, "top_p": asked.top_p, "top_k": asked.top_k, "max_tokens": asked.max_tokens,
        "tool_names": list(asked.tool_names),
    }  # fmt: skip

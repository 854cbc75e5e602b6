"""Why the model stopped: raw words of all dialects, and one small set to count by."""

from __future__ import annotations

from proxy.domain.outcome import FinishKind

_KINDS = {
    "stop": FinishKind.STOP,
    "end_turn": FinishKind.STOP,
    "stop_sequence": FinishKind.STOP,
    "completed": FinishKind.STOP,
    "eos": FinishKind.STOP,
    "unload": FinishKind.STOP,
    "load": FinishKind.STOP,
    "steered": FinishKind.STOP,
    "length": FinishKind.TRUNCATED,
    "max_tokens": FinishKind.TRUNCATED,
    "max_output_tokens": FinishKind.TRUNCATED,
    "max_messages": FinishKind.TRUNCATED,
    "tool_calls": FinishKind.TOOL_CALL,
    "tool_use": FinishKind.TOOL_CALL,
    "function_call": FinishKind.TOOL_CALL,
    "content_filter": FinishKind.FILTERED,
    "safety": FinishKind.FILTERED,
    "refusal": FinishKind.FILTERED,
    "error": FinishKind.ERROR,
    "failed": FinishKind.ERROR,
    "cancelled": FinishKind.ERROR,
}


def kind_of(reason: str | None) -> FinishKind:
    """Return the normalised kind of one raw reason."""
    if not reason:
        return FinishKind.NONE
    return _KINDS.get(reason.lower(), FinishKind.UNKNOWN)

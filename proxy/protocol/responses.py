"""Putting a Responses answer together: the terminal event repeats the whole, deltas serve when it never came.

A ``response`` object always has an ``error`` member that is normally null. Errors also come as stand-alone flat
``error`` events. Third-party servers leave out sequence numbers and ``[DONE]``: nothing here relies on either.
"""

from __future__ import annotations

from typing import Any

from proxy.protocol.assembly import AnswerError, Assembly, Choice, ToolCall, read_error
from proxy.protocol.jsontext import items, mapping, parse_object, text
from proxy.protocol.sse import Event
from proxy.protocol.usage import read_usage

_TERMINAL = frozenset({"response.completed", "response.incomplete", "response.failed", "response.cancelled"})


def assemble_events(events: list[Event]) -> Assembly:
    """Assemble a stream."""
    assembly = Assembly()
    done: list[dict[str, Any]] = []
    for event in events:
        values = parse_object(event.data)
        if values is not None:
            _take_event(assembly, values, event, done)
    if not assembly.is_terminal and done:
        assembly.choices.pop(0, None)
        for item in done:
            _take_item(assembly.choice(0), item)
    return assembly


def assemble_whole(values: dict[str, Any]) -> Assembly:
    """Assemble an answer that came as one JSON object."""
    assembly = Assembly()
    _take_response(assembly, values)
    assembly.error = assembly.error or read_error(values)
    assembly.is_terminal = True
    return assembly


def _take_event(assembly: Assembly, values: dict[str, Any], event: Event, done: list[dict[str, Any]]) -> None:
    kind = text(values.get("type")) or event.name
    if kind in _TERMINAL:
        assembly.choices.pop(0, None)
        _take_response(assembly, mapping(values.get("response")))
        assembly.is_terminal = True
    elif kind.endswith(".delta"):
        _take_delta(assembly, kind, values)
        if assembly.first_token_end is None and values.get("delta"):
            assembly.first_token_end = event.end
    elif kind == "response.output_item.done":
        done.append(mapping(values.get("item")))
    elif kind == "error" or (not kind and "error" in values):
        assembly.error = read_error(values) or _flat_error(values)
    elif kind.startswith("response.") and isinstance(values.get("response"), dict):
        assembly.note_identity(values["response"])


def _take_delta(assembly: Assembly, kind: str, values: dict[str, Any]) -> None:
    delta = values.get("delta")
    if not isinstance(delta, str):
        return
    choice = assembly.choice(0)
    if kind.startswith("response.output_text"):
        choice.content.append(delta)
    elif kind.startswith("response.refusal"):
        choice.refusal.append(delta)
    elif kind.startswith("response.reasoning"):
        choice.reasoning.append(delta)
    elif kind.startswith("response.function_call_arguments"):
        _call_at(choice, values.get("output_index")).arguments.append(delta)


def _call_at(choice: Choice, index: object) -> ToolCall:
    position = index if isinstance(index, int) else 0
    call = choice.by_index.get(position)
    if call is None:
        call = choice.by_index[position] = ToolCall()
        choice.tool_calls.append(call)
    return call


def _take_response(assembly: Assembly, response: dict[str, Any]) -> None:
    assembly.note_identity(response)
    choice = assembly.choice(0)
    for item in items(response.get("output")):
        _take_item(choice, mapping(item))
    choice.finish_reason = _reason(response)
    assembly.usage_raw = response.get("usage") if isinstance(response.get("usage"), dict) else None
    assembly.usage = read_usage(assembly.usage_raw)
    assembly.error = read_error(response) or _failed(response)


def _take_item(choice: Choice, item: dict[str, Any]) -> None:
    kind = item.get("type")
    if kind == "message":
        for part in map(mapping, items(item.get("content"))):
            if text(part.get("text")):
                choice.content.append(part["text"])
            if text(part.get("refusal")):
                choice.refusal.append(part["refusal"])
    elif kind == "reasoning":
        choice.reasoning += [
            part["text"] for part in map(mapping, items(item.get("summary"))) if text(part.get("text"))
        ]
    elif text(item.get("name")):
        call = ToolCall(
            text(item.get("call_id")), item["name"], [str(item.get("arguments") or item.get("input") or "")]
        )
        choice.tool_calls.append(call)


def _reason(response: dict[str, Any]) -> str | None:
    """Return why it stopped: the reason of an incomplete answer, a tool's call, else the status."""
    status = text(response.get("status"))
    if status == "incomplete":
        return text(mapping(response.get("incomplete_details")).get("reason")) or status
    if status == "completed" and any(
        mapping(item).get("type") == "function_call" for item in items(response.get("output"))
    ):
        return "tool_calls"
    return status


def _failed(response: dict[str, Any]) -> AnswerError | None:
    return AnswerError(message="the response failed") if response.get("status") == "failed" else None


def _flat_error(values: dict[str, Any]) -> AnswerError:
    return AnswerError(text(values.get("message")), "error", text(values.get("code")))

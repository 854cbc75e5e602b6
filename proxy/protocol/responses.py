"""Putting a Responses answer together: the terminal event repeats the whole, deltas serve when it never came.

A ``response`` object always has an ``error`` member that is normally null. Errors also come as stand-alone flat
``error`` events. Third-party servers leave out sequence numbers and ``[DONE]``: nothing here relies on either.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from proxy.protocol.assembly import AnswerError, Assembly, Choice, ToolCall, flat_error, read_error
from proxy.protocol.jsontext import items, mapping, parse_object, text, written
from proxy.protocol.quantities import tool_calls
from proxy.protocol.sse import Event
from proxy.protocol.usage import read_usage

_ARGUMENTS = ("response.function_call_arguments", "response.mcp_call_arguments", "response.custom_tool_call_input")
_CALLS = ("function_call", "custom_tool_call")
_TERMINAL = frozenset({"response.completed", "response.incomplete", "response.failed", "response.cancelled"})


@dataclass(slots=True)
class _Open:
    """Output items of a stream while its terminal event has not come, by their index."""

    items: dict[int, Choice] = field(default_factory=dict)

    def at(self, values: dict[str, Any]) -> Choice:
        """Return the item an event speaks of."""
        index = values.get("output_index")
        return self.items.setdefault(index if isinstance(index, int) else 0, Choice())

    def replace(self, values: dict[str, Any]) -> None:
        """Take an item that is done instead of its deltas."""
        index = values.get("output_index")
        whole = self.items[index if isinstance(index, int) else len(self.items)] = Choice()
        _take_item(whole, mapping(values.get("item")))

    def pour(self, choice: Choice) -> None:
        """Add all items to one answer, in their order."""
        for index in sorted(self.items):
            item = self.items[index]
            choice.content += item.content
            choice.reasoning += item.reasoning
            choice.refusal += item.refusal
            choice.transcript += item.transcript
            choice.tool_calls += item.tool_calls


def assemble_events(events: list[Event]) -> Assembly:
    """Assemble a stream."""
    assembly, unfinished = Assembly(), _Open()
    for event in events:
        values = parse_object(event.data)
        if values is None:
            assembly.pass_over(event)
        else:
            _take_event(assembly, values, event, unfinished)
    choice = assembly.choice(0)
    if not (choice.content or choice.refusal or choice.transcript or choice.tool_calls):
        # The terminal event never came, or it did not repeat the output as it should.
        choice.reasoning.clear()
        unfinished.pour(choice)
    return assembly


def assemble_whole(values: dict[str, Any]) -> Assembly:
    """Assemble an answer that came as one JSON object."""
    assembly = Assembly()
    _take_response(assembly, values)
    assembly.error = assembly.error or read_error(values)
    assembly.is_terminal = True
    return assembly


def _take_event(assembly: Assembly, values: dict[str, Any], event: Event, unfinished: _Open) -> None:
    kind = text(values.get("type")) or event.name
    if kind in _TERMINAL:
        _take_response(assembly, mapping(values.get("response")))
        assembly.is_terminal = True
    elif kind.endswith(".delta"):
        _take_delta(unfinished.at(values), kind, values.get("delta"))
        if assembly.first_token_end is None and values.get("delta"):
            assembly.first_token_end = event.end
    elif kind == "response.output_item.added" and text(mapping(values.get("item")).get("name")):
        item = mapping(values["item"])
        unfinished.at(values).tool_calls.append(ToolCall(text(item.get("call_id")), item["name"]))
    elif kind == "response.output_item.done":
        unfinished.replace(values)
    elif kind == "error" or (not kind and "error" in values):
        assembly.error = read_error(values) or flat_error(values)
    elif kind.startswith("response.") and isinstance(values.get("response"), dict):
        assembly.note_identity(values["response"])
        assembly.is_background |= values["response"].get("background") is True


def _take_delta(item: Choice, kind: str, delta: object) -> None:
    if not isinstance(delta, str):
        return
    if kind.startswith("response.output_text"):
        item.content.append(delta)
    elif kind.startswith("response.refusal"):
        item.refusal.append(delta)
    elif kind.startswith("response.reasoning"):
        item.reasoning.append(delta)
    elif "transcript" in kind:
        item.transcript.append(delta)
    elif kind.startswith(_ARGUMENTS):
        if not item.tool_calls:
            item.tool_calls.append(ToolCall())
        item.tool_calls[-1].arguments.append(delta)


def _take_response(assembly: Assembly, response: dict[str, Any]) -> None:
    assembly.note_identity(response)
    assembly.is_background |= response.get("background") is True
    choice = assembly.choice(0)
    for item in items(response.get("output")):
        _take_item(choice, mapping(item))
    choice.finish_reason = _reason(response)
    assembly.usage_raw = response.get("usage") if isinstance(response.get("usage"), dict) else None
    assembly.usage = read_usage(assembly.usage_raw)
    assembly.usage = replace(assembly.usage, **tool_calls(response))
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
            text(item.get("call_id")), item["name"], [written(item.get("arguments") or item.get("input") or "")]
        )
        choice.tool_calls.append(call)


def _reason(response: dict[str, Any]) -> str | None:
    """Return why it stopped: the reason of an incomplete answer, a tool's call, else the status."""
    status = text(response.get("status"))
    if status == "incomplete":
        return text(mapping(response.get("incomplete_details")).get("reason")) or status
    if status == "completed" and any(mapping(item).get("type") in _CALLS for item in items(response.get("output"))):
        return "tool_calls"
    return status


def _failed(response: dict[str, Any]) -> AnswerError | None:
    return AnswerError(message="the response failed") if response.get("status") == "failed" else None

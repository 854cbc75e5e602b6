"""Anthropic's dialect (``/messages``), which compatible servers speak as well: blocks by index, usage in two places.

The input's counts come with ``message_start``, the output's with ``message_delta``, which repeats some of them: the
newest of each counts.
"""

from __future__ import annotations

from typing import Any

from proxy.protocol.assembly import Assembly, Choice, ToolCall, read_error
from proxy.protocol.jsontext import items, mapping, parse_object, text, written
from proxy.protocol.sse import Event
from proxy.protocol.usage import merge, read_usage


def assemble_events(events: list[Event]) -> Assembly:
    """Assemble a stream."""
    assembly = Assembly()
    choice = assembly.choice(0)
    for event in events:
        values = parse_object(event.data)
        if values is None:
            assembly.pass_over(event)
            continue
        kind = text(values.get("type")) or event.name
        if kind == "message_start":
            _take_head(assembly, mapping(values.get("message")))
        elif kind == "content_block_start":
            _take_block(choice, mapping(values.get("content_block")))
        elif kind == "content_block_delta":
            if _take_delta(choice, mapping(values.get("delta"))) and assembly.first_token_end is None:
                assembly.first_token_end = event.end
        elif kind == "message_delta":
            choice.finish_reason = text(mapping(values.get("delta")).get("stop_reason")) or choice.finish_reason
            assembly.usage_raw = merge(assembly.usage_raw, values.get("usage"))
        elif kind == "message_stop":
            assembly.is_terminal = True
        elif kind == "error":
            assembly.error = read_error(values)
    assembly.usage = read_usage(assembly.usage_raw)
    return assembly


def assemble_whole(values: dict[str, Any]) -> Assembly:
    """Assemble an answer that came as one JSON object."""
    assembly = Assembly(is_terminal=True, error=read_error(values))
    choice = assembly.choice(0)
    _take_head(assembly, values)
    for item in map(mapping, items(values.get("content"))):
        _take_block(choice, item)
    choice.finish_reason = text(values.get("stop_reason"))
    assembly.usage = read_usage(assembly.usage_raw)
    return assembly


def _take_head(assembly: Assembly, message: dict[str, Any]) -> None:
    assembly.note_identity(message)
    assembly.usage_raw = merge(assembly.usage_raw, message.get("usage"))


def _take_block(choice: Choice, block: dict[str, Any]) -> None:
    kind = text(block.get("type")) or ""
    choice.content += [said] if (said := text(block.get("text"))) else []
    choice.reasoning += [said] if (said := text(block.get("thinking"))) else []
    if kind.endswith("tool_use"):
        given = block.get("input")
        arguments = [written(given)] if given else []
        choice.tool_calls.append(ToolCall(text(block.get("id")), text(block.get("name")), arguments))


def _take_delta(choice: Choice, delta: dict[str, Any]) -> bool:
    """Add a delta; True when it said something."""
    said = text(delta.get("text"))
    thought = text(delta.get("thinking"))
    arguments = text(delta.get("partial_json"))
    choice.content += [said] if said else []
    choice.reasoning += [thought] if thought else []
    if arguments and choice.tool_calls:
        choice.tool_calls[-1].arguments.append(arguments)
    return bool(said or thought or arguments)

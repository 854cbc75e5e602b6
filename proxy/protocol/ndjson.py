"""Ollama's own dialect: one JSON object a line, the last one with ``done``, counts and nanosecond durations.

Zero counts are left out of the JSON there, so on the ``done`` line missing means 0. An error may come as a line under
status 200. A non-streamed answer is one such line.
"""

from __future__ import annotations

from typing import Any

from proxy.protocol.assembly import Assembly, ToolCall, read_error
from proxy.protocol.jsontext import items, mapping, parse_object, text, written
from proxy.protocol.usage import read_usage

_COUNTS = ("prompt_eval_count", "eval_count")


def assemble(data: bytes) -> Assembly:
    """Assemble a whole answer of /api/chat, /api/generate or /api/embed."""
    assembly = Assembly()
    position = 0
    for line in data.split(b"\n"):
        position += len(line) + 1
        if not line.strip():
            continue
        values = parse_object(line)
        if values is not None:
            _take(assembly, values, min(position, len(data)))
        elif position <= len(data):
            assembly.passed_over += 1
    return assembly


def _take(assembly: Assembly, values: dict[str, Any], end: int) -> None:
    error = read_error(values)
    if error is not None:
        assembly.error = error
        return
    assembly.model = text(values.get("model")) or assembly.model
    assembly.is_remote |= bool(values.get("remote_model") or values.get("remote_host"))
    _take_message(assembly, values, end)
    if values.get("done") is True:
        assembly.choice(0).finish_reason = text(values.get("done_reason")) or "stop"
        assembly.is_terminal = True
    if values.get("done") is True or "embeddings" in values:
        _take_counts(assembly, values)


def _take_message(assembly: Assembly, values: dict[str, Any], end: int) -> None:
    choice = assembly.choice(0)
    message = mapping(values.get("message"))
    content = text(message.get("content")) or text(values.get("response"))
    thinking = text(message.get("thinking")) or text(values.get("thinking"))
    if content:
        choice.content.append(content)
    if thinking:
        choice.reasoning.append(thinking)
    for item in map(mapping, items(message.get("tool_calls"))):
        function = mapping(item.get("function"))
        arguments = written(function.get("arguments", ""))
        choice.tool_calls.append(ToolCall(text(item.get("id")), text(function.get("name")), [arguments]))
    if (content or thinking or message.get("tool_calls")) and assembly.first_token_end is None:
        assembly.first_token_end = end


def _take_counts(assembly: Assembly, values: dict[str, Any]) -> None:
    names = _COUNTS[:1] if "embeddings" in values else _COUNTS
    counts = {name: values.get(name, 0) for name in names}
    counts |= {name: value for name, value in values.items() if name.endswith("_duration")}
    assembly.usage_raw = counts
    assembly.usage = read_usage(counts)

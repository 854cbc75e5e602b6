"""What a stored prompt says, in the words of the Responses API: pure, values in, values out.

A prompt is written in the words of Chat. Its messages become items of ``input``: calls of tools and their results are
items of their own there, and parts have other names. Tools and formats are flat, and a tool that does not say
``strict`` is not, as on Chat, where the default is the other one. What is no message of Chat (a placeholder may hold
items already), or has a shape that we do not know, passes as it is: the provider judges it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def items_of(message: dict[str, Any]) -> list[Any]:
    """Return a message as items of ``input``."""
    if "type" in message:
        return [message]
    if message["role"] == "tool" and isinstance(message.get("tool_call_id"), str):
        output = _content(message.get("content"), "input_text")
        return [{"type": "function_call_output", "call_id": message["tool_call_id"], "output": output}]
    calls = message.get("tool_calls")
    calls = calls if isinstance(calls, list) else []
    content = message.get("content")
    made = [_call(call) for call in calls]
    if content is None and made:
        return made
    word = "output_text" if message["role"] == "assistant" else "input_text"
    return [{"role": message["role"], "content": _content(content, word)}, *made]


def _call(call: Any) -> Any:
    """Return a call of a tool as an item."""
    function = call.get("function") if isinstance(call, dict) else None
    if not isinstance(function, dict):
        return call
    return {"type": "function_call", "call_id": call.get("id"), **function}


def _content(content: Any, word: str) -> Any:
    return [_part(part, word) for part in content] if isinstance(content, list) else content


def _part(part: Any, word: str) -> Any:
    """Return one part of a message; ``word`` is what a text is called."""
    kind = part.get("type") if isinstance(part, dict) else None
    if kind == "text":
        return {**part, "type": word}
    image, file = (part.get("image_url"), part.get("file")) if kind is not None else (None, None)
    if kind == "image_url" and isinstance(image, dict) and "url" in image:
        return {"type": "input_image", "image_url": image["url"], "detail": image.get("detail", "auto")}
    if kind == "file" and isinstance(file, dict):
        return {"type": "input_file", **file}
    return part


def flat_tool(tool: dict[str, Any]) -> dict[str, Any]:
    """Return a tool as Responses has it."""
    function = tool.get("function")
    if tool.get("type") != "function" or not isinstance(function, dict):
        return tool
    return {"type": "function", "strict": False, **function}


def flat_format(said: Mapping[str, Any]) -> dict[str, Any]:
    """Return a format of the answer as Responses has it."""
    schema = said.get("json_schema")
    return {"type": "json_schema", **schema} if isinstance(schema, dict) else dict(said)


def renamed(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Return parameters of Chat where Responses has them: those that belong to ``reasoning`` and ``text`` there."""
    found = dict(parameters)
    for name, group, member in (("reasoning_effort", "reasoning", "effort"), ("verbosity", "text", "verbosity")):
        if name in found:
            value = found.pop(name)
            found[group] = {member: value, **found.get(group, {})}
    return found

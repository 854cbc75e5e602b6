"""What a request asked: parameters, tools, and the newest thing the user said.

A form (audio, images, files) is read like an object: its fields are the members, and where it says no prompt, its files
are named. A body that is neither says what its path does: Azure's have the deployment in place of the model.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from proxy.domain.recording import RecordedCall
from proxy.interpret.texts import clean
from proxy.protocol.decoding import decode, encodings_of
from proxy.protocol.jsontext import count, items, mapping, parse, parse_object, text
from proxy.protocol.multipart import FilePart, Form, boundary_of, reduce


@dataclass(slots=True)
class Request:
    """A request as read; everything None or empty when its body is no JSON object."""

    values: dict[str, Any]
    model: str | None = None
    input_text: str | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    max_tokens: int | None = None
    tool_names: tuple[str, ...] = ()
    service_tier: str | None = None
    decode_error: str | None = None
    files: tuple[FilePart, ...] = ()


NOTHING = Request({})
_MAX_TOOLS = 128
_DEPLOYMENT = re.compile(r"/openai/deployments/([^/]{1,200})/")
_MAX_TOKENS = ("max_completion_tokens", "max_output_tokens", "max_tokens")


def read_request(call: RecordedCall) -> Request:
    """Read the client's own bytes; never raises for what a client sent."""
    body = call.request
    if not body:
        return NOTHING
    body, error = decode(body, encodings_of(call.start.request_headers))
    error = error and f"request: {error}"
    boundary = boundary_of(dict(call.start.request_headers).get("content-type"))
    form = reduce(body, boundary)[0] if boundary else Form()
    if boundary and not form.is_whole:
        error = error or "request: the form was read only in part"
    values = form.values() if boundary else parse_object(body)
    if values is None:
        return Request({}, model=deployment_of(call.start.target), decode_error=error)
    options = mapping(values.get("options"))
    return Request(
        values,
        model=text(values.get("model")) or deployment_of(call.start.target),
        input_text=newest_turn(values) or _named(form.files),
        temperature=_number(values.get("temperature", options.get("temperature")), 0, 100),
        top_p=_number(values.get("top_p", options.get("top_p")), 0, 1),
        top_k=_small_count(values.get("top_k", options.get("top_k"))),
        max_tokens=_max_tokens(values, options),
        tool_names=_tool_names(values),
        service_tier=text(values.get("service_tier")),
        decode_error=error,
        files=tuple(form.files),
    )


def deployment_of(target: str) -> str | None:
    """Return the deployment in a path of Azure's classic form, which stands there for the model."""
    found = _DEPLOYMENT.search(target.partition("?")[0])
    return unquote(found[1]) if found else None


def _named(files: list[FilePart]) -> str | None:
    """Return what was uploaded, in words."""
    return "\n".join(f"{item.filename or item.name} ({item.media_type}, {item.size} bytes)" for item in files) or None


def newest_turn(values: dict[str, Any]) -> str | None:
    """Return the text of the newest user turn; of other endpoints the input or the prompt."""
    messages = values.get("messages", values.get("input"))
    if isinstance(messages, str):
        return messages or None
    if isinstance(messages, list):
        for item in reversed(messages):
            if isinstance(item, str):
                return item or None
            if _is_user(mapping(item)) and (said := _said(mapping(item).get("content"))):
                return said
        with_role = (item for item in map(mapping, reversed(messages)) if "role" in item)
        return next((said for item in with_role if (said := _said(item.get("content")))), None)
    prompt = values.get("prompt")
    return prompt if isinstance(prompt, str) and prompt else _said(prompt)


def _is_user(item: dict[str, Any]) -> bool:
    """True for a user's turn; of what has no role only messages, not a model's own thoughts and calls."""
    return bool(item["role"] == "user" if "role" in item else item.get("type", "message") == "message")


def _said(content: object) -> str | None:
    if isinstance(content, str):
        return content or None
    parts = [part if isinstance(part, str) else text(mapping(part).get("text")) for part in items(content)]
    return "\n".join(part for part in parts if part) or None


def _max_tokens(values: dict[str, Any], options: dict[str, Any]) -> int | None:
    for name in _MAX_TOKENS:
        found = _small_count(values.get(name))
        if found is not None:
            return found
    return _small_count(options.get("num_predict"))


def _tool_names(values: dict[str, Any]) -> tuple[str, ...]:
    names = []
    for item in (*items(values.get("tools")), *items(values.get("functions"))):
        tool = mapping(item)
        name = (
            text(mapping(tool.get("function") or tool.get("custom")).get("name"))
            or text(tool.get("name"))
            or text(tool.get("type"))
        )
        if name:
            names.append(clean(name, 128) or "")
    return tuple(names[:_MAX_TOOLS])


def _number(value: object, low: float, high: float) -> float | None:
    if isinstance(value, str):
        value = parse(value.encode("utf-8", "replace"))
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
        return None
    return float(value)


def _small_count(value: object) -> int | None:
    found = count(value)
    return found if found is not None and found < 2**31 else None

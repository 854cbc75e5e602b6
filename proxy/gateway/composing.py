"""A stored prompt put into a request: pure, values in, a body out.

The template's messages come first, then the client's own, in their order. Parameters, tools and the answer's format
are the prompt's where the client says none; nothing that the client says is taken away, but for ``prompt`` itself. A
Responses request gets the messages into its ``input``, in the words of that API.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from proxy.gateway.asks import MODEL_PREFIX
from proxy.gateway.guard import Refusal
from proxy.prompting.rendering import Rendered
from proxy.prompting.variables import type_of

_LENGTHS = ("max_completion_tokens", "max_tokens", "max_output_tokens")


_CONVERSATION = {"chat": "messages", "responses": "input"}


def fault_of(operation: str, values: Mapping[str, Any]) -> Refusal | None:
    """Return why a prompt cannot be put before what a request says."""
    member = _CONVERSATION[operation]
    said = values.get(member)
    if said is None or isinstance(said, list) or (isinstance(said, str) and operation == "responses"):
        return None
    wanted = "a list of messages" if operation == "chat" else "a text or a list of items"
    told = f"{member} must be {wanted}, not {type_of(said)}: the stored prompt's messages come before them."
    return Refusal(400, "prompt_body_invalid", told, param=member)


def compose(operation: str, values: Mapping[str, Any], rendered: Rendered) -> bytes:
    """Return the body of a chat or responses request with a rendered prompt in it."""
    own = {name: value for name, value in values.items() if name != "prompt" or not isinstance(value, dict)}
    if isinstance(own.get("model"), str) and own["model"].startswith(MODEL_PREFIX):
        del own["model"]
    if operation == "responses":
        return orjson.dumps(_responses(own, rendered))
    return orjson.dumps(_chat(own, rendered))


def _chat(own: dict[str, Any], rendered: Rendered) -> dict[str, Any]:
    said = own.pop("messages", None)
    messages = [*rendered.messages, *(said if isinstance(said, list) else [])]
    given = {**_parameters(own, rendered, "max_tokens"), "messages": messages}
    if rendered.tools and "tools" not in own:
        given["tools"] = list(rendered.tools)
    if rendered.response_format is not None and "response_format" not in own:
        given["response_format"] = rendered.response_format
    return {**own, **given}


def _responses(own: dict[str, Any], rendered: Rendered) -> dict[str, Any]:
    said = own.pop("input", None)
    items = [{"role": "user", "content": said}] if isinstance(said, str) else said if isinstance(said, list) else []
    given = {**_parameters(own, rendered, "max_output_tokens"), "input": [*map(_item, rendered.messages), *items]}
    if rendered.tools and "tools" not in own:
        given["tools"] = [_flat_tool(tool) for tool in rendered.tools]
    if rendered.response_format is not None and "text" not in own:
        given["text"] = {"format": _flat_format(rendered.response_format)}
    return {**own, **given}


def _parameters(own: Mapping[str, Any], rendered: Rendered, length: str) -> dict[str, Any]:
    """Return the prompt's parameters that the client does not say; a bound of the answer under the API's own name."""
    found = {name: value for name, value in rendered.parameters.items() if name not in own}
    bounds = [found.pop(name) for name in _LENGTHS if name in found]
    if bounds and not any(name in own for name in _LENGTHS):
        kept = next((name for name in _LENGTHS if name in rendered.parameters), length)
        found[length if length == "max_output_tokens" or kept == "max_output_tokens" else kept] = bounds[0]
    return found


def _item(message: dict[str, Any]) -> dict[str, Any]:
    """Return a chat message as an item of ``input``."""
    content = message.get("content")
    if not isinstance(content, list):
        return {"role": message["role"], "content": content}
    word = "output_text" if message["role"] == "assistant" else "input_text"
    parts = []
    for part in content:
        if part.get("type") == "text":
            parts.append({"type": word, "text": part["text"]})
        elif part.get("type") == "image_url":
            image = part["image_url"]
            parts.append({"type": "input_image", "image_url": image["url"], "detail": image.get("detail", "auto")})
        else:
            parts.append(part)
    return {"role": message["role"], "content": parts}


def _flat_tool(tool: dict[str, Any]) -> dict[str, Any]:
    function = tool.get("function")
    return {"type": "function", **function} if tool.get("type") == "function" and isinstance(function, dict) else tool


def _flat_format(said: Mapping[str, Any]) -> dict[str, Any]:
    schema = said.get("json_schema")
    return {"type": "json_schema", **schema} if isinstance(schema, dict) else dict(said)

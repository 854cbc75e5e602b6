"""A version of a stored prompt: what it says, as one immutable value with a hash of its content.

Messages have their roles from the template and from nowhere else; a placeholder among them is filled with a list of
messages. Parameters, tools and a schema of the answer go into the request where the client says none. The JSON form is
what is stored, exported and hashed: the same content has the same hash, wherever and by whomever it is written.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from proxy.prompting.variables import Variable, variable_mapping

ENGINE = "minijinja-1"
"""The language of templates, should there be another one day."""
ROLES = ("system", "developer", "user", "assistant")
Content = str | tuple[dict[str, Any], ...]
"""A text, or parts: {"type": "text", "text": …} and {"type": "image_url", "image_url": {"url": …}}."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One message, or (``placeholder`` names a variable) the place of a list of them."""

    role: str = ""
    content: Content = ""
    name: str | None = None
    placeholder: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptVersion:
    """All that one version says."""

    messages: tuple[Message, ...]
    parameters: Mapping[str, Any]
    tools: tuple[dict[str, Any], ...] = ()
    response_format: dict[str, Any] | None = None
    variables: tuple[Variable, ...] = ()
    engine: str = ENGINE

    @property
    def sha256(self) -> str:
        """The hash of the content, hex."""
        return hashlib.sha256(canonical(self.to_mapping())).hexdigest()

    def to_mapping(self) -> dict[str, Any]:
        """Return the JSON form, without what is empty."""
        made: dict[str, Any] = {"engine": self.engine, "messages": [_message_mapping(item) for item in self.messages]}
        if self.parameters:
            made["parameters"] = dict(self.parameters)
        if self.tools:
            made["tools"] = list(self.tools)
        if self.response_format is not None:
            made["response_format"] = self.response_format
        if self.variables:
            made["variables"] = {item.name: variable_mapping(item) for item in self.variables}
        return made


def canonical(values: Mapping[str, Any]) -> bytes:
    """Return the one spelling of a JSON object that is hashed."""
    return orjson.dumps(values, option=orjson.OPT_SORT_KEYS)


def _message_mapping(message: Message) -> dict[str, Any]:
    if message.placeholder is not None:
        return {"placeholder": message.placeholder}
    content = message.content if isinstance(message.content, str) else list(message.content)
    made = {"role": message.role, "content": content}
    return made if message.name is None else {**made, "name": message.name}


def texts_of(version: PromptVersion) -> dict[str, str]:
    """Return every template of a version by its place: "messages[0].content", "messages[1].content[0].text"."""
    found: dict[str, str] = {}
    for at, message in enumerate(version.messages):
        place = f"messages[{at}].content"
        if isinstance(message.content, str):
            if message.placeholder is None:
                found[place] = message.content
            continue
        for number, part in enumerate(message.content):
            name, text = text_of_part(part)
            if text is not None:
                found[f"{place}[{number}].{name}"] = text
    return found


def text_of_part(part: Mapping[str, Any]) -> tuple[str, str | None]:
    """Return where the template of a part of a message is, and the template."""
    if part.get("type") == "text":
        return "text", part.get("text")
    image = part.get("image_url")
    return "image_url.url", image.get("url") if isinstance(image, dict) else None

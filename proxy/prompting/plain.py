"""Prompts that put texts into texts and do nothing else: most of them. Filled in here, in 40 % of the engine's time.

What comes of it is what the engine would make (a property test holds the two together). Where a value is no text, is
missing, is none of the prompt's, or is large, nothing is made here: the engine's way knows what to say then.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from proxy.prompting.variables import LARGEST_VALUE, Variable
from proxy.prompting.version import Message, PromptVersion

_OPENS = re.compile(r"\{[{%#]")
_SIMPLE = re.compile(r"\{\{ *([A-Za-z_][A-Za-z0-9_]*) *\}\}")


class PlainPrompt:
    """The messages of one version, ready to be filled in; ``plain_of`` makes it."""

    def __init__(self, messages: list[tuple[dict[str, Any], str]], variables: tuple[Variable, ...]) -> None:
        self._messages = messages
        self._known = {item.name for item in variables}
        self._length = sum(len(text) for _, text in messages)
        self._uses = max((sum(text.count(f"{{{name}}}") for _, text in messages) for name in self._known), default=0)
        self._usual = {
            item.name: item.default or "" for item in variables if not item.is_required or item.default is not None
        }
        self._usual_length = sum(map(len, self._usual.values()))

    def __repr__(self) -> str:
        return f"<PlainPrompt messages={len(self._messages)}>"

    def fill(self, given: Mapping[str, Any]) -> list[dict[str, Any]] | None:
        """Return the messages with these values, None where the engine is to look at them."""
        length = self._usual_length
        for value in given.values():
            if type(value) is not str:
                return None
            length += len(value)
        values = {**self._usual, **given}
        # No text may grow without end, so it is known before it is made: a value may be named a thousand times.
        if values.keys() != self._known or self._length + self._uses * length > LARGEST_VALUE:
            return None
        return [{**head, "content": text.format_map(values)} for head, text in self._messages]


def plain_of(version: PromptVersion) -> PlainPrompt | None:
    """Return a version's messages as such, None of one that is not so plain."""
    if not all(item.type == "string" and item.max_length is None and not item.is_secret for item in version.variables):
        return None
    known = {item.name for item in version.variables}
    made = []
    for message in version.messages:
        text = _format_of(message, known)
        if text is None:
            return None
        made.append(({"role": message.role} | ({} if message.name is None else {"name": message.name}), text))
    return PlainPrompt(made, version.variables)


def _format_of(message: Message, known: set[str]) -> str | None:
    """Return a message's text in the form that ``str.format_map`` fills in, None where it says more."""
    if message.placeholder is not None or not isinstance(message.content, str):
        return None
    parts = _SIMPLE.split(message.content)
    if any(map(_OPENS.search, parts[::2])) or not known.issuperset(parts[1::2]):
        return None
    parts[::2] = [text.replace("{", "{{").replace("}", "}}") for text in parts[::2]]
    parts[1::2] = [f"{{{name}}}" for name in parts[1::2]]
    return "".join(parts)

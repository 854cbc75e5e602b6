"""Prompts that put texts into texts and do nothing else: most of them. Filled in here, in 40 % of the engine's time.

What comes of it is what the engine would make (a property test holds the two together). Where a value is no text, is
missing, is none of the prompt's, or is large, nothing is made here: the engine's way knows what to say then.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from operator import itemgetter
from typing import Any

from proxy.prompting.variables import LARGEST_VALUE, Variable
from proxy.prompting.version import Message, PromptVersion

Pick = Callable[[Mapping[str, str]], "str | tuple[str, ...]"]
_OPENS = re.compile(r"\{[{%#]")
_SIMPLE = re.compile(r"\{\{ *([A-Za-z_][A-Za-z0-9_]*) *\}\}")


class PlainPrompt:
    """The messages of one version, ready to be filled in; ``plain_of`` makes it."""

    def __init__(self, messages: list[tuple[dict[str, Any], list[str]]], variables: tuple[Variable, ...]) -> None:
        self._messages = [(head, *_format_of(parts)) for head, parts in messages]
        self._known = {item.name for item in variables}
        self._length = sum(len(text) for _, parts in messages for text in parts[::2])
        self._uses = max((sum(parts[1::2].count(name) for _, parts in messages) for name in self._known), default=0)
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
        return [{**head, "content": text % pick(values)} for head, text, pick in self._messages]


def plain_of(version: PromptVersion) -> PlainPrompt | None:
    """Return a version's messages as such, None of one that is not so plain."""
    if not all(item.type == "string" and item.max_length is None and not item.is_secret for item in version.variables):
        return None
    known = {item.name for item in version.variables}
    made = []
    for message in version.messages:
        parts = _parts_of(message, known)
        if parts is None:
            return None
        made.append(({"role": message.role} | ({} if message.name is None else {"name": message.name}), parts))
    return PlainPrompt(made, version.variables)


def _parts_of(message: Message, known: set[str]) -> list[str] | None:
    """Return a message's texts and, between each two of them, the name of a variable; None where it says more."""
    if message.placeholder is not None or not isinstance(message.content, str):
        return None
    parts = _SIMPLE.split(message.content)
    return None if any(map(_OPENS.search, parts[::2])) or not known.issuperset(parts[1::2]) else parts


def _format_of(parts: list[str]) -> tuple[str, Pick]:
    """Return the form that ``%`` fills in, and what picks out of the values what it is filled in with."""
    names = parts[1::2]
    # Of one name ``itemgetter`` gives the value itself, which ``%`` takes as well; of none it gives nothing.
    return "%s".join(text.replace("%", "%%") for text in parts[::2]), itemgetter(*names) if names else _nothing


def _nothing(_values: Mapping[str, str]) -> tuple[()]:
    return ()

"""Prompts that put texts into texts and do nothing else: most of them. Filled in here, straight into JSON.

What comes of it is what the engine would make (a property test holds the two together). Where a value is no text, is
missing, is none of the prompt's, or is large, nothing is made here: the engine's way knows what to say then.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from operator import itemgetter
from typing import Any

import orjson

from proxy.prompting.variables import LARGEST_VALUE, Variable
from proxy.prompting.version import Message, PromptVersion

Pick = Callable[[Mapping[str, bytes]], "bytes | tuple[bytes, ...]"]
_dumps = orjson.dumps
_OPENS = re.compile(r"\{[{%#]")
_SIMPLE = re.compile(r"\{\{ *([A-Za-z_][A-Za-z0-9_]*) *\}\}")


class PlainPrompt:
    """The messages of one version as JSON, ready to be filled in; ``plain_of`` makes it."""

    def __init__(self, messages: list[tuple[dict[str, Any], list[str]]], variables: tuple[Variable, ...]) -> None:
        self._form = b",".join(_form_of(head, parts) for head, parts in messages)
        names = [name for _, parts in messages for name in parts[1::2]]
        self._pick: Pick = itemgetter(*names) if names else _nothing
        self._known = {item.name for item in variables}
        optional = [item for item in variables if not item.is_required or item.default is not None]
        usual = {item.name: item.default or "" for item in optional}
        self._usual = {name: _inside(value) for name, value in usual.items()}
        # No text may grow without end, so it is known before it is made: a value may be named a thousand times.
        own = sum(len(text) for _, parts in messages for text in parts[::2])
        uses = max(map(names.count, self._known), default=0)
        self._room = (LARGEST_VALUE - own) // max(uses, 1) - sum(map(len, usual.values()))

    @property
    def is_bounded(self) -> bool:
        """False where what it says by itself, with no value given, may be too long already."""
        return self._room >= 0

    def __repr__(self) -> str:
        return f"<PlainPrompt bytes={len(self._form)}>"

    def fill(self, given: Mapping[str, Any]) -> bytes | None:
        """Return what stands in a JSON list of the messages with these values; None: the engine is to look at them."""
        values, room = self._usual.copy(), self._room
        for name, value in given.items():
            if type(value) is not str or (room := room - len(value)) < 0:
                return None
            values[name] = _dumps(value)[1:-1]
        return self._form % self._pick(values) if values.keys() == self._known else None


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
    plain = PlainPrompt(made, version.variables)
    return plain if plain.is_bounded else None


def _parts_of(message: Message, known: set[str]) -> list[str] | None:
    """Return a message's texts and, between each two of them, the name of a variable; None where it says more."""
    if message.placeholder is not None or not isinstance(message.content, str):
        return None
    parts = _SIMPLE.split(message.content)
    return None if any(map(_OPENS.search, parts[::2])) or not known.issuperset(parts[1::2]) else parts


def _form_of(head: Mapping[str, Any], parts: list[str]) -> bytes:
    """Return a message in the form that ``%`` fills in with what stands inside of JSON texts."""
    before = orjson.dumps({**head, "content": ""}).removesuffix(b'"}').replace(b"%", b"%%")
    # Of one name ``itemgetter`` gives the value itself, which ``%`` takes as well; of none it gives nothing.
    return before + b"%b".join(_inside(text).replace(b"%", b"%%") for text in parts[::2]) + b'"}'


def _inside(text: str) -> bytes:
    """Return a text as it stands between the quotes of JSON."""
    return orjson.dumps(text)[1:-1]


def _nothing(_values: Mapping[str, bytes]) -> tuple[()]:
    return ()

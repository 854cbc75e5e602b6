"""Parameters that a request is given: put into its body where it does not say them, or in the place of what it says.

Names are OpenAI's and are put in as they are, but for the bound of an answer's length: it has three names (``LENGTH``),
of which each endpoint knows its own. Whoever says it by any of them has said it.

Only bytes that say so are edited (``injection``). A parameter that is forced takes the place of every mention at the
top level. A body that spells a name with escapes could hide a mention, so nothing can be forced upon it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from proxy.protocol.injection import Edit
from proxy.protocol.scanner import TopLevelScanner

LENGTH = ("max_tokens", "max_completion_tokens", "max_output_tokens")
"""What bounds the length of an answer: on Chat and Messages, on Chat for OpenAI's newer models, on Responses."""

_GENERATING = frozenset({"chat", "completions", "responses", "messages"})
TAKING = _GENERATING | {"embeddings", "moderations", "images", "speech", "rerank"}
"""Operations whose requests are given parameters: those that ask a model by a JSON object of OpenAI's kind."""
_NEWER = frozenset({"openai", "azure"})


@dataclass(frozen=True, slots=True)
class Setting:
    """One parameter: ``text`` is its value as JSON; ``is_forced``: whatever the request says.

    ``said_as`` are the names by which a request may say it already, ``member`` is what is put into one.
    """

    name: str
    text: str
    is_forced: bool = False
    said_as: tuple[bytes, ...] = field(init=False, compare=False, repr=False)
    member: str = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        """Conclude once what is needed for every call."""
        names = LENGTH if self.name in LENGTH else (self.name,)
        object.__setattr__(self, "said_as", tuple(name.encode() for name in names))
        object.__setattr__(self, "member", f"{json.dumps(self.name)}:{self.text}")


def names_of(settings: Iterable[Setting]) -> frozenset[bytes]:
    """Return the names that must be looked for in a body in order to give it these."""
    return frozenset(name for setting in settings for name in setting.said_as)


def fitting(settings: Sequence[Setting], operation: str, kind: str) -> tuple[Setting, ...]:
    """Return what an endpoint of a provider of this kind takes, by the name that it has there; the first of two."""
    found: dict[str, Setting] = {}
    for setting in settings if operation in TAKING else ():
        if setting.name in LENGTH:
            if operation not in _GENERATING:
                continue
            setting = Setting(_length_name(setting.name, operation, kind), setting.text, setting.is_forced)
        found.setdefault(setting.name, setting)
    return tuple(found.values())


def _length_name(name: str, operation: str, kind: str) -> str:
    if operation == "responses":
        return "max_output_tokens"
    if operation == "chat":
        return "max_completion_tokens" if kind in _NEWER or name == "max_completion_tokens" else "max_tokens"
    return "max_tokens"


def parameter_edits(scanner: TopLevelScanner, settings: Sequence[Setting]) -> tuple[Edit, ...] | None:
    """Return the edits that give a scanned body these parameters; None where what is forced cannot be.

    The scan must have looked for ``names_of`` them. What is not forced is left out of a body that cannot be edited.
    """
    is_forcing = any(setting.is_forced for setting in settings)
    if not scanner.is_sound or (is_forcing and scanner.has_escaped_key):
        return None if is_forcing else ()
    edits: list[Edit] = []
    added: list[str] = []
    for setting in settings:
        said = _said(scanner, setting)
        if not said:
            added.append(setting.member)
        elif setting.is_forced:
            edits += [(start, end - start, setting.text) for start, end in said]
    if added:
        edits.append((scanner.open_brace + 1, 0, ",".join(added) + "," * scanner.has_members))
    return tuple(sorted(edits, key=lambda edit: edit[:2]))


def _said(scanner: TopLevelScanner, setting: Setting) -> list[tuple[int, int]]:
    """Return where a body says a parameter, by any of its names."""
    members = [scanner.members[name] for name in setting.said_as if name in scanner.members]
    if scanner.doubles:
        members += [member for name, member in scanner.doubles if name in setting.said_as]
    return [(member.start, member.end) for member in members]

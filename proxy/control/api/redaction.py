"""What is taken out before anything is written down: which patterns there are, and what they take out of a text.

A text that is tried is in nobody's log and on no disk; the answer is all that comes of it.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

from pydantic import BaseModel

from proxy.catalogue.parsing import parse
from proxy.catalogue.trial import RedactionTrial
from proxy.control.api.endpoint import Ask, Endpoint, Reply
from proxy.domain.redaction import OwnPattern
from proxy.errors import InvalidError, Problem
from proxy.redaction.trial import chosen, known_patterns, tried


class PatternRow(BaseModel, defer_build=True):
    """A pattern; is_on: for all calls, is_own: of the settings."""

    name: str
    meaning: str
    is_on: bool
    is_own: bool


class Patterns(BaseModel, defer_build=True):
    """The patterns that there are, and the longest body that is looked through."""

    patterns: list[PatternRow]
    max_bytes: int


class Taken(BaseModel, defer_build=True):
    """What a pattern took out."""

    pattern: str
    text: str


class Tried(BaseModel, defer_build=True):
    """What would be on record (null: nothing), what was taken out in turn, what was looked for and how long it took."""

    text: str | None
    taken: list[Taken]
    patterns: list[str]
    milliseconds: float


def endpoints() -> Iterator[Endpoint]:
    """Yield the rows."""
    yield Endpoint(
        method="GET", path="redaction", scope="read", summary="List redaction patterns", handle=_patterns,
        gives=Patterns,
    )  # fmt: skip
    yield Endpoint(
        method="POST", path="redaction/test", scope="read", summary="Try redaction on a text", handle=_try,
        takes=RedactionTrial, gives=Tried, is_change=False, largest=4 * 1024 * 1024,
        takes_long=True,
    )  # fmt: skip


def _patterns(ask: Ask) -> Reply:
    rules = ask.settings.redaction
    rows = [
        {"name": item.name, "meaning": item.meaning, "is_on": name in rules.patterns, "is_own": item.is_own}
        for name, item in known_patterns(rules).items()
    ]
    return Reply(body={"patterns": rows, "max_bytes": rules.max_bytes})


def _try(ask: Ask) -> Reply:
    said = parse(RedactionTrial, ask.body)
    own = [OwnPattern(name=name, pattern=pattern) for name, pattern in said.own.items()]
    try:
        redactor = chosen(ask.settings.redaction, said.patterns, own)
    except ValueError as error:
        raise InvalidError([Problem("own" if own else "patterns", str(error))]) from error
    began = time.perf_counter()
    found = tried(redactor, said.text)
    took = (time.perf_counter() - began) * 1000
    taken = [{"pattern": name, "text": part} for name, part in found.taken]
    return Reply(body={"text": found.text, "taken": taken, "patterns": list(redactor.names), "milliseconds": took})

"""What is taken out of the record: the names of patterns, and the patterns of one's own that are meant by some of them.

A name stands for a built-in pattern (``redaction.patterns``) or for one of ``own``. ``patterns`` count for every call;
a route and a key may name more, never fewer.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

MAX_BYTES = 1024 * 1024
"""Of a larger body nothing is recorded but its facts, where it would have to be looked through."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnPattern:
    """A pattern in RE2's syntax, and what it is called on record."""

    name: str
    pattern: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RedactionRules:
    """``patterns`` are on for all calls, ``own`` are defined; longer bodies than ``max_bytes`` are not recorded."""

    patterns: tuple[str, ...] = ()
    own: tuple[OwnPattern, ...] = ()
    max_bytes: int = MAX_BYTES


NO_RULES = RedactionRules()


def rules_from_mapping(values: object) -> RedactionRules:
    """Build rules from decoded JSON; where there are none, nothing is redacted."""
    if not isinstance(values, Mapping):
        return NO_RULES
    return RedactionRules(
        patterns=names_from(values.get("patterns")),
        own=tuple(OwnPattern(name=str(item["name"]), pattern=str(item["pattern"])) for item in values.get("own", ())),
        max_bytes=int(values.get("max_bytes", MAX_BYTES)),
    )


def names_from(values: object) -> tuple[str, ...]:
    """Return the names of patterns out of decoded JSON."""
    return tuple(map(str, values)) if isinstance(values, list | tuple) else ()

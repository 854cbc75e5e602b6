"""Patterns of a user's own, in RE2's syntax: its engine takes time linear in the text, whatever the pattern.

Python's own expressions backtrack: one careless pattern would hold up every call of a gateway. So the engine is RE2
(the extra ``redaction``), and without it there are the built-in patterns only.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from proxy.domain.redaction import OwnPattern
from proxy.redaction.patterns import BUILT_IN, UNREADABLE, Pattern

MAX_OWN = 32
MAX_PATTERN = 1000
_NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")
_NO_ENGINE = "patterns of your own need RE2, whose time is bounded: pip install 'dashcam[redaction]'"


def compiled(own: OwnPattern) -> Pattern:
    """Return a pattern that can be looked for; ``ValueError`` says what is wrong with one that cannot."""
    if not _NAME.fullmatch(own.name):
        raise ValueError("a name has a letter, then at most 39 letters, digits and underscores, all in lower case")
    if own.name in BUILT_IN or own.name == UNREADABLE:
        raise ValueError("there is a built-in pattern of this name")
    if len(own.pattern) > MAX_PATTERN:
        raise ValueError(f"a pattern has at most {MAX_PATTERN} characters")
    try:
        import re2
    except ImportError:
        raise ValueError(_NO_ENGINE) from None
    options = re2.Options()
    options.log_errors = False
    try:
        expression = re2.compile(own.pattern.encode(), options)
    except re2.error as error:
        raise ValueError(f"this is no pattern of RE2: {_words(error)}") from None
    if expression.search(b"") is not None:
        raise ValueError("it matches nothing at all, which is everywhere")

    def find(text: bytes) -> Iterable[tuple[int, int]]:
        return (found.span() for found in expression.finditer(text) if found.end() > found.start())

    return Pattern(own.name, f"your own: {own.pattern}", find, is_own=True)


def _words(error: Exception) -> str:
    said = error.args[0] if error.args else "it cannot be read"
    return said.decode("utf-8", "replace") if isinstance(said, bytes) else str(said)


def check_own(patterns: Sequence[OwnPattern]) -> None:
    """Raise ``ValueError`` with the first pattern that cannot be used, and why."""
    if len(patterns) > MAX_OWN:
        raise ValueError(f"own: there are at most {MAX_OWN} patterns of your own")
    for item in patterns:
        try:
            compiled(item)
        except ValueError as error:
            raise ValueError(f"own.{item.name[:40]}: {error}") from None


def reasons_against(names: Sequence[str], own: Iterable[str]) -> Iterator[tuple[int, str]]:
    """Yield which of some names no pattern has, by their positions, and what is wrong with them."""
    known = [*BUILT_IN, *own]
    for position, name in enumerate(names):
        if name not in known:
            yield position, f"there is no pattern {name[:40]!r}; there are: {', '.join(known)}"

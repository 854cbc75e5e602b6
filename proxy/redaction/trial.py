"""A set of patterns tried on a text, for whoever wants to see what they take out; nothing of it is kept."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from proxy.domain.redaction import OwnPattern, RedactionRules
from proxy.redaction.bodies import redact_body
from proxy.redaction.own import compiled, reasons_against
from proxy.redaction.patterns import BUILT_IN, Pattern
from proxy.redaction.redactor import Redactor


@dataclass(frozen=True, slots=True)
class Trial:
    """``text`` is what would be on record; None: nothing of it would. ``taken`` are (pattern, what it took out)."""

    text: str | None
    taken: tuple[tuple[str, str], ...]


def known_patterns(rules: RedactionRules, own: Iterable[OwnPattern] = ()) -> dict[str, Pattern]:
    """Return the built-in patterns, those of the settings and some more; ``ValueError`` for one that cannot be used."""
    return {**BUILT_IN, **{item.name: compiled(item) for item in (*rules.own, *own)}}


def chosen(
    rules: RedactionRules,
    names: Sequence[str] = (),
    own: Sequence[OwnPattern] = (),
    *,
    max_bytes: int | None = None,
) -> Redactor:
    """Return what looks for some patterns: those that are named and ``own`` ones, else those that are on for all.

    ``ValueError`` says what is wrong with a name or with a pattern.
    """
    known = known_patterns(rules, own)
    for _, reason in reasons_against(names, [name for name in known if name not in BUILT_IN]):
        raise ValueError(reason)
    wanted = [*names, *(item.name for item in own)] or list(rules.patterns)
    return Redactor(
        [known[name] for name in dict.fromkeys(wanted)], rules.max_bytes if max_bytes is None else max_bytes
    )


def tried(redactor: Redactor, text: str) -> Trial:
    """Return what a text, JSON or events as they come from a provider, would be on record."""
    found = redact_body(redactor, text.encode("utf-8", "replace"))
    if found is None:
        return Trial(None, ())
    taken = tuple((name, said.decode("utf-8", "replace")) for name, said in found.taken)
    return Trial(found.data.decode("utf-8", "replace"), taken)

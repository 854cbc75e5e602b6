"""What a model list says: names in their order, each once, and each entry as the provider gave it.

A list of ten thousand is a list; beyond that, and beyond what a snapshot should carry, it is cut: entries are reduced
to what every client looks at (id, object, created, owned_by) before names are left out.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import orjson

from proxy.protocol.jsontext import items, mapping, parse_object, text, written
from proxy.protocol.listing import bare_entry

MAX_MODELS = 10_000
MAX_NAME = 200
MAX_ENTRIES_LENGTH = 1024 * 1024
_ESSENTIAL = ("id", "object", "created", "owned_by")


@dataclass(frozen=True, slots=True)
class Listing:
    """Names, and an entry (JSON text) for each, at the same place."""

    names: tuple[str, ...]
    entries: tuple[str, ...]


def listing_of(data: bytes) -> Listing | None:
    """Return what an OpenAI-compatible list says, None when it is none."""
    values = parse_object(data)
    if values is None or not isinstance(values.get("data"), list):
        return None
    found: dict[str, dict[str, Any]] = {}
    for item in items(values["data"]):
        entry = mapping(item)
        name = text(entry.get("id"))
        if name is not None and len(name) <= MAX_NAME and name.isprintable() and len(found) < MAX_MODELS:
            found.setdefault(name, entry)
    return Listing(tuple(found), _entries(list(found.values())))


def bare_listing(names: list[str], owner: str) -> Listing:
    """Return a listing of names of which nothing more is known."""
    usable = [name for name in dict.fromkeys(names) if 0 < len(name) <= MAX_NAME and name.isprintable()][:MAX_MODELS]
    return Listing(tuple(usable), tuple(bare_entry(name, owner) for name in usable))


def _entries(found: list[dict[str, Any]]) -> tuple[str, ...]:
    whole = tuple(_text(entry) for entry in found)
    if sum(map(len, whole)) <= MAX_ENTRIES_LENGTH:
        return whole
    return tuple(_text({key: entry[key] for key in _ESSENTIAL if _is_plain(entry.get(key))}) for entry in found)


def _text(entry: dict[str, Any]) -> str:
    try:
        return orjson.dumps(entry).decode()
    except TypeError:
        # A number beyond 64 bits, or half a surrogate pair.
        return written(entry, is_ascii=True)


def _is_plain(value: object) -> bool:
    return isinstance(value, int) or (isinstance(value, str) and len(value) <= MAX_NAME)

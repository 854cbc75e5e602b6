"""A list of models as we write it ourselves, in OpenAI's form."""

from __future__ import annotations

from collections.abc import Iterable

import orjson


def bare_entry(name: str, owner: str) -> str:
    """Return the entry (JSON text) of a model of which only the name is known."""
    return orjson.dumps({"id": name, "object": "model", "created": 0, "owned_by": owner}).decode()


def list_of(entries: Iterable[str]) -> bytes:
    """Return the list that holds these entries as they are."""
    return b'{"object":"list","data":[' + ",".join(entries).encode() + b"]}"

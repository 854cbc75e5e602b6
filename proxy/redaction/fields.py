"""What is recorded of a call beside its bodies: headers, the request's target, words and values."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import unquote_to_bytes

import orjson

from proxy.redaction.bodies import redact_body
from proxy.redaction.flows import MAX_DEPTH
from proxy.redaction.patterns import UNREADABLE, placeholder
from proxy.redaction.redactor import Redactor

Headers = tuple[tuple[str, str], ...]
_AROUND = (
    ("", ""), ("", "null]}"), ("", "]}"), ("", "null}]"), ("[", "null]"), ("[", "]"), ("{", '"":0}'), ("{", "}")
)  # fmt: skip
"""What makes a document of the beginning of one, of members, or of what stands in a list."""


def redact_text(redactor: Redactor, text: str, counts: Counter[str]) -> str:
    """Return a text, or a piece of JSON, without its secrets."""
    data = text.encode("utf-8", "replace")
    found = redact_body(redactor, data)
    if found is None:
        counts[UNREADABLE] += 1
        return placeholder(UNREADABLE)
    counts.update(found.counts)
    return found.data.decode("utf-8", "replace") if found.moved is not None else text


def redact_edit(redactor: Redactor, text: str, counts: Counter[str]) -> str:
    """Return what an edit puts into JSON without its secrets: as the part of a document that it is, if it is one.

    Read by itself, the end of an escape would count as part of what comes behind it.
    """
    for before, after in _AROUND:
        whole = f"{before}{text}{after}"
        if not _is_json(whole):
            continue
        found = redact_text(redactor, whole, counts)
        return found if found == placeholder(UNREADABLE) else found[len(before) : len(found) - len(after)]
    return redact_text(redactor, text, counts)


def _is_json(text: str) -> bool:
    try:
        orjson.loads(text)
    except (orjson.JSONDecodeError, UnicodeEncodeError):
        return False
    return True


def redact_headers(redactor: Redactor, headers: Headers, counts: Counter[str]) -> Headers:
    """Return recorded headers, whose values stand for bytes as Latin-1 does."""
    made = []
    for name, value in headers:
        found = redact_body(redactor, value.encode("latin-1", "replace"))
        if found is None:
            value = redact_text(redactor, value, counts)
        elif found.moved is not None:
            counts.update(found.counts)
            value = found.data.decode("latin-1")
        made.append((name, value))
    return tuple(made)


def redact_target(redactor: Redactor, target: str, counts: Counter[str]) -> str:
    """Return a request's target; a part of its path or query that has a secret, read as it is meant, goes whole."""
    path, mark, query = target.partition("?")
    parts = "/".join(_redact_part(redactor, part, counts) for part in path.split("/"))
    return f"{parts}{mark}{redact_members(redactor, query, counts)}"


def redact_members(redactor: Redactor, query: str, counts: Counter[str]) -> str:
    """Return the members of a query, or of a body that is written like one."""
    return "&".join(
        "=".join(_redact_part(redactor, part, counts) for part in member.split("=")) for member in query.split("&")
    )


def _redact_part(redactor: Redactor, part: str, counts: Counter[str]) -> str:
    meant = unquote_to_bytes(part.replace("+", " "))
    found = redactor.find([meant, unquote_to_bytes(part)])
    if not found:
        return part
    name = next(iter(found.values()))[0].name
    counts[name] += 1
    return placeholder(name)


def redact_values(redactor: Redactor, values: Mapping[str, Any] | None, counts: Counter[str]) -> Any:
    """Return values as JSON has them, with every text in them redacted."""
    return None if values is None else _redact_value(redactor, values, counts, MAX_DEPTH)


def _redact_value(redactor: Redactor, value: Any, counts: Counter[str], depth: int) -> Any:
    if not depth:
        counts[UNREADABLE] += 1
        return placeholder(UNREADABLE)
    if isinstance(value, str):
        return redact_text(redactor, value, counts)
    if isinstance(value, Mapping):
        return {
            redact_text(redactor, str(name), counts): _redact_value(redactor, member, counts, depth - 1)
            for name, member in value.items()
        }
    if isinstance(value, Iterable) and not isinstance(value, bytes):
        return [_redact_value(redactor, member, counts, depth - 1) for member in value]
    return value

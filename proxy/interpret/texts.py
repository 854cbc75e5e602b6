"""Texts as a database takes them: no NUL, no lone surrogate, no longer than their column."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from proxy.protocol.jsontext import written

PREVIEW = 200
_SLACK = 40
"""Runs of blanks are one blank in a preview: so many characters more are looked at."""
TEXT_BYTES = 4096


def clean(value: str | None, limit: int) -> str | None:
    """Return a text of at most ``limit`` characters that every engine stores."""
    if value is None:
        return None
    if "\0" in value:
        value = value.replace("\0", "\ufffd")
    value = value[:limit]
    return value if value.isascii() else _paired(value)


def _paired(value: str) -> str:
    """Join what was one character and came as two halves, in two pieces of a stream; replace halves left alone."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return value.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return value


def preview(value: str | None) -> str | None:
    """Return the beginning of a text on one line."""
    if not value:
        return None
    return clean(" ".join(value[: PREVIEW + _SLACK].split()), PREVIEW) or None


def plain(value: str | None) -> str | None:
    """Return a text cut to 4 kB of UTF-8, at a character's border."""
    cleaned = clean(value, TEXT_BYTES)
    if not cleaned:
        return None
    return cleaned.encode("utf-8")[:TEXT_BYTES].decode("utf-8", "ignore")


def storable(value: Mapping[str, Any] | None) -> Mapping[str, object] | None:
    """Return a provider's object as JSON columns take it: what cannot be written down is spelt out as text."""
    try:
        encoded = orjson.dumps(value)
    except TypeError:
        # Lone surrogates, integers beyond 64 bit and deep nesting, which only the standard library takes.
        return {"text": written(value, is_ascii=True)[:TEXT_BYTES]}
    return value if b"\\u0000" not in encoded else {"text": encoded.decode()[:TEXT_BYTES]}

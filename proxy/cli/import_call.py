"""One line of an import as a call, or why it is none: nothing of what stands there is ever executed or repeated."""

from __future__ import annotations

import time
from typing import Any

import orjson

from proxy.cli.import_source import Line
from proxy.domain.interaction import Entry
from proxy.errors import InvalidError
from proxy.forms.calls import entry_of
from proxy.forms.sql import is_statement, values_of

_MOST_BRACKETS = 1_000_000


class RefusedError(Exception):
    """A line that is no call; the text is the reason, without anything of the line."""


def call_of(line: Line) -> tuple[dict[str, Any], Entry] | None:
    """Return what a line says, and the entry that it is; None for an empty one. ``RefusedError`` says why not."""
    if line.data is None:
        raise RefusedError("is longer than a call can be; see recording.max_body_bytes")
    if not line.data.strip():
        return None
    if line.data.count(b"[") + line.data.count(b"{") > _MOST_BRACKETS + len(line.data) // 2:
        raise RefusedError("is a maze of brackets")
    try:
        values = values_of(line.data) if is_statement(line.data) else _loaded(line.data)
        return None if values is None else (values, entry_of(values, time.time_ns() // 1_000_000))
    except InvalidError as error:
        raise RefusedError("; ".join(str(problem) for problem in error.problems[:3])) from error


def _loaded(data: bytes) -> Any:
    try:
        found = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise RefusedError(f"is no JSON: {_unquoted(error)}") from error
    # Nothing else than an object is a call; null would pass for an empty line.
    return [] if found is None else found


def _unquoted(error: orjson.JSONDecodeError) -> str:
    """Return what is wrong with JSON, at which character; nothing of the text is in it."""
    return f"{error.msg.partition(':')[0]} at character {error.pos + 1}"

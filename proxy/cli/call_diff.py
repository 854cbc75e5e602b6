"""``dashcam diff``: what two calls say otherwise, as lines: facts, then the request, then the answer."""

from __future__ import annotations

import json
import sys
from typing import Any

from proxy.cli.prompt_diff import print_diff
from proxy.cli.show import NO_CONTENT, decoded_of
from proxy.cli.terminal import json_text, local_time, short_id
from proxy.forms.parts import assembly_of
from proxy.interpret.assembled import as_object
from proxy.protocol.jsontext import parse_object
from proxy.settings.values import Settings
from proxy.store.contents.parts import StoredBody
from proxy.store.reading.reader import Reader
from proxy.store.schema.decoding import Row
from proxy.store.schema.rows import TRUTHS

_FACTS = (
    "method", "endpoint", "provider", "route", "model_requested", "model", "prompt_name", "prompt_version",
    "prompt_label", "outcome", "http_status", "error_code", "error_message", "finish_reason", "is_stream",
    "input_tokens", "output_tokens", "cached_tokens", "cost_usd", "cost_status", "duration_ms", "ttft_ms", "attempts",
    "user_id", "session_id", "app", "environment", "tags", "metadata",
)  # fmt: skip


def print_call_diff(settings: Settings, one: str, other: str) -> None:
    """Print a unified diff of two calls on record."""
    reader = Reader(settings.database)
    rows = [reader.interaction(reference) for reference in (one, other)]
    texts = [_text(row, reader.body(row["id"], "request"), reader.body(row["id"], "response")) for row in rows]
    reader.close()
    print_diff(*texts, *(f"{short_id(row['id'])} {local_time(row['started_at'], is_utc=False)}" for row in rows))
    sys.stdout.flush()
    if rows[0]["id"] == rows[1]["id"]:
        print("dashcam: both are the same call; name two: dashcam diff last-1 last", file=sys.stderr)
    elif texts[0] == texts[1]:
        print("dashcam: both calls say the same", file=sys.stderr)


def _text(row: Row, request: StoredBody | None, response: StoredBody | None) -> str:
    facts = [f"{name}: {_shown(name, row[name])}" for name in _FACTS if row[name] not in (None, "")]
    return "\n".join([*facts, "", "request:", _request(row, request), "", "answer:", _answer(row, response)])


def _shown(name: str, value: object) -> object:
    if name in TRUTHS:
        return "yes" if value else "no"
    if isinstance(value, list | dict):
        return json_text(value)
    return f"{value:g}" if isinstance(value, float) else value


def _request(row: Row, body: StoredBody | None) -> str:
    """Return what was asked, a member a line, so that a word that differs shows alone."""
    if body is None:
        return f"(not on record: {NO_CONTENT[row['content_state']]})"
    plain = decoded_of(body)
    values = parse_object(plain)
    if values is None:
        return plain.decode("utf-8", "replace")
    return json.dumps(values, indent=2, ensure_ascii=False).replace("\\n", "\n")


def _answer(row: Row, body: StoredBody | None) -> str:
    made = as_object(assembly_of(row, body))
    if made is None:
        return (
            "(nothing that could be put together)"
            if body is not None
            else f"(not on record: {NO_CONTENT[row['content_state']]})"
        )
    choices: Any = made["choices"]
    said = [{name: value for name, value in choice.items() if value not in (None, [])} for choice in choices]
    return json.dumps(said, indent=2, ensure_ascii=False).replace("\\n", "\n")

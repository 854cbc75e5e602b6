"""What an export says of a call without what must not be on record here: for imports, beside ``redacting``.

What is looked through has been found to be a call (``calls.entry_of``) and stays one. Ids, instants, counts and hashes
are not words; the hash of an answer from which something was taken goes, as it would tell whether a guess is right.
"""

from __future__ import annotations

import base64
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from proxy.domain.outcome import ContentState
from proxy.protocol.decoding import decode
from proxy.redaction.bodies import Redacted, redact_body
from proxy.redaction.fields import redact_headers, redact_target, redact_text, redact_values
from proxy.redaction.patterns import UNREADABLE
from proxy.redaction.redactor import Redactor
from proxy.store.schema.tables import InteractionRow

REDACTED = "dashcam_redacted"
_WORDS = (
    "provider_request_id", "client_request_id", "trace_id", "session_id", "user_id", "app", "environment",
    "model_requested", "model", "api_version", "system_fingerprint", "error_type", "error_code", "error_message",
    "finish_reason", "service_tier", "prompt_label", "input_preview", "output_preview", "input_text", "output_text",
    "decode_error",
)  # fmt: skip
"""Texts that somebody else has written."""
_OPINION = ("name", "session_id", "words", "comment", "error_message")
_COLUMNS = InteractionRow.__table__.columns  # type: ignore[attr-defined]
_LONGEST = {column.name: getattr(column.type, "length", None) for column in _COLUMNS} | {"name": 100}
_LONGEST_TAG, _LONGEST_KEY, _LONGEST_VALUE = 96, 100, 600
_Body = Mapping[str, Any]


def redacted_export(values: Mapping[str, Any], redactor: Redactor) -> dict[str, Any]:
    """Return what may be on record of an exported call; ``dashcam_redacted`` of it says how often what was in it."""
    counts: Counter[str] = Counter()
    found = dict(values) | dict(_words(values, _WORDS, redactor, counts))
    for name in ("tool_names", "tags"):
        if values.get(name):
            found[name] = [redact_text(redactor, text, counts)[:_LONGEST_TAG] for text in values[name]]
    if values.get("endpoint"):
        found["endpoint"] = redact_target(redactor, values["endpoint"], counts)[:500]
    if values.get("metadata"):
        pairs = redact_values(redactor, values["metadata"], counts)
        found["metadata"] = {key[:_LONGEST_KEY]: value[:_LONGEST_VALUE] for key, value in pairs.items()}
    for name in ("prompt_variables", "usage_raw"):
        if values.get(name):
            found[name] = redact_values(redactor, values[name], counts)
    for name in ("attempts_made", "feedback"):
        if values.get(name):
            found[name] = [_beside(item, redactor, counts) for item in values[name]]
    sides = {name: _body(values[name], redactor, counts) for name in _sides(values)}
    return _told(found | sides, values, counts)


def _sides(values: Mapping[str, Any]) -> list[str]:
    return [name for name in ("request_body", "response_body") if values.get(name) is not None]


def _told(found: dict[str, Any], before: Mapping[str, Any], counts: Counter[str]) -> dict[str, Any]:
    """Note what was taken out; a part of what is hashed may have gone, too."""
    if not counts:
        return found
    if found.get("response_body") != before.get("response_body"):
        found["response_sha256"] = None
    if found.get("content_state") == ContentState.STORED and any(
        found[name] != before[name] for name in _sides(before)
    ):
        found["content_state"] = ContentState.REDACTED.value
    kept = found.get("metadata") or {}
    told = [f"{name}={number}" for name, number in sorted(counts.items())]
    # What was taken out where it was recorded stays said.
    found["metadata"] = {**kept, REDACTED: " ".join([*str(kept.get(REDACTED, "")).split(), *told])[:_LONGEST_VALUE]}
    return found


def _words(
    values: Mapping[str, Any], names: Sequence[str], redactor: Redactor, counts: Counter[str]
) -> Iterator[tuple[str, str]]:
    for name in names:
        if isinstance(text := values.get(name), str):
            yield name, redact_text(redactor, text, counts)[: _LONGEST.get(name)]


def _beside(item: Mapping[str, Any], redactor: Redactor, counts: Counter[str]) -> dict[str, Any]:
    """Return a try, or what was thought of a call."""
    return dict(item) | dict(_words(item, _OPINION, redactor, counts))


def _body(body: _Body, redactor: Redactor, counts: Counter[str]) -> dict[str, Any]:
    """Return one side as it may be kept: compressed ones as what they mean, and none that cannot be looked through."""
    before = _content(body)
    content, error = (before, None)
    if body.get("content_encoding"):
        content, error = decode(before, body["content_encoding"], max(1, redactor.max_bytes))
    found = None if error is not None else redact_body(redactor, content)
    if found is None and before:
        counts[UNREADABLE] += 1
    found = found or Redacted(b"")
    counts.update(found.counts)
    kept: dict[str, Any] = {**body, "headers": _headers(body, redactor, counts)}
    kept["edits"] = _edits(body.get("edits") or (), found, redactor, counts) or body.get("edits")
    if found.data == before:
        return kept
    facts = {"encoding": "utf-8", "kept_length": len(found.data), "content_encoding": None, "sha256": None}
    # The last character may be cut off.
    said = found.data.decode("utf-8", "ignore")
    return {**kept, **facts, "content": said, "kept_length": len(said.encode()), "timings": None}


def _content(body: _Body) -> bytes:
    said = str(body["content"])
    return base64.b64decode(said) if body["encoding"] == "base64" else said.encode()


def _headers(body: _Body, redactor: Redactor, counts: Counter[str]) -> Any:
    said = tuple((str(name), str(value)) for name, value in body.get("headers") or ())
    return [list(pair) for pair in redact_headers(redactor, said, counts)] if said else body.get("headers")


def _edits(edits: Sequence[Any], found: Redacted, redactor: Redactor, counts: Counter[str]) -> list[list[Any]]:
    """Return edits of a request as edits of the one that is kept."""
    made: list[list[Any]] = []
    before = 0
    for offset, removed, text in edits:
        start = max(found.place(offset), before)
        before = max(start, found.place(offset + removed, is_end=True))
        made.append([start, before - start, redact_text(redactor, text, counts) if text else text])
    return made

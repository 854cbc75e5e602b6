"""An entry as an export would have it once it is stored: for calls that wait for the writer in that form."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import orjson

from proxy.domain.interaction import Body, Entry
from proxy.forms.writing import Form
from proxy.store.contents.parts import Parts, StoredBody
from proxy.store.schema.columns import instant_text
from proxy.store.schema.decoding import decoded
from proxy.store.schema.rows import COLUMNS, TRUTHS, interaction_row

_WHOLE = Form(COLUMNS, has_content=True)


def values_of(entry: Entry) -> dict[str, Any]:
    """Return what an export with its content says of a call; ``calls.entry_of`` makes it an entry again."""
    row = decoded(dict(zip(map(str, COLUMNS), interaction_row(entry.interaction), strict=True)))
    row |= {name: bool(row[name]) for name in TRUTHS}
    row["attempts_made"] = [{**asdict(item), "started_at": instant_text(item.started_at)} for item in entry.attempts]
    row["price"] = None if entry.price is None else {**asdict(entry.price), "rates": dict(entry.price.rates)}
    row["feedback"] = list(entry.feedback)
    parts = Parts(_kept(entry.request), _kept(entry.response), (entry.input_text, entry.output_text))
    found: dict[str, Any] = orjson.loads(_WHOLE.call(row, parts, is_first=True))
    return found


def _kept(body: Body | None) -> StoredBody | None:
    if body is None:
        return None
    facts = {name: getattr(body, name) for name in ("media_type", "content_encoding", "length", "sha256")}
    facts |= {name: [list(item) for item in getattr(body, name)] or None for name in ("headers", "edits")}
    return StoredBody({**facts, "kept_length": len(body.content)}, body.content, list(body.timings))

"""Calls that are on record already, beside the same calls as somebody else has them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from proxy.domain.interaction import Entry
from proxy.domain.outcome import ContentState
from proxy.store.reading.reader import Reader
from proxy.store.schema.decoding import Row, decoded
from proxy.store.schema.rows import COLUMNS, interaction_row

_SINCE = frozenset({"score", "score_count"})
"""What may be said of a call long after it; feedback is given to either of two records."""
_TEXTS = frozenset({"content_state", "input_preview", "output_preview", "prompt_variables"})
_AT_ONCE = 500


def rows_of(reader: Reader, identities: Sequence[str]) -> dict[str, Row]:
    """Return those of some calls that are on record, by their ids."""
    return _named(reader, identities, "interaction")


def erased_of(reader: Reader, identities: Sequence[str]) -> set[str]:
    """Return those of some calls that were on record and are erased: they do not come back."""
    return set(_named(reader, identities, "tombstone"))


def _named(reader: Reader, identities: Sequence[str], table: str) -> dict[str, Row]:
    found: dict[str, Row] = {}
    for start in range(0, len(identities), _AT_ONCE):
        part = tuple(identities[start : start + _AT_ONCE])
        sql = f"SELECT * FROM {table} WHERE id IN ({','.join('?' * len(part))})"  # noqa: S608 - placeholders only
        found |= {str(row["id"]): row for row in reader.answer((sql, part))}
    return found


def differences(row: Row, entry: Entry) -> list[str]:
    """Return the columns in which a call on record differs from an entry of the same id.

    A call that comes without its bodies, or without all its texts, is not another one for that.
    """
    wanted: dict[str, Any] = decoded(dict(zip(COLUMNS, interaction_row(entry.interaction), strict=True)))
    ignored = _SINCE
    if entry.interaction.content_state is ContentState.PRUNED and entry.request is None and entry.response is None:
        ignored |= {"content_state"}
    if entry.interaction.content_state is ContentState.OFF:
        ignored |= _TEXTS
    return [name for name in COLUMNS if name not in ignored and row[name] != wanted[name]]

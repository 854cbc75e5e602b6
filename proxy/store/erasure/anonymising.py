"""Making calls anonymous: whatever may say who somebody is goes, facts, counts and costs stay.

Which tag or property names a person cannot be told by looking: all of them go, but those whose keys are to be kept.
Texts go as with ``erasing.strip``. Users may become pseudonyms, the same one for the same user within one run: they are
made with a key that is thrown away when the run is over, and lead back to nobody.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection

from proxy.domain.retention import EXPIRES
from proxy.store.engines.bulk import run_many
from proxy.store.erasure.erasing import forget, held_rows, let_opinions_go, sessions_of, strip
from proxy.store.schema.decoding import Row
from proxy.store.schema.rows import TAG_KEY, json_text
from proxy.store.sums.counting import Recount, count, counted

WHO = ("user_id", "session_id", "client_request_id", "provider_request_id", "trace_id", "parent_id")
"""The columns that say who it was, or lead there."""
ANONYMOUS = "anonymous-"
"""How a pseudonym begins."""
_UPDATE = (
    "UPDATE interaction SET user_id = ?, session_id = NULL, client_request_id = NULL, provider_request_id = NULL, "
    "trace_id = NULL, parent_id = NULL, tags = ?, metadata = ? WHERE id = ?"
)
_NEW_ID = {"postgresql": "CAST(gen_random_uuid() AS text)", "sqlite": "lower(hex(randomblob(16)))"}
_FEEDBACK = (
    "UPDATE feedback SET id = {}, reference = NULL, session_id = NULL, author = 'anonymous' WHERE interaction_id = ?"
)
"""Whoever gives feedback chooses its id, which may be a name."""


@dataclass(frozen=True, slots=True)
class Manner:
    """What is left: tags and properties with these keys; pseudonyms for users, or nothing."""

    keep: tuple[str, ...] = ()
    has_pseudonyms: bool = False


def anonymise(connection: Connection, ids: Sequence[str], manner: Manner, key: bytes | None) -> int:
    """Make calls anonymous, in the caller's transaction; return how many. Without the run's key users are nobody."""
    strip(connection, ids)
    sessions = sessions_of(connection, sorted(set(ids)))
    olds = list(held_rows(connection, sorted(set(ids)), "*"))
    news = [_nobody(row, manner, key) for row in olds]
    run_many(
        connection,
        _UPDATE,
        [(row["user_id"], json_text(row["tags"]), json_text(row["metadata"]), row["id"]) for row in news],
    )
    for old, new in zip(olds, news, strict=True):
        _keep_labels(connection, old, new)
    run_many(connection, _FEEDBACK.format(_NEW_ID[connection.dialect.name]), [(row["id"],) for row in news])
    let_opinions_go(connection, sessions)
    forget(connection, [row["id"] for row in news], (*WHO, "tags", "metadata"))
    count(connection, Recount([counted(row) for row in olds], [counted(row) for row in news]))
    return len(news)


def _nobody(row: Row, manner: Manner, key: bytes | None) -> Row:
    kept = {*manner.keep, EXPIRES}
    tags = [tag for tag in row["tags"] or () if tag in manner.keep]
    metadata = {name: value for name, value in (row["metadata"] or {}).items() if name in kept}
    user = pseudonym(row["user_id"], key)
    return {**row, **dict.fromkeys(WHO), "user_id": user, "tags": tags or None, "metadata": metadata or None}


def pseudonym(user: str | None, key: bytes | None) -> str | None:
    """Return what a user is called from now on; whoever is anonymous already stays so."""
    if user is None or user.startswith(ANONYMOUS):
        return user
    return None if key is None else f"{ANONYMOUS}{hmac.new(key, user.encode(), hashlib.sha256).hexdigest()[:16]}"


def _keep_labels(connection: Connection, old: Row, new: Row) -> None:
    before = {*(f"{TAG_KEY}{tag}" for tag in old["tags"] or ()), *(old["metadata"] or {})}
    after = {*(f"{TAG_KEY}{tag}" for tag in new["tags"] or ()), *(new["metadata"] or {})}
    sql = "DELETE FROM interaction_metadata WHERE interaction_id = ? AND key = ?"
    run_many(connection, sql, [(new["id"], name) for name in sorted(before - after)])

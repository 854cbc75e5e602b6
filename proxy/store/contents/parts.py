"""What is kept of a call beside its row: either side's bytes with what is known of them, and both as plain text."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection

from proxy.store.contents import hidden
from proxy.store.contents.bodies import SEALED_EDITS, place_of, read_body, read_varints
from proxy.store.schema.decoding import decoded

_BODY = "SELECT * FROM interaction_body WHERE interaction_id = ? AND side = ?"
_ATTEMPTS = "SELECT * FROM attempt WHERE interaction_id IN ({}) ORDER BY interaction_id, number"
_FEEDBACK = "SELECT * FROM feedback WHERE interaction_id IN ({}) ORDER BY interaction_id, id"
_PRICES = "SELECT * FROM price WHERE id IN ({})"
_AT_ONCE = 500
_TEXTS = "SELECT input_text, output_text FROM interaction_text WHERE interaction_id = ?"


@dataclass(frozen=True, slots=True)
class StoredBody:
    """One side of a call: its facts and its bytes as they were kept."""

    facts: dict[str, Any]
    content: bytes
    timings: list[tuple[int, int]]


@dataclass(frozen=True, slots=True)
class Parts:
    """What is kept of a call beside its row; ``texts`` are what was asked and answered."""

    request: StoredBody | None
    response: StoredBody | None
    texts: tuple[str | None, str | None]


def side_of(connection: Connection, identity: str, side: str) -> StoredBody | None:
    """Return one side, its facts as the columns have them; None when none was kept."""
    found = connection.exec_driver_sql(_BODY, (identity, side)).mappings().first()
    if found is None:
        return None
    numbers = read_varints(found["timings"]) if found["timings"] else []
    facts = {name: value for name, value in found.items() if name not in ("data", "timings")}
    content = read_body(connection, found["form"], found["data"], place_of(identity, side))
    if facts["edits"] == SEALED_EDITS:
        facts["edits"] = hidden.edits_of(connection, identity)
    return StoredBody(facts, content, list(zip(numbers[::2], numbers[1::2], strict=False)))


def texts_of(connection: Connection, identity: str) -> tuple[str | None, str | None]:
    """Return the question and the answer as plain text, as far as they are kept."""
    found = connection.exec_driver_sql(_TEXTS, (identity,)).first()
    return hidden.texts_of(connection, identity) if found is None else (found[0], found[1])


def beside(connection: Connection, rows: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """Return, by the ids of calls, their ``attempts_made``, the ``price`` they were charged at, and ``feedback``."""
    ids = [row["id"] for row in rows]
    tries = _named(connection, _ATTEMPTS, ids)
    hidden.fill_attempts(connection, tries, set())
    attempts = _by_call({**item, "reused": bool(item["reused"])} for item in tries)
    thoughts = _by_call(_named(connection, _FEEDBACK, ids))
    wanted = list(dict.fromkeys(row["price_id"] for row in rows if row["price_id"]))
    prices = {item["id"]: decoded(item) for item in _named(connection, _PRICES, wanted)}
    return {
        row["id"]: {
            "attempts_made": attempts.get(row["id"], []), "price": prices.get(row["price_id"]),
            "feedback": thoughts.get(row["id"], []),
        }
        for row in rows
    }  # fmt: skip


def _by_call(found: Iterable[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    calls: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
    for item in found:
        calls[item["interaction_id"]].append(item)
    return calls


def _named(connection: Connection, sql: str, names: Sequence[str]) -> list[dict[str, Any]]:
    found = []
    for start in range(0, len(names), _AT_ONCE):
        part = tuple(names[start : start + _AT_ONCE])
        statement = sql.format(",".join("?" * len(part)))
        found += [dict(item) for item in connection.exec_driver_sql(statement, part).mappings()]
    return found

"""The account of every call ever accepted: accepted = stored + pending + quarantined + dropped, by source and in sum.

The sides are counted apart: accepted and dropped by the gateway in its page, stored and quarantined by the store in the
rows' transaction, pending by reading the spool.
"""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Mapping, Sequence

from proxy.store.reading.reader import Reader
from proxy.store.schema.decoding import Row
from proxy.store.writing.positions import SourceState

Account = Mapping[str, object]
_SUMS = ("accepted", "stored", "pending", "quarantined")


def load_states(reader: Reader, instance: str) -> tuple[dict[str, Row], list[Row]]:
    """Return an instance's sources as the store has them, by name, and the parts of its parked calls."""
    with contextlib.closing(reader):
        return {row["source"]: row for row in reader.states(instance)}, reader.parked(instance)


def closed_account(row: Mapping[str, object]) -> dict[str, object]:
    """Return the line of a source that is not followed (any more), from its row in the store."""
    kept = {name: row[name] for name in ("source", "accepted", "stored", "quarantined")}
    return {**kept, "pending": 0, "dropped": row["dropped"] or {}, "alive": False}


def vanished(row: Row) -> SourceState:
    """Return the closed account of a source whose files are gone: what was accepted and is nowhere is lost."""
    dropped = {str(reason): int(count) for reason, count in (row["dropped"] or {}).items()}
    known = int(row["stored"]) + int(row["quarantined"]) + sum(dropped.values())
    missing = int(row["accepted"]) - known
    if missing > 0:
        dropped["lost"] = dropped.get("lost", 0) + missing
    place = int(row["segment"]), int(row["offset"])
    return SourceState(str(row["source"]), *place, max(int(row["accepted"]), known), dropped, is_closed=True)


def balance(accounts: Sequence[Account]) -> dict[str, object]:
    """Return the sum of accounts, and whether it balances; None as long as a backlog is not counted to its end."""
    sums: Counter[str] = Counter()
    dropped: Counter[str] = Counter()
    for account in accounts:
        sums.update({name: _number(account[name]) for name in _SUMS})
        reasons = account["dropped"]
        assert isinstance(reasons, Mapping)
        dropped.update(reasons)
    known = sums["stored"] + sums["pending"] + sums["quarantined"] + dropped.total()
    return {
        **{name: sums[name] for name in _SUMS},
        "dropped": dict(dropped),
        "balanced": sums["accepted"] == known if all(item.get("is_counted", True) for item in accounts) else None,
        "sources": [dict(account) for account in accounts],
    }


def unopened(pages: Sequence[Mapping[str, int]]) -> dict[str, object]:
    """Return what the gateways' pages tell while the store cannot be asked: what only that knows is None."""
    accepted = sum(page.get("accepted", 0) for page in pages)
    drops: Counter[str] = Counter()
    for page in pages:
        drops.update(
            {name.removeprefix("dropped_"): n for name, n in page.items() if name.startswith("dropped_") and n}
        )
    unknown = dict.fromkeys((*_SUMS[1:], "balanced"))
    return {"accepted": accepted, **unknown, "dropped": dict(drops), "sources": []}


def _number(value: object) -> int:
    assert isinstance(value, int)
    return value

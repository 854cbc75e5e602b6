"""Pages of a list, as OpenAI's API has them: limit, after, before, order, and which fields are wanted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from proxy.errors import UsageError

QUERY = ("limit", "after", "before", "order", "fields")
_USUAL, _MOST = 50, 500


def page(items: Sequence[Mapping[str, Any]], query: Mapping[str, str], key: str = "id") -> dict[str, Any]:
    """Return one page of what is there, in its order; ``key`` is the member that ``after`` and ``before`` name."""
    ordered = list(items) if query.get("order", "asc") == "asc" else list(reversed(items))
    if query.get("order", "asc") not in ("asc", "desc"):
        raise UsageError("order is asc or desc")
    ordered = _filtered(ordered, query)
    keys = [str(item[key]) for item in ordered]
    start = _place(keys, query["after"], "after") + 1 if "after" in query else 0
    end = _place(keys, query["before"], "before") if "before" in query else len(ordered)
    limit = limit_of(query)
    found = ordered[start:end][:limit]
    return {
        "object": "list",
        "data": [_with_fields(item, query.get("fields"), key) for item in found],
        "first_id": str(found[0][key]) if found else None,
        "last_id": str(found[-1][key]) if found else None,
        "has_more": start + limit < end,
    }


def limit_of(query: Mapping[str, str]) -> int:
    """Return how many are wanted at most."""
    said = query.get("limit", str(_USUAL))
    if not (said.isascii() and said.isdigit() and 0 < int(said[:9]) <= _MOST):
        raise UsageError(f"limit is a whole number from 1 to {_MOST}")
    return int(said)


def _filtered(items: list[Mapping[str, Any]], query: Mapping[str, str]) -> list[Mapping[str, Any]]:
    wanted = {name: value for name, value in query.items() if name not in QUERY}
    return [item for item in items if all(_text(item.get(name)) == value for name, value in wanted.items())]


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else "" if value is None else str(value)


def _place(keys: list[str], wanted: str, name: str) -> int:
    if wanted not in keys:
        raise UsageError(f"{name} names {wanted[:80]!r}, which is not in this list")
    return keys.index(wanted)


def _with_fields(item: Mapping[str, Any], fields: str | None, key: str) -> dict[str, Any]:
    if fields is None:
        return dict(item)
    names = [name.strip() for name in fields.split(",")]
    unknown = [name for name in names if name not in item]
    if unknown:
        raise UsageError(f"fields names {unknown[0][:60]!r}; there are: {', '.join(item)}")
    return {key: item[key], **{name: item[name] for name in names}}

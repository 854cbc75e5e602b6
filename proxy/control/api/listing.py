"""Pages of a list, as OpenAI's API has them: limit, after, before, order, and which fields are wanted.

``after`` and ``before`` name a row by its id, in the order that is asked for: with ``before`` alone comes the page that
ends right before it. A list is whole in memory (``page``) or comes from rows that have a number
(``span_of``, ``span_page``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from proxy.control.api.parameters import ParameterError, number
from proxy.store.catalogue.span import Span

QUERY = ("limit", "after", "before", "order", "fields")
_USUAL, _MOST = 50, 500
_ORDERS = ("asc", "desc")


def page(items: Sequence[Mapping[str, Any]], query: Mapping[str, str], key: str = "id") -> dict[str, Any]:
    """Return one page of what is there, in its order; ``key`` is the member that ``after`` and ``before`` name."""
    ordered = list(items) if order_of(query, "asc") == "asc" else list(reversed(items))
    ordered = _filtered(ordered, query)
    keys = [str(item[key]) for item in ordered]
    start = _place(keys, query["after"], "after") + 1 if "after" in query else 0
    end = _place(keys, query["before"], "before") if "before" in query else len(ordered)
    limit = limit_of(query)
    if is_backwards(query):
        return envelope(ordered[:end][-limit:], query, has_more=end > limit, key=key)
    return envelope(ordered[start:end][:limit], query, has_more=start + limit < end, key=key)


def envelope(
    items: Sequence[Mapping[str, Any]], query: Mapping[str, str], *, has_more: bool, key: str = "id"
) -> dict[str, Any]:
    """Return a page's rows as they are answered, with the fields that are wanted."""
    return {
        "object": "list",
        "data": [_with_fields(item, query.get("fields"), key) for item in items],
        "first_id": str(items[0][key]) if items else None,
        "last_id": str(items[-1][key]) if items else None,
        "has_more": has_more,
    }


def span_of(query: Mapping[str, str]) -> Span:
    """Return which rows of a list whose newest come first are to be read: one more than are wanted."""
    newest_first = order_of(query, "desc") == "desc"
    after, before = number(query, "after"), number(query, "before")
    low, high = (before, after) if newest_first else (after, before)
    newest_first = newest_first is not is_backwards(query)
    return Span(above=low or 0, below=high, newest_first=newest_first, limit=limit_of(query) + 1)


def span_page(found: Sequence[Mapping[str, Any]], query: Mapping[str, str]) -> dict[str, Any]:
    """Return the page that the rows of a span make."""
    limit = limit_of(query)
    rows = list(found[:limit])
    if is_backwards(query):
        rows.reverse()
    return envelope(rows, query, has_more=len(found) > limit)


def limit_of(query: Mapping[str, str]) -> int:
    """Return how many are wanted at most."""
    said = query.get("limit", str(_USUAL))
    if not (said.isascii() and said.isdigit() and 0 < int(said[:9]) <= _MOST):
        raise ParameterError("limit", f"must be a whole number from 1 to {_MOST}")
    return int(said)


def order_of(query: Mapping[str, str], usual: str) -> str:
    """Return the order that is wanted: asc or desc."""
    said = query.get("order", usual)
    if said not in _ORDERS:
        raise ParameterError("order", "is asc or desc")
    return said


def is_backwards(query: Mapping[str, str]) -> bool:
    """Tell whether the page before a row is wanted."""
    return "before" in query and "after" not in query


def _filtered(items: list[Mapping[str, Any]], query: Mapping[str, str]) -> list[Mapping[str, Any]]:
    wanted = {name: value for name, value in query.items() if name not in QUERY}
    return [item for item in items if all(_text(item.get(name)) == value for name, value in wanted.items())]


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else "" if value is None else str(value)


def _place(keys: list[str], wanted: str, name: str) -> int:
    if wanted not in keys:
        raise ParameterError(name, f"names {wanted[:80]!r}, which is not in this list")
    return keys.index(wanted)


def _with_fields(item: Mapping[str, Any], fields: str | None, key: str) -> dict[str, Any]:
    if fields is None:
        return dict(item)
    names = [name.strip() for name in fields.split(",")]
    unknown = [name for name in names if name not in item]
    if unknown:
        raise ParameterError("fields", f"names {unknown[0][:60]!r}; there are: {', '.join(item)}")
    return {key: item[key], **{name: item[name] for name in names}}

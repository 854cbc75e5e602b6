"""The statements behind lists and searches: what is asked for, as SQL of ours and the values beside it.

Nothing that a person typed is ever part of a statement: columns are looked up, values are bound. What reads with them
is ``reading``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from proxy.query.terms import Term, Word
from proxy.store.filters.terms import INDEXED_FROM, LABEL, condition_of, of_prompt
from proxy.store.schema.columns import instant_text
from proxy.store.schema.rows import COLUMNS, TAG_KEY

# As the indexes lie: ordered by id, a list of one model would first sort a million rows of it.
NEWEST_FIRST = "ORDER BY started_at DESC, id DESC"
OLDEST_FIRST = "ORDER BY started_at, id"
NO_ID = "00000000-0000-0000-0000-000000000000"
"""Lower than every id."""
_EXACT = {
    "provider": "provider", "outcome": "outcome", "operation": "operation", "user": "user_id",
    "session": "session_id", "app": "app", "environment": "environment",
}  # fmt: skip
Question = tuple[str, tuple[Any, ...]]
_IN_RARE = f"id IN ({LABEL})"
_IN_COMMON = f"EXISTS ({LABEL} AND interaction_id = id)"


@dataclass(frozen=True, slots=True)
class Condition:
    """A condition on calls, in SQL of ours, and the values of its places."""

    sql: str
    values: tuple[Any, ...] = ()


@dataclass(frozen=True, slots=True)
class Filters:
    """What to list. Instants are Unix milliseconds; texts match exactly, ``model`` may end in ``*``; all must match.

    ``prompt`` is a stored prompt: name, name@7, name@label as it was asked for, or name@1.1.

    ``terms`` are what a query of the search grammar says beyond that (``asking.filters_of``), its words among them.
    Before they are asked, words become ``texts`` (``text_index.resolved``; ``has_rare_texts``: it names its calls), and
    some terms ``others`` (``largest.named``).

    ``from_id`` and ``to_id`` bound the ids, the second not included: ``partitions.bounded`` finds them.
    """

    since: int | None = None
    until: int | None = None
    model: str | None = None
    provider: str | None = None
    outcome: str | None = None
    operation: str | None = None
    user: str | None = None
    session: str | None = None
    app: str | None = None
    environment: str | None = None
    prompt: str | None = None
    tags: tuple[str, ...] = ()
    metadata: tuple[tuple[str, str], ...] = ()
    terms: tuple[Term | Word, ...] = ()
    others: tuple[Condition, ...] = ()
    texts: Condition | None = None
    has_rare_texts: bool = False
    from_id: str | None = None
    to_id: str | None = None

    def labels(self) -> list[tuple[str, str]]:
        """Return tags and metadata as the keys and values of ``interaction_metadata``."""
        return [*((f"{TAG_KEY}{tag}", tag) for tag in self.tags), *self.metadata]


@dataclass(frozen=True, slots=True)
class Order:
    """How to list instead of the newest first: by a column of ``interaction``."""

    column: str
    is_largest_first: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """Which part of a list in the order of time: between two calls, neither included, from one of its ends.

    A call's place is (``started_at``, ``id``).
    """

    above: tuple[str, str] | None = None
    below: tuple[str, str] | None = None
    newest_first: bool = True


WHOLE = Section()


def listing(
    filters: Filters, limit: int, order: Order | None = None, *, has_rare_label: bool = False
) -> tuple[str, tuple[Any, ...]]:
    """Return the statement that lists what is wanted, the newest first or by a column, and its values."""
    return _selecting("*", filters, WHOLE, _order_by(order), limit, has_rare_label=has_rare_label)


def listing_largest(filters: Filters, limit: int, order: Order, *, has_rare_label: bool = False) -> Question | None:
    """Return the same of those calls only that an index holds for their size; None where there is no such index.

    Where there are ``limit`` of them, no other call is among the largest.
    """
    least = INDEXED_FROM.get(order.column) if order.is_largest_first else None
    if least is None:
        return None
    # Here it is known, and in the order of the index.
    only, by = f"{order.column} >= {least}", f'ORDER BY "{order.column}" DESC, started_at DESC, id DESC'
    return _selecting("*", filters, WHOLE, by, limit, has_rare_label=has_rare_label, only=only)


def section(
    filters: Filters, part: Section, limit: int, columns: Sequence[str], *, has_rare_label: bool = False
) -> tuple[str, tuple[Any, ...]]:
    """Return the statement that gives columns of a part of a list, and its values."""
    if unknown := set(columns) - set(COLUMNS):
        raise ValueError(f"{unknown} are no columns")
    named = ", ".join(f'"{name}"' for name in columns)
    order = NEWEST_FIRST if part.newest_first else OLDEST_FIRST
    return _selecting(named, filters, part, order, limit, has_rare_label=has_rare_label)


def counting(filters: Filters, most: int, *, has_rare_label: bool = False) -> tuple[str, tuple[Any, ...]]:
    """Return the statement that counts what is wanted, up to so many, and its values."""
    sql, values = _selecting("1 AS one", filters, WHOLE, "", most, has_rare_label=has_rare_label)
    return f"SELECT count(*) AS calls FROM ({sql}) AS found", values  # noqa: S608 - ours


def _selecting(
    what: str,
    filters: Filters,
    part: Section,
    order: str,
    limit: int,
    *,
    has_rare_label: bool,
    only: str | None = None,
) -> Question:
    conditions, values = conditions_of(filters, _IN_RARE if has_rare_label else _IN_COMMON)
    conditions += [] if only is None else [only]
    for place, sign in ((part.above, ">"), (part.below, "<")):
        if place is not None:
            conditions.append(f"(started_at, id) {sign} (?, ?)")
            values += place
    where = f"WHERE {' AND '.join(conditions)} " if conditions else ""
    return f"SELECT {what} FROM interaction {where}{order} LIMIT ?", (*values, limit)  # noqa: S608 - ours


def _order_by(order: Order | None) -> str:
    if order is None:
        return NEWEST_FIRST
    if order.column not in COLUMNS:
        raise ValueError(f"{order.column} is no column")
    # What is not known is neither large nor small, and never first.
    direction = "DESC" if order.is_largest_first else "ASC"
    return f'ORDER BY "{order.column}" IS NULL, "{order.column}" {direction}, started_at DESC, id DESC'


def slice_of(identity: str, filters: Filters, limit: int) -> tuple[str, tuple[Any, ...]]:
    """Return the statement that gives the next rows behind an id, and its values.

    The filters are behind a CASE, so that no index of theirs is taken: else every slice sorts all that is left.
    """
    where, bounds = "id > ?", [max(identity or NO_ID, filters.from_id or NO_ID)]
    if filters.to_id is not None:
        where, bounds = f"{where} AND id < ?", [*bounds, filters.to_id]
    conditions, values = conditions_of(replace(filters, from_id=None, to_id=None))
    if conditions:
        where = f"{where} AND CASE WHEN {' AND '.join(conditions)} THEN 1 ELSE 0 END = 1"
    sql = (
        "SELECT *, (SELECT upstream FROM attempt WHERE interaction_id = id ORDER BY number DESC LIMIT 1) "  # noqa: S608 - ours
        f"AS upstream FROM interaction WHERE {where} ORDER BY id LIMIT ?"
    )
    return sql, (*bounds, *values, limit)


def with_texts(question: Question) -> Question:
    """Return a question for calls, the newest first, with their texts beside them."""
    sql, values = question
    return (
        f"SELECT i.*, t.input_text, t.output_text FROM ({sql}) AS i "  # noqa: S608 - ours
        "JOIN interaction_text AS t ON t.interaction_id = i.id ORDER BY i.started_at DESC, i.id DESC",
        values,
    )


def looking(filters: Filters, before: tuple[str, str] | None, page: int, what: str = "*") -> Question:
    """Return the question for a ``page`` of so many calls to look through, whatever their texts."""
    others, part = replace(filters, texts=None), Section(below=before)
    return _selecting(what, others, part, NEWEST_FIRST, page, has_rare_label=False)


def looked_through(look: Question, texts: Condition) -> Question:
    """Return the question for those of some calls whose texts are as wanted, with their texts."""
    sql, values = look
    found = f"SELECT * FROM ({sql}) AS page WHERE {texts.sql}"  # noqa: S608 - ours
    return with_texts((found, (*values, *texts.values)))


def models_beginning(beginning: str, limit: int) -> Question:
    """Return the question for names of models that begin so, by leaps through the index."""
    sql = (
        "WITH RECURSIVE named(name) AS (SELECT min(model) FROM interaction WHERE model >= ? UNION ALL "
        "SELECT (SELECT min(model) FROM interaction WHERE model > name) FROM named WHERE name IS NOT NULL) "
        "SELECT name FROM named WHERE substr(name, 1, ?) = ? LIMIT ?"
    )
    return sql, (beginning, len(beginning), beginning, limit)


def conditions_of(filters: Filters, has_label: str = _IN_COMMON) -> tuple[list[str], list[Any]]:
    """Return the conditions that filters mean, and their values."""
    found = list(_conditions(filters, has_label))
    return [condition.sql for condition in found], [value for condition in found for value in condition.values]


def _conditions(filters: Filters, has_label: str) -> Iterator[Condition]:
    for name, column in _EXACT.items():
        if (wanted := getattr(filters, name)) is not None:
            yield Condition(f"{column} = ?", (wanted,))
    for label in filters.labels():
        yield Condition(has_label, tuple(label))
    if filters.model is not None:
        yield _of_model(filters.model)
    if filters.prompt is not None:
        sql, said = of_prompt(filters.prompt)
        yield Condition(sql, tuple(said))
    if filters.since is not None:
        yield Condition("started_at >= ?", (instant_text(filters.since),))
    if filters.until is not None:
        yield Condition("started_at < ?", (instant_text(filters.until),))
    yield from _said(filters)
    if filters.from_id is not None:
        yield Condition("id >= ?", (filters.from_id,))
    if filters.to_id is not None:
        yield Condition("id < ?", (filters.to_id,))


def _of_model(wanted: str) -> Condition:
    stem = wanted.removesuffix("*")
    if stem == wanted:
        return Condition("model = ?", (stem,))
    return Condition("substr(model, 1, ?) = ?", (len(stem), stem))


def _said(filters: Filters) -> Iterator[Condition]:
    """Yield what the terms and words of a query mean."""
    for term in filters.terms:
        if isinstance(term, Word):
            raise ValueError("words are looked for by text_index.resolved")
        sql, values = condition_of(term)
        yield Condition(sql, tuple(values))
    yield from filters.others
    if filters.texts is not None:
        yield filters.texts

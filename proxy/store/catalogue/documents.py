"""The catalogue as rows: read whole, written by its difference, each change a revision that can be gone back to.

The whole document is in its row and is what is read; the other columns are for people who query. What versions of
prompts say is in rows of their own, which no change touches (``prompt_versions``).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import orjson
from sqlalchemy import Connection, Table

from proxy.catalogue.catalogue import KINDS, AnyDocument, Catalogue, Key, catalogue_from_mapping, read_noun
from proxy.catalogue.changes import Change, changes
from proxy.catalogue.model import ModelDocument
from proxy.catalogue.price import PriceDocument
from proxy.catalogue.prompt import PromptDocument
from proxy.catalogue.provider import ProviderDocument
from proxy.catalogue.route import RouteDocument
from proxy.errors import InvalidError, NotFoundError, Problem
from proxy.store.catalogue import prompt_versions
from proxy.store.catalogue.span import NEWEST, Span
from proxy.store.catalogue.values import json_of, read_json
from proxy.store.engines.bulk import run_many
from proxy.store.engines.engine import Backend
from proxy.store.hosts import configuration
from proxy.store.hosts.configuration import Proposal, Revision
from proxy.store.schema.rows import insert_sql, upsert_sql
from proxy.store.schema.tables import metadata

CATALOGUE = "catalogue"
"""The kind of its revisions."""
_TABLES = {
    "providers": "provider", "models": "model", "prices": "price_rule", "routes": "route", "prompts": "prompt_template",
}  # fmt: skip


_known: dict[tuple[str, str], AnyDocument] = {}
"""The documents that were read last, by noun and text; replaced whole, so that threads need no lock."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Saved:
    """What a change came to: the revision that counts now, and what it changed; ``changes`` empty: nothing did."""

    revision: int
    changes: tuple[Change, ...]


def load(connection: Connection) -> Catalogue:
    """Return the catalogue as it stands; ``InvalidError`` where a document cannot be read any more.

    What was read before and still says the same is not read again: of thousands of documents one has changed.
    """
    global _known
    before, problems = _known, list[Problem]()
    found: dict[tuple[str, str], AnyDocument] = {}
    for noun, table in _TABLES.items():
        texts = [_text(document) for (document,) in connection.exec_driver_sql(_all_of(table))]
        found |= {(noun, text): before[noun, text] for text in texts if (noun, text) in before}
        new = [text for text in texts if (noun, text) not in before]
        read = read_noun(noun, list(map(orjson.loads, new)), problems)
        found |= {(noun, text): document for text, document in zip(new, read, strict=not problems)}
    if problems:
        raise InvalidError(problems)
    _known = found
    return Catalogue().put(*found.values())


def save(
    connection: Connection, backend: Backend, before: Catalogue, after: Catalogue, *, author: str, reason: str = ""
) -> Saved:
    """Write what makes ``after`` of ``before``, and the revision that says so.

    ``InvalidError`` where a prompt's number would become another version than it ever was: nothing is to be committed.
    """
    made = changes(before, after)
    for noun in KINDS:
        _write(connection, noun, [item for item in made if item.noun == noun], after)
    return Saved(revision=_record(connection, backend, after, made, author, reason), changes=made)


def at(connection: Connection, number: int) -> Catalogue:
    """Return the catalogue of a revision; ``NotFoundError`` where there is none of this number."""
    found = revision(connection, number)
    return catalogue_from_mapping(orjson.loads(found.data or b"{}"))


def revision(connection: Connection, number: int) -> Revision:
    """Return a revision of the catalogue; ``NotFoundError`` where there is none of this number."""
    sql = "SELECT number FROM config_revision WHERE number = ? AND kind = ?"
    if connection.exec_driver_sql(sql, (number, CATALOGUE)).one_or_none() is None:
        raise NotFoundError(f"there is no revision {number} of the catalogue", hint="dashcam config revisions")
    return configuration.read(connection, number)


def revisions(
    connection: Connection, span: Span = NEWEST, *, kinds: Sequence[str] = (CATALOGUE,)
) -> list[dict[str, Any]]:
    """Return revisions of these kinds without what they hold: number, kind, author, made_at, document of changes."""
    conditions, values = span.conditions()
    conditions.append(f"kind IN ({', '.join('?' * len(kinds))})")
    where = " AND ".join(conditions)
    sql = f"SELECT number, kind, author, made_at, document FROM config_revision WHERE {where} {span.order}"  # noqa: S608 - ours
    rows = connection.exec_driver_sql(sql, (*values, *kinds, span.limit)).mappings()
    return [{**row, "document": read_json(row["document"])} for row in rows]


def newest(connection: Connection) -> int:
    """Return the number of the revision that counts, 0 before the first."""
    sql = "SELECT coalesce(max(number), 0) FROM config_revision WHERE kind = ?"
    return int(connection.exec_driver_sql(sql, (CATALOGUE,)).scalar_one())


# -- rows ---------------------------------------------------------------------------------------------------


def _write(connection: Connection, noun: str, made: list[Change], after: Catalogue) -> None:
    table = _table(_TABLES[noun])
    keys = [column.name for column in table.primary_key]
    gone = [_key_values(item.key) for item in made if item.kind == "removed"]
    where = " AND ".join(f"{name} = ?" for name in keys)
    run_many(connection, f"DELETE FROM {table.name} WHERE {where}", gone)  # noqa: S608 - our own names
    documents = [after.of(noun)[item.key] for item in made if item.kind != "removed"]
    others = [column.name for column in table.columns if column.name not in keys]
    run_many(connection, upsert_sql(table, replaced=others), [_ROW_OF[type(item)](item) for item in documents])
    if noun == "prompts":
        _write_labels(connection, [item.key for item in made if isinstance(item.key, str)], after)
        prompt_versions.add(connection, documents)


def _write_labels(connection: Connection, names: list[str], after: Catalogue) -> None:
    run_many(connection, "DELETE FROM prompt_label WHERE prompt = ?", [(name,) for name in names])
    labels = [
        (name, label, number)
        for name in names
        if name in after.prompts
        for label, number in after.prompts[name].labels.items()
    ]
    run_many(connection, insert_sql(_table("prompt_label")), labels)


def _record(
    connection: Connection, backend: Backend, after: Catalogue, made: tuple[Change, ...], author: str, reason: str
) -> int:
    data = orjson.dumps(after.to_mapping())
    document = {"reason": reason[:500], "changes": [item.to_mapping() for item in made]}
    sha256 = hashlib.sha256(data).hexdigest()
    proposal = Proposal(kind=CATALOGUE, sha256=sha256, document=document, data=data, author=author)
    return configuration.record(connection, backend, proposal)


def _provider(item: ProviderDocument) -> tuple[Any, ...]:
    return item.name, item.kind, item.base_url, item.key_env, item.active, json_of(item.to_mapping())


def _model(item: ModelDocument) -> tuple[Any, ...]:
    day = item.shutdown_date.isoformat() if item.shutdown_date else None
    limits = item.context_window, item.max_output_tokens
    return item.provider, item.name, item.display_name, *limits, day, item.active, json_of(item.to_mapping())


def _price(item: PriceDocument) -> tuple[Any, ...]:
    days = tuple(day.isoformat() if day else None for day in (item.valid_from, item.valid_until))
    return item.key, item.provider, item.model, item.tier, *days, item.source, json_of(item.to_mapping())


def _route(item: RouteDocument) -> tuple[Any, ...]:
    return item.name, item.prompt, item.recording, item.active, json_of(item.to_mapping())


def _prompt(item: PromptDocument) -> tuple[Any, ...]:
    return item.name, item.goal, item.category, item.active, json_of(item.to_mapping())


_ROW_OF: dict[type[AnyDocument], Callable[[Any], tuple[Any, ...]]] = {
    ProviderDocument: _provider,
    ModelDocument: _model,
    PriceDocument: _price,
    RouteDocument: _route,
    PromptDocument: _prompt,
}


def _key_values(key: Key) -> tuple[str, ...]:
    return (key,) if isinstance(key, str) else key


def _text(document: Any) -> str:
    """Return a document's text, which one engine gives and the other has decoded."""
    return document if isinstance(document, str) else json_of(document)


def _all_of(table: str) -> str:
    return f"SELECT document FROM {table}"  # noqa: S608 - our own names


def _table(name: str) -> Table:
    return metadata.tables[name]

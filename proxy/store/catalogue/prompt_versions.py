"""Versions of prompts as rows: added once and never touched again, with what they say.

That a label went elsewhere, or the prompt itself is gone, changes nothing about what calls on record were made of. A
number means one content for ever, also that of a version or a prompt that was deleted. Contents have no names: they are
known by their SHA-256.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy import Connection

from proxy.catalogue.catalogue import place_of
from proxy.catalogue.prompt import PromptDocument, VersionHead
from proxy.errors import InvalidError, NotFoundError, Problem
from proxy.store.catalogue.values import instant, instant_from, json_of, read_json
from proxy.store.engines.bulk import run_many
from proxy.store.schema.rows import insert_sql
from proxy.store.schema.tables import metadata

_VERSION = insert_sql(metadata.tables["prompt_version"], ignore=True)
_CONTENT = insert_sql(metadata.tables["prompt_content"], ignore=True)


def highest_number(connection: Connection, prompt: str) -> int:
    """Return the highest number that a version of a prompt ever had, 0 for none; also of one that was deleted."""
    sql = "SELECT coalesce(max(number), 0) FROM prompt_version WHERE prompt = ?"
    return int(connection.exec_driver_sql(sql, (prompt,)).scalar_one())


def highest_numbers(connection: Connection, prompts: Iterable[str]) -> dict[str, int]:
    """Return the same of several prompts, by their names."""
    return {name: highest_number(connection, name) for name in prompts}


def former_version(connection: Connection, prompt: str, number: int) -> VersionHead:
    """Return the head of a version that there is or was, also of a prompt that was deleted: calls on record name it."""
    sql = "SELECT name, sha256, author, note, made_at FROM prompt_version WHERE prompt = ? AND number = ?"
    row = connection.exec_driver_sql(sql, (prompt, number)).mappings().one_or_none()
    if row is None:
        raise NotFoundError(f"there never was a version {number} of a prompt {prompt[:200]!r}")
    return VersionHead(**{**row, "number": number, "made_at": instant_from(row["made_at"])})


def add(connection: Connection, prompts: Iterable[PromptDocument]) -> None:
    """Add the versions that are new; ``InvalidError`` where a number would become another version than it was."""
    for prompt in prompts:
        rows = [
            (prompt.name, item.number, item.name, item.sha256, item.author, item.note, instant(item.made_at))
            for item in prompt.versions
        ]
        run_many(connection, _VERSION, rows)
        _refuse_others(connection, prompt)


def _refuse_others(connection: Connection, prompt: PromptDocument) -> None:
    """Raise ``InvalidError`` where a number has meant something else: calls on record name it, whoever had it then."""
    sql = "SELECT number, sha256 FROM prompt_version WHERE prompt = ?"
    known = {int(number): sha256 for number, sha256 in connection.exec_driver_sql(sql, (prompt.name,))}
    problems = [
        Problem(
            f"{place_of('prompts', prompt.name)}.versions.{item.number}",
            f"this number was another version's once and never means anything else; {max(known) + 1} is free",
        )
        for item in prompt.versions
        if known[item.number] != item.sha256
    ]
    if problems:
        raise InvalidError(problems)


def keep_contents(connection: Connection, contents: Mapping[str, Mapping[str, Any]]) -> None:
    """Keep what versions say, by SHA-256; what is there already stays."""
    rows = [(sha256, json_of(content)) for sha256, content in contents.items()]
    run_many(connection, _CONTENT, rows)


def contents(connection: Connection, hashes: Iterable[str]) -> dict[str, dict[str, Any]]:
    """Return what versions say, by SHA-256; ``NotFoundError`` names one that is not there."""
    wanted = sorted(set(hashes))
    found: dict[str, dict[str, Any]] = {}
    for start in range(0, len(wanted), 500):
        some = wanted[start : start + 500]
        marks = ",".join("?" * len(some))
        sql = f"SELECT sha256, content FROM prompt_content WHERE sha256 IN ({marks})"  # noqa: S608 - placeholders only
        found |= {name: read_json(content) for name, content in connection.exec_driver_sql(sql, tuple(some))}
    if missing := [name for name in wanted if name not in found]:
        raise NotFoundError(f"the content {missing[0]} of a prompt is not in the database")
    return found

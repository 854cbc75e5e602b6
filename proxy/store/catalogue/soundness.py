"""Whether the catalogue in a database is whole: every document is readable, is what the newest revision says it is, and
every version of a prompt has its content. Rows that were altered by hand are found so; what to do is said elsewhere.
"""

from __future__ import annotations

import hashlib

from sqlalchemy import Connection

from proxy.catalogue.catalogue import Catalogue
from proxy.catalogue.changes import changes
from proxy.errors import InvalidError, NotFoundError
from proxy.prompting.version import canonical
from proxy.store.catalogue import documents, prompt_versions

_MOST = 20


def wrong_in(connection: Connection) -> tuple[int, list[str]]:
    """Return how many documents can be read, and what is wrong with them."""
    number = documents.newest(connection)
    count, wrong = _look(connection, number)
    if wrong and documents.newest(connection) != number:
        # It was changed while we looked: on Postgres each question sees what was committed before it.
        count, wrong = _look(connection, documents.newest(connection))
    return count, wrong[:_MOST]


def _look(connection: Connection, number: int) -> tuple[int, list[str]]:
    try:
        found = documents.load(connection)
    except InvalidError as error:
        return 0, [f"a document cannot be read: {problem}" for problem in error.problems]
    return sum(1 for _ in found), [*_unlike(connection, found, number), *_without_content(connection, found)]


def _unlike(connection: Connection, found: Catalogue, number: int) -> list[str]:
    try:
        said = documents.at(connection, number) if number else Catalogue()
    except (InvalidError, ValueError) as error:
        return [f"revision {number} of the catalogue cannot be read: {error}"]
    # Names only: what a document says may be somebody's business.
    return [f"{item.noun} {item.name}: is {item.kind} against revision {number}" for item in changes(said, found)]


def _without_content(connection: Connection, found: Catalogue) -> list[str]:
    wrong = []
    for sha256 in sorted(found.hashes()):
        try:
            content = prompt_versions.contents(connection, [sha256])[sha256]
        except NotFoundError:
            wrong.append(f"the content {sha256[:12]} of a prompt is missing")
            continue
        if hashlib.sha256(canonical(content)).hexdigest() != sha256:
            wrong.append(f"the content {sha256[:12]} of a prompt is not what its hash was made of")
    return wrong

"""What all hosts share and is changed while they run: revisions of a kind, appended and never altered.

The highest number of a kind counts, on every host alike, in whatever order two of them were committed. A revision is a
small document, and bytes where there is more. What a kind means and how it is put to use is said elsewhere
(``control.configuration``); here it is kept, told to those who listen, and read.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson
from sqlalchemy import Connection

from proxy.store.contents.bodies import pack, unpack
from proxy.store.engines.engine import Backend
from proxy.store.schema.columns import instant_text

CHANNEL = "dashcam_config"
PRICES = "prices"
_NEWEST = "SELECT kind, max(number) FROM config_revision GROUP BY kind"
_NEWEST_OF = "SELECT number, sha256 FROM config_revision WHERE kind = ? ORDER BY number DESC LIMIT 1"
_INSERT = (
    "INSERT INTO config_revision (kind, sha256, document, form, data, author, made_at) VALUES (?, ?, ?, ?, ?, ?, ?) "
    "RETURNING number"
)
_READ = "SELECT kind, sha256, document, form, data, author, made_at FROM config_revision WHERE number = ?"


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """What shall count from now on: ``sha256`` (hex) tells content from content, ``author`` is for people."""

    kind: str
    sha256: str
    document: Mapping[str, Any]
    data: bytes | None = None
    author: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Revision:
    """What counts since ``made_at`` (ISO, UTC)."""

    number: int
    kind: str
    sha256: str
    document: Mapping[str, Any]
    data: bytes | None
    author: str
    made_at: str


def record(connection: Connection, backend: Backend, proposal: Proposal) -> int:
    """Append a revision and return its number; what counts already is no new one."""
    newest = connection.exec_driver_sql(_NEWEST_OF, (proposal.kind,)).one_or_none()
    if newest is not None and newest[1] == proposal.sha256:
        return int(newest[0])
    form, data = (None, None) if proposal.data is None else pack(proposal.data)
    document = orjson.dumps(dict(proposal.document)).decode()
    made_at = instant_text(backend.now(connection))
    values = (proposal.kind, proposal.sha256, document, form, data, proposal.author[:200], made_at)
    number = int(connection.exec_driver_sql(_INSERT, values).scalar_one())
    backend.notify(connection, CHANNEL)
    return number


def newest(connection: Connection) -> dict[str, int]:
    """Return the number that counts of each kind."""
    return {str(kind): int(number) for kind, number in connection.exec_driver_sql(_NEWEST)}


def read(connection: Connection, number: int) -> Revision:
    """Return a revision that is there."""
    row = connection.exec_driver_sql(_READ, (number,)).mappings().one()
    document = row["document"]
    return Revision(
        number=number,
        kind=row["kind"],
        sha256=row["sha256"],
        document=orjson.loads(document) if isinstance(document, str) else document,
        data=None if row["data"] is None else unpack(row["form"], row["data"]),
        author=row["author"],
        made_at=row["made_at"],
    )

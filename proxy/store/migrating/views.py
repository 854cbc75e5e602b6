"""Views that somebody has dropped, made anew as the newest revision has them.

No row needs a view, so that a start does not look for them: whoever asks one that is gone is told, ``db check`` names
it, and ``dashcam db migrate`` makes it. What is made is what the revisions say last, read from their own statements.
What was somebody's own, and went with ours by CASCADE, and rights that others had on ours nobody can know here.
"""

from __future__ import annotations

import re
from pathlib import Path

from sqlalchemy import Connection

from proxy.store.migrating import soundness
from proxy.store.migrating.revisions import statements

_MADE = re.compile(r"^CREATE (?:OR REPLACE )?VIEW (\w+) AS\s.*?(?=;$)", re.MULTILINE | re.DOTALL)


def making(connection: Connection, folder: Path | None = None) -> dict[str, str]:
    """Return the statements that make the missing views of a database at the newest revision, by their names."""
    missing = soundness.missing_views(connection)
    if not missing:
        return {}
    said = {found[1]: found[0] for found in _MADE.finditer(statements(connection.dialect.name, None, folder))}
    return {name: said[name] for name in missing}


def make_missing(connection: Connection, folder: Path | None = None) -> list[str]:
    """Make them in the connection's transaction; return their names."""
    found = making(connection, folder)
    for statement in found.values():
        connection.exec_driver_sql(statement)
    return list(found)

"""Loaded by Datasette, not by Dashcam: lets only this machine's names ask, and only what is of calls be read.

Datasette looks at no Host header, so that any page in a browser could be led here under a name of its own; and whoever
may type SQL could read digests of keys and sealed secrets. Which tables and names are allowed stands in the metadata.
"""

import sqlite3
from urllib.parse import urlsplit

from datasette import hookimpl

_NAME = "dashcam-guard"
_VIEWS = "SELECT name FROM sqlite_master WHERE type = 'view'"
_INDEXES = "SELECT name FROM sqlite_master WHERE type = 'table' AND sql LIKE 'CREATE VIRTUAL %'"
_OF_SQLITE = {"sqlite_master", "sqlite_schema", "sqlite_temp_master", "sqlite_temp_schema", "json_each", "json_tree"}
"""What says what there is, and lists in values. Not its pages (sqlite_dbpage) and samples of values (sqlite_stat4)."""


@hookimpl
def prepare_connection(conn, database, datasette):
    """Let only what is of calls be read, also of what is made later, and attach no other file."""
    if not conn.execute("PRAGMA database_list").fetchone()[2]:
        # Datasette's own, in memory.
        return
    allowed = set((datasette.plugin_config(_NAME) or {}).get("tables") or ()) | _OF_SQLITE
    allowed |= {name for (name,) in conn.execute(_VIEWS)}
    # The full-text index, which is of the calls' texts, is several tables; SQLite reads them to open it at all.
    parts = ("pragma_", *(name for (name,) in conn.execute(_INDEXES)))

    def may(action, first, _second, _database, _trigger):
        is_hidden = action == sqlite3.SQLITE_READ and first not in allowed and not first.startswith(parts)
        return sqlite3.SQLITE_DENY if is_hidden or action == sqlite3.SQLITE_ATTACH else sqlite3.SQLITE_OK

    conn.set_authorizer(may)


@hookimpl
def asgi_wrapper(datasette):
    """Answer only those who call us by a name of this machine."""
    hosts = set((datasette.plugin_config(_NAME) or {}).get("hosts") or ())

    def wrap(app):
        async def answer(scope, receive, send):
            if scope["type"] == "http" and _host_of(scope) not in hosts:
                await send(
                    {"type": "http.response.start", "status": 403, "headers": [(b"content-type", b"text/plain")]}
                )
                await send({"type": "http.response.body", "body": b"ask for this at http://127.0.0.1\n"})
                return
            await app(scope, receive, send)

        return answer

    return wrap


def _host_of(scope):
    said = dict(scope["headers"]).get(b"host", b"").decode("latin-1")
    try:
        return urlsplit(f"//{said}").hostname
    except ValueError:
        return None

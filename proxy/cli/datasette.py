"""``dashcam datasette``: the record in Datasette, read-only and on this machine only, with titles, units and questions.

Datasette is another program, with an environment of its own. What it is told stands in ``config/datasette``: a page
for each table and view of calls, README's questions, and a plugin that keeps it from reading anything else, keys and
secrets above all. Tables that are not of calls are hidden.
"""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path
from typing import Any

import orjson

from proxy.errors import NotFoundError, UsageError
from proxy.resources import config_folder
from proxy.settings.private_file import replace_file
from proxy.settings.values import Settings
from proxy.spool.disk import RealDisk
from proxy.store.engines.place import is_nothing
from proxy.store.reading.reader import Reader

_LIMITS = {
    "sql_time_limit_ms": 1000, "facet_time_limit_ms": 200, "suggest_facets": "off", "allow_download": "off",
    "allow_csv_stream": "on", "default_cache_ttl": 0,
}  # fmt: skip
"""Its own bounds of a question and a facet; a download would have all tables in it."""
_TABLES = "SELECT name FROM sqlite_master WHERE type = 'table'"


def serve(settings: Settings, port: int) -> None:
    """Become Datasette; does not return. ``UsageError`` says what is missing."""
    if settings.database.is_postgres:
        raise UsageError("Datasette reads SQLite, and this record is in Postgres",
                         hint="ask it with dashcam sql, or read a copy: dashcam db copy --stay")  # fmt: skip
    path = settings.database.path
    if is_nothing(path):
        raise NotFoundError(f"there is no database at {path} yet", hint="start Dashcam with: dashcam serve")
    command = [*program(), "serve", str(path), "--host", "127.0.0.1", "--port", str(port)]
    command += ["--metadata", str(_written(settings)), "--plugins-dir", str(config_folder() / "datasette" / "plugins")]
    command += [part for name, value in _LIMITS.items() for part in ("--setting", name, str(value))]
    print(f"Datasette at http://127.0.0.1:{port}/ shows what is on record; Ctrl+C ends it", file=sys.stderr, flush=True)
    os.execvp(command[0], command)  # noqa: S606 - a program of the user's, from a fixed list


def program() -> list[str]:
    """Return how Datasette is started; ``UsageError`` says how to install it."""
    beside = Path(sys.executable).with_name("datasette")
    found = shutil.which("datasette") or (str(beside) if beside.exists() else None)
    if found is None:
        raise UsageError("Datasette is not installed", hint="give it an environment of its own: pipx install datasette")
    return [found]


def metadata_of(database: Path, tables: list[str]) -> dict[str, Any]:
    """Return what Datasette is told of a database that has these tables."""
    found: dict[str, Any] = orjson.loads((config_folder() / "datasette" / "metadata.json").read_bytes())
    described = found["databases"].pop("dashcam")
    hidden = set(tables) - set(found["plugins"]["dashcam-guard"]["tables"]) - described["tables"].keys()
    described["tables"] |= {name: {"hidden": True} for name in sorted(hidden)}
    # Datasette calls a database by its file.
    found["databases"][database.stem] = described
    return found


def _written(settings: Settings) -> Path:
    reader = Reader(settings.database)
    tables = [str(row["name"]) for row in reader.answer((_TABLES, ()))]
    reader.close()
    folder = Path(settings.run_dir)
    RealDisk().make_folder(folder)
    path = folder / "datasette.json"
    replace_file(path, orjson.dumps(metadata_of(settings.database.path, tables)), is_lasting=False)
    return path

"""The id of a data folder: on a Postgres that several hosts write into, it says whose counters and ledger a row is.

Made once and kept beside the spool, which is what the counts are of. A SQLite file has one writer, which needs no name.
"""

from __future__ import annotations

import re
import uuid
from pathlib import Path

from proxy.errors import StoreError
from proxy.settings.private_file import replace_file
from proxy.settings.values import Settings

_ID = re.compile(r"[0-9a-f]{32}\Z")


def instance_of(settings: Settings) -> str:
    """Return whose counters the rows are: the folder's id, made when there is none; empty for SQLite."""
    return id_of(Path(settings.data_dir)) if settings.database.is_postgres else ""


def id_of(data_dir: Path) -> str:
    """Return a data folder's id, making it when there is none; for the holder of the loader's lock."""
    path = data_dir / "instance-id"
    try:
        found = path.read_text(encoding="ascii").strip()
    except FileNotFoundError:
        found = uuid.uuid4().hex
        data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        replace_file(path, f"{found}\n".encode(), is_lasting=True)
    if not _ID.match(found):
        raise StoreError(f"{path} holds no id", hint=f"restore it from a backup, or begin a ledger anew: rm {path}")
    return found

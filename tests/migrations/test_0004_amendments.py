"""Revision 0004 carries calls of the first release through, and the first release can go on writing."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from alembic import command
from alembic.config import Config

from proxy.resources import migrations_folder
from proxy.store.engine import open_writer
from proxy.store.migration import upgrade

_INSERT = (
    "INSERT INTO interaction (id, started_at, operation, method, endpoint, is_stream, outcome, success, finish_kind, "
    "attempts, request_modified, usage_source, cost_status, content_state, request_bytes, response_bytes, score_count, "
    "cost_pico_usd) VALUES (?, '2026-11-01T00:00:00.000Z', 'chat', 'POST', '/v1/chat/completions', 0, 'completed', 1, "
    "'stop', 1, 0, 'reported', 'computed', 'stored', 0, 0, 0, 42)"
)


def at_revision(path: Path, revision: str) -> None:
    config = Config()
    config.set_main_option("script_location", str(migrations_folder()))
    config.set_main_option("path_separator", "os")
    engine = open_writer(path)
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, revision)
    engine.dispose()


def test_rows_of_the_first_release_stay_as_they_were(tmp_path: Path) -> None:
    path = tmp_path / "d.db"
    at_revision(path, "0003")
    database = sqlite3.connect(path)
    database.execute(_INSERT, ("before",))
    database.commit()
    assert upgrade(path).before == "0003"
    database.execute(_INSERT, ("after",))
    database.commit()
    found = database.execute("SELECT id, cost_pico_usd, quantities FROM interaction ORDER BY id").fetchall()
    database.close()
    assert found == [("after", 42, None), ("before", 42, None)]

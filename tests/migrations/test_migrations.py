"""One line of revisions, equal to the models, carrying data through; newer databases are left alone."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from proxy.errors import StoreError
from proxy.resources import migrations_folder
from proxy.store.engine import open_writer
from proxy.store.migration import head, known_revisions, upgrade
from proxy.store.reading import Reader
from proxy.store.tables import metadata


def scripts() -> ScriptDirectory:
    config = Config()
    config.set_main_option("script_location", str(migrations_folder()))
    config.set_main_option("path_separator", "os")
    return ScriptDirectory.from_config(config)


def test_there_is_one_head_and_we_know_it() -> None:
    assert scripts().get_heads() == [head()]
    assert sorted(item.revision for item in scripts().walk_revisions()) == known_revisions()


def test_migrations_make_what_the_models_declare(tmp_path: Path) -> None:
    upgrade(tmp_path / "d.db")
    engine = open_writer(tmp_path / "d.db")
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, metadata) == []
    engine.dispose()


def test_a_second_upgrade_changes_nothing(tmp_path: Path) -> None:
    first = upgrade(tmp_path / "d.db")
    second = upgrade(tmp_path / "d.db")
    assert (first.before, first.after) == (None, head())
    assert (second.before, second.after) == (head(), head())


def test_a_newer_database_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "d.db"
    upgrade(path)
    database = sqlite3.connect(path)
    database.execute("UPDATE alembic_version SET version_num = '9999'")
    database.commit()
    database.close()
    with pytest.raises(StoreError, match="newer"):
        upgrade(path)


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "d.db"
    path.write_bytes(b"this is no database, it is a text" * 100)
    with pytest.raises(StoreError):
        upgrade(path)
    assert path.read_bytes().startswith(b"this is no database")


def test_rows_of_an_older_revision_are_carried_through(tmp_path: Path) -> None:
    path = tmp_path / "d.db"
    engine = open_writer(path)
    config = Config()
    config.set_main_option("script_location", str(migrations_folder()))
    config.set_main_option("path_separator", "os")
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
        columns = "id, started_at, operation, method, endpoint, is_stream, outcome, success, finish_kind, attempts"
        more = "request_modified, usage_source, cost_status, content_state, request_bytes, response_bytes, score_count"
        connection.exec_driver_sql(
            f"INSERT INTO interaction ({columns}, {more}) VALUES ('0193a3e2-7b1c', '2026-11-20T00:00:00.000Z', 'chat', "
            "'POST', '/v1/chat/completions', 0, 'completed', 1, 'none', 1, 0, 'none', 'unpriced', 'off', 0, 0, 0)"
        )
    engine.dispose()
    assert upgrade(path).before == "0001"
    reader = Reader(path)
    row = reader.interaction("last")
    reader.close()
    assert (row["id"], row["client_request_id"], row["retry_count"]) == ("0193a3e2-7b1c", None, None)

"""Every kind of damage is found by its part of the check, and what is sound is left in peace; on both engines."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import sqlite3
from pathlib import Path

import pytest

from proxy.catalogue.catalogue import Catalogue, catalogue_from_mapping
from proxy.prompting.version import canonical
from proxy.settings.database import DatabaseSettings, sqlite_at
from proxy.store.catalogue import documents, prompt_versions
from proxy.store.engines.engine import backend_of, lent
from proxy.store.migrating.migration import How, head, missing_views, upgrade
from proxy.store.migrating.soundness import VIEWS
from proxy.store.upkeep.checking import Checked, check_all
from proxy.store.upkeep.figures import free_bytes, table_sizes, timings, totals, view_names
from proxy.store.writing.batches import WriteBatch
from proxy.store.writing.writer import StoreWriter
from tests.support.entries import an_entry
from tests.support.rollups import ask

CONTENT = {"engine": "minijinja-1", "messages": [{"role": "system", "content": "Größer"}]}
SAYS = hashlib.sha256(canonical(CONTENT)).hexdigest()


@pytest.fixture
def filled(own: DatabaseSettings) -> DatabaseSettings:
    """A database of some calls that nobody has open."""
    fill(own)
    return own


def fill(database: DatabaseSettings) -> None:
    writer = StoreWriter(database)
    entries = [("s", an_entry(request=os.urandom(3000))) for _ in range(60)]
    writer.write(WriteBatch(entries=entries), lambda _: {})
    writer.close()


def checked(database: DatabaseSettings) -> dict[str, Checked]:
    backend = backend_of(database)
    engine = backend.examiner()
    try:
        return {item.part: item for item in check_all(backend, engine)}
    finally:
        engine.dispose()


def fill_catalogue(database: DatabaseSettings) -> None:
    """Save two versions of a prompt, a route and a price, the last of them in a second revision."""
    version = {"number": 1, "sha256": SAYS, "made_at": "2026-11-01T12:00:00Z"}
    first = catalogue_from_mapping({
        "format": 1,
        "providers": [{"name": "acme", "kind": "custom", "base_url": "https://api.acme.example/v1"}],
        "routes": [{"name": "sum", "targets": ["acme"], "prompt": "short"}],
        "prompts": [{"name": "short", "labels": {"production": 1}, "versions": [version]}],
    })  # fmt: skip
    price = {"model": "m", "rates": {"input_mtok": "0.1"}}
    second = first.put(*catalogue_from_mapping({"format": 1, "prices": [price]}).prices.values())
    with contextlib.closing(StoreWriter(database)) as writer, writer.transaction() as connection:
        prompt_versions.keep_contents(connection, {SAYS: CONTENT})
        for before, after in ((Catalogue(), first), (first, second)):
            documents.save(connection, backend_of(database), before, after, author="kim")


CATALOGUE_HARM = {
    "UPDATE provider SET document = '{}'": "a document cannot be read: providers.0",
    "DELETE FROM price_rule": "prices fb418a005447f2ce: is removed against revision 2",
    'UPDATE route SET document = \'{"name":"sum","targets":["acme"]}\'': "routes sum: is changed against revision 2",
    "DELETE FROM prompt_content": f"the content {SAYS[:12]} of a prompt is missing",
    "UPDATE prompt_content SET content = '{\"messages\":[]}'": f"the content {SAYS[:12]} of a prompt is not what",
    "UPDATE config_revision SET form = NULL, data = NULL": "revision 2 of the catalogue cannot be read",
}


@pytest.mark.parametrize("harm", CATALOGUE_HARM)
def test_a_catalogue_that_was_altered_by_hand_is_told_of(own: DatabaseSettings, harm: str) -> None:
    fill_catalogue(own)
    assert checked(own)["catalogue"].detail == "4 documents, as its revision has them"
    assert checked(own)["catalogue"].wrong == []
    ask(own, harm)
    found = checked(own)["catalogue"]
    assert CATALOGUE_HARM[harm] in " | ".join(found.wrong)
    assert found.next is not None


def test_a_sound_database_has_nothing_wrong(filled: DatabaseSettings) -> None:
    found = checked(filled)
    parts = ["place", "revision", "tables", "views", "indexes", "text index", "rows", "rollups", "catalogue"]
    assert list(found) == (parts if filled.is_postgres else [*parts, "pages"])
    assert [item.part for item in found.values() if item.wrong] == []
    assert found["revision"].detail == head()


HARM = {
    "ALTER TABLE interaction DROP COLUMN top_k": ("tables", "table interaction has no column top_k"),
    "DROP TABLE made_answer": ("tables", "table made_answer is missing"),
    "DROP TABLE price; CREATE TABLE price (id TEXT NOT NULL, provider TEXT, model TEXT, tier TEXT, rates TEXT, "
    "source TEXT, source_version TEXT, valid_from TEXT, mine TEXT NOT NULL)": (
        "tables", "table price has a column mine that we do not know and that must be filled"
    ),
    "DELETE FROM interaction WHERE id = (SELECT min(CAST(id AS TEXT)) FROM interaction)": (
        "rows", "1 rows of interaction_text belong to no call"
    ),
    "DROP TABLE text_index": ("text index", "table text_index is missing, and words cannot be searched for"),
    "DROP TRIGGER text_index_added": ("text index", "trigger text_index_added is missing"),
    "DROP VIEW v_failures": ("views", "view v_failures is missing"),
    "UPDATE rollup_hourly SET calls = calls + 1": ("rollups", "they count 61 calls, and there are 60"),
    "UPDATE usage_daily SET calls = calls + 1": ("rollups", "those of days do not count what those of hours do"),
    "UPDATE latency_daily SET calls = calls + 1": ("rollups", "those of days do not count what those of hours do"),
    "UPDATE alembic_version SET version_num = '0001'": ("revision", f"0001, and this release has {head()}"),
    "UPDATE alembic_version SET version_num = '9999'": ("revision", "which this program does not know"),
    "UPDATE schema_revision SET is_filled = FALSE": ("revision", "rows are still to be filled in"),
}  # fmt: skip


@pytest.mark.parametrize("harm", HARM)
def test_what_was_altered_by_hand_is_named(filled: DatabaseSettings, harm: str) -> None:
    part, words = HARM[harm]
    for statement in harm.split("; "):
        ask(filled, _typed(statement) if filled.is_postgres else statement)
    looked_at = checked(filled)
    # What is behind lacks tables rightly, and is mended by bringing it up to date.
    assert ("tables" in looked_at) == ("'0001'" not in harm)
    found = looked_at[part]
    assert words in " | ".join(found.wrong)
    assert found.next is not None


def _typed(statement: str) -> str:
    """Postgres compares an id with an id only, and its triggers are of a table."""
    if statement.startswith("DROP TRIGGER"):
        return f"{statement} ON interaction_text"
    return re.sub(r"min\(CAST\(id AS TEXT\)\)", "CAST(min(CAST(id AS TEXT)) AS uuid)", statement)


@pytest.mark.parametrize(
    ("harm", "part", "told"),
    [
        ("ALTER TABLE interaction DROP COLUMN top_k", "tables", "table interaction has no column top_k"),
        (
            "DROP INDEX uq_body_chunk_day_sha256",
            "tables",
            "table body_chunk has no unique index uq_body_chunk_day_sha256",
        ),
        ("DROP INDEX ix_interaction_user_id", "indexes", "index ix_interaction_user_id is missing"),
    ],
)
def test_what_is_said_to_do_mends_it(filled: DatabaseSettings, harm: str, part: str, told: str) -> None:
    ask(filled, harm)
    found = checked(filled)[part]
    assert list(found.wrong) == [told]
    assert found.next is not None
    ask(filled, re.sub(r"stop Dashcam, then: sqlite3 \S+ '(.*)'", r"\1", found.next))
    assert [item.part for item in checked(filled).values() if item.wrong] == []


def test_views_that_were_dropped_are_made_anew_as_they_were(filled: DatabaseSettings) -> None:
    said = _views_of(filled)
    for name in VIEWS:
        ask(filled, f"DROP VIEW {name}{' CASCADE' if filled.is_postgres else ''}")
    assert "dashcam db migrate" in str(checked(filled)["views"].next)
    assert set(missing_views(filled)) == set(VIEWS)
    assert upgrade(filled).views == ()
    assert set(upgrade(filled, How(makes_views=True)).views) == set(VIEWS)
    assert _views_of(filled) == said
    assert [item.part for item in checked(filled).values() if item.wrong] == []
    assert not upgrade(filled, How(makes_views=True)).views


def _views_of(database: DatabaseSettings) -> dict[str, str]:
    """Return what the engine says of each view of ours; a revision that replaced one may have written it otherwise."""
    sql = "SELECT viewname, definition FROM pg_views WHERE schemaname = current_schema()"
    rows = ask(database, sql if database.is_postgres else "SELECT name, sql FROM sqlite_master WHERE type = 'view'")
    return {str(name): " ".join(str(text).split()) for name, text in rows}


def test_what_may_refuse_rows_is_told_and_is_no_problem(filled: DatabaseSettings) -> None:
    ask(filled, "CREATE UNIQUE INDEX one ON price (source_version)")
    if filled.is_postgres:
        ask(filled, "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'")
        ask(filled, "CREATE TRIGGER mine BEFORE INSERT ON price FOR EACH ROW EXECUTE FUNCTION f()")
        ask(filled, "ALTER TABLE price ADD CONSTRAINT odd CHECK (model <> 'odd')")
    else:
        ask(filled, "CREATE TRIGGER mine BEFORE INSERT ON price BEGIN SELECT 1; END")
    found = checked(filled)["tables"]
    told = ["table price has a trigger mine", "table price has a unique index one of somebody's own"]
    assert list(found.notes) == (["table price has a check odd of somebody's own"] if filled.is_postgres else []) + told
    assert not found.wrong


def test_additions_do_no_harm(filled: DatabaseSettings) -> None:
    for statement in ("ALTER TABLE interaction ADD COLUMN mine TEXT", "CREATE TABLE notes (a TEXT)"):
        ask(filled, statement)
    assert [item.part for item in checked(filled).values() if item.wrong] == []


def test_views_are_all_that_the_revisions_make(filled: DatabaseSettings) -> None:
    with lent(backend := backend_of(filled), backend.examiner()) as engine, engine.connect() as connection:
        assert view_names(connection) == sorted(VIEWS)


def test_a_file_of_another_program_is_not_called_empty(tmp_path: Path) -> None:
    path = tmp_path / "dashcam.db"
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE users (id)")
    found = checked(sqlite_at(path))["revision"]
    assert list(found.wrong) == ["the database is another program's: it has a table users, and none of ours"]
    assert "migrate" not in str(found.next)


def test_a_file_that_is_no_database_is_not_to_be_recovered(tmp_path: Path) -> None:
    path = tmp_path / "dashcam.db"
    path.write_text("a letter to somebody, of more than a few words and lines " * 10)
    found = checked(sqlite_at(path))["place"]
    assert list(found.wrong) == [f"{path} is no SQLite database; it is left as it is"]
    assert str(found.next).startswith("move it away")


def test_damaged_pages_are_found(path: Path) -> None:
    fill(sqlite_at(path))
    content = bytearray(path.read_bytes())
    content[-5000:] = b"\xff" * 5000
    path.write_bytes(content)
    found = checked(sqlite_at(path))
    assert any(item.wrong for item in found.values())
    assert all("dashcam db restore FILE" in str(item.next) for item in found.values() if item.wrong)


def test_the_sizes_of_all_tables_make_the_database(filled: DatabaseSettings) -> None:
    backend = backend_of(filled)
    engine = backend.examiner()
    with engine.connect() as connection:
        sizes, whole, free = table_sizes(connection), backend.size(connection), free_bytes(connection)
        views = view_names(connection)
    engine.dispose()
    assert {item.name: item.rows for item in sizes}["interaction"] == 60
    told = sum((item.bytes or 0) + (item.index_bytes or 0) for item in sizes)
    assert (0.05 if filled.is_postgres else 0.8) * whole < told <= whole
    assert (free is None) == filled.is_postgres
    reading = backend.reader()
    with reading.connect() as connection:
        found = totals(connection)
    asked = timings(reading, views)
    reading.dispose()
    assert (found["calls"], found["body_length"]) == (60, 60 * (3000 + 7))
    assert "view v_daily_cost" in [item.question for item in asked]
    assert "interaction" in asked[0].plan

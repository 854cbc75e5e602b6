"""One line of revisions, equal to the models on both engines, carrying data through; newer databases are left alone."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from proxy.errors import StoreError
from proxy.settings.database import DatabaseSettings, sqlite_at
from proxy.store.engines.engine import backend_of
from proxy.store.engines.partitions import PART
from proxy.store.migrating.compatibility import NOTED_FROM
from proxy.store.migrating.migration import check, head, known_revisions, upgrade
from proxy.store.schema.tables import ROLLUP_TABLES, metadata
from tests.support.revisions import bring_to, scripts
from tests.support.rollups import ask
from tests.support.schemas import Row, fill_every_table, stored

DERIVED = {str(kind.__tablename__) for kind in ROLLUP_TABLES}


def test_there_is_one_head_and_we_know_it() -> None:
    assert scripts().get_heads() == [head()]
    assert sorted(item.revision for item in scripts().walk_revisions()) == known_revisions()


def test_each_revision_says_which_programs_can_go_on() -> None:
    said = {item.revision: getattr(item.module, "compatible_with", None) for item in scripts().walk_revisions()}
    for revision, oldest in said.items():
        if revision >= NOTED_FROM:
            assert oldest in known_revisions()
            assert oldest <= revision


def test_migrations_make_what_the_models_declare(empty: DatabaseSettings) -> None:
    upgrade(empty)
    engine = backend_of(empty).upgrader()
    options = {
        "compare_type": True,
        # The full-text index is each engine's own: no model says it.
        "include_object": lambda item, name, kind, reflected, other: (
            not (PART.match(name) if kind == "table" else name == "ix_text_index_words")
            and not (kind == "table" and name.startswith("text_index"))
        ),
    }
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts=options)
        assert compare_metadata(context, metadata) == []
    engine.dispose()


def test_a_second_upgrade_changes_nothing(empty: DatabaseSettings) -> None:
    first = upgrade(empty)
    second = upgrade(empty)
    assert (first.before, first.after) == (None, head())
    assert (second.before, second.after) == (head(), head())


def test_two_that_upgrade_at_once_do_not_meet(empty: DatabaseSettings) -> None:
    patient, done = replace(empty, lock_timeout=60.0), list[str | None]()
    threads = [threading.Thread(target=lambda: done.append(upgrade(patient).after)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert done == [head()] * 3


def test_a_newer_database_is_refused_and_left_alone(empty: DatabaseSettings) -> None:
    upgrade(empty)
    ask(empty, "UPDATE alembic_version SET version_num = '9999'")
    for look in (upgrade, check):
        with pytest.raises(StoreError, match="which this program does not know"):
            look(empty)


def test_a_database_that_is_behind_is_told_with_the_command(empty: DatabaseSettings) -> None:
    bring_to(empty, "0004")
    with pytest.raises(StoreError, match="0004") as caught:
        check(empty)
    assert caught.value.hint == "dashcam db migrate"


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "d.db"
    path.write_bytes(b"this is no database, it is a text" * 100)
    with pytest.raises(StoreError):
        upgrade(sqlite_at(path))
    assert path.read_bytes().startswith(b"this is no database")


def test_rows_of_every_table_at_every_revision_are_carried_through(empty: DatabaseSettings) -> None:
    before = []
    for number, revision in enumerate(known_revisions()[:-1], 1):
        bring_to(empty, revision)
        before.append(fill_every_table(empty, number))
    done = upgrade(empty)
    assert (done.before, done.after) == (known_revisions()[-2], head())
    after = stored(empty)
    for rows in before:
        assert_carried(rows, after)
    # What came in later is empty, and another row can go in.
    fill_every_table(empty, len(before) + 1)


@pytest.mark.parametrize("revision", [known_revisions()[0], NOTED_FROM, "0009"])
def test_many_revisions_in_one_transaction_carry_rows_through(empty: DatabaseSettings, revision: str) -> None:
    """From the first one; the first that is noted; and the last without the daily rollups, which are filled in."""
    bring_to(empty, revision)
    rows = fill_every_table(empty)
    done = upgrade(empty)
    assert (done.before, done.after) == (revision, head())
    assert_carried(rows, stored(empty))


def assert_carried(before: dict[str, list[Row]], after: dict[str, list[Row]]) -> None:
    """All rows are there, with all that they said; into daily rollups, what the calls say may have come before them."""
    for name in before.keys() - DERIVED:
        assert before[name], f"no row was put into {name}"
        for row in before[name]:
            assert row in [{column: found[column] for column in row} for found in after[name]], name


@pytest.mark.parametrize("revision", ["0009", "0015", "0018", "0019"])
def test_views_that_somebody_has_dropped_keep_nobody_from_upgrading(empty: DatabaseSettings, revision: str) -> None:
    bring_to(empty, revision)
    for name in ("v_failures", "v_model_latency", "v_slowest", "v_daily_cost"):
        ask(empty, f"DROP VIEW IF EXISTS {name}")
    assert upgrade(empty).is_whole
    assert ask(empty, "SELECT * FROM v_failures") == []

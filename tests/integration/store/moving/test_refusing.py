"""What is not copied, and what is said to differ: other people's databases, strangers, damage."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from proxy.cli import copying
from proxy.errors import NotAllowedError, StoreError
from proxy.settings.database import DatabaseSettings, sqlite_at
from proxy.settings.installation import id_of
from proxy.store.hosts import instances
from proxy.store.moving import state
from proxy.store.moving.procedure import copy, open_copy
from proxy.store.writing.writer import StoreWriter
from tests.support.entries import STARTED_AT, an_entry, with_body
from tests.support.hosts import a_host
from tests.support.moving import (
    AWAY,
    CUTS,
    LARGE,
    OURS,
    WATCH,
    all_of_it,
    move,
    write,
)  # fmt: skip
from tests.support.rollups import ask
from tests.support.spooling import settings_in

if TYPE_CHECKING:
    pass


def test_what_is_somebodys_record_is_refused_and_stays_at_its_revision(
    source: DatabaseSettings, template: Path, tmp_path: Path
) -> None:
    write(source, an_entry())
    older = sqlite_at(shutil.copy(source.path, tmp_path / "older.db"))
    ask(older, "UPDATE alembic_version SET version_num = '0005'")
    ask(older, "DROP TABLE copy_state")
    with pytest.raises(StoreError, match=r"target: .*older\.db is not empty: table interaction has rows"):
        move(source, older)
    assert ask(older, "SELECT version_num FROM alembic_version") == [("0005",)]
    with pytest.raises(StoreError, match=r"source: .*older\.db is at revision 0005"):
        move(older, sqlite_at(tmp_path / "new.db"))
    assert not (tmp_path / "new.db").exists()


@pytest.mark.parametrize(
    ("change", "said", "hint"),
    [
        ("UPDATE alembic_version SET version_num = '9999'", "does not know", "copy into an empty database"),
        ("DROP TABLE alembic_version", "another program's", "copy into an empty database"),
        ("SELECT", "", ""),
    ],
)
def test_a_target_that_cannot_be_one_is_told_with_what_to_do(
    source: DatabaseSettings, target: DatabaseSettings, change: str, said: str, hint: str
) -> None:
    ask(target, change)
    if not said:
        target = replace(target, url=f"{target.url}_that_is_not_there")
        said, hint = "is not there", r"createdb -O USER NAME; then give the same command again"
    with pytest.raises(StoreError, match=f"target: .*{said}") as caught:
        move(source, target)
    assert hint in str(caught.value.hint)


def test_a_target_with_rows_or_of_another_copy_is_refused(source: DatabaseSettings, target: DatabaseSettings) -> None:
    write(source, an_entry())
    write(target, an_entry())
    with pytest.raises(StoreError, match="is not empty: table interaction has rows"):
        move(source, target)


def test_a_copy_of_another_record_is_not_taken_up(
    source: DatabaseSettings, target: DatabaseSettings, template: Path, tmp_path: Path
) -> None:
    move(source, target)
    other = sqlite_at(shutil.copy(template, tmp_path / "other.db"))
    with pytest.raises(StoreError, match=r"is a copy of .*source\.db, made for another"):
        move(other, target)
    state.use(target)
    with pytest.raises(StoreError, match="is a record in use"):
        move(source, target)


def test_a_call_that_only_the_target_has_is_named(source: DatabaseSettings, target: DatabaseSettings) -> None:
    write(source, an_entry())
    stranger = an_entry()
    with copy(source, target, OURS, WATCH) as copying:
        copying.fill()
        write(target, stranger)
        with pytest.raises(StoreError, match=f"the target has interaction {stranger.interaction.id}"):
            copying.catch_up()


@pytest.mark.parametrize(
    ("table", "change"),
    [
        ("interaction", "UPDATE interaction SET cost_pico_usd = 1 WHERE id = ?"),
        ("interaction", "UPDATE attempt SET reused = NOT reused WHERE interaction_id = ?"),
        ("interaction", "DELETE FROM interaction_text WHERE interaction_id = ?"),
    ],
)
def test_the_first_call_that_differs_is_named(
    source: DatabaseSettings, target: DatabaseSettings, table: str, change: str
) -> None:
    from proxy.domain.interaction import Attempt

    entries = [an_entry() for _ in range(3)]
    identities = [item.interaction.id for item in entries]
    tries = [Attempt(interaction_id=i, number=1, provider="p", upstream="u", started_at=STARTED_AT) for i in identities]
    write(source, *[replace(item, attempts=(made,)) for item, made in zip(entries, tries, strict=True)])
    move(source, target)
    for identity in identities[1:]:
        ask(target, change, identity)
    opened = open_copy(source, target, WATCH)
    found = opened.verify(AWAY)
    opened.close()
    assert (found.different, found.is_same) == ([f"{table} {min(identities[1:])}"], False)


def test_bytes_that_were_damaged_before_are_told_and_carried_as_they_are(
    source: DatabaseSettings, target: DatabaseSettings
) -> None:
    write(source, with_body(an_entry(), LARGE, CUTS))
    ask(source, "UPDATE body_chunk SET data = ? WHERE number = 2", b"not what it was")
    with copy(source, target, OURS, WATCH) as copying:
        copying.fill()
        assert copying.compare().damaged == ["body_chunk 2"]


def test_a_text_with_a_nul_is_mended_for_postgres_and_a_row_that_cannot_go_in_is_named(
    source: DatabaseSettings, target: DatabaseSettings
) -> None:
    odd, long = an_entry(), an_entry()
    write(source, an_entry(), odd, long, an_entry())
    ask(source, "UPDATE interaction SET app = ? WHERE id = ?", "a\0b", odd.interaction.id)
    ask(source, "UPDATE interaction SET app = ? WHERE id = ?", "x" * 101, long.interaction.id)
    with copy(source, target, OURS, WATCH) as copying:
        with pytest.raises(StoreError, match=f"interaction {long.interaction.id}: the database refuses a row"):
            copying.fill()
        ask(source, "UPDATE interaction SET app = NULL WHERE id = ?", long.interaction.id)
        all_of_it(copying, AWAY)
        assert copying.mended == 1
    assert ask(target, "SELECT app FROM interaction WHERE id = ?", odd.interaction.id) == [("a\ufffdb",)]


def test_a_record_that_other_hosts_write_to_is_not_moved_away_from_them(
    target: DatabaseSettings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = settings_in(tmp_path, database=target)
    (tmp_path / "data").mkdir()
    home = f"sqlite:///{tmp_path}/home.db"
    ours, alpha, beta, gone = (
        a_host("own", id=id_of(tmp_path / "data")),
        a_host("alpha"),
        a_host("beta"),
        a_host("gone"),
    )
    writer = StoreWriter(target)
    for host in (ours, alpha, beta, gone):
        writer.claim(host)
    with writer.transaction() as connection:
        instances.leave(connection, gone)
    writer.close()
    with pytest.raises(
        NotAllowedError, match=r"other hosts record into .*: alpha .*, beta \(beta:/data, seen"
    ) as refused:
        copying.run(settings, copying.Wanted(None, home))
    assert "stop Dashcam there" in str(refused.value.hint)
    assert "gone" not in refused.value.message
    assert copying.run(settings, copying.Wanted(None, home, stays=True)) == 0
    assert copying.run(settings, copying.Wanted(None, home, forces=True)) == 0
    assert "Forced: other hosts record into" in capsys.readouterr().err

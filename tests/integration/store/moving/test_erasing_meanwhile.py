"""What is erased in the source while it is copied goes from the target, and the copy goes on."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest

from proxy.domain.interaction import Entry
from proxy.settings.database import DatabaseSettings, sqlite_at
from proxy.store.erasure import erasing
from proxy.store.erasure.anonymising import Manner, anonymise
from proxy.store.erasure.erasing import PRUNED
from proxy.store.erasure.sweeping import Sweep
from proxy.store.moving.merging import Renaming
from proxy.store.moving.procedure import copy
from proxy.store.writing.writer import StoreWriter
from tests.support.copying_in_any_order import assert_same
from tests.support.entries import STARTED_AT, an_entry, with_body
from tests.support.moving import AWAY, CUTS, HOME, LARGE, OURS, TURN, WATCH, all_of_it, amend, judge, rows_in, write


@pytest.fixture(params=["away", "home"])
def ends(
    request: pytest.FixtureRequest, source: DatabaseSettings, target: DatabaseSettings, tmp_path: Path
) -> tuple[DatabaseSettings, DatabaseSettings, Renaming]:
    """A source, a target and the renaming between: SQLite into Postgres, or Postgres into SQLite."""
    if request.param == "away":
        return source, target, AWAY
    return target, sqlite_at(tmp_path / "there.db"), HOME


def erase(database: DatabaseSettings, *entries: Entry, purge: int | None = None) -> None:
    """Erase calls, and sweep what only they referred to."""
    sweep = Sweep()
    with contextlib.closing(StoreWriter(database)) as writer:
        with writer.transaction() as connection:
            erasing.erase(connection, [item.interaction.id for item in entries], STARTED_AT + 1, purge)
        told: str | None = ""
        while told is not None:
            with writer.transaction() as connection:
                told = sweep.step(connection)


def talks(count: int, first: int = 0) -> list[Entry]:
    """Return calls with slices of their own."""
    own = (LARGE[TURN * at : TURN * (at + 3)] for at in range(first * 3, (first + count) * 3, 3))
    return [with_body(an_entry(), content, CUTS[:2]) for content in own]


@pytest.mark.parametrize(("when", "purge"), [("filled", None), ("compared", PRUNED), ("caught up", 3)])
def test_calls_that_are_erased_meanwhile_go_from_the_target_too(
    ends: tuple[DatabaseSettings, DatabaseSettings, Renaming], when: str, purge: int | None
) -> None:
    source, target, renaming = ends
    entries = talks(4)
    write(source, *entries)
    for number, entry in enumerate(entries):
        amend(source, entry.interaction.id, number + 1)
        judge(source, entry.interaction.id)
    with copy(source, target, OURS, WATCH) as copying:
        copying.fill()
        if when != "filled":
            copying.compare()
        if when == "caught up":
            copying.catch_up()
        erase(source, entries[1], entries[3], purge=purge)
        # As many come as went, and on SQLite under the numbers of those.
        late = talks(2, first=4)
        write(source, *late)
        for entry in late:
            amend(source, entry.interaction.id, 7)
        all_of_it(copying, renaming)
    assert_same(source, target)
    assert len(rows_in(target)["interaction"]) == 4
    assert len(rows_in(target)["tombstone"]) == 2


def test_what_is_erased_between_two_goes_of_a_copy_goes_too(
    ends: tuple[DatabaseSettings, DatabaseSettings, Renaming],
) -> None:
    source, target, renaming = ends
    entries = talks(3)
    write(source, *entries)
    with copy(source, target, OURS, WATCH) as copying:
        copying.fill()
    erase(source, *entries)
    # What was said comes again, in another call: its slices may bear other numbers now.
    again = talks(3)
    write(source, again[2], again[0])
    with copy(source, target, OURS, WATCH) as copying:
        all_of_it(copying, renaming)
    assert_same(source, target)


@pytest.mark.parametrize("when", ["filled", "compared"])
def test_texts_that_are_taken_away_meanwhile_go_from_the_target_too(
    ends: tuple[DatabaseSettings, DatabaseSettings, Renaming], when: str
) -> None:
    source, target, renaming = ends
    entries = talks(3)
    write(source, *entries)
    amend(source, entries[0].interaction.id, 5)
    judge(source, entries[1].interaction.id)
    with copy(source, target, OURS, WATCH) as copying:
        copying.fill()
        if when == "compared":
            copying.compare()
        with contextlib.closing(StoreWriter(source)) as writer, writer.transaction() as connection:
            erasing.strip(connection, [entries[0].interaction.id])
            anonymise(connection, [entries[1].interaction.id], Manner(has_pseudonyms=True), b"k" * 32)
        if when == "filled":
            copying.compare()
        copying.catch_up()
        copying.finish(renaming)
    assert_same(source, target)
    assert len(rows_in(target)["interaction_text"]) == len(rows_in(source)["interaction_text"]) == 1


@pytest.mark.parametrize("when", ["filled", "compared", "caught up"])
def test_a_pseudonym_as_long_as_the_name_goes_along_too(
    ends: tuple[DatabaseSettings, DatabaseSettings, Renaming], when: str
) -> None:
    source, target, renaming = ends
    long_name = "a-user-of-26-characters-xx"
    # Nothing of it is a text: what else would differ is not there.
    known, other = an_entry(user_id=long_name), an_entry(user_id="anonymous-but-by-themselves")
    entries = [Entry(interaction=item.interaction) for item in (known, other)]
    write(source, *entries)
    with copy(source, target, OURS, WATCH) as copying:
        copying.fill()
        if when != "filled":
            copying.compare()
        if when == "caught up":
            copying.catch_up()
        with contextlib.closing(StoreWriter(source)) as writer, writer.transaction() as connection:
            ids = [item.interaction.id for item in entries]
            anonymise(connection, ids, Manner(has_pseudonyms=True), b"k" * 32)
        copying.finish(renaming)
    assert_same(source, target)
    assert long_name not in str(rows_in(target)["interaction"])

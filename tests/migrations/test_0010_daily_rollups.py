"""Revision 0010 counts by day what is on record, goes on where it was ended, and can be taken back."""

from __future__ import annotations

from contextlib import closing

from proxy.settings.database import DatabaseSettings
from proxy.store.migrating.migration import How, upgrade
from proxy.store.writing.batches import WriteBatch
from proxy.store.writing.writer import StoreWriter
from tests.support.entries import STARTED_AT, an_entry
from tests.support.revisions import bring_back
from tests.support.rollups import ask, assert_rollups_equal_the_rows

DAY = 86_400_000


def fill(database: DatabaseSettings) -> None:
    calls = [
        an_entry(started_at=STARTED_AT - number * DAY // 2, user_id=f"u{number % 2}", tool_names=("search",))
        for number in range(7)
    ]
    with closing(StoreWriter(database)) as writer:
        writer.write(WriteBatch([("boot-0", call) for call in calls]), lambda _: {})


def test_calls_on_record_are_counted_though_it_is_ended_between_two_days(empty: DatabaseSettings) -> None:
    upgrade(empty)
    fill(empty)
    bring_back(empty, "0009")
    told: list[tuple[str, int]] = []
    how = How(tell=lambda what, done, _: told.append((what, done)), is_leaving=lambda: len(days()) == 2)

    def days() -> set[int]:
        return {done for what, done in told if what == "rows of 0010"}

    assert not upgrade(empty, how).is_whole
    assert len(ask(empty, "SELECT DISTINCT day FROM latency_daily")) == 2
    before = max(days())
    told.clear()
    assert upgrade(empty, How(tell=how.tell)).is_whole
    assert (min(days()) > before, max(days())) == (True, 7)
    assert_rollups_equal_the_rows(empty)


def test_taken_back_it_answers_from_the_calls_again(empty: DatabaseSettings) -> None:
    upgrade(empty)
    fill(empty)
    now = ask(empty, "SELECT user_id, calls FROM v_users ORDER BY 1")
    bring_back(empty, "0009")
    assert ask(empty, "SELECT user_id, calls FROM v_users ORDER BY 1") == now == [("u0", 4), ("u1", 3)]

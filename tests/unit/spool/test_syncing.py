"""What one round of the syncing thread does: sync what is dirty, seal what was rotated, make the spare, look around."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from proxy.settings.values import RecordingSettings
from proxy.spool.framing import SEGMENT_HEADER
from proxy.spool.page import Page
from proxy.spool.trouble import Trouble
from tests.support.syncing import Spool
from tests.support.waiting import wait_until


def test_what_was_appended_before_a_round_survives_the_power(spool: Spool) -> None:
    spool.append(b"before")
    spool.thread.round(1.0)
    spool.append(b"after")
    assert spool.after_power_cut() == b"before"


def test_a_clean_segment_is_not_synced(spool: Spool) -> None:
    spool.thread.round(1.0)
    assert spool.disk.syncs == 0
    spool.append()
    spool.thread.round(1.2)
    spool.thread.round(1.4)
    assert (spool.disk.syncs, spool.page.get(Page.FSYNC_COUNT)) == (1, 1)


def test_a_rotated_segment_is_synced_and_closed_in_the_next_round(spool: Spool) -> None:
    spool.thread.round(1.0)
    spool.append(b"old")
    old = spool.segments.current
    assert spool.segments.rotate()
    spool.thread.round(1.2)
    assert old.descriptor not in spool.disk.open
    assert not spool.segments.sealing
    assert spool.after_power_cut() == b"old"


def test_a_descriptor_that_fails_to_close_does_not_end_the_round(spool: Spool) -> None:
    spool.thread.round(1.0)
    spool.segments.rotate()
    spool.append(b"new")
    spool.disk.fails_close = True
    spool.thread.round(1.2)
    assert not spool.segments.sealing
    assert not spool.segments.current.is_dirty
    assert spool.segments.spare is not None


def test_a_round_makes_the_next_spare(spool: Spool) -> None:
    spool.thread.round(1.0)
    assert spool.segments.spare is not None
    spool.segments.rotate()
    spool.thread.round(1.2)
    assert spool.segments.spare is not None
    assert spool.segments.spare.number == 5


def test_a_failed_sync_is_never_repeated_on_its_file(spool: Spool) -> None:
    spool.thread.round(1.0)
    spool.append()
    spool.disk.fails_sync = True
    spool.thread.round(1.2)
    assert spool.thread.must_rotate
    spool.disk.fails_sync = False
    spool.append()
    spool.thread.round(1.4)
    assert spool.disk.syncs == 0, "the kernel would report a success that it is not"
    failed = spool.segments.current
    spool.segments.rotate()
    spool.append()
    spool.thread.round(1.6)
    assert failed.descriptor not in spool.disk.synced
    assert spool.page.get(Page.FSYNC_FAILURES) == 1


def test_the_percentile_of_the_latest_syncs_is_told(spool: Spool) -> None:
    for number in range(5):
        spool.append()
        spool.thread.round(10.0 * number)
    spool.thread.round(100.0)
    assert 0 < spool.page.get(Page.FSYNC_NS_P99) <= spool.page.get(Page.FSYNC_NS_MAX)


def test_a_disk_that_goes_on_failing_is_not_asked_every_time(spool: Spool) -> None:
    spool.disk.fails_sync = True
    for tenth in range(1000):
        spool.append()
        if spool.thread.must_rotate and spool.segments.rotate():
            spool.thread.must_rotate = False
        spool.thread.round(tenth / 10)
    assert 3 < spool.page.get(Page.FSYNC_FAILURES) < 40


def test_what_was_appended_before_a_round_counts_as_synced_after_it(spool: Spool) -> None:
    spool.append()
    spool.append()
    spool.thread.round(1.0)
    spool.append()
    assert spool.thread.synced == 2
    spool.thread.round(1.2)
    assert spool.thread.synced == 3


def test_a_segment_left_unsynced_is_synced_before_its_records_count(spool: Spool) -> None:
    spool.thread.round(1.0)
    spool.append(b"old")
    spool.segments.rotate()
    spool.append(b"new")
    spool.thread.round(1.2)
    assert spool.thread.synced == 2
    assert spool.after_power_cut() == b"old"


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_defect_in_a_round_does_not_end_syncing(page: Page) -> None:
    spool = Spool(page, RecordingSettings(sync_interval=0.01, min_free_bytes=0))
    spool.disk.fails_look = "strangely"
    spool.thread.start()
    wait_until(lambda: page.get(Page.TROUBLE) == Trouble.SYNC_FAILED, "it is told")
    spool.append(b"later")

    def revived(condition: Callable[[], object]) -> bool:
        spool.thread.revive()
        return bool(condition())

    wait_until(lambda: revived(lambda: spool.disk.syncs), "what is due first is still done")
    spool.disk.fails_look = False
    wait_until(lambda: revived(lambda: page.get(Page.TROUBLE) == 0), "it is well again")
    spool.thread.stop()
    assert spool.after_power_cut() == b"later"


def test_a_segment_that_was_used_for_long_is_rotated(spool: Spool) -> None:
    spool.segments.current.opened_at = 100.0
    spool.append()
    spool.thread.round(110.0)
    assert not spool.thread.must_rotate
    spool.append()
    spool.thread.round(110.1)
    assert spool.thread.must_rotate


def test_an_idle_segment_is_left_alone(spool: Spool) -> None:
    spool.thread.round(1e6)
    assert not spool.thread.must_rotate


def test_too_little_free_space_is_full_until_there_is_more(page: Page) -> None:
    spool = Spool(page, RecordingSettings(min_free_bytes=500))
    spool.disk.room = 499 + SEGMENT_HEADER.size
    spool.thread.round(1.0)
    spool.disk.room = 499
    spool.thread.round(2.0)
    assert (spool.thread.is_full, page.get(Page.DEGRADED)) == (True, 1)
    spool.disk.room = 500
    spool.thread.round(3.0)
    assert (spool.thread.is_full, page.get(Page.DEGRADED)) == (False, 0)


def test_a_spool_near_its_limit_is_full(spool: Spool) -> None:
    spool.thread.round(1.0)
    spool.append(bytes(800 - 2 * SEGMENT_HEADER.size))
    spool.thread.round(2.0)
    assert not spool.thread.is_full
    spool.append(b"x")
    spool.thread.round(3.0)
    assert spool.thread.is_full


def test_it_looks_around_once_a_second_at_most(spool: Spool) -> None:
    spool.thread.round(10.0)
    spool.append(bytes(900))
    spool.thread.round(10.9)
    assert not spool.thread.is_full
    spool.thread.round(11.0)
    assert spool.thread.is_full


def test_a_disk_that_cannot_be_looked_at_counts_as_full(spool: Spool) -> None:
    spool.disk.fails_look = True
    spool.thread.round(1.0)
    assert spool.thread.is_full
    spool.disk.fails_look = False
    spool.thread.round(2.0)
    assert not spool.thread.is_full


@pytest.mark.parametrize("now", [0.5, 1.0, 100.0])
def test_a_spare_that_cannot_be_made_shows_on_the_page_whenever_it_is_read(spool: Spool, now: float) -> None:
    spool.disk.room = 0
    spool.append(b"")
    spool.thread.round(now)
    assert spool.page.get(Page.DEGRADED) == 1
    assert not spool.thread.is_full, "there is no lower limit here: only files cannot be made"
    spool.disk.room = None
    spool.thread.round(now + 1.0)
    assert spool.segments.spare is not None
    assert spool.page.get(Page.DEGRADED) == 0


@pytest.mark.parametrize("is_started", [True, False])
def test_stopping_syncs_what_is_left(spool: Spool, is_started: bool) -> None:
    if is_started:
        spool.thread.start()
    spool.append(b"last words")
    spool.thread.stop()
    assert spool.after_power_cut() == b"last words"

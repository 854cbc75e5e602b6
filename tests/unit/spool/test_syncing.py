"""What one round of the syncing thread does: sync what is dirty, seal what was rotated, make the spare, look around."""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from proxy.settings.values import RecordingSettings
from proxy.spool.framing import SEGMENT_HEADER, Record, RecordType, encode, scan
from proxy.spool.page import Page
from proxy.spool.segments import Segments
from proxy.spool.syncing import SyncThread
from proxy.spool.trouble import Trouble
from tests.support.disk import FakeDisk
from tests.support.waiting import wait_until

FOLDER = Path("/spool/boot-0")
RECORDING = RecordingSettings(segment_seconds=10.0, min_free_bytes=0, spool_max_bytes=1000, sync_interval=60.0)


class FaultyDisk(FakeDisk):
    """Fails to close and to tell its free space when told so."""

    fails_close = False
    fails_look: bool | str = False
    fails_names = False

    def close(self, descriptor: int) -> None:
        super().close(descriptor)
        if self.fails_close:
            raise OSError(errno.EIO, "input/output error")

    def sync_folder(self, path: Path) -> None:
        super().sync_folder(path)
        if self.fails_names:
            raise OSError(errno.EIO, "input/output error")

    def free_bytes(self, path: Path) -> int:
        if self.fails_look == "strangely":
            raise RuntimeError("a defect of ours")
        if self.fails_look:
            raise OSError(errno.EIO, "input/output error")
        return super().free_bytes(path)


class Spool:
    """A syncing thread with what it works on; it is not started: a test calls ``round``."""

    def __init__(self, page: Page, recording: RecordingSettings = RECORDING) -> None:
        self.disk = FaultyDisk()
        self.disk.make_folder(FOLDER)
        self.segments = Segments(self.disk, FOLDER)
        self.page = page
        self.thread = SyncThread(self.disk, FOLDER, self.segments, page, recording)

    def append(self, data: bytes = b"data") -> None:
        segment = self.segments.current
        self.disk.append(segment.descriptor, data)
        segment.size += len(data)
        segment.is_dirty = True
        self.page.add(Page.APPENDED_RECORDS, 1)

    def after_power_cut(self) -> bytes:
        self.disk.cut_power(0.0)
        return self.disk.read(FOLDER / "00000001.seg", SEGMENT_HEADER.size, 1000)


@pytest.fixture
def page(tmp_path: Path) -> Iterator[Page]:
    made = Page.create(tmp_path / "b-0.page", "b", 0)
    yield made
    made.close()


@pytest.fixture
def spool(page: Page) -> Spool:
    return Spool(page)


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


def test_what_a_failed_sync_put_at_risk_is_written_again_once_its_segment_is_left(spool: Spool) -> None:
    spool.thread.round(1.0)
    spool.append(encode(RecordType.START, b"1" * 16, 1, b"safe", spool.segments.mark))
    spool.thread.round(1.2)
    spool.append(encode(RecordType.END, b"1" * 16, 2, b"at risk", spool.segments.mark))
    spool.disk.fails_sync = True
    spool.thread.round(1.4)
    spool.disk.fails_sync = False
    spool.thread.round(1.6)
    assert spool.page.get(Page.DEGRADED) == 1, "the segment is still in use"
    assert spool.thread.synced == 1
    spool.segments.rotate()
    spool.thread.round(60.0)
    assert (spool.page.get(Page.DEGRADED), spool.thread.synced) == (0, 2)
    spool.disk.cut_power(0.0)
    kept = [
        item.payload
        for name in spool.disk.names(FOLDER)
        if name.endswith(".seg")
        for item in scan(bytes(spool.disk.files[FOLDER / name].data), SEGMENT_HEADER.size, mark=spool.segments.mark)
        if isinstance(item, Record)
    ]
    assert kept == [b"safe", b"at risk"]


def test_a_rewrite_that_fails_is_tried_again_later_and_leaves_nothing(spool: Spool) -> None:
    spool.thread.round(1.0)
    spool.append(encode(RecordType.END, b"1" * 16, 1, b"at risk", spool.segments.mark))
    spool.disk.fails_sync = True
    spool.thread.round(1.2)
    spool.segments.rotate()
    for now in (1.4, 2.0, 3.0):
        spool.thread.round(now)
        assert spool.page.get(Page.TROUBLE) == Trouble.SYNC_FAILED
    assert "00000002.seg" not in spool.disk.names(FOLDER)
    spool.disk.fails_sync = False
    spool.thread.round(100.0)
    assert "00000002.seg" in spool.disk.names(FOLDER)
    assert "00000002.new" not in spool.disk.names(FOLDER)
    assert spool.page.get(Page.TROUBLE) == 0


def test_what_the_loader_has_freed_need_not_be_written_again(spool: Spool) -> None:
    spool.thread.round(1.0)
    spool.append(b"stored meanwhile")
    spool.disk.fails_sync = True
    spool.thread.round(1.2)
    spool.disk.unlink(spool.segments.current.path)
    spool.segments.rotate()
    spool.thread.round(100.0)
    assert spool.page.get(Page.TROUBLE) == 0


def test_what_the_page_cache_has_lost_keeps_the_page_degraded_until_the_loader_has_freed_it(spool: Spool) -> None:
    spool.thread.round(1.0)
    spool.append(encode(RecordType.END, b"1" * 16, 1, b"at risk", spool.segments.mark))
    failed = spool.segments.current
    spool.disk.fails_sync = True
    spool.thread.round(1.2)
    spool.disk.fails_sync = False
    spool.disk.flip(failed.path, SEGMENT_HEADER.size * 8)
    spool.segments.rotate()
    spool.thread.round(100.0)
    spool.thread.round(200.0)
    assert spool.page.get(Page.TROUBLE) == Trouble.SYNC_FAILED
    spool.disk.unlink(failed.path)
    spool.thread.round(300.0)
    assert spool.page.get(Page.TROUBLE) == 0


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


@pytest.mark.parametrize("fails", [False, True])
def test_a_side_file_is_synced_too_or_written_again(spool: Spool, fails: bool) -> None:
    path = FOLDER / "bodies" / ("00" * 16)
    spool.disk.make_folder(path.parent)
    descriptor = spool.disk.create(path)
    spool.disk.append(descriptor, b"a large body")
    spool.thread.bodies.append((descriptor, path))
    spool.disk.fails_sync = fails
    spool.thread.round(1.0)
    spool.disk.fails_sync = False
    spool.thread.round(100.0)
    assert descriptor not in spool.disk.open
    spool.disk.cut_power(0.0)
    assert spool.disk.read(path, 0, 100) == b"a large body"
    assert spool.page.get(Page.TROUBLE) == 0


def test_a_side_file_whose_name_could_not_be_synced_is_not_called_safe_until_it_is_written_again(spool: Spool) -> None:
    path = FOLDER / "bodies" / ("00" * 16)
    spool.disk.make_folder(path.parent)
    spool.thread.round(1.0)
    descriptor = spool.disk.create(path)
    spool.disk.append(descriptor, b"a large body")
    spool.thread.bodies.append((descriptor, path))
    spool.append()
    spool.disk.fails_names = True
    for now in (2.0, 3.0, 4.0):
        spool.thread.round(now)
        assert (spool.thread.synced, Trouble(spool.page.get(Page.TROUBLE))) == (0, Trouble.SYNC_FAILED)
    spool.disk.fails_names = False
    spool.thread.round(100.0)
    assert (spool.thread.synced, spool.page.get(Page.TROUBLE)) == (1, 0)
    assert spool.disk.read(path, 0, 100) == b"a large body"


@pytest.mark.parametrize("size", [1, 1 << 20, (1 << 20) + 1, 5 << 20])
def test_what_is_at_risk_is_written_again_whole_however_much_it_is(spool: Spool, size: int) -> None:
    spool.thread.round(1.0)
    records = [encode(RecordType.CHUNK, b"1" * 16, number, bytes(size), spool.segments.mark) for number in (1, 2, 3)]
    spool.append(b"".join(records))
    spool.disk.fails_sync = True
    spool.thread.round(1.2)
    spool.disk.fails_sync = False
    spool.segments.rotate()
    spool.thread.round(60.0)
    assert Trouble.SYNC_FAILED not in Trouble(spool.page.get(Page.TROUBLE))
    written = spool.disk.read(FOLDER / "00000002.seg", 0, 1 << 30)
    assert written == spool.segments.header + b"".join(records)


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

"""A disk that the spool itself has filled: what fills it can be freed, whoever else writes there."""

from __future__ import annotations

import errno
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import proxy.spool.syncing
from proxy.errors import SpoolError
from proxy.spool.batches import Position
from proxy.spool.framing import RecordType
from proxy.spool.page import Page
from proxy.spool.reader import SpoolReader
from proxy.spool.trouble import Trouble
from proxy.spool.writer import SpoolWriter
from tests.integration.spool.conftest import END, SMALL, START
from tests.support.disk import FakeDisk

ROOT = Path("/spool")


def test_a_segment_that_takes_only_a_part_of_a_record_is_left_so_that_it_can_be_freed(page: Page) -> None:
    disk = FakeDisk()
    recording = replace(SMALL, segment_bytes=1 << 20, on_full="drop")
    writer = SpoolWriter(ROOT, "b", 0, page, recording, disk, has_thread=False)
    writer.syncing.round(0.0)
    writer.start(b"1" * 16, START, b"x" * 500)
    disk.room = 50
    writer.start(b"2" * 16, START, b"x" * 500)
    # What the spare's own block still takes.
    disk.room = 4000
    writer.stats({"accepted": 2})
    source = SpoolReader(ROOT, disk).source("b-0")
    batch = source.read(Position(), 1 << 20, is_final=False)
    assert [located.record.identity for located in batch.records] == [b"1" * 16, bytes(16)]
    assert source.acknowledge(batch.next) == 1
    assert page.read_all()["dropped_spool_full"] == 1
    writer.close()


ROOMY = replace(SMALL, segment_bytes=1 << 20)


class RefusingDisk(FakeDisk):
    """Answers every write, or every new file, with one error."""

    write_error: int | None = None
    create_error: int | None = None
    cut_error: int | None = None

    def truncate(self, descriptor: int, size: int) -> None:
        if self.cut_error is not None:
            raise OSError(self.cut_error, "refused")
        super().truncate(descriptor, size)

    def append(self, descriptor: int, data: bytes) -> int:
        if self.write_error is not None:
            raise OSError(self.write_error, "refused")
        return super().append(descriptor, data)

    def overwrite(self, descriptor: int, data: bytes, offset: int) -> int:
        if self.write_error is not None:
            raise OSError(self.write_error, "refused")
        return super().overwrite(descriptor, data, offset)

    def create(self, path: Path) -> int:
        if self.create_error is not None:
            raise OSError(self.create_error, "refused")
        return super().create(path)


def writer_on(disk: FakeDisk, page: Page, **changes: Any) -> SpoolWriter:
    writer = SpoolWriter(ROOT, "b", 0, page, replace(ROOMY, **changes), disk, has_thread=False)
    writer.syncing.round(10.0)
    return writer


def kept(disk: FakeDisk) -> list[tuple[int, bytes]]:
    source = SpoolReader(ROOT, disk).source("b-0")
    batch = source.read(Position(), 1 << 20, is_final=False)
    return [(item.record.type, item.record.identity) for item in batch.records]


@pytest.mark.parametrize("error", [errno.EIO, errno.EROFS, errno.EDQUOT, errno.ENOSPC, errno.EACCES])
def test_whatever_the_disk_says_calls_go_on_and_ends_wait_for_it(page: Page, error: int) -> None:
    disk = RefusingDisk()
    writer = writer_on(disk, page)
    writer.start(b"1" * 16, START, b"question")
    disk.write_error = error
    assert writer.start(b"2" * 16, START, b"question"), "a call is not refused for the record's sake"
    writer.piece(b"1" * 16, 1, b"answer")
    writer.end(b"1" * 16, END)
    writer.end(b"2" * 16, END)
    writer.syncing.round(10.2)
    assert Trouble.CANNOT_WRITE in Trouble(page.get(Page.TROUBLE))
    assert page.get(Page.WAITING_BYTES) > 0
    disk.write_error = None
    writer.tend()
    assert not writer.has_waiting
    assert kept(disk) == [(RecordType.START, b"1" * 16), (RecordType.END, b"1" * 16)]
    assert (page.get(Page.ACCEPTED), page.get(Page.BODIES_DROPPED)) == (2, 2)
    is_full = error in (errno.ENOSPC, errno.EDQUOT)
    assert (page.get(Page.DROPPED_SPOOL_FULL), page.get(Page.DROPPED_WRITE_ERROR)) == (is_full, not is_full)
    writer.syncing.round(20.0)
    assert page.get(Page.TROUBLE) == 0
    writer.close()


def test_behind_half_a_record_that_cannot_be_cut_off_nothing_is_appended(page: Page) -> None:
    disk = RefusingDisk()
    writer = writer_on(disk, page, on_full="drop", ballast_bytes=0)
    writer.start(b"1" * 16, START, b"whole")
    disk.create_error = disk.cut_error = errno.EIO
    writer.syncing.must_rotate = True
    writer.stats({"goes": 1})
    disk.room = 30
    writer.start(b"2" * 16, START, b"torn")
    disk.room = None
    for number in range(3, 6):
        writer.start(bytes([number]) * 16, START, b"nowhere to go")
    assert [identity for _, identity in kept(disk)] == [b"1" * 16, bytes(16)]
    assert page.get(Page.DROPPED_SPOOL_FULL) == 4
    disk.cut_error = None
    writer.start(b"6" * 16, START, b"whole")
    disk.room = 30
    writer.start(b"7" * 16, START, b"torn, and cut off again")
    disk.room = None
    writer.start(b"8" * 16, START, b"whole")
    assert [identity for _, identity in kept(disk)] == [b"1" * 16, bytes(16), b"6" * 16, b"8" * 16]
    writer.close()


@pytest.mark.parametrize("error", [errno.EMFILE, errno.EACCES, errno.EROFS])
def test_where_no_file_can_be_made_the_segment_in_use_grows_on(page: Page, error: int) -> None:
    disk = RefusingDisk()
    writer = writer_on(disk, page, segment_bytes=200)
    disk.create_error = error
    for number in range(20):
        writer.start(bytes([number]) * 16, START, b"question")
        writer.syncing.round(10.0 + number)
    assert len(kept(disk)) == 20
    assert Trouble.CANNOT_MAKE_FILES in Trouble(page.get(Page.TROUBLE))
    disk.create_error = None
    writer.syncing.round(60.0)
    assert page.get(Page.TROUBLE) == 0
    writer.close()


def test_at_a_full_disk_the_ballast_makes_room_for_the_ends_of_calls_under_way(page: Page) -> None:
    disk = FakeDisk()
    disk.room = 200_000
    writer = writer_on(disk, page, ballast_bytes=20_000)
    assert "ballast" in disk.names(ROOT / "b-0")
    ids = [bytes([number]) * 16 for number in range(10)]
    for identity in ids:
        writer.start(identity, START, b"q" * 500)
    disk.room = 0
    for identity in ids:
        writer.end(identity, END)
    assert [item for kind, item in kept(disk) if kind == RecordType.END] == ids
    assert not writer.has_waiting
    assert page.get(Page.BODIES_DROPPED) == 0
    writer.start(b"n" * 16, START, b"only its facts now")
    assert page.get(Page.BODIES_DROPPED) == 1
    writer.syncing.round(20.0)
    assert Trouble.DISK_LOW in Trouble(page.get(Page.TROUBLE)), "until there is a ballast again"
    disk.room = 50_000
    writer.syncing.round(30.0)
    writer.syncing.round(40.0)
    assert "ballast" in disk.names(ROOT / "b-0")
    assert page.get(Page.TROUBLE) == 0
    writer.close()
    assert "ballast" not in disk.names(ROOT / "b-0")


def test_what_waits_for_the_disk_has_a_ceiling(page: Page) -> None:
    disk = RefusingDisk()
    writer = writer_on(disk, page, waiting_max_bytes=1000)
    ids = [bytes([number]) * 16 for number in range(50)]
    for identity in ids:
        writer.start(identity, START, b"")
    disk.write_error = errno.EIO
    for identity in ids:
        writer.end(identity, END)
    assert 0 < page.get(Page.WAITING_BYTES) <= 1000
    lost = page.get(Page.ENDS_LOST)
    assert 0 < lost < 50
    writer.syncing.round(20.0)
    assert Trouble.WAITING_LARGE in Trouble(page.get(Page.TROUBLE))
    disk.write_error = None
    writer.tend()
    assert page.get(Page.WAITING_BYTES) == 0
    assert len([kind for kind, _ in kept(disk) if kind == RecordType.END]) == 50 - lost
    writer.close()


@pytest.mark.parametrize(("policy", "is_taken"), [("metadata_only", True), ("drop", True), ("reject", False)])
def test_the_spool_of_all_gateways_together_has_a_ceiling(page: Page, policy: str, is_taken: bool) -> None:
    disk = FakeDisk()
    writer = writer_on(disk, page, spool_max_bytes=10_000, on_full=policy, ballast_bytes=20_000)
    other = disk.create(ROOT / "other-1" / "00000001.seg")
    disk.make_folder(ROOT / "other-1")
    disk.append(other, bytes(8_500))
    writer.syncing.round(20.0)
    assert Trouble(page.get(Page.TROUBLE)) == Trouble.SPOOL_LARGE
    assert page.get(Page.SPOOL_BYTES) > 8_000
    assert writer.start(b"1" * 16, START, b"body") is is_taken
    with pytest.raises(SpoolError):
        writer.open_body(b"1" * 16)
    disk.append(other, bytes(2_000))
    writer.syncing.round(30.0)
    before = len(kept(disk))
    assert writer.start(b"2" * 16, START, b"body") is is_taken
    if is_taken:
        writer.end(b"2" * 16, END)
    assert len(kept(disk)) == before, "at the ceiling itself not even facts are added"
    disk.unlink(ROOT / "other-1" / "00000001.seg")
    writer.syncing.round(40.0)
    assert page.get(Page.TROUBLE) == 0
    assert writer.start(b"3" * 16, START, b"body")
    writer.close()


@pytest.mark.parametrize(("policy", "is_taken"), [("metadata_only", True), ("drop", True), ("reject", False)])
def test_a_disk_that_syncs_nothing_refuses_calls_only_where_that_was_chosen(
    page: Page, policy: str, is_taken: bool
) -> None:
    """Written is written, and survives the processes: whoever wants more than that has said so."""
    disk = FakeDisk()
    writer = writer_on(disk, page, on_full=policy)
    disk.fails_sync = True
    for second in range(20, 40):
        writer.start(second.to_bytes(16, "big"), START, b"body")
        writer.syncing.round(float(second))
    assert writer.start(b"1" * 16, START, b"body") is is_taken
    assert page.get(Page.BODIES_DROPPED) == 0
    disk.fails_sync = False
    for second in range(100, 110):
        writer.tend()
        writer.syncing.round(second * 10.0)
    assert writer.start(b"2" * 16, START, b"body")
    writer.close()


def test_many_files_are_a_ceiling_too_and_segments_grow_instead(page: Page) -> None:
    disk = FakeDisk()
    writer = writer_on(disk, page, spool_max_files=100, segment_seconds=1.0)
    disk.make_folder(ROOT / "other-1")
    for number in range(90):
        disk.create(ROOT / "other-1" / f"{number:08d}.seg")
    writer.syncing.round(20.0)
    assert Trouble(page.get(Page.TROUBLE)) == Trouble.MANY_FILES
    writer.start(b"1" * 16, START, b"body")
    writer.syncing.round(30.0)
    assert not writer.syncing.must_rotate
    writer.close()


def test_in_memory_a_small_part_of_the_ceiling_must_stay_free_and_no_more(page: Page) -> None:
    disk = FakeDisk()
    writer = writer_on(disk, page, mode="memory", min_free_bytes=1 << 50, memory_max_bytes=10_000)
    assert page.get(Page.TROUBLE) == 0
    assert "ballast" not in disk.names(ROOT / "b-0")
    writer.start(b"1" * 16, START, bytes(9_000))
    writer.syncing.round(20.0)
    assert Trouble(page.get(Page.TROUBLE)) == Trouble.SPOOL_LARGE
    disk.room = 10_000 // 16 - 1
    writer.syncing.round(30.0)
    assert Trouble.DISK_LOW in Trouble(page.get(Page.TROUBLE)), "as a container's /dev/shm of 64 MB"
    writer.close()


def test_a_sync_that_hangs_holds_no_append_up(page: Page) -> None:
    class HangingDisk(FakeDisk):
        began, goes_on = threading.Event(), threading.Event()

        def sync(self, descriptor: int) -> None:
            self.began.set()
            self.goes_on.wait(60.0)
            super().sync(descriptor)

    disk = HangingDisk()
    writer = SpoolWriter(ROOT, "b", 0, page, replace(ROOMY, sync_interval=0.01), disk)
    writer.start(b"1" * 16, START, b"")
    assert disk.began.wait(60.0)
    for _ in range(1000):
        writer.piece(b"1" * 16, 1, b"piece")
    writer.end(b"1" * 16, END)
    assert page.get(Page.FSYNC_COUNT) == 0, "the disk still syncs the first record"
    assert len(kept(disk)) == 1002
    disk.goes_on.set()
    writer.close()


def test_of_a_disk_that_hangs_for_ever_nobody_waits_at_the_end(page: Page, monkeypatch: pytest.MonkeyPatch) -> None:
    class DeadDisk(FakeDisk):
        began, goes_on = threading.Event(), threading.Event()

        def sync(self, descriptor: int) -> None:
            self.began.set()
            self.goes_on.wait(60.0)

    monkeypatch.setattr(proxy.spool.syncing, "_PATIENCE_SECONDS", 0.05)
    disk = DeadDisk()
    writer = SpoolWriter(ROOT, "b", 0, page, replace(ROOMY, sync_interval=0.01), disk)
    writer.start(b"1" * 16, START, b"")
    assert disk.began.wait(60.0)
    writer.close()
    assert not disk.goes_on.is_set()
    disk.goes_on.set()
    assert writer.syncing._thread is not None
    writer.syncing._thread.join(20)


def test_what_is_late_comes_behind_an_end_that_waits(page: Page) -> None:
    disk = RefusingDisk()
    writer = writer_on(disk, page)
    writer.start(b"1" * 16, START, b"question")
    disk.write_error = errno.EIO
    writer.end(b"1" * 16, END)
    writer.note_late(b"1" * 16)
    assert writer.has_waiting
    disk.write_error = None
    writer.tend()
    assert [kind for kind, _ in kept(disk)] == [RecordType.START, RecordType.END, RecordType.AMEND]
    assert page.get(Page.WAITING_BYTES) == 0
    writer.close()


def test_large_bodies_do_not_pass_the_ceiling_between_two_looks(page: Page) -> None:
    """In mode memory they would fill the machine's RAM within a second."""
    disk = FakeDisk()
    writer = writer_on(disk, page, mode="memory", memory_max_bytes=10_000)
    writer.syncing.round(20.0)
    first, second = writer.open_body(b"1" * 16), writer.open_body(b"2" * 16)
    first.write(bytes(5_000))
    with pytest.raises(SpoolError, match="nearly full"):
        second.write(bytes(5_000))
    second.discard()
    first.finish()
    disk.unlink(first.path)
    writer.syncing.round(30.0)
    writer.open_body(b"3" * 16).write(bytes(5_000))
    writer.close()

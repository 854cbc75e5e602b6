"""ENDs that the disk would not take survive their gateway, and become its last segment."""

from __future__ import annotations

import errno
import os
from dataclasses import replace
from pathlib import Path

import pytest

from proxy.domain.recording import AnswerHead
from proxy.settings.values import RecordingSettings
from proxy.spool import ends, records
from proxy.spool.batches import Position
from proxy.spool.disk import RealDisk
from proxy.spool.framing import RecordType
from proxy.spool.page import Page
from proxy.spool.reader import SpoolReader
from proxy.spool.sealing import KeyRing
from proxy.spool.writer import SpoolWriter
from tests.integration.spool.conftest import END, START
from tests.support.disk import FakeDisk

ROOT, FOLDER = Path("/spool"), Path("/spool/b-0")
MASTER = bytes(range(32))
RECORDING = RecordingSettings(min_free_bytes=0, ballast_bytes=0, waiting_max_bytes=65_536)
IDS = [bytes([number]) * 16 for number in range(1, 9)]


@pytest.fixture
def disk() -> FakeDisk:
    return FakeDisk()


@pytest.fixture
def writer(disk: FakeDisk, page: Page) -> SpoolWriter:
    return SpoolWriter(ROOT, "b", 0, page, RECORDING, disk, has_thread=False)


@pytest.fixture
def page(tmp_path: Path) -> Page:
    return Page.create(tmp_path / "b-0.page", "b", 0)


def ended(disk: FakeDisk, *, settles: bool = True) -> list[bytes]:
    """Return whose ENDs the loader of a dead gateway reads."""
    disk.kill_processes()
    source = SpoolReader(ROOT, disk, keys=KeyRing([MASTER])).source("b-0")
    assert not source.is_alive()
    assert not settles or source.settle()
    batch = source.read(Position(), 1 << 20, is_final=True)
    assert not batch.damage
    found = [item.record for item in batch.records if item.record.type == RecordType.END]
    assert all(records.decode_end(record.payload)[0].outcome == END.outcome for record in found)
    return [record.identity for record in found]


@pytest.mark.parametrize("key", [None, MASTER], ids=["plain", "sealed"])
def test_what_waits_when_its_gateway_is_killed_is_read(disk: FakeDisk, page: Page, key: bytes | None) -> None:
    writer = SpoolWriter(ROOT, "b", 0, page, RECORDING, disk, has_thread=False, master_key=key)
    for identity in IDS:
        writer.start(identity, START, b"question")
    disk.room = 0
    for identity in IDS:
        writer.end(identity, END, (9, b"answer"))
    assert writer.has_waiting
    assert ended(disk) == IDS
    assert "ends" not in disk.names(FOLDER)


def test_what_waits_is_read_also_while_its_gateway_runs_so_that_the_disk_can_be_freed(
    disk: FakeDisk, page: Page
) -> None:
    writer = SpoolWriter(ROOT, "b", 0, page, RECORDING, disk, has_thread=False, master_key=MASTER)
    source = SpoolReader(ROOT, disk, keys=KeyRing([MASTER])).source("b-0")
    for identity in IDS:
        writer.start(identity, START, b"question")
    assert source.waiting() == []
    disk.room = 0
    for identity in IDS:
        writer.end(identity, END)
    found = source.waiting()
    assert [record.identity for record in found] == IDS
    assert {records.decode_end(record.payload)[0].outcome for record in found} == {END.outcome}
    disk.room = None
    writer.tend()
    assert source.waiting() == []


def test_what_was_written_after_all_waits_no_longer_and_an_older_rest_is_not_taken_for_new(
    disk: FakeDisk, writer: SpoolWriter
) -> None:
    for identity in IDS:
        writer.start(identity, START, b"question")
    disk.room = 0
    for identity in IDS[:6]:
        writer.end(identity, END)
    disk.room = None
    writer.tend()
    assert not writer.has_waiting
    disk.room = 0
    writer.end(IDS[6], END)
    assert ended(disk) == IDS[:7]


def test_a_folder_whose_ends_are_written_leaves_no_segment_behind(disk: FakeDisk, writer: SpoolWriter) -> None:
    writer.start(IDS[0], START, b"")
    disk.room = 0
    writer.end(IDS[0], END)
    disk.room = None
    writer.tend()
    before = disk.names(FOLDER)
    assert ended(disk) == IDS[:1]
    assert disk.names(FOLDER) == [name for name in before if name != "ends"]


def test_on_a_small_disk_no_more_calls_begin_than_can_end(disk: FakeDisk, page: Page) -> None:
    disk.room = 8 * (4 * ends.ROOM + 100)
    writer = SpoolWriter(ROOT, "b", 0, page, RECORDING, disk, has_thread=False)
    for identity in IDS:
        writer.start(identity, START, b"question")
    assert page.get(Page.DROPPED_SPOOL_FULL) == len(IDS) - 4
    disk.room = 0
    large = AnswerHead(status=200, headers=(("x-large", "x" * 5000),))
    for identity in IDS:
        writer.end(identity, replace(END, head=large, error_message="m" * 500))
    assert ended(disk) == IDS[:4], "without what there was no room for"


def test_where_there_is_room_an_end_keeps_its_head(disk: FakeDisk, writer: SpoolWriter) -> None:
    writer.start(IDS[0], START, b"question")
    disk.room = 0
    head = AnswerHead(status=200, headers=(("x-large", "x" * 5000),))
    writer.end(IDS[0], replace(END, head=head))
    disk.kill_processes()
    source = SpoolReader(ROOT, disk).source("b-0")
    source.settle()
    end = records.decode_end(source.read(Position(), 1 << 20, is_final=True).records[-1].record.payload)[0]
    assert (end.head, end.bodies_dropped) == (head, True)


def test_of_a_gateway_that_lives_nothing_is_taken(disk: FakeDisk, writer: SpoolWriter) -> None:
    writer.start(IDS[0], START, b"")
    disk.room = 0
    writer.end(IDS[0], END)
    source = SpoolReader(ROOT, disk).source("b-0")
    assert not source.settle()
    disk.unlink(FOLDER / "lock")
    assert source.is_alive(), "whoever removes the file has not removed the gateway"
    assert not source.settle()
    writer.close()
    assert ended(disk) == IDS[:1], "one that leaves in order leaves what waits"


def test_a_file_that_was_cut_or_never_begun_is_nothing(disk: FakeDisk, writer: SpoolWriter) -> None:
    writer.start(IDS[0], START, b"")
    disk.room = 0
    writer.end(IDS[0], END)
    whole = bytes(disk.files[FOLDER / "ends"].data)
    used = ends._used(disk, FOLDER / "ends")
    for size in range(used):
        disk.files[FOLDER / "ends"].data = bytearray(whole[:size])
        assert ends._used(disk, FOLDER / "ends") == 0


def test_room_is_real_grows_and_is_given_back_where_there_is_not_enough(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = RealDisk()
    descriptor = disk.open_fixed(tmp_path / "held")
    disk.hold(descriptor, 100_000)
    assert os.fstat(descriptor).st_blocks * 512 >= 100_000
    disk.overwrite(descriptor, b"kept", 50)
    disk.hold(descriptor, 300_000)
    assert disk.read(tmp_path / "held", 50, 4) == b"kept"

    def refuse(_descriptor: int, _offset: int, _size: int) -> None:
        os.ftruncate(_descriptor, 350_000)
        raise OSError(errno.ENOSPC, "no space left")

    monkeypatch.setattr("proxy.spool.disk.os.posix_fallocate", refuse)
    with pytest.raises(OSError, match="no space"):
        disk.hold(descriptor, 400_000)
    assert disk.size(tmp_path / "held") == 300_000
    monkeypatch.setattr("proxy.spool.disk.os.posix_fallocate", lambda *_: None)
    disk.hold(descriptor, 500_000)
    assert os.fstat(descriptor).st_blocks * 512 >= 500_000, "where the system only promises, it is written"
    disk.close(descriptor)

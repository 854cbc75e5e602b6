"""Segments are handed out in order, each with its header; what a disk refuses leaves nothing behind."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.errors import SpoolError
from proxy.spool.framing import SEGMENT_HEADER, Heading, heading_of
from proxy.spool.segments import Segments
from tests.support.disk import FakeDisk

FOLDER = Path("/spool/boot-0")


class FileMakingDisk(FakeDisk):
    """When full it still makes files, as file systems do, and refuses their first byte."""

    def create(self, path: Path) -> int:
        room, self.room = self.room, None
        try:
            return super().create(path)
        finally:
            self.room = room


class FolderlessDisk(FakeDisk):
    """Makes no folder while it is full."""

    is_full = True

    def make_folder(self, path: Path) -> None:
        if self.is_full:
            raise OSError(errno.ENOSPC, "no space left")
        super().make_folder(path)


def segments_on(disk: FakeDisk) -> Segments:
    return Segments(disk, FOLDER)


def names(disk: FakeDisk) -> list[str]:
    return [name for name in disk.names(FOLDER) if name.endswith(".seg")]


def test_the_first_segment_is_there_from_the_beginning() -> None:
    disk = FakeDisk()
    segments = segments_on(disk)
    assert names(disk) == ["00000001.seg"]
    assert (segments.current.number, segments.current.size) == (1, SEGMENT_HEADER.size)
    assert heading_of(disk.read(segments.current.path, 0, 100)) == Heading(segments.mark)
    assert not segments.current.is_dirty
    assert repr(segments.current) == "<Segment 1 size=16>"


def test_without_a_spare_the_segment_in_use_stays() -> None:
    segments = segments_on(FakeDisk())
    current = segments.current
    assert not segments.rotate()
    assert segments.current is current
    assert not segments.sealing


def test_a_spare_is_made_once() -> None:
    disk = FakeDisk()
    segments = segments_on(disk)
    segments.make_spare(1.0)
    spare = segments.spare
    segments.make_spare(2.0)
    assert segments.spare is spare
    assert names(disk) == ["00000001.seg", "00000003.seg"]


@given(steps=st.lists(st.sampled_from(["spare", "rotate"]), max_size=20))
def test_segments_come_in_order_and_none_is_lost(steps: list[str]) -> None:
    disk = FakeDisk()
    segments = segments_on(disk)
    used = [segments.current]
    for step in steps:
        if step == "spare":
            segments.make_spare(0.0)
        elif segments.rotate():
            used.append(segments.current)
    assert [segment.number for segment in used] == list(range(1, 2 * len(used), 2))
    assert [*segments.sealing, segments.current] == used
    assert all(heading_of(disk.read(segment.path, 0, 16)) == Heading(segments.mark) for segment in used)
    segments.close()
    assert names(disk) == [segment.path.name for segment in used], "a spare never used is removed"
    assert not disk.open


@pytest.mark.parametrize("room", range(SEGMENT_HEADER.size))
def test_a_full_disk_tried_again_and_again_leaves_neither_file_nor_descriptor(room: int) -> None:
    disk = FileMakingDisk()
    segments = segments_on(disk)
    for _ in range(3):
        disk.room = room
        with pytest.raises(OSError, match="no space left"):
            segments.make_spare(0.0)
        assert (names(disk), len(disk.open)) == (["00000001.seg"], 3), "the segment and the locks"
    assert not segments.rotate()
    disk.room = None
    segments.make_spare(0.0)
    assert segments.rotate()
    assert heading_of(disk.read(segments.current.path, 0, 16)) == Heading(segments.mark)


def test_a_folder_that_cannot_be_synced_leaves_neither_file_nor_descriptor() -> None:
    disk = FakeDisk()
    segments = segments_on(disk)
    disk.folders.discard(FOLDER)
    for _ in range(3):
        with pytest.raises(FileNotFoundError):
            segments.make_spare(0.0)
        assert (names(disk), len(disk.open)) == (["00000001.seg"], 3), "the segment and the locks"
    assert segments.spare is None


def test_a_disk_without_room_for_the_first_begins_with_the_spare() -> None:
    disk = FileMakingDisk()
    disk.room = 3
    segments = segments_on(disk)
    with pytest.raises(OSError, match="bad descriptor"):
        disk.append(segments.current.descriptor, b"a record")
    assert not names(disk)
    disk.room = None
    segments.make_spare(0.0)
    assert segments.rotate()
    assert heading_of(disk.read(segments.current.path, 0, 16)) == Heading(segments.mark)
    segments.close()
    assert not disk.open


def test_a_folder_that_cannot_be_made_is_made_and_locked_with_the_first_spare() -> None:
    disk = FolderlessDisk()
    segments = segments_on(disk)
    assert not disk.folders
    disk.is_full = False
    segments.make_spare(0.0)
    assert disk.lock(FOLDER / "lock") is None, "locked before there is a segment"
    segments.close()
    assert not disk.open


def test_a_folder_of_another_process_is_refused() -> None:
    disk = FakeDisk()
    segments_on(disk)
    with pytest.raises(SpoolError, match="another process writes"):
        segments_on(disk)

"""A large body lies aside exactly as it came, or its writer knows how much of it does."""

from __future__ import annotations

import hashlib
from collections import deque
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.errors import SpoolError
from proxy.spool.bodies import SideFile
from proxy.spool.disk import RealDisk
from tests.support.disk import FakeDisk

PATH = Path("/spool/boot-0/bodies/00ff")
SLICES = st.lists(st.binary(max_size=50), max_size=8)


class ShortDisk(FakeDisk):
    """Takes at most three bytes at a time, as a system call may."""

    def append(self, descriptor: int, data: bytes) -> int:
        return super().append(descriptor, data[:3])


@given(slices=SLICES, is_short=st.booleans())
def test_the_file_is_what_was_written_and_its_hash_is_of_that(slices: list[bytes], is_short: bool) -> None:
    disk = ShortDisk() if is_short else FakeDisk()
    unsynced: deque[tuple[int, Path]] = deque()
    side = SideFile(disk, PATH, unsynced)
    lengths = []
    for data in slices:
        side.write(data)
        lengths.append(side.length)
    whole = b"".join(slices)
    assert lengths == [len(b"".join(slices[: index + 1])) for index in range(len(slices))]
    assert side.finish() == ("00ff", hashlib.sha256(whole).hexdigest(), len(whole))
    assert disk.files[PATH].data == whole
    assert dict(unsynced) == disk.open == {next(iter(disk.open)): PATH}, "whoever syncs it closes it"


@given(slices=SLICES, room=st.integers(1, 200), is_short=st.booleans())
def test_on_a_disk_that_fills_up_what_was_written_whole_is_still_right(
    slices: list[bytes], room: int, is_short: bool
) -> None:
    disk = ShortDisk() if is_short else FakeDisk()
    disk.room = room
    side = SideFile(disk, PATH, deque())
    whole = b""
    for data in slices:
        if len(whole) + len(data) > room:
            with pytest.raises(SpoolError, match="no space left"):
                side.write(data)
            break
        side.write(data)
        whole += data
    assert side.length == len(whole)
    assert disk.files[PATH].data[: side.length] == whole
    side.discard()
    assert not disk.files
    assert not disk.open


def test_a_file_that_cannot_be_made_is_the_spools_error() -> None:
    disk = FakeDisk()
    disk.room = 0
    with pytest.raises(SpoolError, match="cannot be written aside"):
        SideFile(disk, PATH, deque())
    assert not disk.open


def test_a_body_is_never_written_over_another() -> None:
    disk = FakeDisk()
    SideFile(disk, PATH, deque()).write(b"first")
    with pytest.raises(SpoolError, match="exists"):
        SideFile(disk, PATH, deque())
    assert disk.files[PATH].data == b"first"


def test_on_a_real_disk_it_is_private(tmp_path: Path) -> None:
    side = SideFile(RealDisk(), tmp_path / "body", deque())
    side.write(b"")
    side.write(b"secret")
    side.finish()
    assert (tmp_path / "body").read_bytes() == b"secret"
    assert (tmp_path / "body").stat().st_mode & 0o777 == 0o600

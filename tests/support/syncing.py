"""A syncing thread with what it works on, round by round, on a disk that fails where a test says so."""

from __future__ import annotations

import errno
from pathlib import Path

from proxy.settings.values import RecordingSettings
from proxy.spool.ends import Ends
from proxy.spool.framing import SEGMENT_HEADER, encode
from proxy.spool.page import Page
from proxy.spool.segments import Segments
from proxy.spool.syncing import SyncThread
from tests.support.disk import FakeDisk

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
        self.segments = Segments(self.disk, FOLDER, keeps_unsynced=True)
        self.page = page
        ends = Ends(self.disk, FOLDER, self.segments.header, encode, 1 << 16, 0)
        self.thread = SyncThread(self.disk, FOLDER, self.segments, page, recording, ends)

    def append(self, data: bytes = b"data") -> None:
        segment = self.segments.current
        self.disk.append(segment.descriptor, data)
        segment.size += len(data)
        if not segment.has_gap:
            segment.unsynced.append(data)
        segment.is_dirty = True
        self.page.add(Page.APPENDED_RECORDS, 1)

    def after_power_cut(self) -> bytes:
        self.disk.cut_power(0.0)
        return self.disk.read(FOLDER / "00000001.seg", SEGMENT_HEADER.size, 1000)

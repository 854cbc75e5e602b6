"""The syncing thread: brings what was appended to stable storage, a moment later and off the request path.

Every ``sync_interval`` it syncs the segment in use if it is dirty, seals rotated ones, makes the next spare, and looks
at how full the disk and the spool are. A sync that failed is never repeated on the same file, since the kernel may have
dropped the pages and would report success: the segment is rotated away and the page shows ``degraded``.
"""

from __future__ import annotations

import contextlib
import threading
import time
from pathlib import Path

from proxy.settings.values import RecordingSettings
from proxy.spool.disk import Disk
from proxy.spool.page import Page
from proxy.spool.segments import Segment, Segments

_LOOK_SECONDS = 1.0


class SyncThread:
    """Owned by the writer; ``is_full`` and ``must_rotate`` are read on the request path.

    ``is_gone``: somebody removed the files we write to, so that nothing appended is kept.
    """

    def __init__(self, disk: Disk, folder: Path, segments: Segments, page: Page, recording: RecordingSettings) -> None:
        self._disk = disk
        self._folder = folder
        self._segments = segments
        self._page = page
        self._recording = recording
        self._looked_at = 0.0
        self._leaving = threading.Event()
        self._failed: set[int] = set()
        self.is_full = False
        self.is_gone = False
        self.must_rotate = False
        self._thread = threading.Thread(target=self._run, name="spool-sync", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self) -> None:
        """End the thread after one last round."""
        self._leaving.set()
        if self._thread.is_alive():
            self._thread.join(timeout=10.0)
        self.round(time.monotonic())

    def _run(self) -> None:
        while not self._leaving.wait(self._recording.sync_interval):
            self.round(time.monotonic())

    def round(self, now: float) -> None:
        """Do what is due now."""
        segments = self._segments
        self._seal(segments)
        current = segments.current
        if current.is_dirty:
            if now - current.opened_at > self._recording.segment_seconds:
                self.must_rotate = True
            self._sync(current)
        if now - self._looked_at >= _LOOK_SECONDS:
            self._looked_at = now
            self.is_full = self._looks_full()
            self.is_gone = self.is_gone or self._is_removed(current)
        if segments.spare is None:
            # After the look, which would take back what a spare that cannot be made says on the page.
            self._make_spare(now)

    def _seal(self, segments: Segments) -> None:
        while segments.sealing:
            segment = segments.sealing[0]
            self._sync(segment)
            segments.sealing.pop(0)
            # The descriptor is gone whatever close says (some file systems report a late EIO): the thread lives on.
            with contextlib.suppress(OSError):
                self._disk.close(segment.descriptor)

    def _sync(self, segment: Segment) -> None:
        if not segment.is_dirty or segment.number in self._failed:
            return
        segment.is_dirty = False
        began = time.monotonic_ns()
        try:
            self._disk.sync(segment.descriptor)
        except OSError:
            self._failed.add(segment.number)
            self.must_rotate = True
            self._page.add(Page.FSYNC_FAILURES, 1)
            self._page.set(Page.DEGRADED, 1)
            return
        took = time.monotonic_ns() - began
        self._page.add(Page.FSYNC_COUNT, 1)
        if took > self._page.get(Page.FSYNC_NS_MAX):
            self._page.set(Page.FSYNC_NS_MAX, took)

    def _make_spare(self, now: float) -> None:
        try:
            self._segments.make_spare(now)
        except OSError:
            # Full or failing: the segment in use simply grows on; the next round tries again.
            self._page.set(Page.DEGRADED, 1)

    def _looks_full(self) -> bool:
        try:
            free = self._disk.free_bytes(self._folder)
            names = [name for name in self._disk.names(self._folder) if name.endswith(".seg")]
            used = sum(self._size(name) for name in names)
        except OSError:
            return True
        is_full = free < self._recording.min_free_bytes or used > self._recording.spool_max_bytes * 0.8
        if is_full or not self._failed:
            self._page.set(Page.DEGRADED, int(is_full))
        return is_full

    def _is_removed(self, segment: Segment) -> bool:
        """True when the file of the segment in use is no longer there; the loader frees only those before it."""
        if segment.number == 0 or segment is not self._segments.current:
            return False
        try:
            self._disk.size(segment.path)
        except FileNotFoundError:
            return segment is self._segments.current
        except OSError:
            return False
        return False

    def _size(self, name: str) -> int:
        try:
            return self._disk.size(self._folder / name)
        except FileNotFoundError:
            return 0

"""The syncing thread: brings what was appended to stable storage, off the request path.

Every ``sync_interval`` it syncs side files and segments that are dirty, seals rotated ones, writes again what a failed
sync put at risk, makes the next spare, and looks around (``lookout``: ballast, ceilings, trouble). In mode ``power``
whoever waits wakes it (``want``), and is told when a round is over: everything appended before the round began and
counted by ``synced`` is then on the disk. Rounds begin at least ``power_gather`` apart, so that calls that end together
share one sync while a lone one does not wait.

A sync that failed is never repeated on the same file (``rewriting``).
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path

from proxy.settings.values import RecordingSettings
from proxy.spool.disk import Disk
from proxy.spool.ends import Ends
from proxy.spool.lookout import Lookout
from proxy.spool.page import Page
from proxy.spool.segments import Segment, Segments
from proxy.spool.trouble import Trouble

_LONGEST_PAUSE = 10.0
_PATIENCE_SECONDS = 10.0


class SyncThread(Lookout):
    """Owned by the writer; what ``must_`` says, and ``cannot_sync``, is read on the request path.

    ``synced`` counts appends, as the page does; ``bodies`` takes side files that are written whole: (descriptor, path).
    """

    def __init__(
        self, disk: Disk, folder: Path, segments: Segments, page: Page, recording: RecordingSettings, ends: Ends
    ) -> None:
        super().__init__(disk, folder, segments, page, recording, ends)
        self._sync_again_at = 0.0
        self._sync_pause = recording.sync_interval
        self._leaving = self._is_abandoned = False
        self._wanted = threading.Event()
        self.bodies: deque[tuple[int, Path]] = deque()
        self.synced = 0
        self.must_rotate = self.cannot_sync = False
        self.on_round: Callable[[], object] | None = None
        self._thread: threading.Thread | None = None

    def __repr__(self) -> str:
        return f"<SyncThread {self._folder.name} synced={self.synced} at_risk={self._rewriting!r}>"

    def start(self) -> None:
        """Start the thread."""
        self._thread = threading.Thread(target=self._run, name="spool-sync", daemon=True)
        self._thread.start()

    def revive(self) -> None:
        """Start the thread anew where a defect has ended it: without one nothing is synced any more."""
        if self._thread is not None and not self._thread.is_alive() and not self._leaving:
            self.start()

    def want(self) -> None:
        """Somebody waits for what was appended up to now."""
        self._wanted.set()

    def stop(self) -> None:
        """End the thread after one last round."""
        self._leaving = True
        self._wanted.set()
        if self._thread is not None and self._thread.is_alive():
            self._thread.join(timeout=_PATIENCE_SECONDS)
            if self._thread.is_alive():
                # It hangs in a sync, and so would we. What was written is the kernel's to bring to the disk.
                return
        self._sync_again_at = 0.0
        self.round(time.monotonic())
        # Nobody writes any more: what is at risk need not be left first.
        self._rewriting.round(None, float("inf"))
        self.ballast.remove()

    def abandon(self) -> None:
        """Nobody writes here any more, and the files were removed: let go of everything without another sync."""
        self._is_abandoned = self._leaving = True
        self._wanted.set()
        if self._thread is None or not self._thread.is_alive():
            self._let_go()

    def _let_go(self) -> None:
        while self.bodies:
            with contextlib.suppress(OSError):
                self._disk.close(self.bodies.popleft()[0])
        self.ballast.remove()
        self._ends.close()
        with contextlib.suppress(OSError):
            self._segments.close()
        self._page.close()

    def _run(self) -> None:
        began = 0.0
        while not self._leaving:
            self._wanted.wait(self._recording.sync_interval)
            pause = began + self._recording.power_gather - time.monotonic()
            if pause > 0 and not self._leaving:
                time.sleep(pause)
            self._wanted.clear()
            began = time.monotonic()
            if not self._leaving:
                self._round_or_tell(began)
        if self._is_abandoned:
            self._let_go()

    def _round_or_tell(self, began: float) -> None:
        try:
            self.round(began)
        except Exception:
            # A defect of ours: it ends this thread, and the writer begins another one.
            self._page.set(Page.TROUBLE, self._page.get(Page.TROUBLE) | Trouble.SYNC_FAILED)
            self._page.set(Page.DEGRADED, 1)
            raise

    def round(self, now: float) -> None:
        """Do what is due now: sync first, since somebody may wait for it."""
        self._sync_all(now)
        if self.on_round is not None:
            self.on_round()
        self._look_around(now)
        if self._segments.spare is None:
            self._make_spare(now)
        self._tell()

    # -- syncing --------------------------------------------------------------------------------------------

    def _sync_all(self, now: float) -> None:
        # In this order: what is counted as appended lies in the segment in use then, or in one before it.
        appended = self._page.get(Page.APPENDED_RECORDS)
        current = self._segments.current
        is_safe = self._sync_bodies()
        for segment in list(self._segments.sealing):
            is_safe = self._sync(segment, now) and is_safe
        is_old = current.is_dirty and now - current.opened_at > self._recording.segment_seconds
        if is_old and Trouble.MANY_FILES not in self._seen:
            # Near the ceiling of files segments grow to their full size. Only ever set here: who rotates resets it.
            self.must_rotate = True
        is_safe = self._sync(current, now) and is_safe
        self._close_sealed(current)
        self._sync_ends()
        self._rewriting.round(self._segments.current, now)
        self._page.set(Page.REWRITTEN_BYTES, self._rewriting.rewritten_bytes)
        self.cannot_sync = self._rewriting.is_failing
        if is_safe and not self._rewriting.has_work:
            self.synced = appended
            self.is_late = False

    def _sync_ends(self) -> None:
        """ENDs that wait are in memory as well: one that could not be synced is said, and no more."""
        try:
            self._ends.sync()
        except OSError:
            self._note_failure()

    def _sync_bodies(self) -> bool:
        """Sync side files that are whole; a START that refers to them may be on the disk already."""
        paths: list[Path] = []
        is_safe = True
        while self.bodies:
            descriptor, path = self.bodies.popleft()
            try:
                self._disk.sync(descriptor)
                paths.append(path)
            except OSError:
                self._note_failure()
                self._rewriting.add_body(path)
                is_safe = False
            with contextlib.suppress(OSError):
                self._disk.close(descriptor)
        return self._sync_names(paths) and is_safe

    def _sync_names(self, paths: list[Path]) -> bool:
        """Sync the entries of side files; a folder's failed sync is not repeated either: its files are written anew."""
        is_safe = True
        for folder in {path.parent for path in paths}:
            try:
                self._disk.sync_folder(folder)
            except OSError:
                self._note_failure()
                for path in paths:
                    self._rewriting.add_body(path)
                is_safe = False
        return is_safe

    def _sync(self, segment: Segment, now: float) -> bool:
        """Sync a segment; False when what is in it may not be on the disk."""
        if segment.is_failed or not segment.is_dirty:
            return True
        if now < self._sync_again_at:
            return False
        # Before the sync: what is appended from here on makes it dirty again.
        segment.is_dirty = False
        # In this order: what is counted is part of the size.
        count, size = len(segment.unsynced), segment.size
        began = time.monotonic_ns()
        try:
            self._disk.sync(segment.descriptor)
        except OSError:
            segment.is_failed = True
            self.must_rotate = True
            self._rewriting.add_segment(segment)
            self._note_failure()
            self._sync_again_at, self._sync_pause = now + self._sync_pause, min(self._sync_pause * 2, _LONGEST_PAUSE)
            return False
        segment.synced = size
        del segment.unsynced[:count]
        self._sync_pause = self._recording.sync_interval
        took = time.monotonic_ns() - began
        self._took.append(took)
        self._page.add(Page.FSYNC_COUNT, 1)
        if took > self._page.get(Page.FSYNC_NS_MAX):
            self._page.set(Page.FSYNC_NS_MAX, took)
        return True

    def _note_failure(self) -> None:
        self._page.add(Page.FSYNC_FAILURES, 1)
        self._page.set(Page.DEGRADED, 1)

    def _close_sealed(self, current: Segment) -> None:
        """Close the segments that were left and are synced, or never will be."""
        sealing = self._segments.sealing
        while sealing and sealing[0] is not current and (sealing[0].is_failed or not sealing[0].is_dirty):
            segment = sealing.pop(0)
            # The descriptor is gone whatever close says (some file systems report a late EIO): the thread lives on.
            with contextlib.suppress(OSError):
                self._disk.close(segment.descriptor)

    def _make_spare(self, now: float) -> None:
        try:
            self._segments.make_spare(now)
            self._cannot_make = False
        except OSError:
            # Full or failing: the segment in use simply grows on; the next round tries again.
            self._cannot_make = True

"""What stands around a spool: how full disk and spool are, whether its files are still there, what troubles it.

It is looked at once a second by the syncing thread, in a large spool more seldom. The ceilings are of the whole spool:
every gateway looks at all of it, without a lock.
"""

from __future__ import annotations

import contextlib
import time
from collections import deque
from pathlib import Path

from proxy.settings.values import RecordingSettings
from proxy.spool.ballast import Ballast
from proxy.spool.ceilings import Ceilings, Room, measure
from proxy.spool.disk import Disk
from proxy.spool.ends import Ends
from proxy.spool.page import Page
from proxy.spool.rewriting import Rewriting
from proxy.spool.segments import Segment, Segments
from proxy.spool.trouble import Trouble

_LOOK_SECONDS = 1.0
_LOOK_SHARE = 20
_MANY_FILES = 1000
"""A look at a spool of more files than this is followed by a pause of so many times as long as it took."""
_LATEST = 1000
"""The percentile of the syncs is of so many, the latest ones."""


class Lookout:
    """Looks around; what ``is_`` and ``cannot_write`` say is read on the request path.

    ``is_tight``: the disk may be full before the next look, so that a call needs room for its END when it begins.
    ``is_gone``: somebody removed the files we write to, so that nothing appended is kept.
    """

    def __init__(
        self, disk: Disk, folder: Path, segments: Segments, page: Page, recording: RecordingSettings, ends: Ends
    ) -> None:
        self._disk = disk
        self._folder = folder
        self._segments = segments
        self._page = page
        self._recording = recording
        self._ends = ends
        self._ceilings = Ceilings.of(recording)
        self._looked_at = self._look_pause = 0.0
        self._rewriting = Rewriting(disk, folder, segments.header, segments.mark)
        self._took: deque[int] = deque(maxlen=_LATEST)
        self._seen = Trouble.NONE
        self._cannot_make = False
        self.room = Room(self._ceilings.max_bytes)
        self.ballast = Ballast(disk, folder, self._ceilings.ballast)
        self.is_full = self.is_over = self.is_gone = self.is_tight = False
        self.cannot_write = self.is_late = False
        self.waiting_is_large = False

    def prepare(self) -> None:
        """Take the room for the ENDs of calls, before there is one."""
        with contextlib.suppress(OSError):
            self._note_room(self._disk.free_bytes(self._folder))

    def _look_around(self, now: float) -> None:
        """Look, when it is time to."""
        if now - self._looked_at >= max(_LOOK_SECONDS, self._look_pause):
            self._looked_at = now
            self._look()

    def _look(self) -> None:
        began = time.monotonic()
        self._seen = self._usage()
        self.is_full = self._seen != Trouble.NONE
        self.cannot_write = False
        if self._took:
            self._page.set(Page.FSYNC_NS_P99, sorted(self._took)[len(self._took) * 99 // 100])
        self.is_gone = self.is_gone or self._is_removed(self._segments.current)
        has_many = self._page.get(Page.SPOOL_FILES) > _MANY_FILES
        self._look_pause = (time.monotonic() - began) * _LOOK_SHARE if has_many else 0.0

    def _usage(self) -> Trouble:
        try:
            usage = measure(self._disk, self._folder.parent)
        except OSError:
            # What cannot be looked at counts as full.
            self.is_over, self.is_tight = False, True
            return Trouble.DISK_LOW
        self.is_over = self._ceilings.is_over(usage)
        self.room.left = self._ceilings.room(usage)
        self._page.set(Page.SPOOL_BYTES, usage.bytes)
        self._page.set(Page.SPOOL_FILES, usage.files)
        self._note_room(usage.free)
        self.ballast.make(usage.free, self._ceilings.min_free)
        is_low = self.ballast.is_spent or (self.is_tight and not self._ends.has_room_for(1))
        return self._ceilings.judge(usage) | (Trouble.DISK_LOW if is_low else Trouble.NONE)

    def _note_room(self, free: int) -> None:
        self._ends.make(free)
        self.is_tight = self.ballast.is_spent or self._ends.is_tight(free)

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

    def _tell(self) -> None:
        """Write down what is the matter."""
        found = self._seen
        for is_so, trouble in (
            (self._cannot_make, Trouble.CANNOT_MAKE_FILES),
            (self.cannot_write, Trouble.CANNOT_WRITE),
            (self._rewriting.has_work, Trouble.SYNC_FAILED),
            (self.is_late, Trouble.SYNC_LATE),
            (self.waiting_is_large, Trouble.WAITING_LARGE),
        ):
            found |= trouble if is_so else Trouble.NONE
        self._page.set(Page.TROUBLE, found)
        self._page.set(Page.DEGRADED, int(found != Trouble.NONE))

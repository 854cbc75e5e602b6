"""The growing end of one gateway's spool: whole records, each in one write, numbered in the order they lie in.

A write that was cut short is cut back to the record's start, so a segment never holds half a record from us. On a full
disk the ballast is given back first, so that what is under way still fits. What cannot be written is refused, and its
segment left as soon as there is a spare: only what is rotated away can be freed. What had to wait (``ends``) is
numbered and written before anything newer.

What follows for a call whose record was refused is for the writer to know.
"""

from __future__ import annotations

import errno
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from proxy.settings.values import RecordingSettings
from proxy.spool.ceilings import Ceilings
from proxy.spool.disk import Disk
from proxy.spool.ends import Ends
from proxy.spool.framing import encode
from proxy.spool.page import Page
from proxy.spool.sealing import Seal
from proxy.spool.segments import Segment, Segments
from proxy.spool.syncing import SyncThread

_FULL = (errno.ENOSPC, errno.EDQUOT)
_MOST_UNSYNCED = 16 * 1024 * 1024
"""Where syncs hang, no more than this is kept in memory of what they put at risk."""
_APPENDED_RECORDS, _APPENDED_BYTES = Page.APPENDED_RECORDS, Page.APPENDED_BYTES
_APPEND_NS_TOTAL, _APPEND_NS_MAX = Page.APPEND_NS_TOTAL, Page.APPEND_NS_MAX


class Appender:
    """Appends records to the segment in use. For one thread; the syncing thread is its own.

    The writer is one, and does not have one: what a call says passes no further function on its way.
    """

    def __init__(
        self, disk: Disk, folder: Path, page: Page, recording: RecordingSettings, master_key: bytes | None
    ) -> None:
        self._disk = disk
        self.folder = folder
        self.page = page
        self._seal = None if master_key is None else Seal(master_key)
        keeps = recording.mode == "power"
        self._segments = Segments(disk, folder, self._seal, keeps_unsynced=keeps)
        most, held = recording.waiting_max_bytes, Ceilings.of(recording).ends
        # Nothing of the syncing thread's may lead back here: a writer that is given up must go with its last call.
        self._encode = _encoder(self._seal, self._segments.mark)
        self._ends = Ends(disk, folder, self._segments.header, self._encode, most, held)
        self._waiting = self._ends.waiting
        self.syncing = SyncThread(disk, folder, self._segments, page, recording, self._ends)
        self._segment_bytes = recording.segment_bytes
        self._slots = page.slots
        self._sequence = 0
        self._drop_slot = Page.DROPPED_SPOOL_FULL

    @property
    def is_gone(self) -> bool:
        """True when the spool's files were removed: only a new writer keeps anything again."""
        return self.syncing.is_gone

    @property
    def appended(self) -> int:
        """How many appends there were: what ``syncing.synced`` has to reach so that all of them are on the disk."""
        return self.page.slots[Page.APPENDED_RECORDS]

    @property
    def has_waiting(self) -> bool:
        """True while ENDs wait for the disk."""
        return bool(self._waiting)

    def _record(self, kind: int, identity: bytes, payload: bytes) -> bytes:
        self._sequence += 1
        return self._encode(kind, identity, self._sequence, payload)

    def _append(self, data: bytes) -> bool:
        """Append whole records in one write; False when the disk would not take them."""
        segment = self._segments.current
        if self.syncing.must_rotate or segment.size >= self._segment_bytes:
            segment = self._rotate()
            if segment.is_torn and not self._cut_back(segment):
                return False
        size = len(data)
        began = time.monotonic_ns()
        try:
            is_whole = self._disk.append(segment.descriptor, data) == size
        except OSError as error:
            is_whole = self._refused(segment, data, error.errno in _FULL)
        else:
            is_whole = is_whole or self._cut_short(segment, data)
        if not is_whole:
            return False
        segment.size += size
        if not segment.has_gap:
            _keep(segment, data)
        segment.is_dirty = True
        took = time.monotonic_ns() - began
        slots = self._slots
        slots[_APPENDED_RECORDS] += 1
        slots[_APPENDED_BYTES] += size
        slots[_APPEND_NS_TOTAL] += took
        if took > slots[_APPEND_NS_MAX]:
            slots[_APPEND_NS_MAX] = took
        return True

    def _rotate(self) -> Segment:
        if self._segments.rotate():
            self.syncing.must_rotate = False
            self._segments.current.opened_at = time.monotonic()
        return self._segments.current

    def _cut_short(self, segment: Segment, data: bytes) -> bool:
        """The disk took a part of it: it is full."""
        self._cut_back(segment)
        return self._refused(segment, data, is_full=True)

    def _refused(self, segment: Segment, data: bytes, is_full: bool) -> bool:
        """The disk took nothing; True when it did after the ballast was given back."""
        if is_full and not segment.is_torn and self.syncing.ballast.release():
            # Once: there is no second one. From here on only facts are added, until the next look sees more room.
            self.syncing.is_full = True
            try:
                return self._disk.append(segment.descriptor, data) == len(data) or self._cut_short(segment, data)
            except OSError as error:
                return self._refused(segment, data, error.errno in _FULL)
        if is_full:
            self.syncing.is_tight = True
        # The spare has a block of its own already, which takes a small record on a full disk; and only what is rotated
        # away can be freed: where the spool itself has filled the disk, it is this segment that must go.
        self.syncing.must_rotate = self.syncing.cannot_write = True
        self._drop_slot = Page.DROPPED_SPOOL_FULL if is_full else Page.DROPPED_WRITE_ERROR
        self.page.set(Page.DEGRADED, 1)
        return False

    def _cut_back(self, segment: Segment) -> bool:
        """Cut half a record off again; until that is done nothing is appended behind it."""
        segment.is_torn = True
        try:
            self._disk.truncate(segment.descriptor, segment.size)
        except OSError:
            return False
        segment.is_torn = False
        return True

    def _note_waiting(self) -> None:
        self.page.set(Page.WAITING_BYTES, self._ends.size)

    def _catch_up(self) -> None:
        """Write the ENDs that had to wait, before anything newer is numbered."""
        while self._waiting:
            # Numbered only now: records lie in the order of their sequence, also those that had to wait.
            if not self._append(self._record(*self._waiting[0])):
                return
            self._ends.taken()
            self._note_waiting()
        self.syncing.waiting_is_large = False

    # -- between calls --------------------------------------------------------------------------------------

    def tend(self) -> None:
        """Leave a segment that must be left also when nobody calls, and write what had to wait."""
        self.syncing.revive()
        if self.page.settle():
            self._slots = self.page.slots
        self._catch_up()
        if self.syncing.must_rotate and self._segments.current.is_failed:
            self._rotate()
            self.syncing.want()

    def close(self) -> None:
        """Sync and seal everything, then let go of the lock."""
        self._catch_up()
        self.syncing.stop()
        self._ends.close()
        self._segments.close()


def _encoder(seal: Seal | None, mark: bytes) -> Callable[[int, bytes, int, bytes], bytes]:
    """Return how a record of (kind, identity, sequence, payload) becomes bytes."""
    if seal is None:
        return partial(encode, mark=mark)

    def sealed(kind: int, identity: bytes, sequence: int, payload: bytes) -> bytes:
        return encode(kind, identity, sequence, seal.seal(kind, identity, sequence, payload), mark)

    return sealed


def _keep(segment: Segment, data: bytes) -> None:
    segment.unsynced.append(data)
    if segment.size - segment.synced > _MOST_UNSYNCED:
        segment.forget_unsynced()

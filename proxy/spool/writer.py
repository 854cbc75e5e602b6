"""The gateway's end of the spool: one append per call of it, synchronous, without lock, await or sync.

What disk trouble does is policy, not an exception. ``metadata_only`` (default) keeps the facts and drops bodies,
``reject`` refuses new calls (``start`` returns False), ``drop`` lets calls pass unrecorded and counts them. A write
that was cut short is cut back to the record's start, so a segment never holds half a record from us. On a full disk the
ballast is given back first, so that what is under way still fits. An END that cannot be written waits, where a kill -9
does not reach it (``ends``), and is tried again; the page always tells what was dropped and why.

A call is counted as accepted after its START is down, or dropped: so accepted = stored + pending + quarantined +
dropped holds at every moment, also when the process dies between any two lines here.
"""

from __future__ import annotations

import contextlib
import errno
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Self

from proxy.domain.recording import AnswerHead, CallEnd, CallStart
from proxy.errors import SpoolError
from proxy.settings.credentials import sealing_key
from proxy.settings.values import RecordingSettings, Settings
from proxy.spool import records
from proxy.spool.ballast import give_back_abandoned
from proxy.spool.bodies import SideFile
from proxy.spool.ceilings import Ceilings
from proxy.spool.disk import Disk, RealDisk
from proxy.spool.ends import Ends
from proxy.spool.framing import RecordType, encode
from proxy.spool.names import BODIES
from proxy.spool.page import Page
from proxy.spool.sealing import Seal
from proxy.spool.segments import Segment, Segments
from proxy.spool.syncing import SyncThread
from proxy.spool.trouble import Trouble

_NOBODY = bytes(16)
_FULL = (errno.ENOSPC, errno.EDQUOT)
_MOST_UNSYNCED = 16 * 1024 * 1024
"""Where syncs hang, no more than this is kept in memory of what they put at risk."""
_MOST_UNSYNCED_BODIES = 512
_APPENDED_RECORDS, _APPENDED_BYTES = Page.APPENDED_RECORDS, Page.APPENDED_BYTES
_APPEND_NS_TOTAL, _APPEND_NS_MAX, _ACCEPTED = Page.APPEND_NS_TOTAL, Page.APPEND_NS_MAX, Page.ACCEPTED


class SpoolWriter:
    """Appends one gateway's records. For one thread; the syncing thread is its own."""

    def __init__(
        self,
        root: Path,
        boot: str,
        worker: int,
        page: Page,
        recording: RecordingSettings,
        disk: Disk | None = None,
        *,
        has_thread: bool = True,
        master_key: bytes | None = None,
    ) -> None:
        self._disk = disk or RealDisk()
        self.folder = root / f"{boot}-{worker}"
        self.worker = worker
        self.page = page
        self._recording = recording
        self._master_key = master_key
        self._seal = None if master_key is None else Seal(master_key)
        keeps = recording.mode == "power"
        self._segments = Segments(self._disk, self.folder, self._seal, keeps_unsynced=keeps)
        self._mark = self._segments.mark
        most, held = recording.waiting_max_bytes, Ceilings.of(recording).ends
        # Nothing of the syncing thread's may lead back here: a writer that is given up must go with its last call.
        self._encode = _encoder(self._seal, self._mark)
        self._ends = Ends(self._disk, self.folder, self._segments.header, self._encode, most, held)
        self._waiting = self._ends.waiting
        self._open = 0
        self.syncing = SyncThread(self._disk, self.folder, self._segments, page, recording, self._ends)
        self._segment_bytes = recording.segment_bytes
        self._slots = page.slots
        self._sequence = 0
        self._resting_size = 0
        self._unrecorded: dict[bytes, str | None] = {}
        self._without_body: set[bytes] = set()
        self._drop_slot = Page.DROPPED_SPOOL_FULL
        self.syncing.prepare()
        if has_thread:
            self.syncing.start()

    @classmethod
    def begin(cls, settings: Settings, worker: int, disk: Disk | None = None) -> Self:
        """Begin a spool of its own, with its page, for one gateway process."""
        boot = uuid.uuid4().hex
        give_back_abandoned(disk or RealDisk(), settings.spool_dir)
        page = Page.begin(settings.pages_dir / f"{boot}-{worker}.page", boot, worker)
        recording = settings.recording
        return cls(settings.spool_dir, boot, worker, page, recording, disk, master_key=sealing_key(recording))

    def __repr__(self) -> str:
        return f"<SpoolWriter {self.folder.name} {self._segments.current!r} sequence={self._sequence}>"

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

    # -- one call -------------------------------------------------------------------------------------------

    def start(self, identity: bytes, start: CallStart, body: bytes, *, is_secret: bool = False) -> bool:
        """Note a call before its upstream is dialled; False when policy wants it refused.

        Of one that ``is_secret`` neither body ever reaches the disk.
        """
        if self._waiting:
            self._catch_up()
        if self._recording.on_full == "reject" and (self.syncing.is_full or self.syncing.cannot_sync):
            self.page.add(Page.DROPPED_POLICY, 1)
            self.page.add(Page.ACCEPTED, 1)
            return False
        if is_secret:
            self._without_body.add(identity)
            body = b""
        is_kept = (
            not self.syncing.is_full
            and (not self.syncing.is_tight or self._has_room())
            and self._append(self._record(RecordType.START, identity, records.encode_start(start, body)))
        ) or self._start_without_body(identity, start)
        self._open += is_kept
        self._slots[_ACCEPTED] += 1
        if not is_kept and self._recording.on_full == "reject":
            # It is refused: no end will come that lets go of it.
            self._unrecorded.pop(identity, None)
            return False
        return True

    def leave_out(self, identity: bytes, *, is_over: bool = False) -> None:
        """Count a call of which its caller lets us keep nothing; what is said of it until its end goes nowhere."""
        if not is_over:
            self._unrecorded[identity] = None
        self.page.add(Page.DROPPED_POLICY, 1)
        self.page.add(Page.ACCEPTED, 1)

    def _has_room(self) -> bool:
        """True when one more call can end whatever the disk does."""
        return self._ends.has_room_for(self._open + 1)

    def _start_without_body(self, identity: bytes, start: CallStart) -> bool:
        is_over = self.syncing.is_over or (self.syncing.is_tight and not self._has_room())
        if self._recording.on_full == "metadata_only" and not is_over:
            self._without_body.add(identity)
            self.page.add(Page.BODIES_DROPPED, 1)
            if self._append(self._record(RecordType.START, identity, records.encode_start(start, b""))):
                return True
            self._without_body.discard(identity)
        self._unrecorded[identity] = start.side_file
        is_full = self.syncing.is_full or is_over
        self.page.add(Page.DROPPED_SPOOL_FULL if is_full else self._drop_slot, 1)
        return False

    def piece(self, identity: bytes, at_ns: int, data: bytes, head: AnswerHead | None = None) -> None:
        """Append one piece of the answer, with its head when it is the first."""
        if self._waiting:
            self._catch_up()
        if identity in self._unrecorded or identity in self._without_body:
            if head is not None and identity in self._without_body:
                self._append(self._record(RecordType.CHUNK, identity, records.encode_head(head)))
            return
        record = b"" if head is None else self._record(RecordType.CHUNK, identity, records.encode_head(head))
        record += self._record(RecordType.CHUNK, identity, records.encode_piece(at_ns, data))
        if not self._append(record):
            self._without_body.add(identity)
            self.page.add(Page.BODIES_DROPPED, 1)

    def pieces(self, identity: bytes, pieces: Sequence[tuple[int, bytes]], head: AnswerHead | None = None) -> None:
        """Append the answer's head, or pieces (arrival, bytes) that were held back until now, in one write."""
        self._catch_up()
        heads = [] if head is None else [records.encode_head(head)]
        chunks = [records.encode_piece(*piece) for piece in pieces if identity not in self._without_body]
        data = b"".join([self._record(RecordType.CHUNK, identity, payload) for payload in heads + chunks])
        if data and identity not in self._unrecorded and not self._append(data):
            self._without_body.add(identity)
            self.page.add(Page.BODIES_DROPPED, 1)

    def end(self, identity: bytes, end: CallEnd, last: tuple[int, bytes] | None = None) -> None:
        """Append the end, with the last piece when it was not appended before."""
        if self._waiting:
            self._catch_up()
        if identity in self._unrecorded:
            self._let_go(self._unrecorded.pop(identity))
            return
        self._open -= 1
        if identity not in self._without_body:
            if self._append(self._record(RecordType.END, identity, records.encode_end(end, last))):
                return
            self.page.add(Page.BODIES_DROPPED, 1)
        self._without_body.discard(identity)
        end = replace(end, bodies_dropped=True)
        if not self._append(self._record(RecordType.END, identity, records.encode_end(end, None))):
            self._end_later(identity, end)

    def _let_go(self, side_file: str | None) -> None:
        """Remove the body of a call that is not recorded: no loader will learn of it."""
        if side_file is not None:
            with contextlib.suppress(OSError):
                self._disk.unlink(self.folder / BODIES / side_file)

    def reject(self, identity: bytes, start: CallStart, end: CallEnd) -> None:
        """Note a call that was refused: start and end in one write."""
        self._catch_up()
        both = self._record(RecordType.START, identity, records.encode_start(start, b""))
        both += self._record(RecordType.END, identity, records.encode_end(end, None))
        if not self._append(both):
            self.page.add(self._drop_slot, 1)
        self.page.add(Page.ACCEPTED, 1)

    def note_late(self, identity: bytes) -> None:
        """Note that a reply went on although its call, which has ended, may not be on the disk yet."""
        self._catch_up()
        facts = records.encode_facts({records.UNSYNCED: True})
        # Behind its END, also where that still waits.
        if self._waiting or not self._append(self._record(RecordType.AMEND, identity, facts)):
            self._ends.add(RecordType.AMEND, identity, facts)
            self._note_waiting()
        self.syncing.is_late = True
        # The syncing thread, which writes these, may hang in a sync.
        self.page.add(Page.SYNC_WAITS_EXPIRED, 1)
        self.page.set(Page.TROUBLE, self.page.get(Page.TROUBLE) | Trouble.SYNC_LATE)
        self.page.set(Page.DEGRADED, 1)

    def open_body(self, identity: bytes, key: bytes | None = None) -> SideFile:
        """Open a side file for a large body, with a ``key`` sealed for itself; ``SpoolError`` when the disk refuses."""
        if self.syncing.is_full:
            raise SpoolError("a large request body is not written aside: the spool is full")
        if len(self.syncing.bodies) >= _MOST_UNSYNCED_BODIES:
            # Where syncs hang each of them keeps a descriptor, which connections need.
            raise SpoolError("a large request body is not written aside: too many wait for the disk")
        path = self.folder / BODIES / identity.hex()
        return SideFile(self._disk, path, self.syncing.bodies, key or self._master_key, self.syncing.room)

    def stats(self, values: Mapping[str, int]) -> None:
        """Append the gateway's health, and try again what could not be written.

        Until what calls left is in a sealed segment, which the loader frees; then a machine at rest keeps its disk at
        rest: a segment with nothing in it but one STATS gets no second one.
        """
        self._catch_up()
        if self._segments.current.size == self._resting_size:
            return
        self._resting_size = 0
        record = self._record(RecordType.STATS, _NOBODY, records.encode_facts(values))
        if self._append(record) and self._segments.current.size == len(self._segments.header) + len(record):
            self._resting_size = self._segments.current.size

    def tend(self) -> None:
        """Leave a segment that must be left also when nobody calls, and write what had to wait."""
        self.syncing.revive()
        if self.page.settle():
            self._slots = self.page.slots
        self._catch_up()
        if self.syncing.must_rotate and self._segments.current.is_failed:
            self._rotate()
            self.syncing.want()

    # -- appending ------------------------------------------------------------------------------------------

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

    def _end_later(self, identity: bytes, end: CallEnd) -> None:
        """Let an END wait that the disk does not take now, where it must be without what can be left out."""
        payload = records.encode_end(end, None)
        if not self._ends.fits(payload, self._open):
            payload = records.encode_end(replace(end, head=None, attempts=(), error_message=None, edits=None), None)
        if not self._ends.add(RecordType.END, identity, payload):
            # Its START is in the spool: not dropped, it will be stored as interrupted.
            self.page.add(Page.ENDS_LOST, 1)
            self.syncing.waiting_is_large = True
        self._note_waiting()

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

"""The gateway's end of the spool: one append per call of it, synchronous, without lock, await or sync.

What disk trouble does is policy, not an exception. ``metadata_only`` (default) keeps the facts and drops bodies,
``reject`` refuses new calls (``start`` returns False), ``drop`` lets calls pass unrecorded and counts them. An END that
cannot be written waits, where a kill -9 does not reach it (``ends``), and is tried again; the page always tells what
was dropped and why. How a record gets onto the disk, or is refused there, is in ``appending``.

A call is counted as accepted after its START is down, or dropped: so accepted = stored + pending + quarantined +
dropped holds at every moment, also when the process dies between any two lines here.
"""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Self

from proxy.domain.recording import AnswerHead, CallEnd, CallStart
from proxy.errors import SpoolError
from proxy.settings.credentials import sealing_key
from proxy.settings.values import RecordingSettings, Settings
from proxy.spool import records
from proxy.spool.appending import Appender
from proxy.spool.ballast import give_back_abandoned
from proxy.spool.bodies import SideFile
from proxy.spool.disk import Disk, RealDisk
from proxy.spool.framing import RecordType
from proxy.spool.names import BODIES
from proxy.spool.page import Page
from proxy.spool.trouble import Trouble

_NOBODY = bytes(16)
_MOST_UNSYNCED_BODIES = 512
_ACCEPTED = Page.ACCEPTED


class SpoolWriter(Appender):
    """Appends what one gateway has to say of its calls. For one thread; the syncing thread is its own."""

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
        super().__init__(disk or RealDisk(), root / f"{boot}-{worker}", page, recording, master_key)
        self.worker = worker
        self._recording = recording
        self._master_key = master_key
        self._open = 0
        self._resting_size = 0
        self._unrecorded: dict[bytes, str | None] = {}
        self._without_body: set[bytes] = set()
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

    # -- one call -------------------------------------------------------------------------------------------

    def start(self, identity: bytes, start: CallStart, body: bytes, *, is_secret: bool = False) -> bool:
        """Note a call before its upstream is dialled; False when policy wants it refused.

        Of one that ``is_secret`` neither body ever reaches the disk.
        """
        if self._waiting:
            self._catch_up()
        if self._recording.on_full == "reject" and (self.syncing.is_full or self.syncing.cannot_sync):
            self.page.add(Page.DROPPED_SPOOL_FULL if self.syncing.is_full else Page.DROPPED_WRITE_ERROR, 1)
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

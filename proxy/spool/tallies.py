"""What keys and providers have used of their limits: a small table of each process, read by all of the host.

Each gateway counts in a file of its own, and so does control, which knows the tokens of a call once it has read the
answer; whoever judges adds them all up. So nobody waits for anybody, and there is nothing to lock. What is read while
another process counts may be a call behind, and two gateways that judge at the same instant both let a call in: limits
are approximate, by as many calls as there are gateways.

A table has room for ``ENTRIES`` subjects (a key, a provider), found by a hash of their names. An entry counts requests
and tokens in two buckets, one for each even and one for each odd minute of the clock, and the calls under way. A bucket
that was begun for another minute counts as empty. The calls under way of a process that shows no sign of life do not
count either.

What a limit is, and what follows when it is passed, is not known here (``gateway.limiting``).
"""

from __future__ import annotations

import hashlib
import mmap
import os
import time
from dataclasses import dataclass
from pathlib import Path

from proxy.errors import SpoolError

SUFFIX = ".tally"
ENTRIES = 4096
_WIDTH = 8
_HEADER = 8
SIZE = 8 * (_HEADER + ENTRIES * _WIDTH)
MAGIC = 0x4441_5348_5441_4C59
FORMAT = 1
_MAGIC, _FORMAT, _PID, _ALIVE_AT = range(4)
_SUBJECT, _EVEN, _ODD, _UNDER_WAY = 0, 1, 4, 7
_MINUTE, _REQUESTS, _TOKENS = range(3)
_DEAD_SECONDS = 15
_FORGOTTEN_SECONDS = 180


@dataclass(slots=True)
class Counts:
    """What a subject has used: in this minute of the clock, in the one before, and how many calls are under way."""

    requests: int = 0
    requests_before: int = 0
    tokens: int = 0
    tokens_before: int = 0
    under_way: int = 0


def subject_of(kind: str, name: str) -> int:
    """Return the number under which a key or a provider is counted."""
    made = hashlib.blake2b(f"{kind}:{name}".encode(), digest_size=8).digest()
    return int.from_bytes(made) or 1


class Tally:
    """The table of one process."""

    def __init__(self, memory: mmap.mmap, path: Path | None = None) -> None:
        self._memory = memory
        self.path = path
        self.slots = memoryview(memory).cast("Q")
        self._taken = 0
        self._places: dict[int, int] = {}

    def __repr__(self) -> str:
        return f"<Tally pid={self.slots[_PID]} path={self.path}>"

    @classmethod
    def create(cls, path: Path) -> Tally:
        """Make a new table, 0600; where the disk takes none, one in memory, which nobody else reads."""
        try:
            tally = cls(_mapped(path), path)
        except OSError:
            tally = cls(mmap.mmap(-1, SIZE))
        slots = tally.slots
        slots[_FORMAT], slots[_PID], slots[_ALIVE_AT], slots[_MAGIC] = FORMAT, os.getpid(), int(time.time()), MAGIC
        return tally

    @classmethod
    def open(cls, path: Path) -> Tally:
        """Map a table for reading; ``SpoolError`` when it is none."""
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            try:
                if os.fstat(descriptor).st_size != SIZE:
                    raise SpoolError(f"{path} is no table of what was used")
                tally = cls(mmap.mmap(descriptor, SIZE, access=mmap.ACCESS_READ), path)
            finally:
                os.close(descriptor)
        except OSError as error:
            raise SpoolError(f"{path} cannot be opened: {error.strerror}") from error
        if (tally.slots[_MAGIC], tally.slots[_FORMAT]) != (MAGIC, FORMAT):
            tally.close()
            raise SpoolError(f"{path} is no table of format {FORMAT}")
        return tally

    def close(self) -> None:
        """Unmap it; the file stays."""
        self.slots.release()
        self._memory.close()

    def seconds_silent(self, now: float) -> float:
        """Return how long ago its process has shown a sign of life."""
        return now - self.slots[_ALIVE_AT]

    def beat(self, now: float) -> None:
        """Show a sign of life."""
        self.slots[_ALIVE_AT] = int(now)

    def place_of(self, subject: int) -> int:
        """Return where the entry of a subject begins, or the free place for it; -1 where all are taken."""
        slots = self.slots
        known = self._places.get(subject)
        if known is not None and slots[known] == subject:
            return known
        number = subject % ENTRIES
        for step in range(ENTRIES):
            place = _HEADER + (number + step) % ENTRIES * _WIDTH
            if slots[place] == subject:
                self._places[subject] = place
                return place
            if slots[place] == 0:
                return place
        return -1

    def has(self, subject: int) -> bool:
        """Return True when something was counted for a subject."""
        place = self.place_of(subject)
        return place >= 0 and self.slots[place] == subject

    def count(self, subject: int, now: float, *, requests: int = 0, tokens: int = 0, under_way: int = 0) -> bool:
        """Count for a subject; False where there is no room for it."""
        place = self.place_of(subject)
        if place < 0:
            return False
        slots, minute = self.slots, int(now) // 60
        if slots[place] == 0:
            slots[place] = subject
            self._taken += 1
        bucket = place + (_ODD if minute & 1 else _EVEN)
        if slots[bucket + _MINUTE] != minute:
            slots[bucket + _REQUESTS] = slots[bucket + _TOKENS] = 0
            slots[bucket + _MINUTE] = minute
        slots[bucket + _REQUESTS] += requests
        slots[bucket + _TOKENS] += tokens
        slots[place + _UNDER_WAY] = max(0, slots[place + _UNDER_WAY] + under_way)
        return True

    def go_on_from(self, former: Tally) -> None:
        """Take over what another table of ours has counted."""
        self.slots[_HEADER:] = former.slots[_HEADER:]
        self._taken = former._taken

    def tidy(self, now: float) -> None:
        """Make room where half of it is taken: who has done nothing for two minutes has used nothing."""
        if self._taken <= ENTRIES // 2:
            return
        slots, minute = self.slots, int(now) // 60
        entries = [slots[place : place + _WIDTH].tolist() for place in range(_HEADER, len(slots), _WIDTH)]
        kept = [item for item in entries if item[_UNDER_WAY] or max(item[_EVEN], item[_ODD]) >= minute - 1]
        slots[_HEADER:] = memoryview(bytes(SIZE - 8 * _HEADER)).cast("Q")
        for item in kept:
            place = self.place_of(item[_SUBJECT])
            for offset, value in enumerate(item):
                slots[place + offset] = value
        self._taken = len(kept)
        self._places.clear()

    def add_to(self, counts: Counts, subject: int, now: float) -> None:
        """Add what was counted here for a subject."""
        place = self.place_of(subject)
        if place < 0 or self.slots[place] != subject:
            return
        slots, minute = self.slots, int(now) // 60
        for bucket in (place + _EVEN, place + _ODD):
            begun = slots[bucket + _MINUTE]
            if begun == minute:
                counts.requests += slots[bucket + _REQUESTS]
                counts.tokens += slots[bucket + _TOKENS]
            elif begun == minute - 1:
                counts.requests_before += slots[bucket + _REQUESTS]
                counts.tokens_before += slots[bucket + _TOKENS]
        if self.seconds_silent(now) < _DEAD_SECONDS:
            counts.under_way += slots[place + _UNDER_WAY]


class Tallies:
    """The table of this process, and those of all others of the host. ``who`` names ours, once for each process."""

    def __init__(self, folder: Path, who: str) -> None:
        self._folder = folder
        self._path = folder / f"{who}{SUFFIX}"
        self._others: dict[str, tuple[int, Tally]] = {}
        self.own = Tally.create(self._path)
        self.look()

    def __repr__(self) -> str:
        return f"<Tallies {self.own!r} others={len(self._others)}>"

    def look(self) -> None:
        """Show that we are alive, and find who else counts; to be called every second or so."""
        now = time.time()
        if self.own.path is None or not self.own.path.exists():
            self._begin_anew()
        self.own.beat(now)
        self.own.tidy(now)
        found = {}
        for name, inode in _files_of(self._folder).items():
            if name == self._path.name:
                continue
            known = self._others.pop(name, None)
            if known is not None and known[0] == inode:
                found[name] = known
            elif (opened := self._open(name, now)) is not None:
                found[name] = (inode, opened)
        for _, gone in self._others.values():
            gone.close()
        self._others = found

    def _begin_anew(self) -> None:
        """Go on in a new file where ours is gone, or could not be made before."""
        former, self.own = self.own, Tally.create(self._path)
        self.own.go_on_from(former)
        former.close()

    def _open(self, name: str, now: float) -> Tally | None:
        """Return another's table; one that was forgotten long ago is removed."""
        path = self._folder / name
        try:
            tally = Tally.open(path)
        except SpoolError:
            return None
        if tally.seconds_silent(now) > _FORGOTTEN_SECONDS:
            tally.close()
            path.unlink(missing_ok=True)
            return None
        return tally

    def counts(self, subject: int, now: float) -> Counts:
        """Return what a subject has used on this host; ``now`` is Unix time."""
        counts = Counts()
        self.own.add_to(counts, subject, now)
        for _, tally in self._others.values():
            tally.add_to(counts, subject, now)
        return counts

    def is_counted(self, subject: int) -> bool:
        """Return True when anybody counts for this subject: it has limits."""
        return any(tally.has(subject) for _, tally in self._others.values()) or self.own.has(subject)

    def close(self) -> None:
        """Let go of all tables; ours stays, for what was used in the last minutes, until it is found forgotten."""
        self.own.close()
        for _, tally in self._others.values():
            tally.close()
        self._others = {}


def _files_of(folder: Path) -> dict[str, int]:
    try:
        with os.scandir(folder) as entries:
            return {entry.name: entry.inode() for entry in entries if entry.name.endswith(SUFFIX)}
    except OSError:
        return {}


def _mapped(path: Path) -> mmap.mmap:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        os.ftruncate(descriptor, SIZE)
        # Written, not only sized: a sparse file could meet a full disk at its first touch (SIGBUS).
        os.pwrite(descriptor, bytes(SIZE), 0)
        return mmap.mmap(descriptor, SIZE)
    except OSError:
        path.unlink(missing_ok=True)
        raise
    finally:
        os.close(descriptor)

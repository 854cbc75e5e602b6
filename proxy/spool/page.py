"""The gateway's page: one preallocated memory-mapped file of counters that must not depend on the spool.

The gateway writes it without a system call; control and supervisor read it, also after the gateway was killed. Slots
are unsigned 64-bit integers at fixed places; new ones are added at the end. Each has one writer, so no lock is needed.
"""

from __future__ import annotations

import contextlib
import mmap
import os
import time
from collections.abc import Callable
from pathlib import Path

from proxy.errors import SpoolError

SIZE = 4096
MAGIC = 0x4441_5348_5041_4745
FORMAT = 1
_SPARES = 8

_NAMES = (
    "magic",
    "format",
    "pid",
    "worker",
    "started_at_ns",
    "heartbeat_ns",
    "ready",
    "draining",
    "snapshot_revision",
    "accepted",
    "in_flight",
    "open_streams",
    "refused_connections",
    "appended_records",
    "appended_bytes",
    "append_ns_total",
    "append_ns_max",
    "fsync_count",
    "fsync_ns_max",
    "fsync_failures",
    "degraded",
    "dropped_spool_full",
    "dropped_write_error",
    "dropped_policy",
    "bodies_dropped",
    "slow_loop_ns_max",
    "unknown_models",
    "takeovers",
    "takeovers_refused",
    "breakers_open",
    "breaker_openings",
    "dropped_refused",
    "in_flight_max",
    "held_bytes",
    "client_connections",
    "client_connections_max",
    "upstream_busy",
    "upstream_idle",
    "limit_header_bytes",
    "limit_header_count",
    "limit_header_timeout",
    "limit_body_bytes",
    "limit_upload_bytes",
    "limit_body_idle_timeout",
    "limit_body_timeout",
    "limit_keep_alive",
    "limit_write_stall",
    "limit_in_flight",
    "limit_in_flight_per_key",
    "limit_connections",
    "limit_connections_per_address",
    "limit_memory_bytes",
    "limit_control_calls",
    "limit_connect_timeout",
    "limit_first_byte_timeout",
    "limit_idle_timeout",
    "limit_max_body_bytes",
    "limit_refused_per_second",
    "limit_drain",
    "limit_linger_seconds",
    "limit_linger_bytes",
    "limit_spill_bytes",
    "trouble",
    "spool_bytes",
    "spool_files",
    "waiting_bytes",
    "rewritten_bytes",
    "sync_waits_expired",
    "ends_lost",
    "fsync_ns_p99",
    "rate_limited_keys",
    "rate_limited_providers",
)


_LIMIT = "limit_"
LIMITS = tuple(name.removeprefix(_LIMIT) for name in _NAMES if name.startswith(_LIMIT))
"""The limits whose strikes are counted, by the names of their settings: slot ``limit_NAME`` each."""


class Page:
    """Named counters in shared memory; slots are the class's capitals, ``slots`` the counters by these."""

    (
        _MAGIC,
        _FORMAT,
        PID,
        WORKER,
        STARTED_AT_NS,
        HEARTBEAT_NS,
        READY,
        DRAINING,
        SNAPSHOT_REVISION,
        ACCEPTED,
        IN_FLIGHT,
        OPEN_STREAMS,
        REFUSED_CONNECTIONS,
        APPENDED_RECORDS,
        APPENDED_BYTES,
        APPEND_NS_TOTAL,
        APPEND_NS_MAX,
        FSYNC_COUNT,
        FSYNC_NS_MAX,
        FSYNC_FAILURES,
        DEGRADED,
        DROPPED_SPOOL_FULL,
        DROPPED_WRITE_ERROR,
        DROPPED_POLICY,
        BODIES_DROPPED,
        SLOW_LOOP_NS_MAX,
        UNKNOWN_MODELS,
        TAKEOVERS,
        TAKEOVERS_REFUSED,
        BREAKERS_OPEN,
        BREAKER_OPENINGS,
        DROPPED_REFUSED,
        IN_FLIGHT_MAX,
        HELD_BYTES,
        CLIENT_CONNECTIONS,
        CLIENT_CONNECTIONS_MAX,
        UPSTREAM_BUSY,
        UPSTREAM_IDLE,
        LIMIT_HEADER_BYTES,
        LIMIT_HEADER_COUNT,
        LIMIT_HEADER_TIMEOUT,
        LIMIT_BODY_BYTES,
        LIMIT_UPLOAD_BYTES,
        LIMIT_BODY_IDLE_TIMEOUT,
        LIMIT_BODY_TIMEOUT,
        LIMIT_KEEP_ALIVE,
        LIMIT_WRITE_STALL,
        LIMIT_IN_FLIGHT,
        LIMIT_IN_FLIGHT_PER_KEY,
        LIMIT_CONNECTIONS,
        LIMIT_CONNECTIONS_PER_ADDRESS,
        LIMIT_MEMORY_BYTES,
        LIMIT_CONTROL_CALLS,
        LIMIT_CONNECT_TIMEOUT,
        LIMIT_FIRST_BYTE_TIMEOUT,
        LIMIT_IDLE_TIMEOUT,
        LIMIT_MAX_BODY_BYTES,
        LIMIT_REFUSED_PER_SECOND,
        LIMIT_DRAIN,
        LIMIT_LINGER_SECONDS,
        LIMIT_LINGER_BYTES,
        LIMIT_SPILL_BYTES,
        TROUBLE,
        SPOOL_BYTES,
        SPOOL_FILES,
        WAITING_BYTES,
        REWRITTEN_BYTES,
        SYNC_WAITS_EXPIRED,
        ENDS_LOST,
        FSYNC_NS_P99,
        RATE_LIMITED_KEYS,
        RATE_LIMITED_PROVIDERS,
    ) = range(len(_NAMES))

    def __init__(self, memory: mmap.mmap, waits_for: Path | None = None) -> None:
        self._memory = memory
        self._waits_for = waits_for
        self.slots = memoryview(memory).cast("Q")

    def __repr__(self) -> str:
        return f"<Page pid={self.get(self.PID)} accepted={self.get(self.ACCEPTED)} ready={self.get(self.READY)}>"

    @classmethod
    def create(cls, path: Path, boot: str, worker: int) -> Page:
        """Make a new page file, 0600; ``boot`` is part of its name only. ``OSError`` leaves nothing behind."""
        return cls(_mapped(path))._begun(worker)

    @classmethod
    def begin(cls, path: Path, boot: str, worker: int) -> Page:
        """Make a page: on a full disk in a file that was kept for it, and without one of those in memory.

        For that must keep no gateway from starting; ``settle`` moves it into a file once there is room.
        """
        try:
            page = cls.create(path, boot, worker)
        except OSError:
            kept = _take_spare(path, worker)
            return cls(kept or mmap.mmap(-1, SIZE), waits_for=None if kept else path)._begun(worker)
        _make_spares(path.parent, worker)
        return page

    def _begun(self, worker: int) -> Page:
        self.set(self._FORMAT, FORMAT)
        self.set(self.PID, os.getpid())
        self.set(self.WORKER, worker)
        self.set(self.STARTED_AT_NS, time.time_ns())
        self.set(self._MAGIC, MAGIC)
        return self

    def settle(self) -> bool:
        """Move into the file that could not be made before; True when that is done now: ``slots`` are new ones then."""
        if self._waits_for is None:
            return False
        try:
            memory = _mapped(self._waits_for)
        except OSError:
            return False
        memory[:] = self._memory[:]
        _make_spares(self._waits_for.parent, self.get(self.WORKER))
        self._memory, self.slots, self._waits_for = memory, memoryview(memory).cast("Q"), None
        return True

    @classmethod
    def open(cls, path: Path) -> Page:
        """Map an existing page for reading; ``SpoolError`` when it is none."""
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            try:
                if os.fstat(descriptor).st_size < SIZE:
                    raise SpoolError(f"{path} is no page")
                page = cls(mmap.mmap(descriptor, SIZE, access=mmap.ACCESS_READ))
            finally:
                os.close(descriptor)
        except OSError as error:
            raise SpoolError(f"the page {path} cannot be opened: {error.strerror}") from error
        if page.get(cls._MAGIC) != MAGIC or page.get(cls._FORMAT) != FORMAT:
            page.close()
            raise SpoolError(f"{path} is no page of format {FORMAT}")
        return page

    def get(self, slot: int) -> int:
        """Return a slot."""
        return self.slots[slot]

    def set(self, slot: int, value: int) -> None:
        """Set a slot."""
        self.slots[slot] = value

    def add(self, slot: int, amount: int) -> None:
        """Add to a slot."""
        self.slots[slot] += amount

    def go_on_from(self, old: Page) -> None:
        """Show what the page showed that this one takes the place of; what was counted begins anew."""
        for gauge in _LASTING:
            self.slots[gauge] = old.slots[gauge]

    def read_all(self) -> dict[str, int]:
        """Return all slots by name."""
        return {name: self.slots[index] for index, name in enumerate(_NAMES)}

    def close(self) -> None:
        """Unmap the page; the file stays."""
        self.slots.release()
        self._memory.close()


_LASTING = (
    Page.READY,
    Page.DRAINING,
    Page.IN_FLIGHT,
    Page.OPEN_STREAMS,
    Page.BREAKERS_OPEN,
    Page.SNAPSHOT_REVISION,
)


def pages_in(folder: Path, is_meant: Callable[[str], bool] = lambda _: True) -> list[dict[str, int]]:
    """Return what the pages of a folder show, those of gateways that are gone too; what is no page is passed over.

    ``is_meant`` is asked of each by its name, which is that of the gateway's folder in the spool.
    """
    found = []
    for path in sorted(folder.glob("*.page")):
        with contextlib.suppress(SpoolError):
            if not is_meant(path.stem):
                continue
            page = Page.open(path)
            found.append(page.read_all())
            page.close()
    return found


def _spares(folder: Path, worker: int) -> list[Path]:
    return [folder / f"spare-{worker}-{number}" for number in range(_SPARES)]


def _make_spares(folder: Path, worker: int) -> None:
    """Keep room for the pages of the next gateways: each that is killed on a full disk needs another one."""
    for path in _spares(folder, worker):
        if not path.exists():
            try:
                _mapped(path).close()
            except OSError:
                return


def _take_spare(path: Path, worker: int) -> mmap.mmap | None:
    for spare in _spares(path.parent, worker):
        with contextlib.suppress(OSError):
            spare.rename(path)
            return _mapped(path, os.O_RDWR)
    return None


def _mapped(path: Path, how: int = os.O_RDWR | os.O_CREAT | os.O_EXCL) -> mmap.mmap:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(path, how | os.O_CLOEXEC, 0o600)
    try:
        if how & os.O_CREAT:
            os.ftruncate(descriptor, SIZE)
            # Written, not only sized: a sparse page could meet a full disk at its first touch (SIGBUS).
            os.pwrite(descriptor, bytes(SIZE), 0)
        return mmap.mmap(descriptor, SIZE)
    except OSError:
        path.unlink(missing_ok=True)
        raise
    finally:
        os.close(descriptor)

"""What control's endpoints share: the loader in its thread, the totals, the account.

The database is opened and upgraded in that thread, and opened again for as long as it takes: the socket answers at
once, and says what is wrong. Only the process with the lock loads: a control whose supervisor was killed still ends its
batch while the next one starts, and each would count the other's rows as lost.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cached_property
from pathlib import Path

import structlog

from proxy.catalogue.access import TokenDocument
from proxy.control.announcing import announcement, is_first
from proxy.control.desk import Desk, take_up
from proxy.control.live.feed import Feed
from proxy.control.publishing import Publisher
from proxy.control.secret_files import ADMIN_TOKEN, METRICS_TOKEN, PROXY_KEYS, SecretFile, WatchedToken
from proxy.control.sharing import Sharing
from proxy.control.spool_state import SpoolState
from proxy.control.upgrades import Upgrades
from proxy.domain.interaction import Entry
from proxy.errors import DashcamError, StoreError
from proxy.loader import handover
from proxy.loader.collecting import OpenCall
from proxy.loader.ledger import unopened
from proxy.loader.loading import Loader
from proxy.loader.pausing import pause_after
from proxy.settings.credentials import key_digests
from proxy.settings.values import Settings
from proxy.spool.disk import RealDisk
from proxy.spool.locks import is_held
from proxy.spool.names import segment_numbers
from proxy.spool.page import pages_in
from proxy.store.engines.sqlite import sqlite_warning
from proxy.store.reading.reader import Reader
from proxy.telemetry.families import Totals
from proxy.telemetry.repeating import Repeating

log = structlog.get_logger("control")

LEAVE_SECONDS = 5.0
_LOCK_AGAIN_SECONDS = 0.1
_LONG_SECONDS = 5.0
"""Whoever asks is told of a database that is not open by then."""


class Services:
    """The loader's owner. ``loader`` is None until the database is open; ``say`` writes to the terminal."""

    def __init__(self, settings: Settings, say: Callable[[bytes], None]) -> None:
        self.settings = settings
        self.totals = Totals()
        self.key_file = SecretFile(PROXY_KEYS)
        self.admin_token = WatchedToken(ADMIN_TOKEN, settings.admin_token_sha256)
        self.metrics_token = WatchedToken(METRICS_TOKEN, settings.metrics_token_sha256)
        self.loader: Loader | None = None
        self._say = say
        self._failure: str | None = None
        self._opening_since = time.monotonic()
        self._next_step: str | None = None
        self._lock: int | None = None
        self._state = SpoolState(settings)
        self.sharing = Sharing(settings, self._own_account, self._stop_loading, self.take_up)
        self._thread = threading.Thread(target=self._load, name="loader", daemon=True)
        self._leaving = threading.Event()
        self._complaints = Repeating()
        self._upgrades = Upgrades(settings, self._leaving.is_set)
        self.feed = Feed(settings.database, self._under_way)

    def __repr__(self) -> str:
        return f"<Services {self.settings.database.shown} loader={self.loader is not None} failure={self.last_error}>"

    @cached_property
    def publisher(self) -> Publisher:
        """Who makes the snapshot; asked for once before anything else begins."""
        keys = self.key_file.look()
        digests = self.settings.proxy_keys if keys is None else key_digests(" ".join(keys))
        return Publisher(replace(self.settings, proxy_keys=digests))

    @cached_property
    def desk(self) -> Desk:
        """Where changes are made."""
        return Desk(self.settings, self.publisher, self.sharing.turns, self.pages, lambda: self.loader is not None)

    # -- life -----------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Open the database and load the spool, in a thread."""
        self._thread.start()

    def stop(self) -> None:
        """Let the loader end its batch; at most 5 s."""
        self._leaving.set()
        self._stop_loading()
        deadline = time.monotonic() + LEAVE_SECONDS
        self._thread.join(timeout=LEAVE_SECONDS)
        # Last: who has left in order has said so after its last call.
        self.sharing.stop(max(0.5, deadline - time.monotonic()))

    def _load(self) -> None:
        warning = None if self.settings.database.is_postgres else sqlite_warning()
        if warning:
            log.warning("old_sqlite", detail=warning, hint="dashcam doctor")
        failures = 0
        while not self._leaving.is_set():
            try:
                self._open()
            except Exception as error:  # noqa: BLE001 - the loader's beginning: logged, shown, tried again
                self._complain(error)
                # Without the lock, so that a command can mend it: dashcam db migrate, restore.
                self._release()
                failures += 1
                self._leaving.wait(pause_after(failures))
                continue
            failures = 0
            self._complaints.forget()
            self._run()
            self._release()
        self._release()

    def _complain(self, error: Exception) -> None:
        """Keep what is wrong for whoever asks, and log it once a minute."""
        reason = str(error) if isinstance(error, StoreError | OSError) else f"{type(error).__name__}: {error}"
        self._failure, self._next_step = reason, getattr(error, "hint", None)
        if self._complaints.is_due(reason):
            log.error("store_unusable", reason=reason, hint=self._next_step)

    def _release(self) -> None:
        if self._lock is not None:
            RealDisk().close(self._lock)
            self._lock = None

    def _open(self) -> None:
        self._be_alone()
        self._opening_since = time.monotonic()
        database = self.settings.database
        if handover.handed_over(Path(self.settings.data_dir)):
            # Before a former record is upgraded; what else is wrong with a database is said better below.
            handover.check(self.settings)
        self._upgrades.prepare(database)
        handover.take_into_use(self.settings)
        identity = self.sharing.introduce()
        loader = Loader(self.settings, self.totals, self._announce, self.sharing.between, self.feed.begun)
        with contextlib.closing(Reader(database, is_primary=True)) as reader:
            self.totals.seed(reader.totals(identity))
        self._take_up_first()
        self.loader, self._failure, self._next_step = loader, None, None
        self.sharing.begin()

    def take_up(self) -> int:
        """Read what the store says of the catalogue and of access, and publish it; return the snapshot's number."""
        return take_up(self.settings, self.publisher)

    def _take_up_first(self) -> None:
        """Publish the catalogue of what was opened; one that cannot be used keeps no call from the store."""
        try:
            self.take_up()
        except StoreError:
            raise
        except (DashcamError, OSError) as error:
            log.error("catalogue_unusable", reason=str(error), hint="the last good one goes on serving; dashcam doctor")

    def _own_account(self) -> dict[str, object]:
        loader = self.loader
        return {} if loader is None else loader.ledger()

    def _under_way(self) -> list[OpenCall]:
        loader = self.loader
        return [] if loader is None else loader.under_way()

    def _stop_loading(self) -> None:
        """Stop, and open anew as soon as our name is ours again."""
        loader = self.loader
        if loader is not None:
            loader.stop()

    def _be_alone(self) -> None:
        """Wait until no other process loads; the kernel frees the lock when its holder dies."""
        path = Path(self.settings.data_dir) / "loader.lock"
        RealDisk().make_folder(path.parent)
        while self._lock is None:
            is_held = handover.is_held(path.parent)
            self._lock = None if is_held else RealDisk().lock(path)
            if self._lock is None:
                who = "a command holds the record" if is_held else "another control process still loads"
                self._failure = f"{who}; waiting for its end"
                if self._leaving.wait(_LOCK_AGAIN_SECONDS):
                    raise StoreError(self._failure)

    def _run(self) -> None:
        loader = self.loader
        assert loader is not None
        if self._leaving.is_set():
            loader.stop()
        loader.run()
        # Told to leave, or the database is another file now: then it is opened anew.
        if not self._leaving.is_set():
            self.loader = None

    def _announce(self, entry: Entry) -> None:
        if not is_first(Path(self.settings.run_dir)):
            return
        if self.settings.log.format == "json":
            log.info("first_call_recorded", id=entry.interaction.id, outcome=entry.interaction.outcome.value)
        else:
            self._say(announcement(entry.interaction).encode("utf-8", "replace") + b"\n")

    def tell(self, text: str) -> None:
        """Say a line in the terminal, unless it is for machines to read."""
        if self.settings.log.format != "json":
            self._say(f"  {text}\n".encode("utf-8", "replace"))

    # -- what endpoints ask ---------------------------------------------------------------------------------

    @property
    def last_error(self) -> str | None:
        """What keeps calls from the store now, or None."""
        loader = self.loader
        return loader.last_error if loader is not None else self._failure or self._slowness()

    def _slowness(self) -> str | None:
        """Return how long the database has not answered, where that is long."""
        seconds = time.monotonic() - self._opening_since
        is_long = seconds > _LONG_SECONDS and self._upgrades.doing is None
        return f"the database {self.settings.database.shown} is not open after {seconds:.0f} s" if is_long else None

    @property
    def next_step(self) -> str | None:
        """What a person may do about ``last_error``, where that is known."""
        loader = self.loader
        return loader.next_step if loader is not None else self._next_step

    def tokens(self) -> Mapping[str, TokenDocument]:
        """Return the admin tokens that the store keeps, by digest."""
        state = self.publisher.state
        return {} if state is None else state.tokens

    def ledger(self) -> dict[str, object]:
        """Return the recorder's account, with how it works and when it last wrote. Reads files: not for the loop."""
        loader = self.loader
        account = unopened(pages_in(self.settings.pages_dir)) if loader is None else loader.ledger()
        since = None if loader is None else round(max(0.0, time.time() - loader.last_commit_at), 3)
        return {
            **account, **self.sharing.account(), "is_open": loader is not None, "last_error": self.last_error,
            "next_step": self.next_step, "doing": self._upgrades.doing, "seconds_since_commit": since,
            "database": self.settings.database.shown, **self._state.of(self.pages()),
        }  # fmt: skip

    @property
    def mode(self) -> str:
        """What the spool survives: see ``recording.mode``."""
        return self.settings.recording.mode

    def pages(self) -> list[dict[str, int]]:
        """Return the pages of the running gateways."""
        loader = self.loader
        return loader.pages() if loader is not None else pages_in(self.settings.pages_dir, self._runs)

    def _runs(self, name: str) -> bool:
        """A gateway locks its folder before there is a segment in it, and must not find us doing that."""
        disk, folder = RealDisk(), self.settings.spool_dir / name
        try:
            return folder.is_dir() and (not segment_numbers(disk.names(folder)) or is_held(disk, folder))
        except OSError:
            # No descriptor or no right left, to look at what is ours: nothing says that it is dead.
            return True

    def store_bytes(self) -> int | None:
        """Return the size of a SQLite database with its write-ahead log; None of a Postgres, which has its own."""
        if self.settings.database.is_postgres:
            return None
        path = self.settings.database.path
        total = 0
        for found in (path, path.with_name(path.name + "-wal")):
            with contextlib.suppress(FileNotFoundError):
                total += found.stat().st_size
        return total

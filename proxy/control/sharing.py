"""What this host does as one of those that share its database: its name, the shared configuration, the periodic work.

Begun once the store is open, since all of it is in the store; from then on each part waits for the database by itself.
"""

from __future__ import annotations

import contextlib
import socket
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from proxy import __version__
from proxy.control.archiving import archive_of
from proxy.control.chores import Chores
from proxy.control.configuration import Follower, adopt_prices, handlers_of
from proxy.control.hosts import Hosts
from proxy.control.turns import Turns
from proxy.loader.periodic import PeriodicWork
from proxy.settings.installation import instance_of
from proxy.settings.values import Settings
from proxy.store.care.maintenance import Upkeep
from proxy.store.hosts.instances import Instance
from proxy.store.reading.reader import Reader
from proxy.store.upkeep.periodic import PeriodicRuns, tasks_of
from proxy.store.writing.writer import StoreWriter


class Sharing:
    """Owns what runs beside the loader. ``report`` gives our account, ``on_claimed`` is told to stop loading.

    ``take_up`` publishes what the store says of the catalogue; ``turns`` wait for the loader's connection on SQLite.
    """

    def __init__(
        self,
        settings: Settings,
        report: Callable[[], Mapping[str, Any]],
        on_claimed: Callable[[], None],
        take_up: Callable[[], object] = int,
    ) -> None:
        self._settings = settings
        self._take_up = take_up
        self.turns = Turns()
        self._report = report
        self._on_claimed = on_claimed
        self._holder = uuid.uuid4().hex
        self._hosts: Hosts | None = None
        self._chores: Chores | None = None
        self._work: PeriodicWork | None = None

    def __repr__(self) -> str:
        return f"<Sharing {self._hosts!r} {self._chores!r}>"

    # -- life -----------------------------------------------------------------------------------------------

    def introduce(self) -> str:
        """Claim our name, and give the store what it does not know of our prices; return the name.

        For the holder of the loader's lock. ``StoreError`` while another host has the name.
        """
        database, who = self._settings.database, self._who()
        with contextlib.closing(Reader(database, is_primary=True)) as reader:
            revisions = reader.config_revisions()
        with contextlib.closing(StoreWriter(database, who.id)) as writer:
            if database.is_postgres:
                writer.claim(who)
            adopt_prices(writer, revisions, self._settings.prices_dir)
        return who.id

    def begin(self) -> None:
        """Take part, once."""
        if self._hosts is not None:
            return
        database, who = self._settings.database, self._who()
        follower = Follower(handlers_of(self._settings.prices_dir, self._take_up))
        self._hosts = Hosts(database, who, follower, self._report, self._on_claimed)
        kept = self._settings.retention
        tasks = tasks_of(database, self._settings.admin.audit_days, kept, archive_of(kept, database))
        self._work = PeriodicWork(PeriodicRuns(database, who, tasks), lambda: self.is_leader)
        self._hosts.start()
        if database.is_postgres:
            upkeep = Upkeep(self._settings.maintenance.every_hours * 3600)
            self._chores = Chores(database, who.id, self._work, upkeep, lambda: self.is_leader)
            self._chores.start()

    def between(self, writer: StoreWriter, is_idle: bool) -> bool:
        """Do what is due with the loader's connection, where no other may write; ``is_idle``: no calls wait."""
        if self._settings.database.is_postgres:
            return False
        has_work = self.turns.do_next(writer)
        return (self._work is not None and self._work.look(writer, is_idle=is_idle)) or has_work

    def stop(self, seconds: float) -> None:
        """Begin no more work, and leave in order where that takes no longer than this."""
        if self._chores is not None:
            self._chores.stop()
        if self._hosts is not None:
            self._hosts.stop(seconds)

    # -- what others may ask --------------------------------------------------------------------------------

    @property
    def is_leader(self) -> bool:
        """True while the periodic work of all hosts is ours."""
        return self._hosts is not None and self._hosts.is_leader

    @property
    def revision(self) -> int:
        """The revision of the shared configuration that is in use, 0 for none."""
        return 0 if self._hosts is None else self._hosts.revision

    def account(self) -> Mapping[str, Any]:
        """Return who we are and who the others are; nothing before the store is open."""
        return {} if self._hosts is None else self._hosts.account()

    def _who(self) -> Instance:
        host = socket.gethostname()
        place = f"{host}:{Path(self._settings.data_dir).resolve()}"
        identity = instance_of(self._settings)
        return Instance(id=identity, holder=self._holder, host=host, place=place, version=__version__)

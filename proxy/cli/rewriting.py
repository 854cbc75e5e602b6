"""What ``recost`` and ``reinterpret`` share: which calls, going through them batch by batch, writing or only showing.

Nothing is written without ``writes``; what is written goes through the amender, so that it works beside a server.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

from proxy.cli.bar import Bar
from proxy.cli.database import calls
from proxy.cli.instants import instant_of, now
from proxy.errors import StoreError
from proxy.loader.amendments import Amender
from proxy.settings.values import Settings
from proxy.store.changes.amending import Amendment, Change
from proxy.store.filters.statements import Filters
from proxy.store.migrating.migration import head
from proxy.store.reading.reader import Reader


class Rewritable(Protocol):
    """One call that was looked at; ``change`` is None where it stays as it is."""

    @property
    def change(self) -> Change | None:
        """What would become of it."""


T = TypeVar("T", bound=Rewritable)


@dataclass(frozen=True, slots=True, kw_only=True)
class Range:
    """Which calls, whether to write, and the reason that is kept with each change."""

    since: str | None = None
    until: str | None = None
    model: str | None = None
    provider: str | None = None
    reason: str | None = None
    writes: bool = False
    as_json: bool = False

    def filters(self, reader: Reader) -> Filters:
        """Return the range as the store's own question."""
        since, until = (
            instant_of(text, flag, reader) for text, flag in ((self.since, "--since"), (self.until, "--until"))
        )
        return Filters(since=since, until=until, model=self.model, provider=self.provider)


def open_record(settings: Settings) -> Reader:
    """Return a reader of a database that is up to date; ``StoreError`` for one of another release."""
    reader = Reader(settings.database, is_primary=True)
    found = reader.revision()
    if found is not None and found >= head():
        # A newer one that does not let us work with it is refused by the writer's own check.
        return reader
    reader.close()
    raise StoreError(f"the database is at revision {found}, and this program works on {head()}",
                     hint="start the server once, it upgrades the database: dashcam serve")  # fmt: skip


@dataclass(frozen=True, slots=True)
class Rewriting:
    """One way to go through the record: the command's name, the word of its progress, the reason that is usual."""

    command: str
    progress: str
    reason: str

    def run(
        self,
        settings: Settings,
        wanted: Range,
        batches: Callable[[Reader, Filters], Iterator[Sequence[T]]],
        count: Callable[[Sequence[T]], None],
    ) -> int:
        """Count all calls of the range, and write their changes where that is wanted; return how many rows changed."""
        written = looked_at = 0
        amender = Amender(settings)
        with contextlib.closing(open_record(settings)) as reader, Bar(self.command) as bar:
            for items in batches(reader, wanted.filters(reader)):
                count(items)
                changes = [item.change for item in items if item.change is not None]
                if wanted.writes and changes:
                    reason = wanted.reason or self.reason
                    amendment = Amendment(command=self.command, reason=reason, at=now(), changes=changes)
                    written += amender.write(amendment)
                looked_at += len(items)
                bar.tell(self.progress, looked_at, 0)
        return written


def say_what_was_done(looked_at: int, changed: int, written: int, *, writes: bool, same: str, before: str) -> None:
    """Tell on standard error what was written, or how to write it; ``same`` and ``before`` are the command's words."""
    if not changed:
        said = f"Nothing to change: {calls(looked_at)} {same}."
    elif not writes:
        said = f"Nothing was written: {changed:,} of {calls(looked_at)} would change. Write it with: --yes"
    else:
        said = (
            f"{written:,} of {calls(looked_at)} changed; {before} in table amendment. "
            "Counters of /metrics stay as they were counted."
        )
        if changed > written:
            said += f"\n{changed - written:,} had changed meanwhile and were left alone."
    print(said, file=sys.stderr)

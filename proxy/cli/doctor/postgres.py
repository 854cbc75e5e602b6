"""What the doctor looks at in a Postgres: there, at our revision, open to us, its replica, and who holds its locks."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from dataclasses import replace

from proxy.cli.database import calls, size
from proxy.cli.findings import Finding
from proxy.errors import StoreError
from proxy.settings.database import DatabaseSettings
from proxy.store.migrating.migration import check
from proxy.store.reading.reader import Reader
from proxy.store.upkeep.holders import postgres_holders, unreplicated

_OLD_SECONDS = 86_400.0
_PATIENCE_SECONDS = 3.0
_REPLICATED_SECONDS = 1.0
"""A standby that is there has a commit in milliseconds."""


def database(chosen: DatabaseSettings) -> Iterator[Finding]:
    """See that a Postgres is there, at our revision, and takes our rows; and that its replica can be read."""
    chosen = _impatiently(chosen)
    try:
        with contextlib.closing(Reader(chosen, is_primary=True)) as reader:
            check(chosen)
            counts, newest, obstacle = reader.counts(), reader.newest(), reader.obstacle()
        if obstacle is not None:
            raise obstacle
    except StoreError as error:
        yield Finding("database", False, error.message, error.hint)
        return
    detail = f"{chosen.shown}: {calls(counts['interactions'])}, {size(counts['bytes'])}"
    yield Finding("database", True, detail)
    yield from clock(newest)
    if chosen.read_url:
        try:
            with contextlib.closing(Reader(chosen)) as replica:
                replica.newest()
            yield Finding("replica", True, f"{chosen.for_reading().shown} answers")
        except StoreError as error:
            yield Finding("replica", False, error.message, error.hint)


def who_has_it(chosen: DatabaseSettings) -> Iterator[Finding]:
    """Tell who holds locks there, or keeps commits waiting: that keeps calls from being stored."""
    try:
        found, waiting = postgres_holders(_impatiently(chosen)), unreplicated(_impatiently(chosen))
    except StoreError:
        # That it cannot be reached has been told.
        return
    for item in found:
        detail = f"{item.who} holds {item.mode} on table {item.table}, {item.state} for {item.seconds:,.0f} s"
        yield Finding("database lock", False if item.blocks else None, detail, f"end it: {item.end}")
    yield from _standby(*waiting)


def _standby(commits: int, seconds: float) -> Iterator[Finding]:
    if seconds > _REPLICATED_SECONDS:
        waiting = "1 commit waits" if commits == 1 else f"{commits} commits wait"
        detail = f"{waiting} for a synchronous standby, the first for {seconds:,.0f} s"
        yield Finding("standby", False, detail, "bring it back, or take it out of synchronous_standby_names")


def _impatiently(chosen: DatabaseSettings) -> DatabaseSettings:
    return replace(chosen, connect_timeout=min(chosen.connect_timeout, _PATIENCE_SECONDS))


def clock(newest: float | None) -> Iterator[Finding]:
    """Doubt a clock when the newest call, an instant in seconds, is yet to come."""
    if newest is not None and newest > time.time() + _OLD_SECONDS:
        yield Finding("clock", False, "the newest call is dated more than a day from now", "set the clock")

"""Pruning at once: what the leader does every quarter of an hour, for whoever does not want to wait, or wants to look.

It says what is due and how the record grows, and does nothing unless it is told to. As with a purge, a request works
for a few seconds and is repeated until all is done.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from proxy.catalogue.erasing import Pruning
from proxy.catalogue.parsing import parse
from proxy.control.api import erasing_replies as replies
from proxy.control.api.changing import note
from proxy.control.api.endpoint import Ask, Endpoint, Reply
from proxy.control.archiving import archive_of
from proxy.control.desk import ConflictError
from proxy.store.catalogue.keeping import kept_by
from proxy.store.catalogue.session import Session
from proxy.store.erasure import clock, retention
from proxy.store.erasure.outlook import Outlook, outlook

SECONDS = 5.0


def endpoints() -> Iterator[Endpoint]:
    """Yield the row."""
    yield Endpoint(
        method="POST", path="prune", scope="admin", summary="Delete what is too old", handle=_prune, takes=Pruning,
        gives=replies.Pruned, is_change=False, takes_long=True,
    )  # fmt: skip


def _prune(ask: Ask) -> Reply:
    said = parse(Pruning, ask.body)
    if said.dry_run:
        return Reply(body={"dry_run": True, "done": [], "is_finished": False, **_told(ask)})
    if said.force:
        ask.desk.write(lambda within: clock.trust_clock(within.connection, _now(within)))
        note(ask, "trust_clock", "retention", "")
    elif (since := ask.desk.read(lambda within: clock.jump(within.connection, _now(within)))) is not None:
        raise ConflictError(
            f"the last look was at {_instant(since):%Y-%m-%d %H:%M} UTC, or the clock has jumped; nothing was deleted",
            hint="where the clock is right: dashcam prune --force",
        )
    done, is_finished = _work(ask)
    if done:
        note(ask, "prune", "interactions", "", done="; ".join(done))
        ask.desk.clear_log()
    return Reply(body={"dry_run": False, "done": done, "is_finished": is_finished, **_told(ask)})


def _work(ask: Ask) -> tuple[list[str], bool]:
    kept = ask.settings.retention
    archive = archive_of(kept, ask.settings.database)
    done: list[str] = []
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline:
        told = ask.desk.write(
            lambda within: retention.step(within.connection, kept_by(within.connection, kept), _now(within), archive)
        )
        if told is None:
            return done, True
        done += [told] if told else []
    return done, False


def _told(ask: Ask) -> dict[str, Any]:
    kept = ask.settings.retention
    found: Outlook = ask.desk.read(
        lambda within: outlook(within.connection, kept_by(within.connection, kept), _now(within))
    )
    return {
        "due": found.due, "paused_since": None if found.paused_since is None else _instant(found.paused_since),
        "bytes": found.bytes, "bytes_per_day": found.per_day, "max_bytes": kept.max_size or None,
        "full_in_days": found.full_in_days,
    }  # fmt: skip


def _now(within: Session) -> int:
    return within.backend.now(within.connection)


def _instant(milliseconds: int) -> datetime:
    return datetime.fromtimestamp(milliseconds / 1000, UTC)

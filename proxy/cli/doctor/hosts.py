"""What the doctor tells of the hosts that share a Postgres: who is there, whose calls wait, whose clock is off."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from proxy import __version__
from proxy.cli.findings import Finding
from proxy.errors import StoreError
from proxy.settings.values import Settings
from proxy.store.reading.reader import Reader

SILENT_SECONDS = 30.0
SKEW_SECONDS = 2.0
WRONG_SECONDS = 30.0
_BACK = "start it there, or move its data folder to another host and start Dashcam with it"
_SILENT = f"if it runs, mend its way to the database; else {_BACK}"


def findings(settings: Settings) -> Iterator[Finding]:
    """Tell of each host; nothing where there is one only. That a database is away is told elsewhere."""
    if not settings.database.is_postgres:
        return
    try:
        reader = Reader(settings.database, is_primary=True)
        try:
            hosts, revisions = reader.instances(), reader.config_revisions()
            ahead = reader.clock_ahead_seconds()
        finally:
            reader.close()
    except StoreError:
        return
    newest = max(revisions.values(), default=0)
    yield from (judge(row, newest) for row in hosts)
    if abs(ahead) >= SKEW_SECONDS:
        yield Finding("clock", None if abs(ahead) < WRONG_SECONDS else False, f"ours {_skewed(ahead)}", _SET_CLOCK)


_SET_CLOCK = "set the clock; on Linux: timedatectl set-ntp true"


def judge(row: Mapping[str, Any], newest: int) -> Finding:
    """Judge one host by its line in the store; ``newest`` is the revision of the shared configuration that counts."""
    subject = f"host {row['host']}"
    seen, waiting = float(row["seen_seconds_ago"]), row["pending"]
    waits = _waits(waiting)
    if row["left_at"] is not None:
        detail = f"{row['place']}: left in order {_ago(seen)}"
        return Finding(subject, None if waiting else True, f"{detail}; {waits}" if waiting else detail, _BACK)
    if seen >= SILENT_SECONDS:
        detail = f"{row['place']}: last seen {_ago(seen)}; as it said then, {waits}"
        return Finding(subject, False, detail, _SILENT)
    leads = "; does the periodic work" if row["is_leader"] else ""
    detail = f"{row['place']}: seen {_ago(seen)}; {waits}{leads}"
    return _troubled(subject, detail, row, newest) or Finding(subject, True, detail)


def _troubled(subject: str, detail: str, row: Mapping[str, Any], newest: int) -> Finding | None:
    """Return what is odd about a host that is there, None when nothing is."""
    ahead = float(row["clock_ahead_ms"]) / 1000
    if abs(ahead) >= SKEW_SECONDS:
        return Finding(
            subject, None if abs(ahead) < WRONG_SECONDS else False, f"{detail}; its clock {_skewed(ahead)}", _SET_CLOCK
        )
    if row["config_revision"] < newest:
        told = f"{detail}; works with revision {row['config_revision']} of the shared configuration, {newest} counts"
        return Finding(subject, None, told, "look at its log")
    if row["version"] != __version__:
        return Finding(
            subject, None, f"{detail}; runs {row['version']}, here is {__version__}", "upgrade the older one"
        )
    return None


def _waits(waiting: int | None) -> str:
    """Return what waits in a host's spool; one that has just begun, or let go of the database, has not counted."""
    if waiting is None:
        return "what waits in its spool is not counted"
    return f"{'1 call waits' if waiting == 1 else f'{waiting:,} calls wait'} in its spool"


def _skewed(ahead: float) -> str:
    return f"is {abs(ahead):,.0f} s {'ahead of' if ahead > 0 else 'behind'} the database's"


def _ago(seconds: float) -> str:
    for size, unit in ((86_400, "days"), (3600, "hours"), (60, "minutes")):
        if seconds >= 2 * size:
            return f"{seconds / size:,.0f} {unit} ago"
    return f"{seconds:,.0f} s ago"

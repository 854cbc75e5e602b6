"""What the doctor says of what is kept: how much of a call, for how long, and who can read it.

It judges nothing that somebody chose: less or more is a wish, told so that nobody is surprised. Keys and routes of the
catalogue are counted, and calls whose callers have asked for an end; what a single call asks for later nobody knows.
Whether what is too old really goes is ``database.retention``'s.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from proxy.cli.findings import Finding
from proxy.errors import StoreError
from proxy.settings.values import RetentionSettings, Settings
from proxy.store.catalogue import session
from proxy.store.catalogue.keeping import depths, kept_by, wished
from proxy.supervisor.banner import kept

_DAY = 86_400


def findings(settings: Settings) -> Iterator[Finding]:
    """Say what is kept of a call by the settings, how long, and whether the files can be read without a key."""
    said = _said(settings)
    deep = _counted(said.deep, "of another depth")
    yield Finding("what is kept", True, f"{kept(settings)}{deep and f' ({deep})'}; {_how_long(said)}")
    yield _readable(settings)


@dataclass(frozen=True, slots=True)
class _Said:
    """What settings and catalogue say: how many routes and keys have a depth, how long, how many calls go earlier."""

    deep: int
    retention: RetentionSettings
    earlier: int = 0


def _said(settings: Settings) -> _Said:
    """Return it; the settings alone without a database."""
    own = {route.model for route in settings.routes if route.recording is not None}

    def look(within: session.Session) -> _Said:
        routes, keys = depths(within.connection)
        retention = kept_by(within.connection, settings.retention)
        return _Said(len(own | routes) + keys, retention, wished(within.connection))

    try:
        return session.read(settings.database, look)
    except StoreError:
        # What is wrong with the database is told where it is looked at.
        return _Said(len(own), settings.retention)


def _counted(count: int, what: str) -> str:
    return f"{count} {'route or key' if count == 1 else 'routes and keys'} {what}" if count else ""


def _how_long(said: _Said) -> str:
    chosen, earlier = said.retention, said.earlier
    told = [f"{name} for {_span(seconds)}" for name, seconds in _spans(chosen).items() if seconds]
    if chosen.max_size:
        told.append(f"up to {chosen.max_size / 1e9:,.1f} GB")
    if own := _counted(len(chosen.routes) + len(chosen.keys), "otherwise"):
        told.append(own)
    if earlier:
        told.append(f"{earlier:,} {'call goes' if earlier == 1 else 'calls go'} earlier, as their callers wished")
    return ", ".join(told if chosen.text or chosen.metadata or chosen.max_size else ["for ever", *told])


def _spans(chosen: RetentionSettings) -> Mapping[str, int]:
    return {"texts": chosen.text, "calls": chosen.metadata, "failures": chosen.errors}


def _span(seconds: int) -> str:
    return f"{seconds / _DAY:,.4g} days" if seconds >= 2 * _DAY else f"{seconds / 3600:,.4g} hours"


def _readable(settings: Settings) -> Finding:
    """Say who can read texts in the files."""
    if settings.database.seal:
        return Finding("sealing", True, "texts of calls are sealed in spool and database, with DASHCAM_MASTER_KEY")
    if settings.recording.usual != "full":
        # A route or key may ask for more, and what was recorded before is there still.
        detail = "off: where requests or answers are kept all the same, whoever has the files reads them"
        return Finding("sealing", True, detail)
    where = "database" if settings.recording.seal else "spool and database"
    return Finding("sealing", True, f"off: whoever has the files of the {where} can read their texts (PRIVACY.md)")

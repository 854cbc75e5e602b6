"""What the doctor says of what is kept: how much of a call, for how long, and who can read it.

It judges nothing that somebody chose: less or more is a wish, told so that nobody is surprised. Keys and routes of the
catalogue are counted, and calls whose callers have asked for an end; what a single call asks for later nobody knows.
Whether what is too old really goes is ``holdings.retention``'s.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from proxy.cli.findings import Finding
from proxy.errors import StoreError
from proxy.settings.values import RetentionSettings, Settings
from proxy.store.catalogue import session
from proxy.store.catalogue.keeping import kept_by, wished
from proxy.supervisor.banner import kept

_DAY = 86_400


def findings(settings: Settings) -> Iterator[Finding]:
    """Say what is kept of a call by the settings, how long, and whether the files can be read without a key."""
    yield Finding("what is kept", True, f"{kept(settings)}; {_how_long(*_said(settings))}")
    yield _readable(settings)


def _said(settings: Settings) -> tuple[RetentionSettings, int]:
    """Return what settings and catalogue say, and how many calls go earlier; the settings alone without a database."""
    said = settings.retention
    try:
        return session.read(
            settings.database, lambda within: (kept_by(within.connection, said), wished(within.connection))
        )
    except StoreError:
        # What is wrong with the database is told where it is looked at.
        return said, 0


def _how_long(chosen: RetentionSettings, earlier: int) -> str:
    told = [f"{name} for {_span(seconds)}" for name, seconds in _spans(chosen).items() if seconds]
    if chosen.max_size:
        told.append(f"up to {chosen.max_size / 1e9:,.1f} GB")
    if own := len(chosen.routes) + len(chosen.keys):
        told.append(f"{own} {'route or key' if own == 1 else 'routes and keys'} otherwise")
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

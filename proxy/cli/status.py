"""``dashcam status``: is it up, since when, and does it keep every call; for people, scripts and probes.

One question to the running instance (``/api/v1/recorder``), and nothing that takes long. What else may be wrong on this
machine, and how to mend it, the doctor says.
"""

from __future__ import annotations

import sys
import time
import urllib.error
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from proxy.cli.database import print_facts, size
from proxy.cli.doctor.spool import spool_bytes
from proxy.cli.findings import FOUND_PROBLEMS
from proxy.cli.instance import ask_recorder, refusal
from proxy.cli.rows import number
from proxy.cli.terminal import json_text, local_time, on_one_line, paint
from proxy.errors import NotAllowedError
from proxy.settings.values import Settings
from proxy.supervisor import instance

UP, AILING, SILENT, STOPPED = "up", "ailing", "silent", "stopped"
_CODES = {UP: 0, AILING: FOUND_PROBLEMS, SILENT: 5, STOPPED: 5}
_SAID = {
    UP: ("up", "green"),
    AILING: ("up, but something is wrong", "red"),
    SILENT: ("started, but does not answer", "red"),
    STOPPED: ("not running", "yellow"),
}
_SECONDS = 5.0
_ACCOUNT = (
    "mode", "database", "is_open", "accepted", "stored", "pending", "quarantined", "dropped", "balanced",
    "pending_bytes", "oldest_pending_seconds", "seconds_since_commit", "doing", "last_error", "next_step",
)  # fmt: skip


def status(settings: Settings, *, as_json: bool) -> int:
    """Print how the instance of a data folder is; return the exit code. ``NotAllowedError`` without its token."""
    found = _found(settings)
    if as_json:
        print(json_text(found))
    elif sys.stdout.isatty():
        for name, text in _lines(found):
            print(f"{name:<10}  {text}")
    else:
        print_facts({name: _plain(value) for name, value in found.items()}, {}, as_json=False)
    if found["state"] != UP:
        print(f"next: {found['next_step']}", file=sys.stderr)
    return _CODES[found["state"]]


def _found(settings: Settings) -> dict[str, Any]:
    data_dir = Path(settings.data_dir)
    said = instance.find(data_dir)
    known: dict[str, Any] = dict.fromkeys(("state", "url", "pid", "version", "since", "uptime_seconds", *_ACCOUNT))
    if said is None and not instance.is_served(data_dir):
        waiting = {"mode": settings.recording.mode, "database": settings.database.shown,
                   "pending_bytes": spool_bytes(settings)}  # fmt: skip
        return {**known, "state": STOPPED, **waiting, "next_step": "dashcam serve", "troubles": [], "warnings": []}
    if said is None or not said.get("url"):
        # It is starting, or is of a release that announces itself otherwise.
        return {**known, **_unknown(SILENT, "a Dashcam has this data folder, and has not said its address")}
    known |= {name: said.get(name) for name in ("url", "pid", "version")} | _times(said.get("started_at"))
    try:
        return known | _judged(_ask(str(known["url"])))
    except urllib.error.HTTPError as error:
        # Its gateway is up, and relays calls also while control is not.
        return {**known, **_unknown(AILING, refusal(error))}
    except (OSError, ValueError) as error:
        return {**known, **_unknown(SILENT, str(error))}


def _unknown(state: str, reason: str) -> dict[str, object]:
    return {"state": state, "last_error": reason, "next_step": "dashcam doctor", "troubles": [], "warnings": []}


def _times(started_at: object) -> dict[str, object]:
    """Return since when it is up; an older one does not say."""
    if not isinstance(started_at, int | float):
        return {}
    since = datetime.fromtimestamp(started_at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return {"since": since, "uptime_seconds": round(max(0.0, time.time() - started_at), 3)}


def _ask(url: str) -> dict[str, Any]:
    try:
        return ask_recorder(url, _SECONDS)
    except urllib.error.HTTPError as error:
        if error.code not in (401, 403, 429):
            raise
        raise NotAllowedError(
            f"Dashcam is up at {url}, and shows its account to who has the admin token only",
            hint="set DASHCAM_ADMIN_TOKEN here too",
        ) from error


def _judged(ledger: Mapping[str, Any]) -> dict[str, Any]:
    """Return what an account says, and whether all is well."""
    troubles = [str(item["text"]) for item in ledger.get("troubles") or ()]
    hints = [ledger.get("next_step"), *(item["hint"] for item in ledger.get("troubles") or ()), "dashcam doctor"]
    waiting = ledger.get("pending_bytes")
    if waiting is None:
        # The store is not open: then all that lies in the spool waits for it.
        waiting = (ledger.get("spool") or {}).get("bytes")
    is_well = not (ledger.get("last_error") or troubles or ledger.get("balanced") is False)
    return {
        **{name: ledger.get(name) for name in _ACCOUNT},
        "pending_bytes": waiting,
        "state": UP if is_well else AILING,
        "next_step": None if is_well else next(hint for hint in hints if hint),
        "troubles": troubles,
        "warnings": list(ledger.get("warnings") or ()),
    }


def _plain(value: object) -> object:
    if isinstance(value, Mapping):
        return " ".join(f"{name}={count}" for name, count in value.items())
    return on_one_line("; ".join(map(str, value)) if isinstance(value, list) else value) if value is not None else None


def _lines(found: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield what people want to know, as they say it."""
    yield "state", paint(*_SAID[found["state"]])
    if found["url"]:
        yield "at", on_one_line(f"{found['url']} (pid {found['pid']}, version {found['version']})")
    if found["since"]:
        yield "since", f"{local_time(found['since'], is_utc=False)} ({_span(found['uptime_seconds'])})"
    if found["mode"]:
        yield "mode", str(found["mode"])
    if found["accepted"] is not None:
        yield "calls", _calls(found)
    if found["pending_bytes"] is not None:
        yield "backlog", _backlog(found)
    if found["database"]:
        yield "database", on_one_line(found["database"]) + (" (not open)" if found["is_open"] is False else "")
    for name in ("doing", "last_error"):
        if found[name]:
            yield name.replace("_", " "), on_one_line(found[name])
    for name in ("troubles", "warnings"):
        for text in found[name]:
            yield name.removesuffix("s"), on_one_line(text)


def _calls(found: Mapping[str, Any]) -> str:
    parts = [
        f"{number(found[name])} {name}" for name in ("stored", "pending", "quarantined") if found[name] is not None
    ]
    parts += [f"{number(count)} dropped ({reason})" for reason, count in (found["dropped"] or {}).items() if count]
    unbalanced = "; the account does not balance" if found["balanced"] is False else ""
    said = f": {', '.join(parts)}" if parts else "; how many are stored is known once the database is open"
    return f"{number(found['accepted'])} accepted{said}{unbalanced}"


def _backlog(found: Mapping[str, Any]) -> str:
    if not found["pending_bytes"] or found["pending"] == 0:
        return "none"
    oldest = found["oldest_pending_seconds"]
    return size(found["pending_bytes"]) + (f", the oldest call {_span(oldest)} old" if oldest else "")


def _span(seconds: float) -> str:
    for unit, length in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= length:
            return f"{seconds / length:,.1f} {unit}"
    return f"{seconds:.0f} s"

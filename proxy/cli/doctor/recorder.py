"""What the running instance's recorder says of itself, judged: is each call kept, and what became of the others.

Its account (``/api/v1/recorder``) is all that is asked; an older server says less of itself. While the database fails
nothing else is told of the account: it counts only what it knows.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any

from proxy.cli.database import calls
from proxy.cli.doctor.spool import told_as_left_alone
from proxy.cli.findings import Finding

_MUCH_PENDING_BYTES = 64_000_000


def findings(url: str, ledger: dict[str, Any], told: Collection[str]) -> Iterator[Finding]:
    """Judge an account; what is ``told`` of the database anyway is not told twice. ``KeyError``: it is no account."""
    yield from _spool(ledger)
    if ledger.get("doing"):
        yield Finding("recorder", None, f"{ledger['doing']}; calls wait in the spool meanwhile")
    if ledger["last_error"]:
        yield _failing(url, ledger, told)
        return
    yield Finding("server", True, f"running at {url}; {_stored(ledger)}")
    if ledger.get("balanced") is False:
        detail = "the account does not balance: a call is neither stored nor pending nor counted as lost"
        yield Finding("recorder", False, detail, f"curl -s {url}/api/v1/recorder")
    waiting = ledger.get("pending_bytes") or 0
    if waiting > _MUCH_PENDING_BYTES:
        yield Finding("spool", None, f"{waiting / 1e6:,.0f} MB wait to be loaded", f"curl -s {url}/api/v1/recorder")
    yield from _dropped({reason: count for reason, count in (ledger.get("dropped") or {}).items() if count})
    if ledger.get("quarantined"):
        detail = f"{calls(ledger['quarantined'])} could not be stored; kept aside in table quarantine"
        yield Finding("recorder", None, detail, "look at its column reason")


def _failing(url: str, ledger: dict[str, Any], told: Collection[str]) -> Finding:
    failure, pending = ledger["last_error"], ledger["pending"]
    wait = "calls wait" if pending is None else "1 call waits" if pending == 1 else f"{pending:,} calls wait"
    if failure in told:
        return Finding("recorder", False, f"running at {url}; {wait} in the spool for the database to be mended")
    return Finding("recorder", False, f"{failure}; {wait} in the spool", ledger.get("next_step") or "look at its log")


def _stored(ledger: dict[str, Any]) -> str:
    """Return how many calls are stored, which only an open database knows."""
    accepted = calls(ledger["accepted"])
    if ledger["stored"] is None:
        return f"{accepted} accepted"
    return f"{ledger['stored']:,} of {accepted} stored, {ledger['pending']:,} pending"


def _dropped(counts: dict[str, int]) -> Iterator[Finding]:
    """Tell of calls without a row: those that went with a database, those that nobody wanted, those that were lost."""
    if moved := counts.pop("store_moved", 0):
        detail = f"{calls(moved)} went with a database that was moved, replaced or put back while Dashcam ran"
        hint = "they are in the one from before, if it is still there; bring a file back: dashcam db restore FILE"
        yield Finding("recorder", None, detail, hint)
    if wished := counts.pop("policy", 0):
        told = "1 call is" if wished == 1 else f"{wished:,} calls are"
        yield Finding("recorder", True, f"{told} only counted, as settings, route, key or caller say (depth none)")
    if refused := counts.pop("refused", 0):
        told = "1 refused call has" if refused == 1 else f"{refused:,} refused calls have"
        hint = "nothing, unless each is wanted on record: recording.refused_per_second"
        yield Finding("recorder", None, f"{told} no row: there were too many at once", hint)
    if counts:
        told = ", ".join(f"{count:,} {reason}" for reason, count in counts.items())
        hint = "free some space, or raise the spool's ceiling; see recording.on_full"
        yield Finding("recorder", None, f"calls that were not recorded: {told}", hint)


def _spool(ledger: dict[str, Any]) -> Iterator[Finding]:
    """Tell what the gateways say of their spool; an older server says nothing."""
    for trouble in ledger.get("troubles") or ():
        yield Finding("spool", False, trouble["text"], trouble["hint"])
    for warning in ledger.get("warnings") or ():
        yield Finding("spool", None, warning, "set recording.mode to process or power where there is a disk")
    yield from told_as_left_alone([(item["path"], item["reason"]) for item in ledger.get("left_alone") or ()])

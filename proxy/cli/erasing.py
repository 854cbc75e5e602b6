"""``dashcam purge``, ``anonymise``, ``delete`` and ``redact``: shown first, done when it is confirmed, to its end.

What is done is done by the running Dashcam, or in this process where none runs, some seconds at a time: whoever is
killed gives the same command again, and it goes on. In the end what calls have left behind in the file goes as well.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from proxy.cli.admin import Admin, place
from proxy.cli.bar import Bar
from proxy.cli.database import calls
from proxy.cli.instants import check_span, instant_of
from proxy.cli.opened import check_record
from proxy.cli.terminal import json_text, short_id
from proxy.errors import NotFoundError, UsageError
from proxy.loader.errands import Errands
from proxy.settings.values import Settings
from proxy.store.care.maintenance import SWEEP
from proxy.store.schema.columns import instant_text

_ASKED = {"purge": "erase", "anonymise": "make anonymous", "delete": "erase", "redact": "take away the texts of"}
_DONE = {"purge": "erased", "anonymise": "made anonymous", "delete": "erased", "redact": "redacted"}
_ELSEWHERE = "Copies, exports, replicas and logs of this database are not changed by it."
_AT_ONCE = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which calls, and what for (``kind``): purge or anonymise; ``keep`` and ``pseudonyms`` are of the second."""

    kind: str
    query: str = ""
    user: str | None = None
    session: str | None = None
    since: str | None = None
    until: str | None = None
    everything: bool = False
    keep: tuple[str, ...] = ()
    pseudonyms: bool = False
    is_sure: bool = False
    as_json: bool = False

    def body(self, *, dry_run: bool) -> dict[str, Any]:
        """Return it as the API takes it."""
        since, until = (instant_of(text, flag) for text, flag in ((self.since, "--since"), (self.until, "--until")))
        check_span(since, until)
        said: dict[str, Any] = {
            "q": self.query, "user": self.user, "session": self.session, "everything": self.everything,
            "since": None if since is None else instant_text(since),
            "until": None if until is None else instant_text(until), "dry_run": dry_run,
        }  # fmt: skip
        if self.kind == "anonymise":
            said |= {"keep": list(self.keep), "pseudonyms": self.pseudonyms}
        return {name: value for name, value in said.items() if value is not None}


def purge(settings: Settings, wanted: Wanted) -> None:
    """Count the calls, ask whether to go on, and do it."""
    if not (wanted.query.strip() or wanted.user or wanted.session or wanted.since or wanted.until or wanted.everything):
        raise UsageError(
            "nothing says which calls",
            hint=f"dashcam {wanted.kind} --user kim; or --session, --since, --until, a query; every call: --everything",
        )
    check_record(settings)
    admin = Admin(settings)
    counted = admin.ask("POST", wanted.kind, wanted.body(dry_run=True))
    count = int(counted["calls"])
    if day := counted.get("sealed_until"):
        told = (
            f"calls up to {day} that are sealed (database.seal was on) are not among them: no words can be looked for"
        )
        print(f"dashcam: {told} in them; --user, --session, --since and --until find them", file=sys.stderr)
    if not _is_confirmed(wanted.kind, f"{calls(count)} on record, and what still comes of them",
                         is_sure=wanted.is_sure):  # fmt: skip
        _report(wanted.kind, {"dry_run": True, "number": None, "calls": count, "is_finished": False}, wanted.as_json)
        return
    with Bar(wanted.kind) as bar:
        state = admin.ask("POST", wanted.kind, wanted.body(dry_run=False))
        while not state["is_finished"]:
            bar.tell("calls", min(state["calls"], count), count)
            state = admin.ask("POST", f"purges/{state['number']}")
        Errands(settings).do(SWEEP, bar.look)
    _report(wanted.kind, state, wanted.as_json)


def by_ids(settings: Settings, kind: str, references: Sequence[str], *, is_sure: bool, as_json: bool) -> None:
    """Delete or redact these calls."""
    check_record(settings)
    admin = Admin(settings)
    ids = [str(admin.ask("GET", place("interactions", item))["id"]) for item in dict.fromkeys(references)]
    told = ", ".join(short_id(item) for item in ids[:5]) + (", …" if len(ids) > 5 else "")
    if not _is_confirmed(kind, f"{calls(len(ids))} ({told})", is_sure=is_sure):
        raise UsageError("this cannot be undone; say that you are sure", hint="the same with --yes")
    done: list[str] = []
    for start in range(0, len(ids), _AT_ONCE):
        answer = admin.ask("POST", f"interactions/{kind}", {"ids": ids[start : start + _AT_ONCE]})
        done += answer["deleted" if kind == "delete" else "redacted"]
    with Bar(kind) as bar:
        Errands(settings).do(SWEEP, bar.look)
    if not done:
        raise NotFoundError("none of these calls is on record any more", hint="dashcam logs")
    _report(kind, {"dry_run": False, "number": None, "calls": len(done), "is_finished": True}, as_json)


def _is_confirmed(kind: str, what: str, *, is_sure: bool) -> bool:
    """Return whether to go on; without a terminal and without --yes nothing is done."""
    if is_sure:
        return True
    if not sys.stdin.isatty():
        return False
    print(f"This will {_ASKED[kind]} {what}; it cannot be undone. Go on? [y/N] ", end="", file=sys.stderr, flush=True)
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        raise UsageError("nothing was changed")
    return True


def _report(kind: str, state: dict[str, Any], as_json: bool) -> None:
    if as_json:
        print(json_text({**state, "kind": kind}, orjson.OPT_INDENT_2))
    elif state["dry_run"]:
        print(f"{calls(state['calls'])} would be {_DONE[kind]}. Nothing was changed; do it with: --yes")
    else:
        print(f"{calls(state['calls'])} {_DONE[kind]}.")
        print(f"{_ELSEWHERE} Free space goes back with: dashcam db compact", file=sys.stderr)

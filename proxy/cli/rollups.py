"""``dashcam db rebuild-rollups``: the sums behind views and figures, counted anew from the calls, a day at a time."""

from __future__ import annotations

import contextlib
import time
from datetime import UTC, datetime

from proxy.cli import database
from proxy.cli.bar import Bar
from proxy.cli.database import print_facts
from proxy.cli.instants import instant_of
from proxy.cli.rewriting import open_record
from proxy.loader.errands import Errands
from proxy.settings.values import Settings
from proxy.store.care.maintenance import REBUILD


def rebuild(settings: Settings, since: str | None, *, as_json: bool) -> None:
    """Make each day's rollups anew, whoever is the writer, and say what was wrong."""
    begun, calls, mended, wrong = time.monotonic(), 0, 0, []
    with contextlib.closing(open_record(settings)) as reader:
        first = _day_of(instant_of(since, "--since", reader))
        days = [day for day in reader.days_to_count() if day >= first]
    with Bar("rebuilding") as bar:
        for number, day in enumerate(days):
            bar.tell(f"{day},", number, len(days))
            done = Errands(settings).do(f"{REBUILD} {day}", lambda _who: None)
            calls, mended = calls + done.calls, mended + done.mended
            wrong += [day] if done.mended else []
    if as_json:
        facts = {"days": len(days), "calls": calls, "mended_rows": mended, "mended_days": wrong}
        print_facts(facts, {}, as_json=True)
        return
    said = f"{mended:,} rows were wrong, of {_days(len(wrong))}" if mended else "all were right"
    took = time.monotonic() - begun
    print(f"Counted {database.calls(calls)} of {_days(len(days))} anew: {said}; {took:,.1f} s.")


def _days(count: int) -> str:
    return "1 day" if count == 1 else f"{count:,} days"


def _day_of(since: int | None) -> str:
    return "" if since is None else datetime.fromtimestamp(since / 1000, UTC).date().isoformat()

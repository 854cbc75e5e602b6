"""``dashcam reinterpret``: stored calls read again from their bytes; differences first, written only when told to."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from proxy.cli.database import calls
from proxy.cli.rewriting import Range, Rewriting, say_what_was_done
from proxy.cli.rows import number, print_rows, shown
from proxy.cli.served_prices import served_price_list
from proxy.cli.terminal import json_text, short_id
from proxy.loader.recosting import kinds_of
from proxy.loader.reinterpreting import Read, Reinterpreting
from proxy.settings.values import Settings

_EXAMPLES = 3
_TEXTS = "(texts)"


@dataclass(slots=True)
class Account:
    """What became of the calls; ``columns`` counts those that differ and keeps a few ids of each."""

    calls: int = 0
    changed: int = 0
    no_bytes: int = 0
    failed: int = 0
    written: int = 0
    columns: dict[str, tuple[int, list[str]]] = field(default_factory=dict)

    def add(self, items: Sequence[Read]) -> None:
        """Count rows."""
        for item in items:
            self.calls += 1
            self.no_bytes += item.skipped == "no_bytes"
            self.failed += item.skipped == "failed"
            if item.change is not None:
                self.changed += 1
                for name in item.change.after or (_TEXTS,):
                    self._note(name, item.change.id)

    def _note(self, name: str, identity: str) -> None:
        count, ids = self.columns.get(name, (0, []))
        self.columns[name] = count + 1, ids if len(ids) >= _EXAMPLES else [*ids, identity]

    def rows(self) -> list[dict[str, Any]]:
        """Return the differences, the column that differs most first."""
        ordered = sorted(self.columns.items(), key=lambda item: (-item[1][0], item[0]))
        return [{"column": name, "calls": count, "for_example": ids} for name, (count, ids) in ordered]


def reinterpret(settings: Settings, wanted: Range) -> None:
    """Show what would differ, and write it where that is wanted."""
    price_list = served_price_list(settings)
    reading, account = Reinterpreting(price_list, kinds_of(settings)), Account()
    rewriting = Rewriting("reinterpret", "read again", "read again")
    account.written = rewriting.run(settings, wanted, reading.batches, account.add)
    _report(account, wanted)


def _report(account: Account, wanted: Range) -> None:
    rows = account.rows()
    if wanted.as_json:
        counts = {name: getattr(account, name) for name in ("calls", "changed", "no_bytes", "failed", "written")}
        print(json_text({"dry_run": not wanted.writes, **counts, "columns": rows}, orjson.OPT_INDENT_2))
        return
    if rows:
        shown_rows = [{**row, "for_example": " ".join(map(short_id, row["for_example"]))} for row in rows]
        print_rows(shown_rows, {"column": shown, "calls": number, "for_example": shown}, as_json=False)
    _say(account, wanted)


def _say(account: Account, wanted: Range) -> None:
    if account.no_bytes:
        print(f"Passed over, since their bytes were not kept: {calls(account.no_bytes)}.", file=sys.stderr)
    if account.failed:
        print(f"Could not be read: {calls(account.failed)}; the log names them.", file=sys.stderr)
    say_what_was_done(
        account.calls, account.changed, account.written,
        writes=wanted.writes, same="read as they are on record", before="the old values are",
    )  # fmt: skip

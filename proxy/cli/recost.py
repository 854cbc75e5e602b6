"""``dashcam recost``: stored calls at the prices of now, shown first, written only when told to."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from proxy.cli.logs import instant_of
from proxy.cli.rows import Progress, Show, number, print_rows, shown
from proxy.cli.terminal import json_text, money
from proxy.domain.cost import from_pico
from proxy.errors import StoreError
from proxy.loader.amendments import Amender
from proxy.loader.recosting import Looked, Recosting, kinds_of
from proxy.pricing.current import open_catalogue
from proxy.settings.values import Settings
from proxy.store.amending import Amendment
from proxy.store.migration import head
from proxy.store.reading import Filters, Reader


@dataclass(frozen=True, slots=True, kw_only=True)
class Range:
    """Which calls, whether to write, and the reason that is kept with each change."""

    since: str | None = None
    until: str | None = None
    model: str | None = None
    provider: str | None = None
    reason: str | None = None
    writes: bool = False
    as_json: bool = False

    def filters(self, reader: Reader) -> Filters:
        """Return the range as the store's own question."""
        since, until = (
            instant_of(text, flag, reader) for text, flag in ((self.since, "--since"), (self.until, "--until"))
        )
        return Filters(since=since, until=until, model=self.model, provider=self.provider)


@dataclass(slots=True)
class Difference:
    """What becomes of one model's calls. Amounts are pico-dollars of those that change; ``kept`` have no price now."""

    calls: int = 0
    changed: int = 0
    kept: int = 0
    written: int = 0
    old: int = 0
    new: int = 0
    newly_priced: int = 0

    def add(self, item: Looked) -> None:
        """Count one row."""
        self.calls += 1
        self.kept += item.is_kept
        if item.change is not None:
            self.changed += 1
            self.old += item.row["cost_pico_usd"] or 0
            self.new += item.new_pico_usd or 0
            self.newly_priced += item.row["cost_pico_usd"] is None and item.new_pico_usd is not None


@dataclass(slots=True)
class Account:
    """All differences, by provider and model; ``written`` counts rows that were really changed."""

    by_model: dict[tuple[str, str], Difference] = field(default_factory=dict)
    written: int = 0

    def add(self, items: Sequence[Looked]) -> None:
        """Count rows."""
        for item in items:
            key = item.row["provider"] or "", item.row["model"] or ""
            self.by_model.setdefault(key, Difference()).add(item)

    def sum(self, name: str) -> int:
        """Return a sum over all models."""
        return sum(getattr(item, name) for item in self.by_model.values())


def open_record(settings: Settings) -> Reader:
    """Return a reader of a database that is up to date; ``StoreError`` for one of another release."""
    reader = Reader(settings.database_path)
    found = reader.revision()
    if found == head():
        return reader
    reader.close()
    raise StoreError(f"the database is at revision {found}, and this program works on {head()}",
                     hint="start the server once, it upgrades the database: dashcam serve")  # fmt: skip


def recost(settings: Settings, wanted: Range) -> None:
    """Show the difference, and write it where that is wanted."""
    catalogue = open_catalogue(settings.prices_dir, settings.own_prices_path)
    recosting, account = Recosting(catalogue, kinds_of(settings)), Account()
    amender, progress = Amender(settings), Progress("looked at")
    reason = wanted.reason or f"prices of {catalogue.version}"
    reader = open_record(settings)
    try:
        for items in recosting.batches(reader, wanted.filters(reader)):
            account.add(items)
            changes = [item.change for item in items if item.change is not None]
            if wanted.writes and changes:
                at = time.time_ns() // 1_000_000
                account.written += amender.write(Amendment(command="recost", reason=reason, at=at, changes=changes))
            progress.add(len(items))
    finally:
        progress.finish()
        reader.close()
    _report(account, wanted)


def _report(account: Account, wanted: Range) -> None:
    rows = [_row(key, item) for key, item in sorted(account.by_model.items()) if item.changed or item.kept]
    if wanted.as_json:
        totals = {"calls": account.sum("calls"), "changed": account.sum("changed"), "kept": account.sum("kept")}
        print(json_text({"dry_run": not wanted.writes, "written": account.written, **totals, "models": rows},
                        orjson.OPT_INDENT_2))  # fmt: skip
        return
    columns: dict[str, Show] = {
        "provider": shown, "model": shown, "calls": number, "changed": number, "old_usd": money, "new_usd": money,
        "delta_usd": _signed, "newly_priced": number, "kept": number,
    }  # fmt: skip
    if rows:
        print_rows(rows, columns, as_json=False)
    _say(account, wanted)


def _row(key: tuple[str, str], item: Difference) -> dict[str, Any]:
    return {
        "provider": key[0] or None, "model": key[1] or None, "calls": item.calls, "changed": item.changed,
        "old_usd": _text(item.old), "new_usd": _text(item.new), "delta_usd": _text(item.new - item.old),
        "newly_priced": item.newly_priced, "kept": item.kept,
    }  # fmt: skip


def _text(pico: int) -> str:
    """Return an exact amount as text: a JSON number would be read as a float."""
    return format(from_pico(pico).normalize(), "f")


def _signed(amount: str) -> str:
    return f"-{money(amount.removeprefix('-'))}" if amount.startswith("-") else f"+{money(amount)}"  # type: ignore[arg-type]


def _say(account: Account, wanted: Range) -> None:
    changed, calls = account.sum("changed"), account.sum("calls")
    if account.sum("kept"):
        print(
            f"{account.sum('kept'):,} calls keep the amount they have: there is no price for them now.", file=sys.stderr
        )
    if not changed:
        print(f"Nothing to change: {calls:,} calls cost what they cost.", file=sys.stderr)
    elif wanted.writes:
        left = changed - account.written
        print(f"{account.written:,} of {calls:,} calls were changed; what they cost before is in table amendment. "
              "Counters of /metrics stay as they were counted.", file=sys.stderr)  # fmt: skip
        if left:
            print(f"{left:,} had changed meanwhile and were left alone.", file=sys.stderr)
    else:
        print(
            f"Nothing was written: {changed:,} of {calls:,} calls would change. Write it with: --yes", file=sys.stderr
        )

"""``dashcam recost``: stored calls at the prices of now, shown first, written only when told to."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from proxy.cli.rewriting import Range, Rewriting, say_what_was_done
from proxy.cli.rows import Show, number, print_rows, shown
from proxy.cli.served_prices import served_price_list
from proxy.cli.terminal import json_text, money
from proxy.domain.cost import from_pico
from proxy.loader.recosting import Looked, Recosting, kinds_of
from proxy.settings.values import Settings


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


def recost(settings: Settings, wanted: Range) -> None:
    """Show the difference, and write it where that is wanted."""
    price_list = served_price_list(settings)
    recosting, account = Recosting(price_list, kinds_of(settings)), Account()
    rewriting = Rewriting("recost", "looked at", f"prices of {price_list.version}")
    account.written = rewriting.run(settings, wanted, recosting.batches, account.add)
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
    say_what_was_done(
        calls,
        changed,
        account.written,
        writes=wanted.writes,
        same="cost what they cost",
        before="what they cost before is",
    )

"""``dashcam db``, the part that reads: what is there, is it sound, how large, how fast."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import orjson

from proxy.cli.bar import Bar
from proxy.cli.findings import Finding, report
from proxy.cli.opened import opened
from proxy.cli.rows import number, print_rows, shown
from proxy.cli.terminal import duration, json_text, local_time
from proxy.settings.values import Settings
from proxy.store.copies.backup import beside, copies_in
from proxy.store.filters.text_index import REVISION as TEXT_INDEX
from proxy.store.reading.reader import Reader
from proxy.store.upkeep import checking, figures


def info(settings: Settings, *, as_json: bool) -> None:
    """Print where it is, its size, number of calls and revision."""
    with contextlib.closing(Reader(settings.database)) as reader:
        found = {"path": settings.database.shown, **reader.counts(), "revision": reader.revision()}
        # Before its upgrade a database has no index.
        found["not_indexed"] = reader.unindexed() if (found["revision"] or "") >= TEXT_INDEX else None
    copies = copies_in(settings.backups_dir, is_postgres=settings.database.is_postgres)
    found |= {
        "wal_bytes": _wal_bytes(settings),
        "backups": len(copies),
        "last_backup": str(max(copies, key=lambda path: path.stat().st_mtime)) if copies else None,
    }
    looks = {"bytes": size, "wal_bytes": size, "interactions": number, "not_indexed": number}
    print_facts(found, looks, as_json=as_json)


def check(settings: Settings, *, as_json: bool) -> int:
    """Check all of it; return the exit code."""
    with opened(settings, is_examined=True) as (backend, engine), Bar("checking") as bar:
        findings = [found for item in checking.check_all(backend, engine, bar.tell) for found in _findings(item)]
    return report(findings, as_json=as_json)


def _findings(item: checking.Checked) -> Iterator[Finding]:
    if not item.wrong:
        yield Finding(item.part, True, item.detail)
    for place, text in enumerate(item.wrong, 1):
        yield Finding(item.part, False, text, item.next if place == len(item.wrong) else None)
    for text in item.notes:
        yield Finding(item.part, None, text, "nothing while calls are stored; take it away where it refuses them")


def stats(settings: Settings, *, as_json: bool) -> None:
    """Print the tables' sizes, and what is true of the whole."""
    with Bar("counting") as bar:
        bar.tell("rows and bytes", 0, 0)
        with opened(settings, is_examined=True) as (backend, engine), engine.connect() as connection:
            sizes = [asdict(item) for item in figures.table_sizes(connection)]
            found: dict[str, Any] = {"bytes": backend.size(connection), "free_bytes": figures.free_bytes(connection)}
            # An empty Postgres has 8 MB of its own.
            found["table_bytes"] = _sum_of(sizes) or found["bytes"]
        with opened(settings) as (_, engine), engine.connect() as connection:
            found |= figures.totals(connection)
    found["wal_bytes"] = _wal_bytes(settings)
    if as_json:
        print(json_text({"tables": sizes, **found}, orjson.OPT_INDENT_2))
        return
    print_rows(sizes, {"name": shown, "rows": number, "bytes": size, "index_bytes": size}, as_json=False)
    if sys.stdout.isatty():
        _say_totals(found)


def _sum_of(sizes: Sequence[Mapping[str, Any]]) -> int:
    return sum((item["bytes"] or 0) + (item["index_bytes"] or 0) for item in sizes)


def _say_totals(found: Mapping[str, Any]) -> None:
    print()
    free = "" if found["free_bytes"] is None else f", {size(found['free_bytes'])} of it free"
    log = "" if found["wal_bytes"] is None else f"; write-ahead log {size(found['wal_bytes'])}"
    print(f"database     {size(found['bytes'])}{free}{log}")
    print(f"bodies       {size(found['body_length'])} as they were, {size(found['body_stored'])} as they lie here")
    if found["calls"]:
        each = found["table_bytes"] // found["calls"]
        first, last = (local_time(found[name], is_utc=False) for name in ("first_call", "last_call"))
        print(f"calls        {found['calls']:,}, {size(each)} each; from {first}\n             to {last}")


def performance(settings: Settings, *, as_json: bool) -> None:
    """Print how long the usual questions take, and a synced write."""
    with Bar("measuring") as bar:
        bar.tell("the usual questions", 0, 0)
        with opened(settings, is_examined=True) as (_, engine), engine.connect() as connection:
            views = figures.view_names(connection)
        with opened(settings) as (_, engine):
            rows = [asdict(item) for item in figures.timings(engine, views)]
        synced = figures.commit_ms(Path(settings.data_dir))
    rows.append({"question": "one synced write to the data folder", "median_ms": synced, "plan": None})
    columns: dict[str, Callable[[Any], str]] = {"question": shown, "median_ms": duration, "plan": shown}
    print_rows(rows, columns, as_json=as_json, shed=("plan",))


def print_facts(found: Mapping[str, Any], looks: Mapping[str, Callable[[Any], str]], *, as_json: bool) -> None:
    """Print named values: aligned for people, tab-separated or JSON for programs."""
    if as_json:
        print(json_text(dict(found)))
        return
    for name, value in found.items():
        if sys.stdout.isatty():
            print(f"{name:<12}  {looks.get(name, shown)(value)}")
        else:
            print(f"{name}\t{'' if value is None else value}")


def calls(count: int) -> str:
    """Return so many calls in words."""
    return f"{count:,} call{'' if count == 1 else 's'}"


def size(value: int | None) -> str:
    """Return bytes as people say them."""
    if value is None:
        return "-"
    for unit, factor in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if value >= factor:
            return f"{value / factor:,.1f} {unit}"
    return f"{value} B"


def _wal_bytes(settings: Settings) -> int | None:
    """Return the size of SQLite's write-ahead log; a Postgres has its own."""
    if settings.database.is_postgres:
        return None
    try:
        return beside(settings.database.path)[1].stat().st_size
    except FileNotFoundError:
        return 0

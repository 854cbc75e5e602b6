"""``dashcam export``: calls on record as a file or on standard output, however many there are.

What is wanted ends at the moment the export began, and comes in the order of time, page by page. A file that
was broken off, by Ctrl+C, a full disk or a lost database, is gone on with by the same command (``export_output``). At
the end the calls are counted: what was recorded late or removed meanwhile is said. Parquet goes into a folder
(``parquet_export``).
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from proxy.cli import parquet_export
from proxy.cli.bar import Bar
from proxy.cli.database import calls
from proxy.cli.export_output import Note, Output, opened
from proxy.cli.found_texts import tell_sealed
from proxy.cli.instants import check_span, instant_of, now
from proxy.cli.logs import check_columns
from proxy.errors import UsageError
from proxy.forms.reading import place_of, portions
from proxy.forms.sql import SqlDump
from proxy.forms.writing import FORMS as WRITTEN
from proxy.forms.writing import Form, LeftOutError
from proxy.query.parsing import parse
from proxy.query.terms import Term, Word
from proxy.settings.values import Settings
from proxy.store.filters.asking import filters_of
from proxy.store.filters.statements import Filters
from proxy.store.reading.reader import Reader
from proxy.store.schema.rows import COLUMNS

_MOST = 2**62
PARQUET = "parquet"
_PACKED = {"gz": "gzip", "zst": "zstd"}
FORMS: Mapping[str, type[Form]] = {**WRITTEN, "sql": SqlDump}


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which calls, and how they are written; ``target`` None: on standard output. ``query`` is of the grammar."""

    query: str = ""
    since: str | None = None
    until: str | None = None
    model: str | None = None
    prompt: str | None = None
    form: str | None = None
    fields: str | None = None
    has_content: bool = False
    target: Path | None = None
    is_replacing: bool = False


def export(settings: Settings, wanted: Wanted) -> int:
    """Write what is wanted and say how much it was.

    Return the exit code: 7 where calls were recorded late or removed meanwhile.
    """
    columns = tuple(name.strip() for name in wanted.fields.split(",")) if wanted.fields else tuple(map(str, COLUMNS))
    check_columns(columns, "--fields", COLUMNS)
    name = _form_of(wanted)
    with contextlib.closing(Reader(settings.database)) as reader, Bar("export") as bar:
        terms, beginning = parse(wanted.query).terms, _beginning(wanted, reader)
        if name == PARQUET:
            return _export_days(reader, wanted, terms, beginning, columns, bar)
        form = FORMS[name](columns, has_content=wanted.has_content)
        with opened(wanted.target, beginning, is_replacing=wanted.is_replacing) as (output, note):
            filters = _filters(wanted, terms, note.since, note.until)
            total = reader.count(filters, _MOST)
            _write(reader, filters, form, output, note, lambda: bar.tell(note.told, note.seen, total))
            counted = reader.count(filters, _MOST)
            tell_sealed(reader, filters)
    return _conclude(wanted, note, counted)


def _export_days(
    reader: Reader, wanted: Wanted, terms: Sequence[Term | Word], beginning: Note, columns: Sequence[str], bar: Bar
) -> int:
    fresh = parquet_export.Manifest(beginning.asked, beginning.since, beginning.until)
    with parquet_export.opened(wanted.target, fresh, is_replacing=wanted.is_replacing) as (folder, manifest):
        filters = _filters(wanted, terms, manifest.since, manifest.until)
        total = reader.count(filters, _MOST)
        found = portions(reader, filters, columns, manifest.after, has_content=wanted.has_content)
        parquet_export.write_days(
            folder, manifest, columns, found, lambda: bar.tell(calls(manifest.written), manifest.written, total),
            has_content=wanted.has_content,
        )  # fmt: skip
        counted = reader.count(filters, _MOST)
        tell_sealed(reader, filters)
    note = Note(manifest.asked, manifest.since, manifest.until, size=manifest.size, written=manifest.written)
    return _conclude(wanted, note, counted)


def _form_of(wanted: Wanted) -> str:
    suffix = wanted.target.suffix.removeprefix(".") if wanted.target is not None else ""
    if suffix in _PACKED and wanted.target is not None:
        raise UsageError(
            f"{wanted.target.name}: an export is not packed",
            hint=f"dashcam export … | {_PACKED[suffix]} > {wanted.target.name}",
        )
    name = wanted.form or (suffix if suffix in (*FORMS, PARQUET) else "jsonl")
    if name not in (*FORMS, PARQUET):
        raise UsageError(f"--format: {name[:40]!r} is no format; use one of {', '.join((*FORMS, PARQUET))}")
    if name == "csv" and wanted.has_content:
        raise UsageError("--content does not fit into CSV; use --format jsonl")
    return name


def _beginning(wanted: Wanted, reader: Reader) -> Note:
    since, until = (instant_of(getattr(wanted, name), f"--{name}", reader) for name in ("since", "until"))
    check_span(since, until)
    asked = {name: value for name, value in asdict(wanted).items() if name not in ("target", "is_replacing")}
    return Note(asked, since, now() if until is None else min(until, now()))


def _filters(wanted: Wanted, terms: Sequence[Term | Word], since: int | None, until: int) -> Filters:
    asked = Filters(since=since, until=until, model=wanted.model, prompt=wanted.prompt)
    return filters_of(terms, until, asked)


def _write(reader: Reader, filters: Filters, form: Form, output: Output, note: Note, tell: Callable[[], None]) -> None:
    if not note.size:
        output.put(form.opening(), note)
    for some in portions(reader, filters, form.columns, note.after, has_content=form.needs_parts):
        made = []
        for row, parts in some:
            try:
                made.append(form.call(row, parts, is_first=not note.written))
                note.written += 1
            except LeftOutError as reason:
                note.left_out[str(reason)] += 1
        note.after = place_of(some[-1][0])
        output.put(b"".join(made), note)
        tell()
    output.end(form.closing)


def _conclude(wanted: Wanted, note: Note, counted: int) -> int:
    where = f" in {wanted.target}" if wanted.target is not None else ""
    left = "".join(f", {count:,} left out ({reason})" for reason, count in sorted(note.left_out.items()))
    print(f"{note.told}{where}{left}", file=sys.stderr)
    if not note.seen:
        print("No call matches; what is on record: dashcam logs", file=sys.stderr)
    if counted == note.seen:
        return 0
    what = "recorded late" if counted > note.seen else "removed"
    told = f"{calls(abs(counted - note.seen))} meanwhile {what}; export once more for a file of one moment"
    print(f"dashcam: {told}", file=sys.stderr)
    return 7

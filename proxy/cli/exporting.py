"""``dashcam export``: calls on record as a file or on standard output, however many there are.

What is wanted ends at the moment the export began, and comes in the order of time, page by page. A file that
was broken off, by Ctrl+C, a full disk or a lost database, is gone on with by the same command (``export_output``). At
the end the calls are counted: what was recorded late or removed meanwhile is said.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from proxy.cli.bar import Bar
from proxy.cli.export_output import Note, Output, calls, opened
from proxy.cli.instants import instant_of, now
from proxy.cli.logs import check_columns
from proxy.errors import UsageError
from proxy.forms.writing import FORMS, Form, LeftOutError
from proxy.query.parsing import parse
from proxy.query.terms import Term, Word
from proxy.settings.values import Settings
from proxy.store.asking import filters_of
from proxy.store.reading import Reader
from proxy.store.rows import COLUMNS, TRUTHS
from proxy.store.statements import Filters, Section

_PAGE, _PAGE_WITH_CONTENT = 2000, 100
_MOST = 2**62
_ALWAYS = ("id", "started_at", "operation", "outcome", "price_id")


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
    form = _form_of(wanted)(columns, has_content=wanted.has_content)
    with contextlib.closing(Reader(settings.database)) as reader:
        terms, beginning = parse(wanted.query).terms, _beginning(wanted, reader)
        with opened(wanted.target, beginning, is_replacing=wanted.is_replacing) as (output, note), Bar("export") as bar:
            filters = _filters(wanted, terms, note)
            total = reader.count(filters, _MOST)
            _write(reader, filters, form, output, note, lambda: bar.tell(note.told, note.seen, total))
            counted = reader.count(filters, _MOST)
    return _conclude(wanted, note, counted)


def _form_of(wanted: Wanted) -> type[Form]:
    suffix = wanted.target.suffix.removeprefix(".") if wanted.target is not None else ""
    name = wanted.form or (suffix if suffix in FORMS else "jsonl")
    if name not in FORMS:
        raise UsageError(f"--format: {name[:40]!r} is none; use one of {', '.join(FORMS)}")
    if name == "csv" and wanted.has_content:
        raise UsageError("--content does not fit into CSV; use --format jsonl")
    return FORMS[name]


def _beginning(wanted: Wanted, reader: Reader) -> Note:
    since, until = (instant_of(getattr(wanted, name), f"--{name}", reader) for name in ("since", "until"))
    asked = {name: value for name, value in asdict(wanted).items() if name not in ("target", "is_replacing")}
    return Note(asked, since, now() if until is None else min(until, now()))


def _filters(wanted: Wanted, terms: Sequence[Term | Word], note: Note) -> Filters:
    asked = Filters(since=note.since, until=note.until, model=wanted.model, prompt=wanted.prompt)
    return filters_of(terms, note.until, asked)


def _write(reader: Reader, filters: Filters, form: Form, output: Output, note: Note, tell: Callable[[], None]) -> None:
    columns = tuple(dict.fromkeys((*_ALWAYS, *form.columns)))
    limit = _PAGE_WITH_CONTENT if form.needs_parts else _PAGE
    if not note.size:
        output.put(form.opening(), note)
    while rows := reader.section(filters, Section(above=note.after, newest_first=False), limit, columns):
        parts = reader.parts_of([row["id"] for row in rows]) if form.needs_parts else {}
        made_beside = reader.made_of(rows) if form.needs_parts else {}
        made = []
        for row in rows:
            row |= made_beside.get(row["id"], {})
            row |= {name: bool(row[name]) for name in TRUTHS if row.get(name) is not None}
            try:
                made.append(form.call(row, parts.get(row["id"]), is_first=not note.written))
                note.written += 1
            except LeftOutError as reason:
                note.left_out[str(reason)] += 1
        note.after = (rows[-1]["started_at"], rows[-1]["id"])
        output.put(b"".join(made), note)
        tell()
    output.end(form.closing)


def _conclude(wanted: Wanted, note: Note, counted: int) -> int:
    where = f" in {wanted.target}" if wanted.target is not None else ""
    left = "".join(f", {count:,} left out ({reason})" for reason, count in sorted(note.left_out.items()))
    print(f"{note.told}{where}{left}", file=sys.stderr)
    if counted == note.seen:
        return 0
    what = "recorded late" if counted > note.seen else "removed"
    told = f"{calls(abs(counted - note.seen))} meanwhile {what}; export once more for a file of one moment"
    print(f"dashcam: {told}", file=sys.stderr)
    return 7

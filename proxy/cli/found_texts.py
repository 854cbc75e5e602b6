"""Words that were looked for: the parts of a call's texts where they stand, painted, and where none was looked for."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator

from proxy.cli.terminal import on_one_line, paint
from proxy.query.excerpts import Excerpt, excerpt
from proxy.query.words import Wanted
from proxy.store.filters.statements import Filters
from proxy.store.reading.reader import Reader
from proxy.store.schema.decoding import Row

SIDES = (("asked", "input_text"), ("answered", "output_text"))
_NAME = 12
_TEXTS = "SELECT input_text, output_text FROM interaction_text WHERE interaction_id = ?"


def lines(row: Row, wanted: Wanted, width: int | None = None) -> Iterator[str]:
    """Yield a line for each side of a row with its texts."""
    room = (width or shutil.get_terminal_size().columns) - _NAME
    for name, column in SIDES:
        part = excerpt(on_one_line(row[column] or ""), wanted.phrases, room)
        if part.text:
            yield f"  {paint(f'{name:<8}', 'dim')}  {highlighted(part)}"


def lines_of(reader: Reader, row: Row, wanted: Wanted) -> Iterator[str]:
    """Yield the same for a row whose texts are read now."""
    for texts in reader.answer((_TEXTS, (row["id"],))):
        yield from lines(texts, wanted)


def tell_sealed(reader: Reader, filters: Filters) -> None:
    """Say on standard error which calls no word was looked for in, where there may be such."""
    if day := reader.sealed_among(filters):
        told = f"calls up to {day} that are sealed (database.seal was on) were passed over: no words can be looked for"
        print(f"dashcam: {told} in them; filters find them, and dashcam show opens single ones", file=sys.stderr)


def highlighted(part: Excerpt) -> str:
    """Return an excerpt's text with its marks painted."""
    painted, at = "", 0
    for start, end in part.marks:
        painted += part.text[at:start] + paint(part.text[start:end], "match")
        at = end
    return painted + part.text[at:]

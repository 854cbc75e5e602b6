"""Rows of a few named columns: aligned on a terminal, tab-separated for other programs, or one JSON document."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import orjson

from proxy.cli.terminal import json_text, on_one_line, paint

Show = Callable[[Any], str]


def print_rows(rows: Sequence[Mapping[str, Any]], columns: Mapping[str, Show], *, as_json: bool) -> None:
    """Print rows; ``columns`` says how a value looks on a terminal. The other forms have whole values."""
    if as_json:
        print(json_text(list(rows), orjson.OPT_INDENT_2))
    elif sys.stdout.isatty():
        _print_aligned(rows, columns)
    else:
        print("\t".join(columns))
        for row in rows:
            print("\t".join("" if row[name] is None else on_one_line(row[name]) for name in columns))


def _print_aligned(rows: Sequence[Mapping[str, Any]], columns: Mapping[str, Show]) -> None:
    cells = [[on_one_line(show(row[name])) for name, show in columns.items()] for row in rows]
    heads = [name.upper().replace("_", " ") for name in columns]
    widths = [max(map(len, column)) for column in zip(heads, *cells, strict=True)]
    print(paint("  ".join(head.ljust(width) for head, width in zip(heads, widths, strict=True)).rstrip(), "dim"))
    for line in cells:
        print("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())


def shown(value: Any) -> str:
    """Return a value as it is; nothing is a dash."""
    return "-" if value is None or value == "" else str(value)


def number(value: int | None) -> str:
    """Return a count with its thousands apart."""
    return "-" if value is None else f"{value:,}"


class Progress:
    """A line on standard error that counts, where that is a terminal."""

    def __init__(self, words: str) -> None:
        self._words = words
        self._is_on = sys.stderr.isatty()
        self._count = 0

    def add(self, count: int) -> None:
        """Count on."""
        self._count += count
        if self._is_on:
            print(f"\r{self._words}: {self._count:,}", end="", file=sys.stderr, flush=True)

    def finish(self) -> None:
        """Make room for what comes next."""
        if self._is_on and self._count:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)

"""Rows of a few named columns: aligned on a terminal, tab-separated for other programs, or one JSON document."""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import orjson

from proxy.cli.terminal import duration, json_text, money, on_one_line, padded, paint, width_of

Show = Callable[[Any], str]
_GAP = "  "
_FIGURE = re.compile(r"-|[-+]?\$?[\d,]*\.?\d+(?:%| (?:[kMG]?B|ms|s))?")
"""A count, an amount, a share, a size or a duration, which stand below each other by their last digit."""
_UNITS: Mapping[Show, str] = {duration: "_ms", money: "_usd"}
"""What says so for itself needs no unit in its heading: 1.2 s is none of milliseconds."""


def print_rows(
    rows: Sequence[Mapping[str, Any]], columns: Mapping[str, Show], *, as_json: bool, shed: Sequence[str] = ()
) -> None:
    """Print rows; ``columns`` says how a value looks on a terminal. The other forms have whole values.

    Columns of ``shed`` are left out, the first one first, where a terminal has no room for them. It may name some that
    this listing has not.
    """
    if as_json:
        print(json_text(list(rows), orjson.OPT_INDENT_2))
    elif sys.stdout.isatty():
        _print_aligned(rows, columns, shed)
    else:
        print("\t".join(columns))
        for row in rows:
            print("\t".join("" if row[name] is None else on_one_line(row[name]) for name in columns))


def _print_aligned(rows: Sequence[Mapping[str, Any]], columns: Mapping[str, Show], shed: Sequence[str]) -> None:
    texts = {
        name: [_heading(name, show), *(on_one_line(show(row[name])) for row in rows)] for name, show in columns.items()
    }
    room = shutil.get_terminal_size().columns
    widths = {name: max(map(width_of, cells)) for name, cells in texts.items()}
    for name in filter(widths.__contains__, shed):
        if sum(widths.values()) + len(_GAP) * (len(widths) - 1) <= room:
            break
        del widths[name]
    figures = {name for name in widths if _are_figures(texts[name][1:])}
    for index in range(len(rows) + 1):
        cells = [padded(texts[name][index], width, is_right=name in figures) for name, width in widths.items()]
        line = _GAP.join(cells).rstrip()
        print(line if index else paint(line, "dim"))


def _heading(name: str, show: Show) -> str:
    return name.removesuffix(_UNITS.get(show, "")).upper().replace("_", " ")


def _are_figures(cells: Sequence[str]) -> bool:
    return any(cell != "-" for cell in cells) and all(_FIGURE.fullmatch(cell) for cell in cells)


def shown(value: Any) -> str:
    """Return a value as it is; nothing is a dash."""
    return "-" if value is None or value == "" else str(value)


def number(value: int | None) -> str:
    """Return a count with its thousands apart."""
    return "-" if value is None else f"{value:,}"

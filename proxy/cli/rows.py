"""Rows of named columns: aligned on a terminal, tab-separated for other programs, or one JSON document.

What a terminal has no room for leaves columns out, or is told a column a line where all of them were asked for.
"""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import orjson

from proxy.cli.terminal import cut, duration, json_text, money, on_one_line, padded, paint, width_of

Show = Callable[[Any], str]
_GAP = "  "
_LEAST_CUT = 16
"""Characters that a text is left, before other columns have to go for it."""
_FIGURE = re.compile(r"-|[-+]?\$?[\d,]*\.?\d+(?:%| (?:[kMG]?B|ms|s))?")
"""A count, an amount, a share, a size or a duration, which stand below each other by their last digit."""
_UNITS: Mapping[Show, str] = {duration: "_ms", money: "_usd"}
"""What says so for itself needs no unit in its heading: 1.2 s is none of milliseconds."""


def print_rows(
    rows: Sequence[Mapping[str, Any]],
    columns: Mapping[str, Show],
    *,
    as_json: bool,
    shed: Sequence[str] = (),
    cutting: str | None = None,
    may_be_tall: bool = False,
) -> None:
    """Print rows; ``columns`` says how a value looks on a terminal. The other forms have whole values.

    Columns of ``shed`` are left out, the first one first, where a terminal has no room for them. It may name some that
    this listing has not. ``cutting`` is one whose texts are cut instead, to what room the others leave.
    ``may_be_tall``: a table that has no room all the same is told a column a line instead.
    """
    if as_json:
        print(json_text(list(rows), orjson.OPT_INDENT_2))
    elif sys.stdout.isatty():
        _print_fitting(rows, columns, shed, cutting, may_be_tall=may_be_tall)
    else:
        print("\t".join(columns))
        for row in rows:
            print("\t".join("" if row[name] is None else on_one_line(row[name]) for name in columns))


def _print_fitting(
    rows: Sequence[Mapping[str, Any]],
    columns: Mapping[str, Show],
    shed: Sequence[str],
    cutting: str | None,
    *,
    may_be_tall: bool,
) -> None:
    texts = {
        name: [_heading(name, show), *(on_one_line(show(row[name])) for row in rows)] for name, show in columns.items()
    }
    room = shutil.get_terminal_size().columns
    widths = _fitting({name: max(map(width_of, cells)) for name, cells in texts.items()}, room, shed, cutting)
    if cutting is not None and cutting in widths:
        texts[cutting] = [cut(text, widths[cutting]) for text in texts[cutting]]
    if may_be_tall and rows and _width(widths) > room:
        _print_tall({name: texts[name][1:] for name in widths}, len(rows))
    else:
        _print_aligned(texts, widths, len(rows))


def _fitting(wholes: Mapping[str, int], room: int, shed: Sequence[str], cutting: str | None) -> dict[str, int]:
    """Return the columns that there is room for, with their widths: one is cut first, then others are left out."""
    widths = dict(wholes)
    if cutting is not None and widths.get(cutting):
        widths[cutting] = min(wholes[cutting], _LEAST_CUT)
    for name in filter(widths.__contains__, shed):
        if _width(widths) <= room:
            break
        del widths[name]
    if cutting is not None and cutting in widths:
        widths[cutting] = min(wholes[cutting], widths[cutting] + max(0, room - _width(widths)))
    return widths


def _width(widths: Mapping[str, int]) -> int:
    return sum(widths.values()) + len(_GAP) * (len(widths) - 1)


def _print_aligned(texts: Mapping[str, Sequence[str]], widths: Mapping[str, int], count: int) -> None:
    figures = {name for name in widths if _are_figures(texts[name][1:])}
    for index in range(count + 1):
        cells = [padded(texts[name][index], width, is_right=name in figures) for name, width in widths.items()]
        line = _GAP.join(cells).rstrip()
        print(line if index else paint(line, "dim"))


def _print_tall(texts: Mapping[str, Sequence[str]], count: int) -> None:
    width = max(map(width_of, map(on_one_line, texts)))
    for index in range(count):
        print(paint(f"row {index + 1:,}", "dim"))
        for name, cells in texts.items():
            print(f"{padded(on_one_line(name), width)}{_GAP}{cells[index]}".rstrip())


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

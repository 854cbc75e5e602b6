"""Rows as a table that fits a terminal, or as tab-separated lines for a pipe.

A line never wraps by our doing: where there is no room, the instant and the model are shortened and what matters least
is left out, unless the columns were asked for. Where there is some, the beginning of what was asked stands at the end.
The columns stay where the first rows put them.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from proxy.cli.terminal import (
    cut,
    duration,
    json_text,
    local_time,
    money,
    on_one_line,
    padded,
    paint,
    short_id,
    tokens,
    width_of,
)
from proxy.domain.outcome import Outcome
from proxy.store.schema.decoding import Row

DEFAULT = ("started_at", "id", "model", "outcome", "http_status", "tokens", "cost_usd", "duration_ms", "ttft_ms")
_HEADINGS = {
    "started_at": "TIME", "id": "ID", "model": "MODEL", "outcome": "OUTCOME", "http_status": "STATUS",
    "tokens": "TOKENS", "cost_usd": "COST", "duration_ms": "TOOK", "ttft_ms": "FIRST TOKEN",
    "input_preview": "ASKED",
}  # fmt: skip
BEGUN = "begun"
"""What stands for the outcome of a call that has none yet."""
_COLOURS = {Outcome.COMPLETED: "green", Outcome.CLIENT_GONE: "yellow", BEGUN: "dim"}
_SHED = ("ttft_ms", "http_status", "duration_ms", "tokens", "cost_usd", "started_at")
_ASKED, _LEAST_ASKED = "input_preview", 24
_FOR_ASKED = ((), ("ttft_ms",), ("ttft_ms", "http_status"))
"""What may be left out for the sake of what was asked, the least first."""
_FIGURES = ("http_status", "tokens", "score", "attempts", "retry_count", "temperature", "top_p", "max_tokens")
_MEASURES = ("_ms", "_usd", "_tokens", "_bytes", "_length", "_count")
_GAP = "  "
_LEAST_MODEL = 12
_CELL = 60


class Table:
    """One listing on a terminal; what comes later stands below what came first, and ``below`` a row what it gives."""

    def __init__(
        self,
        fields: Sequence[str] | None,
        *,
        is_utc: bool,
        has_headers: bool,
        below: Callable[[Row], Iterable[str]] = lambda _row: (),
    ) -> None:
        self._below = below
        self._columns = tuple(fields or DEFAULT)
        self._is_chosen = fields is not None
        self._is_utc = is_utc
        self._owes_headings = has_headers
        self._is_narrow = False
        self._model = _CELL
        self._widths: dict[str, int] = {}

    def print(self, rows: Sequence[Row]) -> None:
        """Print rows, the first ones below the headings."""
        if not rows:
            return
        if not self._widths:
            self._fit(rows)
        cells = self._cells(rows)
        self._widen(cells)
        if self._owes_headings:
            self._owes_headings = False
            print(paint(self._line({name: _heading(name) for name in self._columns}), "dim"))
        for index, row in enumerate(rows):
            print(self._line({name: cells[name][index] for name in self._columns}, _COLOURS.get(row["outcome"], "red")))
            for line in self._below(row):
                print(line)

    def _fit(self, rows: Sequence[Row]) -> None:
        room = shutil.get_terminal_size().columns
        self._widen(self._cells(rows))
        if self._is_chosen or self._has_asked(rows, room):
            return
        self._columns, self._is_narrow, self._widths = DEFAULT, False, {}
        self._widen(self._cells(rows))
        if self._width() <= room:
            return
        self._is_narrow, self._widths = True, {}
        self._widen(self._cells(rows))
        spare = max(0, self._widths["model"] - _LEAST_MODEL)
        for name in _SHED:
            if self._width() - spare <= room:
                break
            self._columns = tuple(kept for kept in self._columns if kept != name)
        self._model = self._widths["model"] = self._widths["model"] - min(spare, max(0, self._width() - room))

    def _has_asked(self, rows: Sequence[Row], room: int) -> bool:
        """Take up what was asked, where any is on record and there is room for it."""
        if not any(row.get(_ASKED) or row.get("prompt_name") for row in rows):
            return False
        # Where no answer was streamed, its first token says nothing.
        usual = () if any(row.get("ttft_ms") is not None for row in rows) else ("ttft_ms",)
        for is_narrow, left_out in ((False, usual), *((True, (*usual, *names)) for names in _FOR_ASKED)):
            self._columns = (*(name for name in DEFAULT if name not in left_out), _ASKED)
            self._is_narrow, self._widths = is_narrow, {}
            self._widen(self._cells(rows))
            lacking = self._width() + _LEAST_ASKED - self._widths[_ASKED] - room
            spare = max(0, self._widths["model"] - _LEAST_MODEL) if is_narrow else 0
            if lacking <= spare:
                self._model = self._widths["model"] = self._widths["model"] - max(0, lacking)
                return True
        return False

    def _widen(self, cells: dict[str, list[str]]) -> None:
        for name in self._columns:
            self._widths[name] = max(self._widths.get(name, len(_heading(name))), *map(width_of, cells[name]))

    def _width(self) -> int:
        return sum(self._widths[name] for name in self._columns) + len(_GAP) * (len(self._columns) - 1)

    def _line(self, texts: dict[str, str], colour: str | None = None) -> str:
        cells = [padded(texts[name], self._widths[name], is_right=_is_figure(name)) for name in self._columns]
        if self._columns[-1] == _ASKED and not self._is_chosen:
            left = shutil.get_terminal_size().columns - self._width() + self._widths[_ASKED]
            cells[-1] = cut(texts[_ASKED], max(0, left))
        if colour and "outcome" in self._columns:
            index = self._columns.index("outcome")
            cells[index] = paint(cells[index], colour)
        return _GAP.join(cells).rstrip()

    def _cells(self, rows: Sequence[Row]) -> dict[str, list[str]]:
        return {name: [self._cell(row, name) for row in rows] for name in self._columns}

    def _cell(self, row: Row, name: str) -> str:
        value: Any = row.get(name)
        if name == "tokens":
            return tokens(row)
        if name in ("started_at", "completed_at"):
            text = local_time(value, is_utc=self._is_utc)
            return text[5:19] if self._is_narrow else text
        if name.endswith("_usd") and "pico" not in name:
            return money(value)
        if name.endswith("_ms"):
            return duration(value)
        if name == "id":
            return short_id(value)
        if name == "model":
            return cut(_plain(value or f"({row['operation']})"), self._model)
        if name == _ASKED and not self._is_chosen:
            return _plain(value or _filled_in(row))
        return "-" if value is None else cut(_plain(value), _CELL)


def print_headings(fields: Sequence[str] | None) -> None:
    """Print the columns' own names for other programs."""
    print("\t".join(fields or DEFAULT))


def print_tabs(rows: Sequence[Row], fields: Sequence[str] | None) -> None:
    """Print rows for other programs, whole values."""
    for row in rows:
        values = [tokens(row) if name == "tokens" else row[name] for name in fields or DEFAULT]
        print("\t".join("" if value is None else _plain(value) for value in values))


def _plain(value: Any) -> str:
    return on_one_line(json_text(value) if isinstance(value, list | dict) else value)


def _heading(name: str) -> str:
    return _HEADINGS.get(name, name.upper())


def _filled_in(row: Row) -> str:
    """Return what was asked by a stored prompt: its name, and what was filled into it."""
    if not row.get("prompt_name"):
        return ""
    values = row.get("prompt_variables") or {}
    said = ", ".join(f"{name}={value}" for name, value in values.items())
    return f"{row['prompt_name']}@{row['prompt_version']}" + (f": {said}" if said else "")


def _is_figure(name: str) -> bool:
    return name in _FIGURES or name.endswith(_MEASURES)

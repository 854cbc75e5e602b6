"""How things look in a terminal: times, money, tables; and text that somebody else wrote, made harmless.

Colours only on a terminal, never with NO_COLOR or TERM=dumb, unless ``--color`` says otherwise. Control characters of
recorded text never reach a screen.
"""

from __future__ import annotations

import os
import re
import sys
import unicodedata
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from proxy.errors import UsageError
from proxy.forms.text import is_writable as is_writable
from proxy.forms.text import json_text as json_text

COLOURS_WHEN = ("auto", "always", "never")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
_COLOURS = {"dim": "\x1b[2m", "bold": "\x1b[1m", "red": "\x1b[31m", "green": "\x1b[32m", "yellow": "\x1b[33m",
            "match": "\x1b[1;33m"}  # fmt: skip


def harmless(text: object) -> str:
    """Return text without control characters, escapes and direction overrides."""
    return _CONTROL.sub("\ufffd", str(text))


def on_one_line(text: object) -> str:
    """Return harmless text whose white space, line ends included, is single blanks: it cannot pose as another row."""
    return " ".join(harmless(text).split())


def width_of(text: str) -> int:
    """Return how many columns of a terminal a text takes: signs of East Asia take two, those that combine none."""
    if text.isascii():
        return len(text)
    return sum(
        0 if unicodedata.combining(char) else 2 if unicodedata.east_asian_width(char) in "WF" else 1 for char in text
    )


def cut(text: str, most: int) -> str:
    """Return a text that takes at most so many columns; what was cut ends with a sign of that."""
    if width_of(text) <= most:
        return text
    kept = text[: max(0, most - 1)]
    while kept and width_of(kept) > most - 1:
        kept = kept[:-1]
    return f"{kept}…"[:most]


def padded(text: str, width: int, *, is_right: bool = False) -> str:
    """Return a text with blanks up to a width, before it or behind."""
    blanks = " " * max(0, width - width_of(text))
    return blanks + text if is_right else text + blanks


class _Choice:
    """What ``--color`` said; a process runs one command, and all that prints asks here."""

    when = "auto"


def settle_colours(when: str) -> None:
    """Take what ``--color`` says; ``UsageError`` for anything else than auto, always and never."""
    if when not in COLOURS_WHEN:
        raise UsageError(f"--color: {when[:40]!r} is none of {', '.join(COLOURS_WHEN)}")
    _Choice.when = when


def has_colours() -> bool:
    """Return True when colours are wanted: by ``--color``, else when standard output is a terminal that has them."""
    if _Choice.when != "auto":
        return _Choice.when == "always"
    plain = os.getenv("NO_COLOR") or os.getenv("TERM") == "dumb"
    return sys.stdout.isatty() and not plain


def paint(text: str, colour: str) -> str:
    """Return text in a colour where colours are wanted."""
    return f"{_COLOURS[colour]}{text}\x1b[0m" if has_colours() else text


def money(amount: Decimal | float | None) -> str:
    """Return an amount of USD, exact enough to read; unknown is a dash and never 0."""
    if amount is None:
        return "-"
    value = Decimal(str(amount))
    if value == 0:
        return "$0"
    digits = 2 if value >= 1 else max(2, -value.adjusted() + 2)
    return f"${value:.{min(digits, 12)}f}"


def local_time(text: str | None, *, is_utc: bool) -> str:
    """Return a stored instant in local time with its offset, or in UTC."""
    if not text:
        return "-"
    instant = datetime.fromisoformat(text)
    if is_utc:
        return instant.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%SZ")
    return instant.astimezone().strftime("%Y-%m-%d %H:%M:%S%z")


def duration(milliseconds: float | None) -> str:
    """Return a duration as people say it."""
    if milliseconds is None:
        return "-"
    if milliseconds < 10:
        return f"{milliseconds:.1f} ms"
    return f"{milliseconds:,.0f} ms" if milliseconds < 10_000 else f"{milliseconds / 1000:,.1f} s"


def short_id(identity: object) -> str:
    """Return as much of an id as one types: its millisecond, and what tells calls of one millisecond apart."""
    return str(identity)[:18]


def tokens(row: dict[str, Any]) -> str:
    """Return the counts of a row; estimates carry a tilde."""
    if row["input_tokens"] is None and row["output_tokens"] is None:
        return "-"
    mark = "~" if str(row["usage_source"]).startswith("estimated") else ""
    return f"{mark}{_number(row['input_tokens'])}+{_number(row['output_tokens'])}"


def _number(value: int | None) -> str:
    return "?" if value is None else str(value)


def counted(number: int, what: str) -> str:
    """Return "1 change" or "2,000 changes" of "change"."""
    return f"{number:,} {what}{'s' if number != 1 else ''}"


def one_line(row: dict[str, Any]) -> str:
    """Return a row on one line."""
    name = on_one_line(row["model"] or row["operation"])
    parts = [short_id(row["id"]), name, row["outcome"], f"{tokens(row)} tokens", money(row["cost_usd"])]
    parts.append(duration(row["duration_ms"]))
    return " · ".join(parts)

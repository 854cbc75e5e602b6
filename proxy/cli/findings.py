"""One finding of the doctor, and how it is shown."""

from __future__ import annotations

import shutil
import sys
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass

import orjson

from proxy.cli.terminal import json_text, on_one_line, paint

FOUND_PROBLEMS = 7
_WORDS = {True: ("ok  ", "green"), None: ("note", "yellow"), False: ("bad ", "red")}
_SUBJECT = 14
_LARGEST_SUBJECT = 24


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at; ``is_ok`` None means worth knowing, not wrong. ``next`` is what to type or do."""

    subject: str
    is_ok: bool | None
    detail: str
    next: str | None = None


def report(findings: Sequence[Finding], *, as_json: bool) -> int:
    """Print findings; return the exit code."""
    if as_json:
        shown = [{"subject": f.subject, "ok": f.is_ok, "detail": f.detail, "next": f.next} for f in findings]
        print(json_text(shown, orjson.OPT_INDENT_2))
    else:
        width = min(max((len(item.subject) for item in findings), default=0), _LARGEST_SUBJECT)
        for item in findings:
            _print(item, max(width, _SUBJECT))
        _sum_up(findings)
    return FOUND_PROBLEMS if any(item.is_ok is False for item in findings) else 0


def _print(item: Finding, width: int) -> None:
    word, colour = _WORDS[item.is_ok]
    margin = " " * (width + 8)
    for index, line in enumerate(_lines(item.detail, len(margin))):
        head = f"{paint(word, colour)}  {item.subject:<{width}}  " if index == 0 else margin
        print(f"{head}{line}")
    if item.next and item.is_ok is not True:
        print(f"{margin}next: {item.next}")


def _lines(detail: str, margin: int) -> list[str]:
    """Return the words in lines that fit; a long path or address stays whole, to be copied."""
    if not sys.stdout.isatty():
        return [on_one_line(detail)]
    room = max(40, shutil.get_terminal_size().columns - margin)
    return textwrap.wrap(on_one_line(detail), room, break_long_words=False, break_on_hyphens=False) or [""]


def _sum_up(findings: Sequence[Finding]) -> None:
    wrong = sum(item.is_ok is False for item in findings)
    notes = sum(item.is_ok is None for item in findings)
    looked = len(findings)
    said = f"{wrong} problem{'s' if wrong != 1 else ''}" if wrong else "no problems"
    print(f"\n{said}, {notes} note{'s' if notes != 1 else ''}, {looked} thing{'s' if looked != 1 else ''} looked at")

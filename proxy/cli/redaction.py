"""``dashcam redaction``: lists patterns, and shows on a text what would be on record."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence

import orjson

from proxy.cli.rows import print_rows, shown
from proxy.cli.terminal import harmless, json_text, on_one_line
from proxy.domain.redaction import OwnPattern
from proxy.errors import UsageError
from proxy.redaction.trial import chosen, known_patterns, tried
from proxy.settings.values import Settings

_LARGEST = 16 * 1024 * 1024


def list_patterns(settings: Settings, *, as_json: bool) -> None:
    """Print the patterns; an own one was checked when the settings were read."""
    rules = settings.redaction
    rows = [
        {"name": item.name, "is_on": name in rules.patterns, "is_own": item.is_own, "meaning": item.meaning}
        for name, item in known_patterns(rules).items()
    ]
    if as_json:
        print_rows(rows, dict.fromkeys(("name", "is_on", "is_own", "meaning"), shown), as_json=True)
        return
    told = [{**row, "on": "on" if row["is_on"] else "-"} for row in rows]
    print_rows(told, dict.fromkeys(("name", "on", "meaning"), shown), as_json=False)
    if not rules.patterns:
        print(
            "Nothing is taken out of all calls. Turn some on: DASHCAM_REDACTION__PATTERNS=api_key,email",
            file=sys.stderr,
        )


def try_text(settings: Settings, text: str, *, names: Sequence[str], own: Sequence[str], as_json: bool) -> None:
    """Print what of a text would be on record, and what was taken out by which pattern."""
    is_sample = not (names or own or settings.redaction.patterns)
    if is_sample:
        # Nothing is on: what could be on is shown.
        names = list(known_patterns(settings.redaction))
    try:
        redactor = chosen(settings.redaction, names, [_own(item) for item in own])
    except ValueError as error:
        raise UsageError(str(error), hint="dashcam redaction list") from error
    said = sys.stdin.read(_LARGEST) if text == "-" else text
    began = time.perf_counter()
    found = tried(redactor, said)
    milliseconds = (time.perf_counter() - began) * 1000
    taken = [{"pattern": name, "text": part} for name, part in found.taken]
    if as_json:
        told = {"text": found.text, "taken": taken, "patterns": redactor.names, "milliseconds": milliseconds}
        print(json_text(told, orjson.OPT_INDENT_2))
        return
    print("nothing of it: it is longer than redaction.max_bytes" if found.text is None else harmless(found.text))
    for item in taken:
        print(f"{item['pattern']}: {on_one_line(item['text'])}", file=sys.stderr)
    print(f"{len(taken)} taken out in {milliseconds:.2f} ms; looked for {', '.join(redactor.names)}", file=sys.stderr)
    if is_sample:
        print(
            "None of them is on: DASHCAM_REDACTION__PATTERNS=api_key,email takes out what they find.", file=sys.stderr
        )


def _own(said: str) -> OwnPattern:
    name, equals, pattern = said.partition("=")
    if not equals:
        raise UsageError(
            f"--own: {said[:40]!r} is no NAME=RE", hint="dashcam redaction test TEXT --own 'ticket=T-[0-9]+'"
        )
    return OwnPattern(name=name, pattern=pattern)

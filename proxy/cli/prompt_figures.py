"""``dashcam prompts performance``, ``compare`` and ``trends``: what came of each version of a prompt.

Everything is of one call on average, out of the sums by the hour, so that versions that were used unequally often can
be compared. A score is that of all time: it is given long after a call.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import Any

from proxy.cli.figures import Asked, drawn, record, tell
from proxy.cli.logs import suggestion
from proxy.cli.rows import Show, number, print_rows, shown
from proxy.cli.terminal import duration, money, on_one_line
from proxy.errors import NotFoundError
from proxy.query.terms import Text
from proxy.settings.values import Settings
from proxy.store.reading.analytics import Grouping, Span
from proxy.store.reading.reader import Reader
from proxy.store.reading.summaries import rows

_SCORES = "SELECT prompt_version, score_mean FROM v_prompt_performance WHERE prompt_name = ?"
_MOST = 100_000
_SHED = ("score", "input_tokens", "cost_usd")


def _rate(share: float | None) -> str:
    return "-" if share is None else f"{share:.1%}"


def _rounded(value: float | None) -> str:
    return "-" if value is None else f"{value:,.0f}"


def _score(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"


_MEASURES: dict[str, Show] = {
    "calls": number, "success_rate": _rate, "average_ms": duration, "input_tokens": _rounded,
    "output_tokens": _rounded, "cost_usd": money, "score": _score,
}  # fmt: skip


def performance(settings: Settings, asked: Asked, name: str | None) -> None:
    """Print a row for each version, of one prompt or of all."""
    with record(settings) as reader:
        found = _versions(reader, name, asked.span(reader))
        _check_name(reader, name, found)
    told = found[: asked.limit]
    _print(told, {"prompt": shown, "version": shown, **_MEASURES}, asked, name)
    if len(found) > asked.limit:
        tell(f"There is more; see it with: -n {min(asked.limit * 5, _MOST)}")


def compare(settings: Settings, asked: Asked, name: str, one: int, other: int) -> None:
    """Print the measures of two versions side by side, and by how much the second differs."""
    with record(settings) as reader:
        by_version = {row["version"]: row for row in _versions(reader, name, asked.span(reader))}
    for version in (one, other):
        if version not in by_version:
            raise NotFoundError(
                f"no call used {name}@{version} {asked.words}", hint=f"dashcam prompts performance {name} --days 3650"
            )
    first, second = by_version[one], by_version[other]
    told = []
    for measure, show in _MEASURES.items():
        before, after = first[measure], second[measure]
        is_read = sys.stdout.isatty() and not asked.as_json
        cells = (show(before), show(after)) if is_read else (before, after)
        told.append({"measure": measure, "first": cells[0], "second": cells[1], "change": _change(before, after)})
    names: dict[str, Show] = {"measure": shown, f"{name}@{one}": shown, f"{name}@{other}": shown, "change": _signed}
    print_rows([dict(zip(names, row.values(), strict=True)) for row in told], names, as_json=asked.as_json)


def trends(settings: Settings, asked: Asked, name: str) -> None:
    """Print a row for each day and version, and how the calls of each version went."""
    with record(settings) as reader:
        span = asked.span(reader)
        only, by = {"prompt": (Text(name),)}, ("day", "prompt_version")
        found = rows(reader, Grouping(by=by, span=span, only=only, sort="day", top=_MOST))
        _check_name(reader, name, found)
    days = [
        {"day": row["day"], "version": row["prompt_version"], **_on_average(row), "at": row["day"]} for row in found
    ]
    _print(days[-asked.limit :], {"day": shown, "version": shown, **_without_score()}, asked, name)
    for version in sorted({row["version"] for row in days}):
        label, its = f"{name}@{version}  ", [row for row in days if row["version"] == version]
        if bars := drawn(its, "calls", span, len(label)):
            tell(label + bars)


def _versions(reader: Reader, name: str | None, span: Span) -> list[dict[str, Any]]:
    only = {} if name is None else {"prompt": (Text(name),)}
    by = ("prompt", "prompt_version")
    found = [
        row for row in rows(reader, Grouping(by=by, span=span, only=only, sort="calls", top=_MOST)) if row["prompt"]
    ]
    scores = {prompt: _scores(reader, prompt) for prompt in {row["prompt"] for row in found}}
    told = [
        {
            "prompt": row["prompt"], "version": row["prompt_version"], **_on_average(row),
            "score": scores[row["prompt"]].get(row["prompt_version"]),
        }
        for row in found
    ]  # fmt: skip
    return sorted(told, key=lambda row: (row["prompt"], -row["version"]))


def _check_name(reader: Reader, name: str | None, found: Sequence[object]) -> None:
    """Raise ``NotFoundError`` for a prompt that neither a call has used nor anybody has saved."""
    if name is None or found or name in (known := reader.catalogue_names("prompts", "", _MOST)):
        return
    raise NotFoundError(
        f"there is no prompt {on_one_line(name)[:80]!r}{suggestion(name, known)}", hint="dashcam prompts list"
    )


def _scores(reader: Reader, name: str) -> Mapping[int, float]:
    return {row["prompt_version"]: row["score_mean"] for row in reader.answer((_SCORES, (name,)))}


def _on_average(row: Mapping[str, Any]) -> dict[str, Any]:
    calls = row["calls"]
    priced = calls - row["unpriced_calls"]
    return {
        "calls": calls,
        "success_rate": 1 - row["errors"] / calls,
        "average_ms": row["average_ms"],
        "input_tokens": row["input_tokens"] / calls,
        "output_tokens": row["output_tokens"] / calls,
        "cost_usd": row["cost_usd"] / priced if row["cost_usd"] is not None and priced else None,
    }


def _without_score() -> dict[str, Show]:
    return {measure: show for measure, show in _MEASURES.items() if measure != "score"}


def _print(told: Sequence[dict[str, Any]], columns: dict[str, Show], asked: Asked, name: str | None) -> None:
    if told or asked.as_json or not sys.stdout.isatty():
        print_rows(
            [{column: row[column] for column in columns} for row in told], columns, as_json=asked.as_json, shed=_SHED
        )
    if not told:
        what = f"the prompt {name}" if name is not None else "a prompt"
        tell(
            f"No call used {what} {asked.words}. Look further back with --days 365; list prompts: dashcam prompts list"
        )


def _change(before: float | None, after: float | None) -> float | None:
    """Return by which part of the first the second differs; None where that says nothing."""
    return None if not before or after is None else after / before - 1


def _signed(change: float | None) -> str:
    return "-" if change is None else f"{change:+.1%}"

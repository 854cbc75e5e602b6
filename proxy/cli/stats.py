"""``dashcam stats``: what some days came to, in a few lines and the busiest models."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

import orjson

from proxy.cli.figures import Asked, drawn, read_by_people, record, tell
from proxy.cli.rows import Show, number, print_rows, shown
from proxy.cli.terminal import duration, json_text, money, on_one_line, paint
from proxy.settings.values import Settings
from proxy.store.reading.analytics import Span
from proxy.store.reading.summaries import summary

_LISTS = ("models", "providers", "outcomes", "series")
_MODELS: dict[str, Show] = {
    "model": shown, "calls": number, "errors": number, "input_tokens": number, "output_tokens": number,
    "cost_usd": money, "p50_ms": duration, "p95_ms": duration,
}  # fmt: skip
_NAME = 12


def stats(settings: Settings, asked: Asked) -> None:
    """Print them."""
    with record(settings) as reader:
        span = asked.span(reader)
        told = summary(reader, span)
    if asked.as_json:
        print(json_text(told, orjson.OPT_INDENT_2))
    elif not sys.stdout.isatty():
        for name, value in told.items():
            if name not in _LISTS:
                print(f"{name}\t{'' if value is None else value}")
    elif not told["calls"]:
        tell(f"No calls {asked.words}. Look further back with: dashcam stats --days 90; what is there: dashcam logs")
    else:
        _print(told, span)
        tell(f"Where the money went: dashcam costs{asked.flag}; what failed: dashcam errors{asked.flag}")


def _print(told: Mapping[str, Any], span: Span) -> None:
    lines = (
        ("calls", number(told["calls"]), "calls"),
        ("errors", f"{number(told['errors'])} ({told['error_rate']:.1%})", "errors"),
        ("cost", _cost(told), "cost_usd"),
        ("tokens", _tokens(told), None),
        ("took", ", ".join(f"{name} {duration(told[f'{name}_ms'])}" for name in ("p50", "p95", "p99")), None),
        ("first token", f"p50 {duration(told['ttft_p50_ms'])}, p95 {duration(told['ttft_p95_ms'])}", None),
        ("ended", on_one_line(", ".join(f"{row['calls']:,} {row['outcome']}" for row in told["outcomes"])), None),
    )
    width = max(len(text) for _, text, measure in lines if measure)
    for name, text, measure in lines:
        bars = drawn(told["series"], measure, span, _NAME + width + 2) if measure else ""
        print(f"{paint(f'{name:<{_NAME}}', 'dim')}{f'{text:<{width}}  {bars}' if bars else text}".rstrip())
    print()
    shed = ("errors", "p50_ms", "output_tokens", "input_tokens", "p95_ms")
    print_rows(read_by_people(told["models"]), _MODELS, as_json=False, shed=shed)


def _cost(told: Mapping[str, Any]) -> str:
    missing = f" ({told['unpriced_calls']:,} without a price)" if told["unpriced_calls"] else ""
    (shown_so,) = read_by_people([told])
    return f"{money(shown_so['cost_usd'])}{missing}"


def _tokens(told: Mapping[str, Any]) -> str:
    cached = f" ({told['cached_tokens']:,} cached)" if told["cached_tokens"] else ""
    return f"{told['input_tokens']:,} in{cached}, {told['output_tokens']:,} out"

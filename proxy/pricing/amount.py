"""The amount: counts times rates, in exact decimals, with the lines that explain it.

The input is split into cached, cache-written, audio, image and the rest, each at its own rate where there is one, else
at the input rate; the output into audio, image and the rest, reasoning included. Tool calls, audio by the hour,
characters and images come on top where they have a price. A part that costs more than text and has no published rate
makes the amount a lower bound. So does a sum over many requests that is beyond a long-context step: what each of them
asked is not known, and all of them together are no long context.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from functools import lru_cache

from proxy.domain.cost import Cost, Price, to_pico
from proxy.domain.outcome import CostStatus
from proxy.domain.usage import Usage
from proxy.pricing.units import UNITS

_LEAST_AUDIO_MS = {"groq": 10_000}
"""Kinds that bill a shortest length of audio."""
_UNPRICED = Cost(status=CostStatus.UNPRICED)

Line = tuple[str, int, Decimal, Decimal]
Rates = Mapping[str, Decimal]
Part = tuple[tuple[str, ...], int]
"""Names of rates, the first that there is counts, and how many tokens."""


def multiply(price: Price, usage: Usage, status: CostStatus = CostStatus.COMPUTED, *, is_sum: bool = False) -> Cost:
    """Return the cost of these counts at this price; unpriced when they are not what the price is for.

    ``is_sum``: the counts are those of many requests together, which are priced below every step.
    """
    asked = usage.input_tokens or 0
    said = usage.output_tokens or 0
    rates, has_fee = _rates_at(price, 0 if is_sum else asked)
    if (said and "output_mtok" not in rates) or (asked and "input_mtok" not in rates):
        return _UNPRICED
    inputs = _token_lines(rates, asked, _input_parts(usage), "input_mtok")
    outputs = _token_lines(rates, said, _output_parts(usage, rates), "output_mtok")
    fees: list[Line] = []
    quantities = usage.quantities()
    if quantities or has_fee:
        counts = _counts_of(price, quantities, rates)
        inputs += _counted(rates, counts, _INPUTS)
        outputs += _counted(rates, counts, _OUTPUTS)
        fees += _counted(rates, counts, _FEES)
    has_tokens = usage.input_tokens is not None or usage.output_tokens is not None
    if not (has_tokens and "input_mtok" in rates) and not inputs and not outputs:
        return _UNPRICED
    may_be_more = is_sum and _rates_at(price, asked)[0] != rates
    if status is CostStatus.COMPUTED and (may_be_more or _leaves_out(rates, usage, quantities)):
        status = CostStatus.LOWER_BOUND
    input_usd, output_usd, fee_usd = _sum(inputs), _sum(outputs), _sum(fees)
    return Cost(
        status=status,
        pico_usd=to_pico(input_usd + output_usd + fee_usd),
        input_pico_usd=None if usage.input_tokens is None and not inputs else to_pico(input_usd),
        output_pico_usd=to_pico(output_usd),
        price=price,
        lines=(*inputs, *outputs, *fees),
    )


_INPUTS = ("input_audio_hours", "audio_hours", "input_mchars")
_OUTPUTS = ("images_kcount",)
_FEES = ("requests_kcount", "web_searches_kcount", "storage_searches_kcount", "code_sessions_kcount")
_COUNTED_AS = {
    "characters": "input_mchars",
    "images": "images_kcount",
    "web_searches": "web_searches_kcount",
    "file_searches": "storage_searches_kcount",
    "code_sessions": "code_sessions_kcount",
}


def _counts_of(price: Price, quantities: Mapping[str, int], rates: Rates) -> dict[str, int]:
    """Return the counts that are no tokens, by the name of their unit; audio is counted once, under one name."""
    counts = {unit: quantities[name] for name, unit in _COUNTED_AS.items() if name in quantities}
    counts["requests_kcount"] = 1
    if "audio_ms" in quantities:
        name = "input_audio_hours" if "input_audio_hours" in rates else "audio_hours"
        counts[name] = max(quantities["audio_ms"], _LEAST_AUDIO_MS.get(price.provider, 0))
    return counts


def _leaves_out(rates: Rates, usage: Usage, quantities: Mapping[str, int]) -> bool:
    """True when a side's count was not said, or when what costs more than text, or a fee, has no published rate."""
    is_by_token = "input_mtok" in rates and not ("audio_ms" in quantities and usage.input_tokens is None)
    is_one_sided = usage.input_tokens is None or (usage.output_tokens is None and bool(rates.get("output_mtok")))
    return (
        (is_by_token and is_one_sided)
        or _has_unpriced_audio(rates, usage)
        or bool(usage.cache_write_1h_tokens and "cache_write_1h_mtok" not in rates)
        or bool(usage.cache_write_12h_tokens and "cache_write_12h_mtok" not in rates)
        or any(_FEE_OF[name] not in rates for name in quantities if name in _FEE_OF)
    )


_FEE_OF = {**{name: unit for name, unit in _COUNTED_AS.items() if unit in _FEES}, "other_fees": ""}
"""What costs a fee, and the unit of it; some fees have none."""


def _has_unpriced_audio(rates: Rates, usage: Usage) -> bool:
    if usage.output_audio_tokens and "output_audio_mtok" not in rates:
        return True
    if "input_audio_mtok" in rates or "input_audio_hours" in rates:
        return bool(usage.cached_audio_tokens and "cache_audio_read_mtok" not in rates)
    return bool(usage.input_audio_tokens)


def _input_parts(usage: Usage) -> list[Part]:
    """Split off what may have a rate of its own, in the order in which it is taken out of the whole."""
    parts: list[Part] = []
    audio, image, cached = usage.cached_audio_tokens or 0, usage.cached_image_tokens or 0, usage.cached_tokens or 0
    if cached:
        parts.append((("cache_audio_read_mtok", "cache_read_mtok", "input_audio_mtok"), audio))
        parts.append((("cache_image_read_mtok", "cache_read_mtok", "input_image_mtok"), image))
        parts.append((("cache_read_mtok",), cached - audio - image))
    if usage.cache_write_tokens:
        hour, half_day = usage.cache_write_1h_tokens or 0, usage.cache_write_12h_tokens or 0
        parts.append((("cache_write_1h_mtok", "cache_write_mtok"), hour))
        parts.append((("cache_write_12h_mtok", "cache_write_mtok"), half_day))
        parts.append((("cache_write_mtok",), usage.cache_write_tokens - hour - half_day))
    if usage.input_audio_tokens:
        parts.append((("input_audio_mtok",), usage.input_audio_tokens - audio))
    if usage.input_image_tokens:
        parts.append((("input_image_mtok",), usage.input_image_tokens - image))
    return parts


def _output_parts(usage: Usage, rates: Rates) -> list[Part]:
    """Split off audio, images, and reasoning only where it has a price of its own."""
    parts: list[Part] = []
    if usage.output_audio_tokens:
        parts.append((("output_audio_mtok",), usage.output_audio_tokens))
    if usage.output_image_tokens:
        parts.append((("output_image_mtok",), usage.output_image_tokens))
    if usage.reasoning_tokens and "output_reasoning_mtok" in rates:
        parts.append((("output_reasoning_mtok",), usage.reasoning_tokens))
    return parts


def _token_lines(rates: Rates, total: int, parts: list[Part], rest_name: str) -> list[Line]:
    """Return the lines of one side; parts never exceed the whole, whatever a provider counts."""
    lines, rest = [], total
    for names, claimed in parts:
        number = min(claimed, rest)
        if number > 0:
            rest -= number
            rate = next(rates[name] for name in (*names, rest_name) if name in rates)
            lines.append(_line(names[0], number, rate))
    if rest > 0:
        lines.append(_line(rest_name, rest, rates[rest_name]))
    return lines


def _counted(rates: Rates, counts: Mapping[str, int], names: tuple[str, ...]) -> list[Line]:
    return [_line(name, counts[name], rates[name]) for name in names if name in counts and name in rates]


def _line(name: str, number: int, rate: Decimal) -> Line:
    return name, number, rate, rate * number / UNITS[name].per


def _rates_at(price: Price, asked: int) -> tuple[dict[str, Decimal], bool]:
    """Return the rates for a request of this many input tokens: beyond a step, all tokens cost the step's price.

    The second value says whether each request costs a fee.
    """
    ladder = _ladder(tuple(price.rates.items()))
    return next((rates, "requests_kcount" in rates) for step, rates in ladder if asked > step)


@lru_cache(maxsize=4096)
def _ladder(rates: tuple[tuple[str, str], ...]) -> list[tuple[int, dict[str, Decimal]]]:
    """Return (more input tokens than, rates), the highest step first; the last one is for any number."""
    steps = {int(name.partition(">")[2]) for name, _ in rates if ">" in name}
    return [(step, _rates_above(rates, step)) for step in (*sorted(steps, reverse=True), -1)]


def _rates_above(rates: tuple[tuple[str, str], ...], reached: int) -> dict[str, Decimal]:
    found: dict[str, tuple[int, Decimal]] = {}
    for key, rate in rates:
        name, mark, start = key.partition(">")
        step = int(start) if mark else -1
        if step <= reached and step >= found.get(name, (-1, None))[0]:
            found[name] = step, Decimal(rate)
    return {name: rate for name, (_, rate) in found.items()}


def _sum(lines: list[Line]) -> Decimal:
    total = Decimal(0)
    for *_, amount in lines:
        total += amount
    return total

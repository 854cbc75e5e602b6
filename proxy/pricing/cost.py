"""The amount: counts times rates, in exact decimals, with the lines that explain it.

The input is split into cached, cache-written, audio, image and the rest, each at its own rate where there is one, else
at the input rate; the output into audio, image and the rest, reasoning included. What a provider reports as its charge
is taken as it is. Local providers cost 0, which is not the same as unknown.
"""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from functools import lru_cache

from proxy.domain.cost import Cost, Price, to_pico
from proxy.domain.outcome import CostStatus, Outcome, UsageSource
from proxy.domain.provider import LOCAL_KINDS
from proxy.domain.usage import Usage
from proxy.pricing.rates import find_price
from proxy.protocol.endpoints import operation_named

_MILLION, _THOUSAND = Decimal(1_000_000), Decimal(1000)
_PERIOD_SECONDS = 1800
"""Some prices depend on the time of day (DeepSeek's), and change at full or half hours."""
_REPORTING = frozenset({"openrouter"})
"""Kinds whose ``usage.cost`` is the charge in USD; elsewhere the unit of such a member is not known."""
_CLOUD = ("-cloud", ":cloud")
_MAX_MODEL = 256
"""No priced model has a longer name; prices are cached by name, and a name may be as long as a body."""
_BROKEN = frozenset(
    {
        Outcome.CLIENT_GONE,
        Outcome.UPSTREAM_ABORTED,
        Outcome.UPSTREAM_ERROR,
        Outcome.TIMED_OUT,
        Outcome.SHUT_DOWN,
        Outcome.INTERRUPTED,
    }
)
_UNPRICED = Cost(status=CostStatus.UNPRICED)
_NOTHING = Cost(status=CostStatus.FREE, pico_usd=0, input_pico_usd=0, output_pico_usd=0)
_LOCAL = Cost(status=CostStatus.LOCAL, pico_usd=0, input_pico_usd=0, output_pico_usd=0)

Line = tuple[str, int, Decimal, Decimal]


def cost_of(
    *,
    kind: str,
    operation: str,
    model: str | None,
    tier: str | None,
    usage: Usage,
    outcome: Outcome,
    at_ms: int,
    is_whole: bool = True,
    is_remote: bool = False,
    upstream: str = "",
) -> Cost:
    """Return what a call cost.

    ``at_ms`` (Unix milliseconds) picks the dated price; ``tier`` is the one the answer names. ``is_whole``: the answer
    said that it was over, so that its counts are the final ones. ``is_remote``: a local server asked a cloud.
    """
    what = operation_named(operation)
    if outcome in (Outcome.REJECTED, Outcome.UPSTREAM_UNREACHABLE) or what.is_free:
        return _NOTHING
    if what.repeats and usage.source is UsageSource.NONE:
        return _NOTHING
    if kind in LOCAL_KINDS and not is_remote and not (model or "").endswith(_CLOUD):
        return _LOCAL
    if usage.reported_cost_usd is not None and kind in _REPORTING:
        amount = to_pico(Decimal(usage.reported_cost_usd))
        return Cost(status=CostStatus.REPORTED, pico_usd=amount)
    if outcome is Outcome.UPSTREAM_ERROR and usage.source is UsageSource.NONE:
        return _NOTHING
    if usage.input_tokens is None and usage.output_tokens is None:
        return _UNPRICED
    price = _find(kind, model or "", (tier or "").lower(), at_ms)
    if price is None:
        return _UNPRICED
    try:
        return multiply(price, usage, _status(usage, outcome, is_whole=is_whole, is_regional=_is_regional(upstream)))
    except OverflowError:
        # Counts that no call can have; a provider may claim anything.
        return _UNPRICED


def _find(kind: str, model: str, tier: str, at_ms: int) -> Price | None:
    if not model or len(model) > _MAX_MODEL or len(tier) > _MAX_MODEL:
        return None
    return find_price(kind, model, tier, _period_of(at_ms // 1000 // _PERIOD_SECONDS))


@lru_cache(maxsize=64)
def _period_of(number: int) -> str:
    """Return the ISO instant at which a half hour counted from 1970 begins."""
    return datetime.fromtimestamp(number * _PERIOD_SECONDS, UTC).isoformat()


def _status(usage: Usage, outcome: Outcome, *, is_whole: bool, is_regional: bool) -> CostStatus:
    is_exact = usage.source in (UsageSource.REPORTED, UsageSource.UPSTREAM_TIMINGS)
    if (outcome in _BROKEN and not (is_exact and is_whole)) or usage.input_tokens is None:
        return CostStatus.LOWER_BOUND
    if not is_exact:
        return CostStatus.COMPUTED_FROM_ESTIMATE
    return CostStatus.LOWER_BOUND if is_regional or _has_long_writes(usage) else CostStatus.COMPUTED


def _is_regional(upstream: str) -> bool:
    """True for OpenAI's regional hosts, whose surcharge the price data does not have."""
    return ".api.openai.com" in upstream


def _has_long_writes(usage: Usage) -> bool:
    """True when cache was written for an hour or twelve, which costs more than the published price of a write."""
    raw = usage.raw or {}
    details = raw.get("input_tokens_details")
    kinds = details.get("cache_write_tokens_details") if isinstance(details, dict) else raw.get("cache_creation")
    if not isinstance(kinds, dict):
        return False
    return bool(kinds.get("ttl_12h_tokens") or kinds.get("ephemeral_1h_input_tokens"))


def multiply(price: Price, usage: Usage, status: CostStatus = CostStatus.COMPUTED) -> Cost:
    """Return the cost of these counts at this price."""
    asked = usage.input_tokens or 0
    said = usage.output_tokens or 0
    rates = _rates_at(price, asked)
    if said and "output_mtok" not in rates:
        return _UNPRICED
    inputs = _lines(rates, asked, _input_parts(usage, asked), "input_mtok")
    outputs = _lines(rates, said, _output_parts(usage, rates), "output_mtok")
    fees = _fees(rates, usage)
    if status is CostStatus.COMPUTED and _leaves_out(rates, usage):
        status = CostStatus.LOWER_BOUND
    input_usd, output_usd, fee_usd = _sum(inputs), _sum(outputs), _sum(fees)
    return Cost(
        status=status,
        pico_usd=to_pico(input_usd + output_usd + fee_usd),
        input_pico_usd=None if usage.input_tokens is None else to_pico(input_usd),
        output_pico_usd=to_pico(output_usd),
        price=price,
        lines=(*inputs, *outputs, *fees),
    )


def _leaves_out(rates: dict[str, Decimal], usage: Usage) -> bool:
    """True when a side's count was not said, or when what costs more than text, or a fee, has no published rate."""
    dearer = {
        "input_audio_mtok": usage.input_audio_tokens,
        "output_audio_mtok": usage.output_audio_tokens,
        "web_searches_kcount": usage.web_searches,
    }
    is_one_sided = usage.input_tokens is None or (usage.output_tokens is None and bool(rates.get("output_mtok")))
    return is_one_sided or any(number and name not in rates for name, number in dearer.items())


def _input_parts(usage: Usage, asked: int) -> dict[str, int]:
    """Split off what has a rate of its own; parts never exceed the whole, whatever a provider counts."""
    cached = min(usage.cached_tokens or 0, asked)
    written = min(usage.cache_write_tokens or 0, asked - cached)
    return {
        "cache_read_mtok": cached,
        "cache_write_mtok": written,
        "input_audio_mtok": usage.input_audio_tokens or 0,
        "input_image_mtok": usage.input_image_tokens or 0,
    }


def _output_parts(usage: Usage, rates: dict[str, Decimal]) -> dict[str, int]:
    """Split off audio, and reasoning only where it has a price of its own."""
    parts = {
        "output_audio_mtok": usage.output_audio_tokens or 0,
        "output_image_mtok": usage.output_image_tokens or 0,
    }
    if "output_reasoning_mtok" in rates:
        parts["output_reasoning_mtok"] = usage.reasoning_tokens or 0
    return parts


def _lines(rates: dict[str, Decimal], total: int, parts: dict[str, int], rest_name: str) -> list[Line]:
    lines, rest = [], total
    for name, claimed in parts.items():
        number = min(claimed, rest)
        if number > 0:
            rest -= number
            lines.append(_line(name, number, rates.get(name, rates[rest_name]), _MILLION))
    if rest > 0:
        lines.append(_line(rest_name, rest, rates[rest_name], _MILLION))
    return lines


def _fees(rates: dict[str, Decimal], usage: Usage) -> list[Line]:
    counts = {"requests_kcount": 1, "web_searches_kcount": usage.web_searches or 0}
    return [_line(name, number, rates[name], _THOUSAND) for name, number in counts.items() if number and name in rates]


def _line(name: str, number: int, rate: Decimal, per: Decimal) -> Line:
    return name, number, rate, rate * number / per


def _rates_at(price: Price, asked: int) -> dict[str, Decimal]:
    """Return the rates for a request of this many input tokens: beyond a step, all tokens cost the step's price."""
    ladder = _ladder(tuple(price.rates.items()))
    return next(rates for step, rates in ladder if asked > step)


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

"""The amount: counts times rates, in exact decimals, with the lines that explain it.

The input is split into cached, cache-written, audio and the rest, each at its own rate where there is one, else at the
input rate; the output into audio and the rest, reasoning included. What a provider reports as its charge is taken as it
is. Local providers cost 0, which is not the same as unknown.
"""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

from proxy.domain.cost import Cost, Price, to_pico
from proxy.domain.outcome import CostStatus, Outcome, UsageSource
from proxy.domain.provider import LOCAL_KINDS
from proxy.domain.usage import Usage
from proxy.pricing.rates import find_price

_MILLION = Decimal(1_000_000)
_FREE = frozenset({"models", "moderations", "input_tokens", "files", "batches", "vector_stores", "conversations"})
_READS = frozenset({"responses_read", "completions_read"})
_BROKEN = frozenset(
    {Outcome.CLIENT_GONE, Outcome.UPSTREAM_ABORTED, Outcome.TIMED_OUT, Outcome.SHUT_DOWN, Outcome.INTERRUPTED}
)
_UNPRICED = Cost(status=CostStatus.UNPRICED)
_NOTHING = Cost(status=CostStatus.FREE, pico_usd=0, input_pico_usd=0, output_pico_usd=0)
_LOCAL = Cost(status=CostStatus.LOCAL, pico_usd=0, input_pico_usd=0, output_pico_usd=0)

Line = tuple[str, int, str, str]


def cost_of(
    *, kind: str, operation: str, model: str | None, tier: str | None, usage: Usage, outcome: Outcome, at_ms: int
) -> Cost:
    """Return what a call cost; ``at_ms`` (Unix milliseconds) picks the dated price."""
    if outcome in (Outcome.REJECTED, Outcome.UPSTREAM_UNREACHABLE) or operation in _FREE | _READS:
        return _NOTHING
    if kind in LOCAL_KINDS and not (model or "").endswith("-cloud"):
        return _LOCAL
    if usage.reported_cost_usd is not None:
        amount = to_pico(Decimal(usage.reported_cost_usd))
        return Cost(status=CostStatus.REPORTED, pico_usd=amount)
    if outcome is Outcome.UPSTREAM_ERROR and usage.source is not UsageSource.REPORTED:
        return _NOTHING
    if usage.input_tokens is None and usage.output_tokens is None:
        return _UNPRICED
    day = datetime.fromtimestamp(at_ms / 1000, UTC).date().isoformat()
    price = find_price(kind, model, (tier or "").lower(), day) if model else None
    return _UNPRICED if price is None else multiply(price, usage, _status(usage, outcome))


def _status(usage: Usage, outcome: Outcome) -> CostStatus:
    if usage.source in (UsageSource.REPORTED, UsageSource.UPSTREAM_TIMINGS):
        return CostStatus.COMPUTED
    return CostStatus.LOWER_BOUND if outcome in _BROKEN else CostStatus.COMPUTED_FROM_ESTIMATE


def multiply(price: Price, usage: Usage, status: CostStatus = CostStatus.COMPUTED) -> Cost:
    """Return the cost of these counts at this price."""
    asked = usage.input_tokens or 0
    said = usage.output_tokens or 0
    inputs = _lines(price, asked, _input_parts(usage, asked), "input_mtok", asked)
    outputs = _lines(price, said, {"output_audio_mtok": usage.output_audio_tokens or 0}, "output_mtok", asked)
    input_usd, output_usd = _sum(inputs), _sum(outputs)
    return Cost(
        status=status,
        pico_usd=to_pico(input_usd + output_usd),
        input_pico_usd=to_pico(input_usd),
        output_pico_usd=to_pico(output_usd),
        price=price,
        lines=(*inputs, *outputs),
    )


def _input_parts(usage: Usage, asked: int) -> dict[str, int]:
    """Split off what has a rate of its own; parts never exceed the whole, whatever a provider counts."""
    cached = min(usage.cached_tokens or 0, asked)
    written = min(usage.cache_write_tokens or 0, asked - cached)
    audio = min(usage.input_audio_tokens or 0, asked - cached - written)
    return {"cache_read_mtok": cached, "cache_write_mtok": written, "input_audio_mtok": audio}


def _lines(price: Price, total: int, parts: dict[str, int], rest_name: str, asked: int) -> list[Line]:
    counted = {name: min(number, total) for name, number in parts.items()}
    counted[rest_name] = total - sum(counted.values())
    lines = []
    for name, number in counted.items():
        if number > 0:
            rate = rate_at(price, name, asked) or rate_at(price, rest_name, asked) or Decimal(0)
            lines.append((name, number, str(rate), format(rate * number / _MILLION, "f")))
    return lines


def rate_at(price: Price, name: str, asked: int) -> Decimal | None:
    """Return the rate for a request of this many input tokens: beyond a step, all tokens cost the step's price."""
    found = price.rates.get(name)
    best = -1
    for key, rate in price.rates.items():
        stem, mark, start = key.partition(">")
        if mark and stem == name and asked > int(start) > best:
            best, found = int(start), rate
    return None if found is None else Decimal(found)


def _sum(lines: list[Line]) -> Decimal:
    return sum((Decimal(amount) for *_, amount in lines), Decimal(0))

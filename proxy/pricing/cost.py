"""What a call cost, and how far the amount may be trusted: which price is for it, or why none is.

What a provider reports as its charge is taken as it is. Local providers cost 0, which is not the same as unknown. A
user's own price wins over both that and the published one. A call that broke off, a region whose surcharge nobody can
tell and a part without a rate make the amount a lower bound. ``amount`` multiplies.
"""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from functools import lru_cache

from proxy.domain.cost import Cost, Price, to_pico
from proxy.domain.outcome import CostStatus, Outcome, UsageSource
from proxy.domain.provider import LOCAL_KINDS
from proxy.domain.usage import Usage
from proxy.pricing.amount import multiply
from proxy.pricing.rates import BATCH, DECISIONS, PriceList, Wanted, bundled
from proxy.pricing.regions import has_uplift, is_regional
from proxy.protocol.endpoints import Answer, operation_named

_PERIOD_SECONDS = 1800
"""Some prices depend on the time of day (DeepSeek's), and change at full or half hours."""
_REPORTING = frozenset({"openrouter"})
"""Kinds whose ``usage.cost`` is the charge in USD; elsewhere the unit of such a member is not known."""
_SEARCHES = "-search-"
"""In the names of models that search the web at each call, for a fee."""
_CLOUD = ("-cloud", ":cloud")
_MAX_MODEL = 256
"""No priced model has a longer name; prices are cached by name, and a name may be as long as a body."""
BATCHED = frozenset({"batches", "batches_read"})
"""What is said of a batch as a whole: half price, whatever tier its lines name."""
BROKEN = frozenset(
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
    provider: str = "",
    price_list: PriceList | None = None,
) -> Cost:
    """Return what a call cost.

    ``at_ms`` (Unix milliseconds) picks the dated price; ``tier`` is the one the answer names. ``is_whole``: the answer
    said that it was over, so that its counts are the final ones. ``is_remote``: a local server asked a cloud.
    ``provider`` is the configured name, for the user's own prices; ``price_list`` are the prices, by default those
    that came with the package.
    """
    what = operation_named(operation)
    if outcome in (Outcome.REJECTED, Outcome.UPSTREAM_UNREACHABLE) or what.is_free:
        return _NOTHING
    if what.repeats and usage.source is UsageSource.NONE:
        return _NOTHING
    prices = price_list or bundled()
    wanted, is_unsure = _wanted(
        DECISIONS if operation == "decisions" and kind == "openai" else kind, model or "",
        (tier or _tier_of(usage)).lower(), at_ms, operation in BATCHED, upstream,
    )  # fmt: skip
    own = _own(prices, wanted, provider) if prices.own.rules and wanted else None
    if own is None and kind in LOCAL_KINDS and not is_remote and not (model or "").endswith(_CLOUD):
        return _LOCAL
    if usage.reported_cost_usd is not None and kind in _REPORTING:
        return Cost(status=CostStatus.REPORTED, pico_usd=to_pico(Decimal(usage.reported_cost_usd)))
    if outcome is Outcome.UPSTREAM_ERROR and usage.source is UsageSource.NONE:
        return _NOTHING
    price = own or (prices.find(wanted) if wanted else None)
    if price is None:
        return _UNPRICED
    status = _status(usage, outcome, is_whole=is_whole)
    if is_unsure and status is CostStatus.COMPUTED and (own is None or not prices.is_whole(own)):
        status = CostStatus.LOWER_BOUND
    try:
        return multiply(price, usage, status, is_sum=is_sum(operation))
    except OverflowError:
        # Counts that no call can have; a provider may claim anything.
        return _UNPRICED


def is_sum(operation: str) -> bool:
    """Return True where an answer's counts are those of many requests: a batch's, a run's, an agent's turn's."""
    return operation_named(operation).answer is Answer.RUN


def _wanted(kind: str, model: str, tier: str, at_ms: int, is_batch: bool, upstream: str) -> tuple[Wanted | None, bool]:
    """Return what to look for, and whether a surcharge or a fee may be missing from what is found."""
    if not model or len(model) > _MAX_MODEL or len(tier) > _MAX_MODEL:
        return None, False
    is_batch = is_batch or tier == BATCH
    is_at_region = kind in ("openai", DECISIONS) and is_regional(upstream)
    uplift = has_uplift(upstream, model) if is_at_region else False
    at = _period_of(at_ms // 1000 // _PERIOD_SECONDS)
    # The fee of a search model is in no count, and the price data does not have it.
    is_unsure = uplift is None or (kind == "openai" and _SEARCHES in model)
    return Wanted(kind, model, tier, at, "", is_batch, bool(uplift)), is_unsure


def _tier_of(usage: Usage) -> str:
    """Return the tier that a usage object names itself: Anthropic's do."""
    raw = usage.raw
    if not raw or not ("service_tier" in raw or "speed" in raw):
        return ""
    found = raw.get("speed") if raw.get("speed") == "fast" else raw.get("service_tier")
    return found if isinstance(found, str) else ""


def _own(prices: PriceList, wanted: Wanted, provider: str) -> Price | None:
    """Return the user's own price; only it depends on the provider's name, so that else equal questions are one."""
    return prices.find_own(wanted._replace(provider=provider))


@lru_cache(maxsize=64)
def _period_of(number: int) -> str:
    """Return the ISO instant at which a half hour counted from 1970 begins."""
    return datetime.fromtimestamp(number * _PERIOD_SECONDS, UTC).isoformat()


def _status(usage: Usage, outcome: Outcome, *, is_whole: bool) -> CostStatus:
    has_tokens = usage.input_tokens is not None or usage.output_tokens is not None
    is_exact = not has_tokens or usage.source in (UsageSource.REPORTED, UsageSource.UPSTREAM_TIMINGS)
    if outcome in BROKEN and not (is_exact and is_whole):
        return CostStatus.LOWER_BOUND
    if not is_exact:
        return CostStatus.LOWER_BOUND if usage.input_tokens is None else CostStatus.COMPUTED_FROM_ESTIMATE
    return CostStatus.COMPUTED

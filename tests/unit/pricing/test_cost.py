"""Money is exact: worked by hand, at fixed prices, so that no release of price data changes what is tested."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.domain.cost import Cost, from_pico
from proxy.domain.outcome import CostStatus, Outcome, UsageSource
from proxy.domain.usage import NO_USAGE, Usage
from proxy.pricing.cost import cost_of
from proxy.pricing.overrides import parse
from proxy.pricing.rates import PriceList, bundled

AT = 1_795_000_000_000


def usage(asked: int | None, said: int | None, **counts: Any) -> Usage:
    return Usage(**{"input_tokens": asked, "output_tokens": said, "source": UsageSource.REPORTED, **counts})


def amount(cost: Cost) -> Decimal:
    assert cost.pico_usd is not None
    return from_pico(cost.pico_usd)


def ask(**facts: Any) -> Cost:
    known: dict[str, Any] = {"kind": "openai", "operation": "chat", "model": "gpt-5.4", "tier": None, "at_ms": AT}
    return cost_of(**{**known, "usage": usage(1000, 100), "outcome": Outcome.COMPLETED, **facts})


def test_a_known_model_is_computed_and_pinned() -> None:
    cost = ask()
    assert cost.status is CostStatus.COMPUTED
    assert cost.price is not None
    assert (
        amount(cost)
        == (Decimal(cost.price.rates["input_mtok"]) * 1000 + Decimal(cost.price.rates["output_mtok"]) * 100) / 10**6
    )


@pytest.mark.parametrize(
    ("facts", "status", "pico"),
    [
        ({"kind": "ollama", "model": "llama3.2"}, CostStatus.LOCAL, 0),
        ({"kind": "vllm", "usage": NO_USAGE}, CostStatus.LOCAL, 0),
        ({"kind": "ollama", "model": "gpt-oss:120b-cloud"}, CostStatus.UNPRICED, None),
        ({"kind": "ollama", "model": "glm-4.6:cloud"}, CostStatus.UNPRICED, None),
        ({"kind": "ollama", "is_remote": True}, CostStatus.UNPRICED, None),
        ({"kind": "custom"}, CostStatus.UNPRICED, None),
        ({"model": "nobody-knows-it"}, CostStatus.UNPRICED, None),
        ({"model": None}, CostStatus.UNPRICED, None),
        ({"tier": "ultrafast"}, CostStatus.UNPRICED, None),
        ({"tier": "scale"}, CostStatus.UNPRICED, None),
        ({"usage": NO_USAGE}, CostStatus.UNPRICED, None),
        ({"usage": usage(2**52, 1)}, CostStatus.UNPRICED, None),
        ({"operation": "moderations", "usage": NO_USAGE}, CostStatus.FREE, 0),
        ({"operation": "models", "usage": NO_USAGE}, CostStatus.FREE, 0),
        ({"operation": "responses_read", "usage": NO_USAGE}, CostStatus.FREE, 0),
        ({"operation": "files"}, CostStatus.FREE, 0),
        ({"outcome": Outcome.REJECTED, "usage": NO_USAGE}, CostStatus.FREE, 0),
        ({"outcome": Outcome.UPSTREAM_ERROR, "usage": NO_USAGE}, CostStatus.FREE, 0),
        (
            {"kind": "openrouter", "model": "x", "usage": usage(1, 1, reported_cost_usd="0.00014")},
            CostStatus.REPORTED,
            140_000_000,
        ),
    ],
)
def test_what_is_not_computed(facts: dict[str, Any], status: CostStatus, pico: int | None) -> None:
    cost = ask(**facts)
    assert (cost.status, cost.pico_usd) == (status, pico)


def test_only_a_provider_known_for_it_reports_its_charge() -> None:
    assert ask(usage=usage(1, 1, reported_cost_usd="5")).status is CostStatus.COMPUTED


@pytest.mark.parametrize(
    ("facts", "status"),
    [
        ({}, CostStatus.COMPUTED),
        ({"tier": "default"}, CostStatus.COMPUTED),
        ({"tier": "auto"}, CostStatus.COMPUTED),
        ({"outcome": Outcome.CLIENT_GONE, "is_whole": False}, CostStatus.LOWER_BOUND),
        ({"outcome": Outcome.CLIENT_GONE, "is_whole": True}, CostStatus.COMPUTED),
        ({"outcome": Outcome.UPSTREAM_ABORTED, "is_whole": False}, CostStatus.LOWER_BOUND),
        ({"usage": usage(9, 9, source=UsageSource.ESTIMATED_CHARS)}, CostStatus.COMPUTED_FROM_ESTIMATE),
        ({"usage": usage(None, 9, source=UsageSource.ESTIMATED_CHARS)}, CostStatus.LOWER_BOUND),
        (
            {"usage": usage(None, 9, source=UsageSource.ESTIMATED_CHARS), "outcome": Outcome.CLIENT_GONE},
            CostStatus.LOWER_BOUND,
        ),
        ({"usage": usage(9, 9, source=UsageSource.UPSTREAM_TIMINGS)}, CostStatus.COMPUTED),
        ({"usage": usage(None, 9)}, CostStatus.LOWER_BOUND),
        ({"usage": usage(9, None)}, CostStatus.LOWER_BOUND),
        ({"usage": usage(9, None), "model": "text-embedding-3-small"}, CostStatus.COMPUTED),
        ({"usage": usage(9, 9, output_audio_tokens=8), "model": "gpt-4o-audio-preview"}, CostStatus.LOWER_BOUND),
        ({"usage": usage(9, 9, output_audio_tokens=8), "model": "gpt-audio"}, CostStatus.COMPUTED),
        ({"usage": usage(9, 9, output_audio_tokens=0)}, CostStatus.COMPUTED),
        ({"usage": usage(9, 9, web_searches=1)}, CostStatus.COMPUTED),
        ({"usage": usage(9, 9, web_searches=1), "model": "gpt-4o-audio-preview"}, CostStatus.LOWER_BOUND),
        ({"upstream": "https://eu.api.openai.com/v1"}, CostStatus.COMPUTED),
        ({"upstream": "https://xx.api.openai.com/v1"}, CostStatus.LOWER_BOUND),
        ({"upstream": "https://eu.api.openai.com/v1", "model": "gpt-chat-latest"}, CostStatus.LOWER_BOUND),
        ({"upstream": "https://api.openai.com/v1"}, CostStatus.COMPUTED),
        ({"usage": usage(9, 9, cache_write_tokens=5, cache_write_12h_tokens=5)}, CostStatus.LOWER_BOUND),
        ({"usage": usage(None, None, source=UsageSource.NONE, audio_ms=5), "model": "whisper-1"}, CostStatus.COMPUTED),
    ],
)
def test_how_far_an_amount_may_be_trusted(facts: dict[str, Any], status: CostStatus) -> None:
    cost = ask(**facts)
    assert cost.status is status
    assert cost.pico_usd is not None


def test_an_estimate_says_nothing_of_the_input() -> None:
    assert ask(usage=usage(None, 9, source=UsageSource.ESTIMATED_CHARS)).input_pico_usd is None


def test_prices_that_depend_on_the_time_of_day() -> None:
    """DeepSeek's nights were cheaper: the price data has 0.27 from 00:30 to 16:30 UTC, else half of it."""
    midnight = 1_794_960_000_000  # 2026-11-18T00:00:00Z

    def rate(hour: float) -> Decimal:
        cost = ask(kind="deepseek", model="deepseek-chat", at_ms=midnight + int(hour * 3_600_000))
        assert cost.price is not None
        return Decimal(cost.price.rates["input_mtok"])

    assert rate(0.5) == rate(12) == rate(16.4)
    assert rate(0.4) == rate(16.6) == rate(23)
    assert rate(0) != rate(12)


@pytest.mark.parametrize("facts", [{"model": "m" * 100_000}, {"tier": "t" * 100_000}])
def test_names_as_long_as_a_body_are_not_kept(facts: dict[str, str]) -> None:
    before = bundled().find.cache_info().currsize
    assert ask(**facts).status is CostStatus.UNPRICED
    assert bundled().find.cache_info().currsize == before


OWN = parse(
    b"""
[[price]]
model = "llama*"
provider = "garage"
input_mtok = "0.1"
output_mtok = "0.2"
[[price]]
model = "gpt-5.4"
extends = true
input_mtok = "9"
""",
    "prices.toml",
)
MINE = PriceList(own=OWN)


def test_a_user_s_own_price_wins_over_local_and_published_ones() -> None:
    home = ask(kind="ollama", provider="garage", model="llama3", price_list=MINE)
    assert (home.status, amount(home)) == (CostStatus.COMPUTED, Decimal("0.00012"))
    assert home.price is not None
    assert (home.price.source, home.price.model) == ("file:prices.toml", "llama*")
    assert ask(kind="ollama", provider="elsewhere", model="llama3", price_list=MINE).status is CostStatus.LOCAL


def test_a_price_that_extends_leaves_the_other_rates() -> None:
    cost = ask(price_list=MINE)
    assert cost.price is not None
    published = ask().price
    assert published is not None
    assert cost.price.rates == {**published.rates, "input_mtok": "9"}


_KNOWN = sorted(
    (kind, model.id) for kind, model in bundled().models() if kind in ("openai", "anthropic", "xai", "google")
)
_COUNT = st.integers(0, 500_000)


@given(st.sampled_from(_KNOWN), st.sampled_from(["", "flex", "priority"]), _COUNT, _COUNT, _COUNT, _COUNT)
def test_more_tokens_never_cost_less_at_published_prices(
    known: tuple[str, str], tier: str, asked: int, said: int, more: int, louder: int
) -> None:
    kind, model = known
    facts = {"kind": kind, "model": model, "tier": tier}
    less, greater = ask(**facts, usage=usage(asked, said)), ask(**facts, usage=usage(asked + more, said + louder))
    if less.pico_usd is not None and greater.pico_usd is not None:
        assert type(less.pico_usd) is int
        assert less.pico_usd <= greater.pico_usd


def test_a_region_s_surcharge_is_on_what_was_published_only() -> None:
    eu = "https://eu.api.openai.com/v1"
    cost, published = ask(price_list=MINE, upstream=eu), ask(upstream=eu)
    assert cost.price is not None
    assert published.price is not None
    assert cost.price.rates == {**published.price.rates, "input_mtok": "9"}
    whole = PriceList(own=parse(b'[[price]]\nmodel = "gpt-5.4"\ninput_mtok = 1\noutput_mtok = 1\n', "p.toml"))
    assert amount(ask(price_list=whole, upstream=eu)) == Decimal("0.0011")
    unknown = "https://xx.api.openai.com/v1"
    assert ask(price_list=MINE, upstream=unknown).status is CostStatus.LOWER_BOUND
    assert ask(price_list=whole, upstream=unknown).status is CostStatus.COMPUTED


def test_a_provider_s_own_charge_is_not_computed_anew() -> None:
    everything = PriceList(own=parse(b'[[price]]\nmodel = "*"\ninput_mtok = 1\noutput_mtok = 1\n', "p.toml"))
    cost = ask(kind="openrouter", model="x", usage=usage(1, 1, reported_cost_usd="0.5"), price_list=everything)
    assert (cost.status, cost.pico_usd) == (CostStatus.REPORTED, 500_000_000_000)

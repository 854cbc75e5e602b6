"""Money is exact: worked by hand, at fixed prices, so that no release of price data changes what is tested."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.domain.cost import Cost, Price, from_pico
from proxy.domain.outcome import CostStatus, Outcome, UsageSource
from proxy.domain.usage import NO_USAGE, Usage
from proxy.pricing.cost import cost_of, multiply
from proxy.pricing.rates import find_price

RATES = {"input_mtok": "4", "cache_read_mtok": "0.40", "cache_write_mtok": "5", "output_mtok": "20"}
AT = 1_795_000_000_000


def price(**rates: str) -> Price:
    named = {name.replace("__", ">"): rate for name, rate in rates.items()}
    return Price(
        id="p", provider="openai", model="m", tier="default", rates={**RATES, **named}, source="s", source_version="1"
    )


def usage(asked: int | None, said: int | None, **counts: Any) -> Usage:
    return Usage(**{"input_tokens": asked, "output_tokens": said, "source": UsageSource.REPORTED, **counts})


def amount(cost: Cost) -> Decimal:
    assert cost.pico_usd is not None
    return from_pico(cost.pico_usd)


def ask(**facts: Any) -> Cost:
    known: dict[str, Any] = {"kind": "openai", "operation": "chat", "model": "gpt-5.4", "tier": None, "at_ms": AT}
    return cost_of(**{**known, "usage": usage(1000, 100), "outcome": Outcome.COMPLETED, **facts})


def test_the_worked_example() -> None:
    cost = multiply(price(), usage(1000, 300, cached_tokens=400, cache_write_tokens=500))
    assert amount(cost) == Decimal("0.00906")
    assert (cost.pico_usd, cost.input_pico_usd, cost.output_pico_usd) == (9_060_000_000, 3_060_000_000, 6_000_000_000)
    assert cost.lines == (
        ("cache_read_mtok", 400, Decimal("0.40"), Decimal("0.00016")),
        ("cache_write_mtok", 500, Decimal(5), Decimal("0.0025")),
        ("input_mtok", 100, Decimal(4), Decimal("0.0004")),
        ("output_mtok", 300, Decimal(20), Decimal("0.006")),
    )


def test_reasoning_is_part_of_the_output() -> None:
    assert amount(multiply(price(), usage(0, 300, reasoning_tokens=200))) == Decimal("0.006")
    dearer = price(output_reasoning_mtok="30")
    assert amount(multiply(dearer, usage(0, 300, reasoning_tokens=200))) == Decimal("0.008")


def test_audio_has_its_own_rates_both_ways() -> None:
    spoken = price(input_audio_mtok="40", output_audio_mtok="80")
    counts = usage(100, 100, input_audio_tokens=50, output_audio_tokens=25)
    assert amount(multiply(spoken, counts)) == Decimal("0.0002") + Decimal("0.002") + Decimal("0.0015") + Decimal(
        "0.002"
    )


def test_images_have_their_own_rates_both_ways() -> None:
    drawn = price(input_image_mtok="40", output_image_mtok="80")
    counts = usage(100, 100, input_image_tokens=50, output_image_tokens=25)
    assert amount(multiply(drawn, counts)) == Decimal("0.0002") + Decimal("0.002") + Decimal("0.0015") + Decimal(
        "0.002"
    )


def test_a_part_without_a_rate_costs_the_whole_s_rate_and_a_free_part_nothing() -> None:
    plain = Price(
        id="p", provider="o", model="m", tier="default", rates={"input_mtok": "4"}, source="s", source_version="1"
    )
    assert amount(multiply(plain, usage(1000, 0, cached_tokens=400))) == Decimal("0.004")
    assert amount(multiply(price(cache_read_mtok="0"), usage(1000, 0, cached_tokens=1000))) == 0
    assert multiply(plain, usage(1000, 5)).status is CostStatus.UNPRICED


def test_long_context_is_a_cliff() -> None:
    long = price(input_mtok__272000="8", output_mtok__272000="30")
    assert amount(multiply(long, usage(272_000, 100))) == Decimal("1.088") + Decimal("0.002")
    assert amount(multiply(long, usage(272_001, 100))) == Decimal("2.176008") + Decimal("0.003")


def test_fees_come_on_top() -> None:
    fees = price(requests_kcount="5", web_searches_kcount="10")
    assert amount(multiply(fees, usage(0, 0, web_searches=2))) == Decimal("0.025")


def test_parts_beyond_the_whole_are_not_billed_twice() -> None:
    cost = multiply(price(), usage(100, 0, cached_tokens=90, cache_write_tokens=90, input_audio_tokens=90))
    assert sum(count for _, count, _, _ in cost.lines) == 100


_COUNT = st.integers(0, 400_000)


@given(_COUNT, _COUNT, st.tuples(_COUNT, _COUNT, _COUNT), st.integers(0, 1000), st.integers(0, 1000))
def test_more_tokens_never_cost_less(
    asked: int, said: int, parts: tuple[int, int, int], more: int, louder: int
) -> None:
    at = price(
        input_mtok__272000="8", output_mtok__272000="30", cache_read_mtok__272000="0.8", cache_write_mtok__272000="10"
    )
    cached, written, audio = parts
    details = {"cached_tokens": cached, "cache_write_tokens": written, "input_audio_tokens": audio}
    if cached + written + audio > asked:
        details = {}
    less, greater = (
        multiply(at, usage(asked, said, **details)),
        multiply(at, usage(asked + more, said + louder, **details)),
    )
    assert amount(less) <= amount(greater)
    assert less.input_pico_usd is not None
    assert less.output_pico_usd is not None
    assert less.pico_usd == less.input_pico_usd + less.output_pico_usd
    assert all(type(value) is int for value in (less.pico_usd, less.input_pico_usd, less.output_pico_usd))


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
        ({"upstream": "https://eu.api.openai.com/v1"}, CostStatus.LOWER_BOUND),
        ({"upstream": "https://api.openai.com/v1"}, CostStatus.COMPUTED),
        (
            {"usage": usage(9, 9, raw={"input_tokens_details": {"cache_write_tokens_details": {"ttl_12h_tokens": 5}}})},
            CostStatus.LOWER_BOUND,
        ),
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
    before = find_price.cache_info().currsize
    assert ask(**facts).status is CostStatus.UNPRICED
    assert find_price.cache_info().currsize == before

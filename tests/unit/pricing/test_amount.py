"""Money is exact: worked by hand, at fixed prices, so that no release of price data changes what is tested."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.domain.cost import Cost, Price, from_pico, to_pico
from proxy.domain.outcome import CostStatus, UsageSource
from proxy.domain.usage import Usage
from proxy.pricing.amount import multiply
from proxy.pricing.units import UNITS

RATES = {"input_mtok": "4", "cache_read_mtok": "0.40", "cache_write_mtok": "5", "output_mtok": "20"}


def price(**rates: str) -> Price:
    named = {name.replace("__", ">"): rate for name, rate in rates.items()}
    return Price(
        id="p", provider="openai", model="m", tier="default", rates={**RATES, **named}, source="s", source_version="1"
    )


def only(**rates: str) -> Price:
    return Price(id="p", provider="groq", model="m", tier="default", rates=rates, source="s", source_version="1")


def usage(asked: int | None, said: int | None, **counts: Any) -> Usage:
    return Usage(**{"input_tokens": asked, "output_tokens": said, "source": UsageSource.REPORTED, **counts})


def amount(cost: Cost) -> Decimal:
    assert cost.pico_usd is not None
    return from_pico(cost.pico_usd)


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


def test_many_requests_together_are_no_long_context() -> None:
    long = price(input_mtok__272000="8", output_mtok__272000="30")
    below, beyond = (multiply(long, usage(asked, 100), is_sum=True) for asked in (272_000, 3_000_000))
    assert (amount(below), below.status) == (Decimal("1.088") + Decimal("0.002"), CostStatus.COMPUTED)
    assert (amount(beyond), beyond.status) == (Decimal(12) + Decimal("0.002"), CostStatus.LOWER_BOUND)
    flat = multiply(price(), usage(3_000_000, 100), is_sum=True)
    assert flat.status is CostStatus.COMPUTED


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


def test_writes_cost_by_how_long_they_live() -> None:
    at = price(cache_write_1h_mtok="8", cache_write_12h_mtok="10")
    counts = usage(1000, 0, cache_write_tokens=600, cache_write_1h_tokens=200, cache_write_12h_tokens=100)
    assert amount(multiply(at, counts)) == Decimal("0.0016") + Decimal("0.001") + Decimal("0.0015") + Decimal("0.0016")


@pytest.mark.parametrize("part", ["cache_write_1h_tokens", "cache_write_12h_tokens"])
def test_a_write_without_a_price_for_its_life_is_a_lower_bound(part: str) -> None:
    cost = multiply(price(), usage(1000, 0, cache_write_tokens=600, **{part: 600}))
    assert (cost.status, amount(cost)) == (CostStatus.LOWER_BOUND, Decimal("0.0046"))


def test_cached_audio_and_images_have_their_own_rates() -> None:
    at = price(input_audio_mtok="32", cache_audio_read_mtok="0.5", input_image_mtok="6", cache_image_read_mtok="0.6")
    counts = usage(
        100, 0, cached_tokens=50, cached_audio_tokens=20, cached_image_tokens=10, input_audio_tokens=30,
        input_image_tokens=20,
    )  # fmt: skip
    assert {name: number for name, number, _, _ in multiply(at, counts).lines} == {
        "cache_audio_read_mtok": 20, "cache_image_read_mtok": 10, "cache_read_mtok": 20, "input_audio_mtok": 10,
        "input_image_mtok": 10, "input_mtok": 30,
    }  # fmt: skip


def test_audio_by_the_hour_is_billed_once_and_with_a_least_length() -> None:
    at = only(audio_hours="0.36", input_audio_hours="0.36")
    assert amount(multiply(at, usage(None, None, audio_ms=3_600_000))) == Decimal("0.36")
    assert amount(multiply(at, usage(None, None, audio_ms=1))) == Decimal("0.001")


def test_counts_that_the_price_is_not_for_are_unpriced() -> None:
    assert multiply(only(audio_hours="0.36"), usage(100, 5)).status is CostStatus.UNPRICED
    assert multiply(only(input_mchars="15"), usage(None, None, audio_ms=5)).status is CostStatus.UNPRICED
    assert multiply(price(), usage(None, None, characters=5)).status is CostStatus.UNPRICED


_RATE = st.decimals("0", "1000", places=6, allow_nan=False).map(str)
_PARTS = (
    "cached_tokens", "cached_audio_tokens", "cached_image_tokens", "cache_write_tokens", "cache_write_1h_tokens",
    "cache_write_12h_tokens", "input_audio_tokens", "input_image_tokens", "output_audio_tokens", "output_image_tokens",
    "reasoning_tokens", "web_searches", "file_searches", "code_sessions", "audio_ms", "characters", "images",
)  # fmt: skip


@given(
    st.dictionaries(st.sampled_from(sorted(UNITS)), _RATE),
    _COUNT,
    _COUNT,
    st.dictionaries(st.sampled_from(_PARTS), _COUNT),
)
def test_parts_never_exceed_the_whole_and_lines_add_up(
    rates: dict[str, str], asked: int, said: int, counts: dict[str, int]
) -> None:
    cost = multiply(only(**{"input_mtok": "1", "output_mtok": "2", **rates}), usage(asked, said, **counts))
    by_side = {side: 0 for side in ("input", "output")}
    for name, number, _, _ in cost.lines:
        if name.endswith("_mtok"):
            by_side["output" if name.startswith("output") else "input"] += number
    assert by_side == {"input": asked, "output": said}
    assert cost.pico_usd == to_pico(sum((line[3] for line in cost.lines), Decimal(0)))
    assert cost.input_pico_usd is not None
    assert cost.output_pico_usd is not None
    assert cost.pico_usd >= max(cost.input_pico_usd, cost.output_pico_usd)
    assert not any(isinstance(value, float) for line in cost.lines for value in line)

"""Prices are found by provider, model, tier and instant, and pinned under the digest of what they say."""

from __future__ import annotations

from decimal import Decimal

import pytest

from proxy.domain.cost import Price
from proxy.pricing.rates import Wanted, bundled, source_version

DAY = "2026-11-20"


def find_price(kind: str, model: str, tier: str, day: str) -> Price | None:
    return bundled().find(Wanted(kind, model, tier, day))


def found(kind: str, model: str, tier: str = "", day: str = DAY) -> Price:
    price = find_price(kind, model, tier, day)
    assert price is not None
    return price


@pytest.mark.parametrize(
    ("kind", "model"),
    [
        ("openai", "gpt-5.4"),
        ("openai", "GPT-5.4"),
        ("openai", "gpt-4o-2024-08-06"),
        ("azure", "gpt-4o"),
        ("openai", "ft:gpt-4o-mini-2024-07-18:org::x"),
        ("openrouter", "openai/gpt-4o"),
        ("xai", "grok-4"),
        ("openai", "text-embedding-3-small"),
        ("anthropic", "claude-sonnet-4-5"),
    ],
)
def test_known_models_have_exact_rates(kind: str, model: str) -> None:
    price = found(kind, model)
    assert price.provider == kind
    assert all(isinstance(rate, str) and Decimal(rate) >= 0 for rate in price.rates.values())
    assert Decimal(price.rates["input_mtok"]) > 0


@pytest.mark.parametrize(
    ("kind", "model"), [("custom", "gpt-4o"), ("ollama", "gpt-4o"), ("openai", "nope"), ("openai", "openai/gpt-4o")]
)
def test_a_model_s_name_alone_decides_nothing(kind: str, model: str) -> None:
    assert find_price(kind, model, "", DAY) is None


def test_tiers_have_their_own_prices_and_an_unknown_one_has_none() -> None:
    standard, flex, priority = (
        found("openai", "gpt-5"),
        found("openai", "gpt-5", "flex"),
        found("openai", "gpt-5", "priority"),
    )
    rates = [Decimal(price.rates["output_mtok"]) for price in (flex, standard, priority)]
    assert rates == sorted(set(rates))
    assert found("openai", "gpt-5", "default").rates == standard.rates
    assert find_price("openai", "gpt-5", "ultrafast", DAY) is None
    assert find_price("openai", "gpt-4.1-nano", "brand-new", DAY) is None


def test_the_id_is_a_digest_of_the_content() -> None:
    assert found("openai", "gpt-5").id == found("openai", "gpt-5", "default").id
    assert found("openai", "gpt-5").id != found("openai", "gpt-5", "flex").id
    assert len(found("openai", "gpt-5").id) == 16
    assert found("openai", "gpt-5").source_version == source_version()


def test_long_context_steps_are_kept() -> None:
    assert any(name.startswith("input_mtok>") for name in found("openai", "gpt-5.4").rates)

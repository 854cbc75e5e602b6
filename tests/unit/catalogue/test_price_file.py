"""Prices from others' files: exact amounts, and what cannot be taken told by its name."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.catalogue.price import PriceDocument
from proxy.catalogue.price_file import PriceFile, read_price_file
from proxy.errors import InvalidError

NOW = datetime(2026, 11, 27, 12, tzinfo=UTC)
GPT = {"litellm_provider": "openai", "mode": "chat", "input_cost_per_token": 1.5e-07, "output_cost_per_token": 6e-07}


def litellm(**models: Any) -> PriceFile:
    return read_price_file(json.dumps(models).encode(), NOW, date(2026, 11, 27))


def rates_by_tier(found: PriceFile) -> dict[tuple[str, str, str], dict[str, str]]:
    return {(item.provider, item.model, item.tier): item.rates for item in found.prices}


def test_litellm_names_become_ours_with_steps_and_tiers() -> None:
    model = {
        **GPT,
        "cache_read_input_token_cost": 7.5e-08,
        "input_cost_per_token_above_200k_tokens": 3e-07,
        "input_cost_per_token_batches": 7.5e-08,
        "output_cost_per_token_batches": 3e-07,
        "input_cost_per_token_above_200k_tokens_priority": 6e-07,
        "input_cost_per_token_priority": 4e-07,
        "search_context_cost_per_query": {"low": 0.03},
        "max_tokens": 16384,
    }
    found = litellm(**{"GPT-x": model})
    assert rates_by_tier(found) == {
        ("openai", "gpt-x", "default"): {
            "input_mtok": "0.15", "output_mtok": "0.6", "cache_read_mtok": "0.075", "input_mtok>200000": "0.3"},
        ("openai", "gpt-x", "batch"): {"input_mtok": "0.075", "output_mtok": "0.3"},
        ("openai", "gpt-x", "priority"): {"input_mtok": "0.4", "input_mtok>200000": "0.6"},
    }  # fmt: skip
    assert {(item.source, item.valid_from, item.note) for item in found.prices} == {
        ("litellm", date(2026, 11, 27), "not counted here: search_context_cost_per_query")
    }


def test_who_has_no_kind_here_is_left_out_and_prefixes_of_providers_are_taken_off() -> None:
    found = litellm(
        sample_spec=GPT,
        **{"groq/llama": {**GPT, "litellm_provider": "groq"}, "v": {**GPT, "litellm_provider": "vertex_ai"}},
    )
    assert list(rates_by_tier(found)) == [("groq", "llama", "default")]
    assert [(item.field, "litellm_provider is none of" in item.reason) for item in found.skipped] == [("v", True)]


def test_what_nobody_has_asked_for_is_not_left_out_and_what_says_no_price_is() -> None:
    others = {"v": {**GPT, "litellm_provider": "vertex_ai"}, "g": {**GPT, "litellm_provider": "groq"}}
    data = json.dumps({"a": GPT, "b": {"litellm_provider": "openai", "max_tokens": 5}, **others}).encode()
    found = read_price_file(data, NOW, only=["openai"])
    assert [str(item) for item in found.skipped] == ["b: says no price that is counted here"]


def test_what_cannot_be_a_price_is_told_by_its_name_and_the_rest_taken() -> None:
    found = litellm(a=GPT, b={**GPT, "input_cost_per_token": -1}, c={**GPT, "input_cost_per_token": "much"},
                    d={"litellm_provider": "openai", "output_cost_per_token": 1})  # fmt: skip
    assert [item.model for item in found.prices] == ["a"]
    assert [problem.field for problem in found.skipped] == ["b.rates.input_mtok", "c.rates.input_mtok", "d.rates"]


@given(st.integers(0, 10**9), st.integers(0, 15))
def test_amounts_stay_exact(digits: int, places: int) -> None:
    text = format(Decimal(digits).scaleb(-places), "f")
    data = b'{"m": {"litellm_provider": "openai", "input_cost_per_token": %s}}' % text.encode()
    if Decimal(text) * 1_000_000 >= 1_000_000_000:
        return
    (price,) = read_price_file(data, NOW).prices
    assert Decimal(price.rates["input_mtok"]) == Decimal(text) * 1_000_000


def test_the_package_s_own_data_is_taken_as_pricing_reads_it() -> None:
    model = {
        "id": "m-1",
        "match": {"equals": "m-1"},
        "prices": {"input_mtok": {"base": 1.25, "tiers": [{"start": 200000, "price": 2.5}]}, "output_mtok": 10},
    }
    provider = {"id": "openai", "name": "OpenAI", "api_pattern": "openai", "models": [model]}
    found = read_price_file(json.dumps([provider]).encode(), NOW)
    rates = {"input_mtok": "1.25", "input_mtok>200000": "2.5", "output_mtok": "10"}
    assert found.prices == (PriceDocument(model="m-1", provider="openai", rates=rates, source="genai-prices"),)


@pytest.mark.parametrize(
    "data", [b"", b"[]", b"{}", b"3", b"[1]", b'{"a": 1}', b"[" * 100_000, b'{"m": ' + b"9" * 5000 + b"}", b"\xff"]
)
def test_what_is_no_price_file_is_refused(data: bytes) -> None:
    with pytest.raises(InvalidError):
        read_price_file(data, NOW)

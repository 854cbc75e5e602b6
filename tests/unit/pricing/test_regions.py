"""OpenAI's regional hosts, and which models cost more there."""

from __future__ import annotations

import pytest

from proxy.pricing.regions import has_uplift, is_regional

EU = "https://eu.api.openai.com/v1"


@pytest.mark.parametrize(
    ("upstream", "expected"),
    [
        (EU, True),
        ("https://JP.api.openai.com", True),
        ("https://zz.api.openai.com/v1", True),
        ("https://api.openai.com/v1", False),
        ("https://mtls.api.openai.com/v1", False),
        ("https://api.openai.com.evil.example/v1", False),
        ("https://proxy.example/eu.api.openai.com", False),
        ("", False),
    ],
)
def test_which_hosts_are_regional(upstream: str, expected: bool) -> None:
    assert is_regional(upstream) is expected


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        ("gpt-5.4", True),
        ("gpt-5.4-2026-03-05", True),
        ("gpt-6.1-sol", True),
        ("gpt-5.3-codex-2026-03-04", False),
        ("gpt-9-2026-12-01", True),
        ("gpt-5", False),
        ("gpt-5-mini", False),
        ("gpt-5.2", False),
        ("gpt-4o-2024-08-06", False),
        ("ft:gpt-4o-mini-2024-07-18:acme::x", False),
        ("o3", False),
        ("text-embedding-3-small", False),
        ("gpt-chat-latest", None),
        ("gpt-7", None),
    ],
)
def test_newer_models_cost_more_and_unknown_ones_are_not_guessed(model: str, expected: bool | None) -> None:
    assert has_uplift(EU, model) is expected


def test_a_region_that_is_new_to_us_says_nothing() -> None:
    assert has_uplift("https://zz.api.openai.com/v1", "gpt-5.4") is None

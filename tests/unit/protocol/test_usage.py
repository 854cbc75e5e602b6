"""Counts of all dialects come out in one form; absent is not zero."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.domain.outcome import UsageSource
from proxy.domain.usage import Usage
from proxy.protocol.usage import merge, read_timings, read_usage

CHAT = {
    "prompt_tokens": 100,
    "completion_tokens": 50,
    "total_tokens": 150,
    "prompt_tokens_details": {"cached_tokens": 40, "audio_tokens": 5, "cache_write_tokens": 20},
    "completion_tokens_details": {"reasoning_tokens": 30, "audio_tokens": 7, "new_member": {}},
}


def test_chat_with_all_details() -> None:
    assert read_usage(CHAT) == Usage(
        input_tokens=100,
        output_tokens=50,
        total_tokens=150,
        cached_tokens=40,
        cache_write_tokens=20,
        reasoning_tokens=30,
        input_audio_tokens=5,
        output_audio_tokens=7,
        source=UsageSource.REPORTED,
    )
    assert read_usage(CHAT).raw is CHAT
    assert read_usage(CHAT).audio_tokens == 12


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ({"input_tokens": 5, "output_tokens": 6, "input_tokens_details": {"cached_tokens": 2}}, (5, 6, 11, 2, None)),
        ({"input_tokens": 5, "output_tokens": 6, "input_token_details": {"cached_tokens": 0}}, (5, 6, 11, 0, None)),
        ({"prompt_eval_count": 5, "eval_count": 6}, (5, 6, 11, None, None)),
        ({"prompt_tokens": 8, "total_tokens": 8}, (8, None, 8, None, None)),
        ({"prompt_tokens": 8, "completion_tokens": 1, "prompt_cache_hit_tokens": 3}, (8, 1, 9, 3, None)),
        ({"prompt_tokens": 8, "completion_tokens": 1, "prompt_tokens_details": None}, (8, 1, 9, None, None)),
        (
            {"input_tokens": 2, "output_tokens": 1, "cache_read_input_tokens": 30, "cache_creation_input_tokens": 8},
            (40, 1, 41, 30, 8),
        ),
        ({"prompt_tokens": "8", "completion_tokens": -1, "total_tokens": 8.0}, (None, None, 8, None, None)),
    ],
)
def test_dialects(raw: dict[str, Any], expected: tuple[int | None, ...]) -> None:
    made = read_usage(raw)
    assert (
        made.input_tokens,
        made.output_tokens,
        made.total_tokens,
        made.cached_tokens,
        made.cache_write_tokens,
    ) == expected
    assert made.source is UsageSource.REPORTED


def test_reasoning_on_top_of_the_completion_is_added_only_where_the_total_says_so() -> None:
    details = {"completion_tokens_details": {"reasoning_tokens": 200}}
    assert (
        read_usage({"prompt_tokens": 10, "completion_tokens": 300, "total_tokens": 310, **details}).output_tokens == 300
    )
    assert (
        read_usage({"prompt_tokens": 10, "completion_tokens": 100, "total_tokens": 310, **details}).output_tokens == 300
    )


@pytest.mark.parametrize("raw", [None, {}, 7, [], "x"])
def test_no_usage(raw: object) -> None:
    assert read_usage(raw) == Usage()


def test_a_usage_without_tokens_is_kept_raw() -> None:
    made = read_usage({"type": "duration", "seconds": 9})
    assert (made.source, made.raw) == (UsageSource.NONE, {"type": "duration", "seconds": 9})


@pytest.mark.parametrize(
    ("cost", "expected"),
    [
        (0.00014, "0.00014"),
        (1.4e-05, "0.000014"),
        (0, "0"),
        (3, "3"),
        ("0.1", "0.1"),
        (-1, None),
        (True, None),
        (None, None),
        (float("nan"), None),
        (float("inf"), None),
        ("1e999999", None),
        ("1e-999999", "0"),
        (10**4000, None),
        ("x", None),
    ],
)
def test_a_reported_cost_is_exact_text(cost: object, expected: str | None) -> None:
    assert read_usage({"prompt_tokens": 1, "cost": cost}).reported_cost_usd == expected


def test_timings_are_exact_without_being_asked_for() -> None:
    made = read_timings({"prompt_n": 4, "cache_n": 6, "predicted_n": 3, "predicted_ms": 1.5})
    assert (made.input_tokens, made.output_tokens, made.cached_tokens) == (10, 3, 6)
    assert made.source is UsageSource.UPSTREAM_TIMINGS
    assert read_timings({"prompt_n": 4}) == Usage()


def test_a_later_usage_wins_but_does_not_forget() -> None:
    assert merge({"a": 1, "b": 2}, {"b": 3, "c": None}) == {"a": 1, "b": 3}
    assert merge({"a": 1}, None) == {"a": 1}
    assert merge(None, {"a": None}) == {"a": None}


@given(
    st.dictionaries(
        st.sampled_from([*CHAT, "input_tokens", "cost", "cache_read_input_tokens"]),
        st.none()
        | st.integers()
        | st.floats()
        | st.text(max_size=4)
        | st.dictionaries(st.sampled_from(["cached_tokens", "reasoning_tokens"]), st.integers() | st.floats()),
    )
)
def test_nothing_raises(raw: dict[str, Any]) -> None:
    made = read_usage(raw)
    assert all(value is None or value >= 0 for value in (made.input_tokens, made.output_tokens, made.cached_tokens))

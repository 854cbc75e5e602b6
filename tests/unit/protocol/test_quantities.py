"""What is billed beside tokens, as the wire says it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.domain.usage import NO_USAGE, Usage
from proxy.protocol.quantities import spoken_characters, tool_calls, with_exact_cost, with_quantities


@pytest.mark.parametrize(
    ("response", "expected"),
    [
        ({}, {}),
        ({"tool_usage": {"web_search": {"num_requests": 2}}}, {"web_searches": 2}),
        ({"tool_usage": {"web_search": {"num_requests": 0}}, "output": [{"type": "web_search_call"}]}, {}),
        ({"output": [{"type": "web_search_call"}, {"type": "web_search_call", "action": {"type": "find_in_page"}}]},
         {"web_searches": 1}),
        ({"output": [{"type": "file_search_call"}, {"type": "file_search_call"}]}, {"file_searches": 2}),
        ({"output": [{"type": "code_interpreter_call", "container_id": c} for c in "aab"]}, {"code_sessions": 2}),
        ({"output": [1, None, {"type": 3}], "tool_usage": "no"}, {}),
        ({"output": [{"type": "image_generation_call"}]}, {"other_fees": 1}),
        ({"tool_usage": {"image_gen": {"output_tokens": 5}}}, {"other_fees": 1}),
    ],
)  # fmt: skip
def test_hosted_tools_are_counted(response: dict[str, Any], expected: dict[str, int]) -> None:
    assert tool_calls(response) == expected


def test_audio_s_length_and_the_number_of_images() -> None:
    assert with_quantities(NO_USAGE, "transcription", {"duration": 12.3456}).audio_ms == 12_346
    assert with_quantities(Usage(audio_ms=5), "transcription", {"duration": 9}).audio_ms == 5
    assert with_quantities(NO_USAGE, "translation", {"duration": "3"}).audio_ms == 3000
    assert with_quantities(NO_USAGE, "images", {"data": [{}, {}]}).images == 2
    assert with_quantities(NO_USAGE, "chat", {"duration": 3, "data": [1]}) == NO_USAGE


def test_characters_are_counted_as_people_do() -> None:
    assert spoken_characters("speech", {"input": "Grüße ☕"}) == 7
    assert spoken_characters("speech", {"input": ""}) is None
    assert spoken_characters("chat", {"input": "hi"}) is None


@pytest.mark.parametrize(
    ("data", "read", "expected"),
    [
        (b'{"usage": {"cost": 0.00014}}', "0.00014", "0.00014"),
        (b'{"usage": {"cost":1234.123456789012345678 }}', "1234.1234567890124", "1234.123456789012345678"),
        (b'{"usage": {"cost": 2E-7}}', "0.0000002", "0.0000002"),
        (b'{"cost": 9} {"usage": {"cost": 0.5}}', "0.5", "0.5"),
        (b"nothing", "0.5", "0.5"),
    ],
)
def test_a_reported_charge_keeps_its_last_digit(data: bytes, read: str, expected: str) -> None:
    assert with_exact_cost(Usage(reported_cost_usd=read), data).reported_cost_usd == expected


def test_without_a_charge_the_bytes_are_not_searched() -> None:
    assert with_exact_cost(NO_USAGE, b'{"cost": 1}') is NO_USAGE


_JSON = st.recursive(
    st.none() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["output", "type", "action", "tool_usage", "web_search", "num_requests", "data", "duration"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=10,
)


@given(st.dictionaries(st.sampled_from(["output", "tool_usage", "data", "duration", "input"]), _JSON))
def test_any_json_gives_counts_or_none(values: dict[str, Any]) -> None:
    assert all(number > 0 for number in tool_calls(values).values())
    for operation in ("transcription", "images", "speech"):
        with_quantities(NO_USAGE, operation, values)
        spoken_characters(operation, values)

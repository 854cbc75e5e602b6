"""Counts that were not said are not zero."""

from __future__ import annotations

import pytest

from proxy.domain.usage import NO_USAGE, Usage


@pytest.mark.parametrize(
    ("heard", "said", "both"), [(None, None, None), (3, None, 3), (None, 4, 4), (0, 0, 0), (3, 4, 7)]
)
def test_audio_tokens_are_the_sum_of_what_was_said(heard: int | None, said: int | None, both: int | None) -> None:
    assert Usage(input_audio_tokens=heard, output_audio_tokens=said).audio_tokens == both


def test_nothing_said_is_nothing_known() -> None:
    assert (NO_USAGE.input_tokens, NO_USAGE.audio_tokens) == (None, None)

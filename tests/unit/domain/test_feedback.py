"""Values of different kinds as one score."""

from __future__ import annotations

import pytest

from proxy.domain.feedback import SCALES, FeedbackKind, score_of


@pytest.mark.parametrize("kind", SCALES)
def test_the_ends_of_a_scale_are_nothing_and_one(kind: FeedbackKind) -> None:
    low, high = SCALES[kind]
    assert (score_of(low, low, high), score_of(high, low, high)) == (0.0, 1.0)


def test_without_bounds_only_what_is_a_score_is_one() -> None:
    assert [score_of(value, None, None) for value in (0.0, 0.3, 1.0, 1.1, -0.1)] == [0.0, 0.3, 1.0, None, None]


@pytest.mark.parametrize(("value", "low", "high", "words"), [(6, 1, 5, "from 1 to 5"), (1, 5, 1, "min is less")])
def test_what_is_outside_is_none(value: float, low: float, high: float, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        score_of(value, low, high)

"""Spans and sizes as people write them; spans that do not go together are told."""

from __future__ import annotations

import pytest

from proxy.domain.retention import Spans, bytes_of, seconds_of, spans_from_mapping

DAY = 86_400


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("", 0), (" ", 0), ("90m", 5400), ("12h", 43_200), ("30d", 30 * DAY), ("2 W", 14 * DAY), ("1y", 365 * DAY)],
)
def test_a_span_in_words(text: str, seconds: int) -> None:
    assert seconds_of(text) == seconds


@pytest.mark.parametrize("text", ["30", "d", "-1d", "0d", "1.5d", "30 days", "999999y", "\uff11d", "1d 2h"])
def test_what_is_no_span_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="this is a span"):
        seconds_of(text)


@pytest.mark.parametrize(("text", "size"), [("", 0), ("50GB", 50 * 10**9), ("1.5 tb", 15 * 10**11), ("1000", 1000)])
def test_a_size_in_words(text: str, size: int) -> None:
    assert bytes_of(text) == size


@pytest.mark.parametrize("text", ["GB", "-1GB", "0", "1PB", "1,5GB", "1GiB"])
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="this is a size"):
        bytes_of(text)


@pytest.mark.parametrize(
    ("spans", "words"),
    [
        (Spans(text=2, metadata=1), "no longer than metadata"),
        (Spans(errors=5), "needs metadata"),
        (Spans(metadata=5, errors=4), "at least as long"),
        (Spans(), None),
        (Spans(text=1, metadata=2, errors=3), None),
        (Spans(text=1), None),
    ],
)
def test_spans_go_together(spans: Spans, words: str | None) -> None:
    problem = spans.problem()
    assert (problem is None) is (words is None)
    assert words is None or words in str(problem)


def test_failures_are_kept_as_long_as_the_rest_where_nothing_else_is_said() -> None:
    assert Spans(metadata=5).of_errors == 5
    assert Spans(metadata=5, errors=9).of_errors == 9
    assert spans_from_mapping({"text": 3}) == Spans(text=3)

"""Sums, percentiles, failures and sessions from the rollups, the same on both engines."""

from __future__ import annotations

from typing import Any

import pytest

from proxy.domain.outcome import Outcome
from proxy.query.terms import Text
from proxy.store.reading import analytics, summaries
from proxy.store.reading.analytics import BY_HOUR, BY_SUBJECT, MEASURES, SUBJECT_MEASURES, Grouping, Span
from proxy.store.reading.reader import Reader
from proxy.store.writing.batches import WriteBatch
from proxy.store.writing.writer import StoreWriter
from tests.support.entries import STARTED_AT, an_entry

HOUR, DAY = 3_600_000, 86_400_000
LATER = STARTED_AT + 2 * DAY
FAILED: dict[str, Any] = {
    "outcome": Outcome.UPSTREAM_ERROR, "success": False, "http_status": 429, "error_code": "rate_limit",
    "cost_pico_usd": None, "input_tokens": None, "output_tokens": None,
}  # fmt: skip


@pytest.fixture
def filled(writer: StoreWriter, reader: Reader) -> Reader:
    entries = [
        an_entry(user_id="kim", session_id="s1", duration_ms=100.0, tool_names=("search",)),
        an_entry(
            user_id="kim", session_id="s1", duration_ms=1000.0, started_at=LATER, prompt_name="reply", prompt_version=3
        ),
        an_entry(user_id="lee", session_id="s2", model="o4", started_at=LATER + HOUR, ttft_ms=50.0, total_tokens=15),
        an_entry(user_id="lee", started_at=LATER, error_message="slow down", **FAILED),
        an_entry(
            model=None, provider=None, started_at=LATER, cost_pico_usd=None, success=False, outcome=Outcome.REJECTED
        ),
    ]
    writer.write(WriteBatch(entries=[("s", entry) for entry in entries]), lambda _entries: {})
    return reader


def test_sums_by_what_is_wanted(filled: Reader) -> None:
    (every,) = summaries.rows(filled, Grouping())
    assert (every["calls"], every["errors"], every["error_rate"], every["unpriced_calls"]) == (5, 2, 0.4, 2)
    assert every["cost_usd"] == pytest.approx(7.5e-6)
    models = summaries.rows(filled, Grouping(by=("model",)))
    assert [(row["model"], row["calls"], row["cost_usd"] is None) for row in models] == [
        ("gpt-5", 3, False), (None, 1, True), ("o4", 1, False),
    ]  # fmt: skip
    days = summaries.rows(filled, Grouping(by=("day",), sort="day"))
    assert [row["calls"] for row in days] == [1, 4]
    of_one = Grouping(by=("outcome",), only={"model": (Text("gpt-5"),)}, span=Span(LATER, LATER + 1))
    assert {row["outcome"]: row["calls"] for row in summaries.rows(filled, of_one)} == {
        "completed": 1,
        "upstream_error": 1,
    }
    begins_so = Grouping(by=("model",), only={"model": (Text("gpt", is_open=True), Text("o4"))})
    assert [row["model"] for row in summaries.rows(filled, begins_so)] == ["gpt-5", "o4"]
    (version,) = summaries.rows(filled, Grouping(by=("prompt", "prompt_version"), only={"prompt": (Text("reply"),)}))
    assert (version["prompt_version"], version["calls"]) == (3, 1)
    cheap = summaries.rows(filled, Grouping(by=("model",), sort="cost_usd", top=1))
    assert [row["model"] for row in cheap] == ["gpt-5"]


def test_sums_by_subject(filled: Reader) -> None:
    users = summaries.rows(filled, Grouping(by=("user",), sort="user"))
    assert [(row["user"], row["calls"], row["errors"]) for row in users] == [("kim", 2, 0), ("lee", 2, 1)]
    (day,) = summaries.rows(filled, Grouping(by=("day", "user"), only={"user": (Text("kim"),)}, span=Span(LATER)))
    assert (day["calls"], day["user"]) == (1, "kim")
    assert [row["tool"] for row in summaries.rows(filled, Grouping(by=("tool",)))] == ["search"]


def test_whatever_may_be_asked_has_an_answer(filled: Reader) -> None:
    only = {"provider": (Text("openai"),)}
    for name in BY_HOUR:
        for sort in (*MEASURES, name):
            summaries.rows(filled, Grouping(by=(name,), sort=sort, only=only, span=Span(0, LATER)))
    for name in BY_SUBJECT:
        for sort in (*SUBJECT_MEASURES, name):
            summaries.rows(filled, Grouping(by=(name, "day"), sort=sort, span=Span(0, LATER)))
    assert summaries.rows(filled, Grouping(by=("model",), only={"prompt_version": (Text("x' OR 1=1"),)})) == []


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"by": ("user", "model")}, "user is counted by day only, not with model"),
        ({"by": ("user", "session")}, "user is counted by day only"),
        ({"by": ("model",), "sort": "total_tokens"}, "there is no total_tokens"),
        ({"by": ("colour",)}, "colour is not counted"),
    ],
)
def test_what_is_not_counted_together_is_told(values: dict[str, object], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Grouping(**values)  # type: ignore[arg-type]


def test_a_summary(filled: Reader) -> None:
    told = summaries.summary(filled, Span(STARTED_AT, LATER + 2 * HOUR))
    assert (told["calls"], told["errors"]) == (5, 2)
    assert 1000 <= told["p95_ms"] <= 1300
    assert 50 <= told["ttft_p50_ms"] <= 52.5
    assert [(row["model"], row["calls"]) for row in told["models"]] == [("gpt-5", 3), (None, 1), ("o4", 1)]
    assert told["models"][1]["p50_ms"] is None
    assert 100 <= told["models"][0]["p50_ms"] <= 105
    assert [row["calls"] for row in told["series"]] == [1, 3, 1]
    nothing = summaries.summary(filled, Span(LATER + DAY * 9, None))
    assert (nothing["calls"], nothing["cost_usd"], nothing["p50_ms"], nothing["models"]) == (0, None, None, [])


def test_a_summary_shows_the_busiest_and_counts_them_all(writer: StoreWriter, reader: Reader) -> None:
    entries = [an_entry(model=f"m{number:02}", provider=f"p{number:02}", user_id="kim") for number in range(30)]
    entries.append(an_entry(model="m29", provider="p29", output_tokens=7))
    writer.write(WriteBatch(entries=[("s", entry) for entry in entries]), lambda _entries: {})
    told = summaries.summary(reader, Span(STARTED_AT, STARTED_AT + HOUR))
    (every,) = summaries.rows(reader, Grouping())
    assert {name: told[name] for name in MEASURES if name != "cost_usd"} == pytest.approx(
        {name: every[name] for name in MEASURES if name != "cost_usd"}
    )
    assert told["cost_usd"] == pytest.approx(every["cost_usd"])
    for kind in ("model", "provider"):
        names = [row[kind] for row in told[f"{kind}s"]]
        assert names == [f"{kind[0]}29", *(f"{kind[0]}{number:02}" for number in range(19))]
    assert [(row["outcome"], row["calls"]) for row in told["outcomes"]] == [("completed", 31)]


def test_failures_by_kind(filled: Reader) -> None:
    found = filled.answer(analytics.failures(Span(), 10))
    assert {(row["outcome"], row["http_status"], row["calls"]) for row in found} == {
        ("upstream_error", 429, 1), ("rejected", 200, 1),
    }  # fmt: skip
    (one,) = filled.answer(analytics.failures(Span(LATER, LATER + 1), 10, {"provider": (Text("openai"),)}))
    assert one["error_code"] == "rate_limit"
    assert float(one["share"]) == pytest.approx(1 / 2)
    assert filled.interaction(one["sample_id"])["error_message"] == "slow down"
    assert filled.answer(analytics.failures(Span(LATER + DAY), 10)) == []


def test_sessions_by_when_they_were_last_seen(filled: Reader) -> None:
    first = filled.answer(analytics.sessions(Span(), 1))[0]
    assert (first["session_id"], first["calls"]) == ("s2", 1)
    behind = (first["last_seen"], first["session_id"])
    (second,) = filled.answer(analytics.sessions(Span(), 5, behind))
    assert (second["session_id"], second["calls"]) == ("s1", 2)
    back = (second["last_seen"], second["session_id"])
    assert [row["session_id"] for row in filled.answer(analytics.sessions(Span(), 5, back, newest_first=False))] == [
        "s2"
    ]
    both = filled.answer(analytics.sessions(Span(LATER), 5))
    assert [(row["session_id"], row["calls"]) for row in both] == [("s2", 1), ("s1", 1)]
    assert filled.answer(analytics.session("s1"))[0]["calls"] == 2
    assert filled.answer(analytics.session("no")) == []


@pytest.mark.parametrize(("share", "expected"), [(0.5, 10.0), (0.6, 20.0), (0.99, 30.0), (0.0, 10.0)])
def test_a_percentile_is_where_a_share_is_reached(share: float, expected: float) -> None:
    assert summaries.percentile([(5.0, 0), (10.0, 5), (20.0, 4), (30.0, 1)], share) == expected
    assert summaries.percentile([], share) is None

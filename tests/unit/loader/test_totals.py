"""What calls add to the counters, and what never becomes a label."""

from __future__ import annotations

import dataclasses

import orjson
import pytest

from proxy.domain.identity import IdentityMint
from proxy.domain.interaction import Attempt, Entry, Interaction
from proxy.domain.outcome import CostStatus, Outcome, UsageSource
from proxy.loader.totals import MAX_MODELS, ModelNames, status_of, totals_of

CALL = Interaction(
    id=str(IdentityMint().mint().hex()), started_at=1_760_000_000_000, operation="chat", method="POST",
    endpoint="/v1/chat/completions", outcome=Outcome.COMPLETED, success=True, provider="openai", model="gpt-4o-mini",
    http_status=200, input_tokens=11, output_tokens=3, cached_tokens=4, duration_ms=1_500.0, ttft_ms=500.0,
    overhead_ms=0.4, cost_pico_usd=3_450_000, cost_status=CostStatus.COMPUTED,
)  # fmt: skip


def added(*calls: Interaction, names: ModelNames | None = None) -> dict[str, dict[tuple[str, ...], float]]:
    """Return the deltas by family and label values (in the order of the labels' names)."""
    found: dict[str, dict[tuple[str, ...], float]] = {}
    for (family, labels), value in totals_of(
        [Entry(interaction=call) for call in calls], names or ModelNames()
    ).items():
        found.setdefault(family, {})[tuple(orjson.loads(labels).values())] = value
    return found


def test_a_call_adds_to_its_families() -> None:
    found = added(CALL)
    place = ("gpt-4o-mini", "openai")
    assert found["dashcam_requests_total"] == {("gpt-4o-mini", "chat", "completed", "openai", "2xx"): 1}
    assert found["dashcam_tokens_total"] == {(*place, "input"): 11, (*place, "output"): 3, (*place, "cached"): 4}
    assert found["dashcam_cost_usd_total"] == {place: pytest.approx(3.45e-6)}
    assert found["dashcam_time_to_first_token_seconds_bucket"] == {("0.8", *place): 1}
    assert found["dashcam_time_per_output_token_seconds_sum"] == {place: pytest.approx(0.5)}
    assert found["dashcam_overhead_seconds_bucket"] == {("0.0005", "chat"): 1}
    assert found["dashcam_request_duration_seconds_bucket"] == {("2.0", "gpt-4o-mini", "chat", "openai"): 1}


def test_equal_calls_add_up_in_one_series() -> None:
    assert added(CALL, CALL)["dashcam_requests_total"] == {("gpt-4o-mini", "chat", "completed", "openai", "2xx"): 2}


def test_a_batch_adds_what_its_calls_add_one_by_one() -> None:
    calls = [
        CALL,
        dataclasses.replace(CALL, provider=None, model=None, http_status=None, duration_ms=None, ttft_ms=None),
        dataclasses.replace(CALL, operation="embeddings", output_tokens=None, cost_pico_usd=0),
        dataclasses.replace(CALL, cost_pico_usd=None, cost_status=CostStatus.UNPRICED, duration_ms=700_000.0),
        dataclasses.replace(CALL, usage_source=UsageSource.ESTIMATED_CHARS, outcome=Outcome.TIMED_OUT, http_status=504),
    ]
    apart: dict[tuple[str, tuple[str, ...]], float] = {}
    for call in calls:
        for family, series in added(call).items():
            for labels, amount in series.items():
                apart[family, labels] = apart.get((family, labels), 0) + amount
    together = {
        (family, labels): amount for family, series in added(*calls).items() for labels, amount in series.items()
    }
    assert together == pytest.approx(apart)


def test_an_unpriced_call_costs_nothing_and_is_counted() -> None:
    found = added(dataclasses.replace(CALL, cost_pico_usd=None, cost_status=CostStatus.UNPRICED))
    assert "dashcam_cost_usd_total" not in found
    assert found["dashcam_unpriced_requests_total"] == {("gpt-4o-mini", "openai"): 1}


def test_an_estimate_is_never_mixed_with_reported_tokens() -> None:
    guessed = dataclasses.replace(CALL, input_tokens=None, output_tokens=56, usage_source=UsageSource.ESTIMATED_CHARS)
    assert "dashcam_tokens_total" not in added(guessed)
    assert added(guessed, CALL)["dashcam_tokens_total"] == added(CALL)["dashcam_tokens_total"]


def test_attempts_are_counted_by_what_came_of_them() -> None:
    def attempt(number: int, error: str | None, status: int | None = None) -> Attempt:
        return Attempt(
            interaction_id="x", number=number, provider="openai", upstream="u", started_at=0, error=error,
            http_status=status,
        )  # fmt: skip

    tries = attempt(1, "refused"), attempt(2, None, 200), attempt(3, None)
    found = totals_of([Entry(interaction=CALL, attempts=tries)], ModelNames())
    reasons = {orjson.loads(labels)["reason"] for family, labels in found if "attempts" in family}
    assert reasons == {"refused", "answered", "unanswered"}


def test_the_name_in_a_failed_call_never_becomes_a_label() -> None:
    failed = dataclasses.replace(CALL, success=False, outcome=Outcome.UPSTREAM_ERROR, model="evil-1")
    names = ModelNames()
    assert names.label(failed) == "other"
    assert names.label(CALL) == "gpt-4o-mini"
    assert names.label(dataclasses.replace(failed, model="gpt-4o-mini")) == "gpt-4o-mini"


def test_no_more_than_fifty_models_are_told_apart() -> None:
    names = ModelNames()
    labels = {names.label(dataclasses.replace(CALL, model=f"m-{number}")) for number in range(MAX_MODELS + 10)}
    assert len(labels) == MAX_MODELS + 1
    assert "other" in labels


@pytest.mark.parametrize("model", ["m" * 101, "a\nb", "a\udc80", "a\x00"])
def test_a_name_that_is_no_name_is_other(model: str) -> None:
    assert ModelNames().label(dataclasses.replace(CALL, model=model)) == "other"


def test_a_call_without_a_model_says_so() -> None:
    assert ModelNames().label(dataclasses.replace(CALL, model=None)) == "none"


@pytest.mark.parametrize(
    ("status", "word"), [(200, "2xx"), (429, "429"), (404, "4xx"), (503, "5xx"), (None, "none"), (999, "none")]
)
def test_statuses_are_told_by_class(status: int | None, word: str) -> None:
    assert status_of(status) == word

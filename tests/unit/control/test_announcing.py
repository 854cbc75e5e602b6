"""The line that says that it works."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from proxy.control.announcing import announcement, is_first
from proxy.domain.interaction import Interaction
from proxy.domain.outcome import Outcome, UsageSource

CALL = Interaction(
    id="x", started_at=0, operation="chat", method="POST", endpoint="/v1/chat/completions", success=True,
    outcome=Outcome.COMPLETED, http_status=200, model="gpt-4o-mini", input_tokens=1100, output_tokens=3,
    cost_pico_usd=3_450_000, duration_ms=1234.5,
)  # fmt: skip


def test_it_is_one_line_with_what_matters() -> None:
    assert announcement(CALL) == (
        "  First call recorded: gpt-4o-mini · completed 200 · 1100 + 3 tokens · $0.00000345 · 1,234 ms"
        " · see it with: dashcam show last"
    )


def test_what_is_not_known_is_left_out() -> None:
    bare = dataclasses.replace(
        CALL, model=None, http_status=None, input_tokens=None, output_tokens=None, cost_pico_usd=None, duration_ms=None,
        outcome=Outcome.INTERRUPTED,
    )  # fmt: skip
    assert announcement(bare) == "  First call recorded: chat · interrupted · see it with: dashcam show last"


def test_a_count_that_is_not_known_is_no_zero_and_an_estimate_says_so() -> None:
    cut_off = dataclasses.replace(
        CALL, input_tokens=None, output_tokens=56, usage_source=UsageSource.ESTIMATED_CHARS, outcome=Outcome.INTERRUPTED
    )
    assert " · ~? + 56 tokens · " in announcement(cut_off)


def test_a_name_cannot_write_to_the_terminal() -> None:
    line = announcement(dataclasses.replace(CALL, model="\x1b]0;owned\x07\n" + "m" * 500))
    assert line.isprintable()
    assert len(line) < 250


def test_it_is_said_once_in_the_life_of_a_supervisor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert is_first(tmp_path)
    assert not is_first(tmp_path)
    monkeypatch.setattr("os.getppid", lambda: 77)
    assert is_first(tmp_path)
    assert not is_first(tmp_path)


def test_it_is_said_where_nothing_can_be_written_down(tmp_path: Path) -> None:
    assert is_first(tmp_path / "nowhere")

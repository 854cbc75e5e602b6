"""The questions that README answers in SQL: each runs as it stands there, on both engines, and says what is so."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest

from proxy.domain.outcome import Outcome
from proxy.settings.database import DatabaseSettings
from proxy.store.engines.sql import ask
from proxy.store.writing.batches import WriteBatch
from proxy.store.writing.writer import StoreWriter
from tests.support.entries import an_entry
from tests.support.processes import ROOT

DAY = 86_400_000
TODAY = 1_764_288_000_000
"""2025-11-28, which has passed wherever this is run."""


def questions() -> Iterator[tuple[str, str]]:
    block = re.search(r"```sql\n(-- recent calls\n.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    assert block is not None
    for part in re.split(r"^-- ", block[1], flags=re.MULTILINE)[1:]:
        title, _, statements = part.partition("\n")
        for number, statement in enumerate(filter(str.strip, statements.split(";\n"))):
            yield title if not number else f"{title}, more", statement


QUESTIONS = dict(questions())
EXPECTED: dict[str, list[tuple[Any, ...]]] = {
    "recent calls": [("acme", "m-2"), ("acme", "m-1"), ("other", "m-1"), ("other", "m-1")],
    "success rate by provider": [("acme", 2, 0.5), ("other", 2, 1.0)],
    "average, p50, p95 and p99 of the latency of each model": [("other", "m-1", 200.0), ("acme", "m-1", 100.0)],
    "average, p50, p95 and p99 of the latency of each model, more": [
        ("2025-11-27", "acme", "m-1", 1), ("2025-11-27", "other", "m-1", 1), ("2025-11-26", "other", "m-1", 1),
    ],
    "failures of the last seven days on which there were calls": [("acme", "m-2", "rate_limit", 1)],
    "most used models": [("m-1", 3, 6.0), ("m-2", 1, 0.0)],
    "longest prompt": [(400,)],
    "cost by user on the last day before today": [("lee", 1, 2.0), ("kim", 1, 1.0)],
    "cost by provider over time": [
        ("2025-11-26", "other", 3.0), ("2025-11-27", "acme", 1.0), ("2025-11-27", "other", 2.0),
    ],
    "top prompts": [("short", 3, 2, 0.0)],
}  # fmt: skip
SHOWN = {"recent calls": (1, 2), "longest prompt": (4,)}
"""Which columns of an answer are compared, where these are not its first ones."""


def fill(store: DatabaseSettings) -> None:
    at = TODAY - DAY // 2
    prompt: dict[str, Any] = {"prompt_name": "short", "prompt_version": 3}
    usd = 10**12
    entries = [
        an_entry(started_at=at - DAY, provider="other", model="m-1", user_id="kim", cost_pico_usd=3 * usd,
                 duration_ms=300.0),
        an_entry(started_at=at, provider="other", model="m-1", user_id="lee", cost_pico_usd=2 * usd, duration_ms=100.0,
                 **prompt),
        an_entry(started_at=at + 1, provider="acme", model="m-1", user_id="kim", cost_pico_usd=usd, duration_ms=100.0,
                 input_length=400, **prompt),
        an_entry(started_at=at + 2, provider="acme", model="m-2", cost_pico_usd=None, outcome=Outcome.UPSTREAM_ERROR,
                 success=False, http_status=429, error_code="rate_limit", input_length=None),
    ]  # fmt: skip
    writer = StoreWriter(store)
    writer.write(WriteBatch(entries=[("s", entry) for entry in entries]), lambda _: {})
    writer.close()


def test_every_question_is_expected() -> None:
    assert list(QUESTIONS) == list(EXPECTED)


@pytest.mark.parametrize("title", QUESTIONS)
def test_a_question_has_its_answer(store: DatabaseSettings, title: str) -> None:
    fill(store)
    answer = ask(store, QUESTIONS[title], 100, 5.0)
    expected = EXPECTED[title]
    columns = SHOWN.get(title) or range(len(expected[0]))
    found = [tuple(_plain(row[at]) for at in columns) for row in answer.rows]
    assert found == expected


def _plain(value: Any) -> Any:
    return value if value is None or isinstance(value, str | int) else round(float(value), 6)

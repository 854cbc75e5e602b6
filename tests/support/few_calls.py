"""An admin API whose record has five calls, each of another kind, and the way in which it refuses a question."""

from __future__ import annotations

import contextlib
import time
from collections.abc import AsyncIterator
from dataclasses import replace

from proxy.domain.outcome import Outcome
from proxy.settings.values import Settings
from proxy.store.writing.batches import WriteBatch
from tests.support.admin_api import AdminApi, admin_api
from tests.support.entries import an_entry

NOW = time.time_ns() // 1_000_000
HOUR, DAY = 3_600_000, 86_400_000
ENTRIES = [
    an_entry(model="gpt-5", session_id="s/1", user_id="kim", started_at=NOW - DAY),
    an_entry(model="gpt-5", session_id="s2", user_id="lee", started_at=NOW - HOUR),
    an_entry(model="o4", session_id="s/1", user_id="kim", started_at=NOW),
    an_entry(
        model="o4", session_id="s3", outcome=Outcome.TIMED_OUT, success=False, http_status=None, cost_pico_usd=None,
        started_at=NOW - 2 * HOUR,
    ),
    an_entry(model="old", session_id="s0", started_at=NOW - 30 * DAY),
]  # fmt: skip
TEXTS = ["Refund me", "no", "A refund, please. " + "x" * 900, "", "refund of old"]


@contextlib.asynccontextmanager
async def filled(settings: Settings) -> AsyncIterator[AdminApi]:
    """Give an API of these calls."""
    async with admin_api(settings) as api:
        entries = [replace(entry, input_text=text) for entry, text in zip(ENTRIES, TEXTS, strict=True)]
        batch = WriteBatch(entries=[("s", entry) for entry in entries])
        api.turns.take(lambda writer: writer.write(batch, lambda _: {}))
        yield api


async def refused(api: AdminApi, path: str, field: str, words: str) -> None:
    """See that a question is refused for one of its fields, in some words."""
    told = await api.ask("GET", path, status=400)
    assert told["errors"][0]["field"] == field
    assert words in f"{told['detail']} {told.get('hint')}"

"""Words in questions and answers, found over the API."""

from __future__ import annotations

import contextlib
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from proxy.control.api import search
from proxy.domain.outcome import Outcome
from proxy.settings.database import DatabaseSettings
from proxy.settings.values import Settings
from proxy.store import reading
from proxy.store.writing import WriteBatch
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


@pytest.fixture
def settings(tmp_path: Path, store: DatabaseSettings) -> Settings:
    return Settings(data_dir=str(tmp_path), run_dir=str(tmp_path / "run"), database=store)


@contextlib.asynccontextmanager
async def filled(settings: Settings) -> AsyncIterator[AdminApi]:
    async with admin_api(settings) as api:
        entries = [replace(entry, input_text=text) for entry, text in zip(ENTRIES, TEXTS, strict=True)]
        batch = WriteBatch(entries=[("s", entry) for entry in entries])
        api.turns.take(lambda writer: writer.write(batch, lambda _: {}))
        yield api


async def refused(api: AdminApi, path: str, field: str, words: str) -> None:
    told = await api.ask("GET", path, status=400)
    assert told["errors"][0]["field"] == field
    assert words in f"{told['detail']} {told.get('hint')}"


async def test_words_are_found_with_the_text_around_them(settings: Settings) -> None:
    async with filled(settings) as api:
        told = await api.ask("GET", "search?q=refund")
        assert [row["model"] for row in told["data"]] == ["o4", "gpt-5", "old"]
        (noted,) = (await api.ask("GET", "audit?action=search"))["data"]
        assert (noted["noun"], noted["detail"]) == ("interactions", {"calls": "3"})
        await api.ask("GET", "search?q=nowhere")
        assert len((await api.ask("GET", "audit?action=search"))["data"]) == 1
        assert told["data"][0]["input_excerpt"].startswith("A refund, please.")
        assert len(told["data"][0]["input_excerpt"]) == 300
        assert (told["next"], told["has_more"]) == (None, False)
        first = await api.ask("GET", "search?q=refund&limit=1")
        assert first["next"] == first["last_id"]
        again = await api.ask("GET", f"search?q=refund model:gpt-5&after={first['next']}")
        assert [row["model"] for row in again["data"]] == ["gpt-5"]
        assert [row["model"] for row in (await api.ask("GET", "search?q=refund -please -of"))["data"]] == ["gpt-5"]
        assert (await api.ask("GET", "audit?action=read_body"))["data"] == []
        await refused(api, "search?q=model:o4", "q", "no word to look for")
        await refused(api, "search", "q", "no word to look for")


async def test_a_search_says_how_far_it_came(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search, "SECONDS", -1.0)
    monkeypatch.setattr(reading, "PAGE", 2)
    async with filled(settings) as api:
        told = await api.ask("GET", "search?q=me")
        assert (told["data"], told["has_more"], told["looked_back_to"] is not None) == ([], True, True)
        found = []
        while told["next"]:
            told = await api.ask("GET", f"search?q=me&after={told['next']}")
            found += [row["model"] for row in told["data"]]
        assert found == ["gpt-5"]

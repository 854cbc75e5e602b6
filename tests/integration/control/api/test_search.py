"""Words in questions and answers, found over the API."""

from __future__ import annotations

import contextlib
import secrets
from dataclasses import replace
from pathlib import Path

import pytest

from proxy.control.api import search
from proxy.settings.database import DatabaseSettings
from proxy.settings.values import Settings
from proxy.store.filters import text_index
from proxy.store.reading import reader
from proxy.store.writing.batches import WriteBatch
from proxy.store.writing.writer import StoreWriter
from tests.support.entries import an_entry
from tests.support.few_calls import filled, refused


@pytest.fixture
def settings(tmp_path: Path, store: DatabaseSettings) -> Settings:
    return Settings(data_dir=str(tmp_path), run_dir=str(tmp_path / "run"), database=store)


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
        assert (told["data"][0]["input_marks"], told["data"][0]["output_marks"]) == ([[2, 8]], [])
        assert (told["next"], told["has_more"], told["sealed_until"]) == (None, False, None)
        assert "sealed_until" not in await api.ask("GET", "interactions?q=refund")
        first = await api.ask("GET", "search?q=refund&limit=1")
        assert first["next"] == first["last_id"]
        again = await api.ask("GET", f"search?q=refund model:gpt-5&after={first['next']}")
        assert [row["model"] for row in again["data"]] == ["gpt-5"]
        assert [row["model"] for row in (await api.ask("GET", "search?q=refund -please -of"))["data"]] == ["gpt-5"]
        assert (await api.ask("GET", "audit?action=read_body"))["data"] == []
        await refused(api, "search?q=model:o4", "q", "no word to look for")
        await refused(api, "search", "q", "no word to look for")


async def test_sealed_calls_that_are_passed_over_are_told_once_sealing_is_off_again(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DASHCAM_MASTER_KEY", secrets.token_hex(32))
    with contextlib.closing(StoreWriter(replace(settings.database, seal=True))) as writer:
        writer.write(WriteBatch(entries=[("s", replace(an_entry(), input_text="a refund"))]), lambda _: {})
    async with filled(settings) as api:
        for kind in ("search", "interactions"):
            told = await api.ask("GET", f"{kind}?q=refund")
            assert (len(told["data"]), told["sealed_until"] is not None) == (3, True)
        assert "sealed_until" not in await api.ask("GET", "interactions?q=model:o4")


async def test_a_search_says_how_far_it_came(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search, "SECONDS", -1.0)
    monkeypatch.setattr(reader, "PAGE", 2)
    monkeypatch.setattr(text_index, "RARE", -1)
    async with filled(settings) as api:
        told = await api.ask("GET", "search?q=me")
        assert (told["data"], told["has_more"], told["looked_back_to"] is not None) == ([], True, True)
        found = []
        while told["next"]:
            told = await api.ask("GET", f"search?q=me&after={told['next']}")
            found += [row["model"] for row in told["data"]]
        assert found == ["gpt-5"]

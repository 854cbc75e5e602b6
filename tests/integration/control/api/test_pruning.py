"""Pruning over the API: by the settings, and by what the catalogue says of a route or a key."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from proxy.domain.identity import IdentityMint, id_text
from proxy.domain.outcome import ContentState
from proxy.settings.database import DatabaseSettings
from proxy.settings.values import RetentionSettings, Settings
from proxy.store.writing.batches import WriteBatch
from tests.support.admin_api import AdminApi, admin_api
from tests.support.entries import an_entry
from tests.support.rollups import assert_rollups_equal_the_rows

DAY_S = 86_400


@pytest.fixture
def settings(tmp_path: Path, store: DatabaseSettings) -> Settings:
    kept = RetentionSettings(metadata=30 * DAY_S)
    return Settings(data_dir=str(tmp_path), run_dir=str(tmp_path / "run"), database=store, retention=kept)


def record(api: AdminApi, days: float, **changes: Any) -> str:
    at = time.time_ns() // 1_000_000 - round(days * DAY_S * 1000)
    identity = id_text(IdentityMint().mint(at * 1_000_000))
    entry = an_entry(id=identity, started_at=at, content_state=ContentState.STORED, **changes)
    api.turns.take(lambda writer: writer.write(WriteBatch(entries=[("s", entry)]), lambda _: {}))
    return identity


async def ids(api: AdminApi) -> set[str]:
    return {row["id"] for row in (await api.ask("GET", "interactions"))["data"]}


async def pruned(api: AdminApi, **said: Any) -> list[str]:
    """Prune as the command does: a request works for some seconds, and is repeated until all that is due went."""
    done: list[str] = []
    while True:
        told = await api.ask("POST", "prune", {"dry_run": False, **said})
        done += told["done"]
        if told["is_finished"]:
            return done


async def test_what_is_due_is_told_and_goes(settings: Settings, store: DatabaseSettings) -> None:
    async with admin_api(settings) as api:
        young, old = record(api, 1), record(api, 40)
        told = await api.ask("POST", "prune", {})
        assert (told["dry_run"], told["due"]["calls"], told["paused_since"]) == (True, 1, None)
        assert told["bytes"] > 0
        assert await ids(api) == {young, old}
        assert await pruned(api) == ["1 call went for its age"]
        assert await ids(api) == {young}
        (deed,) = (await api.ask("GET", "audit?noun=interactions"))["data"]
        assert (deed["action"], deed["detail"]) == ("prune", {"done": "1 call went for its age"})
        assert_rollups_equal_the_rows(store)


async def test_a_routes_and_a_keys_own_words_count(settings: Settings, store: DatabaseSettings) -> None:
    async with admin_api(settings) as api:
        provider = {"name": "openai", "kind": "openai", "base_url": "https://api.openai.com/v1"}
        await api.ask("POST", "providers", provider, status=201)
        route = {"name": "brief", "targets": ["openai/gpt-5"], "retention": {"metadata": "2d"}}
        made = await api.ask("POST", "routes", route, status=201)
        assert made["retention"] == {"text": None, "metadata": "2d", "errors": None}
        key = await api.ask("POST", "keys", {"retention": {"metadata": "90d"}}, status=201)
        assert (await api.ask("GET", f"keys/{key['id']}"))["retention"]["metadata"] == "90d"
        gone = {record(api, 3, route="brief"), record(api, 40)}
        kept = {record(api, 1, route="brief"), record(api, 3), record(api, 40, key_id=key["id"], route="brief")}
        assert await ids(api) == gone | kept
        await pruned(api)
        assert await ids(api) == kept
        assert_rollups_equal_the_rows(store)


async def test_a_clock_that_jumped_is_told(settings: Settings) -> None:
    async with admin_api(settings) as api:
        old = record(api, 40)
        told = await api.ask("POST", "prune", {"dry_run": False}, status=409)
        assert "--force" in told["hint"]
        assert await ids(api) == {old}
        await pruned(api, force=True)
        assert await ids(api) == set()

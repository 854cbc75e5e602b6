"""Saved views over the API: one after the other, guarded by their tags, each change in the audit log."""

from __future__ import annotations

from pathlib import Path

import pytest

from proxy.settings.database import DatabaseSettings
from proxy.settings.values import Settings
from proxy.store.catalogue import views
from tests.support.admin_api import PEER, admin_api

SLOW = {"name": "slow", "query": "latency:>2s", "columns": ["id", "model"], "sort": "duration_ms", "note": "to look at"}


@pytest.fixture
def settings(tmp_path: Path, store: DatabaseSettings) -> Settings:
    return Settings(data_dir=str(tmp_path), run_dir=str(tmp_path / "run"), database=store)


async def test_a_view_is_saved_read_changed_and_taken_away(settings: Settings) -> None:
    async with admin_api(settings) as api:
        made = await api.ask("POST", "views", SLOW, status=201)
        assert {name: made[name] for name in SLOW} == SLOW
        assert (made["id"], made["author"], made["created_at"]) == ("slow", "loopback", made["updated_at"])
        assert [item["id"] for item in (await api.ask("GET", "views"))["data"]] == ["slow"]
        tag = await api.tag("views/slow")
        changed = await api.ask("PATCH", "views/slow", {"query": "latency:>5s", "sort": None})
        assert (changed["query"], changed["sort"], changed["columns"]) == ("latency:>5s", None, ["id", "model"])
        assert (await api.ask("GET", "views/slow")) == changed
        for method, body in (("PATCH", {"note": ""}), ("DELETE", None)):
            told = await api.ask(method, "views/slow", body, headers={**PEER, "if-match": tag}, status=412)
            assert told["code"] == "precondition_failed"
        assert await api.ask("DELETE", "views/slow", headers={**PEER, "if-match": await api.tag("views/slow")})
        assert await api.status("GET", "views/slow") == 404
        deeds = (await api.ask("GET", "audit?noun=views&order=asc"))["data"]
        assert [(deed["action"], deed["object"]) for deed in deeds] == [
            ("create", "slow"), ("change", "slow"), ("delete", "slow"),
        ]  # fmt: skip


async def test_mistakes_change_nothing(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    async with admin_api(settings) as api:
        await api.ask("POST", "views", SLOW, status=201)
        assert await api.status("POST", "views", SLOW) == 409
        assert await api.status("PATCH", "views/fast", {"note": "x"}) == 404
        assert await api.status("DELETE", "views/fast") == 404
        for body, field in (({"name": "fast"}, "name"), ({"query": "latensy:1s"}, "query"), ({"colour": 1}, "colour")):
            told = await api.ask("PATCH", "views/slow", body, status=422)
            assert told["errors"][0]["field"] == field
        monkeypatch.setattr(views, "MOST", 1)
        assert "most" in (await api.ask("POST", "views", {"name": "other"}, status=409))["detail"]
        assert [item["query"] for item in (await api.ask("GET", "views?author=loopback"))["data"]] == ["latency:>2s"]
        assert (await api.ask("GET", "views?author=kim"))["data"] == []


async def test_saving_needs_more_than_reading(settings: Settings) -> None:
    async with admin_api(settings) as api:
        token = (await api.ask("POST", "tokens", {"scope": "read"}, status=201))["token"]
        headers = {**PEER, "authorization": f"Bearer {token}"}
        assert await api.status("POST", "views", SLOW, headers=headers) == 403
        assert await api.status("GET", "views", headers=headers) == 200

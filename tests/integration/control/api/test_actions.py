"""Asking a saved provider, at its own address and for its list only; and prices from other people's files."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import pytest

from proxy.pricing import release
from proxy.settings.values import AdminSettings, PriceSettings, Settings
from tests.support.admin_api import AdminApi, admin_api
from tests.support.fresh_sqlite import fresh_sqlite
from tests.support.model_server import listed, serving
from tests.support.price_data import price_data
from tests.support.processes import free_port

LIST = {"/v1/models": listed("m-1", "org/m-2", owner="acme")}


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    admin = AdminSettings(allow_private_upstreams=("127.0.0.1",))
    database = fresh_sqlite(tmp_path / "dashcam.db")
    return Settings(data_dir=str(tmp_path), run_dir=str(tmp_path / "run"), database=database, admin=admin)


async def add(api: AdminApi, root: str, name: str = "acme") -> None:
    await api.ask("POST", "providers", {"name": name, "kind": "custom", "base_url": f"{root}/v1"}, status=201)


async def test_a_provider_that_answers_is_told_with_its_time(settings: Settings) -> None:
    with serving(LIST) as server:
        async with admin_api(settings) as api:
            await add(api, server.root)
            told = await api.ask("POST", "providers/acme/test")
            assert (told["result"], told["status"], told["models"], told["latency_ms"] > 0) == ("ok", 200, 2, True)
            (deed,) = (await api.ask("GET", "audit?limit=1"))["data"]
            assert (deed["action"], deed["object"], deed["outcome"]) == ("test", "acme", "done")


@pytest.mark.parametrize(("answers", "result"), [({}, "no_list"), ({"/v1/models": {"secret": "of theirs"}}, "no_list")])
async def test_what_it_says_instead_is_a_word_and_never_its_body(
    settings: Settings, answers: dict[str, Any], result: str
) -> None:
    with serving(answers) as server:
        async with admin_api(settings) as api:
            await add(api, server.root)
            told = await api.ask("POST", "providers/acme/test")
            assert told["result"] == result
            assert "of theirs" not in str(told)
            assert told["hint"]


async def test_a_key_that_does_not_fit_is_told_and_nobody_is_asked_without_it(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DASHCAM_MASTER_KEY", "k3Y9" * 10)
    with serving(LIST) as server:
        async with admin_api(settings) as api:
            await add(api, "http://127.0.0.1:9")
            await api.ask("PUT", "providers/acme/key", {"key": "sk-acme-0123456789"})
            assert (await api.ask("GET", "providers/acme"))["stored_key"]["fits"] is True
            moved = await api.ask("PATCH", "providers/acme", {"base_url": f"{server.root}/v1"})
            assert (moved["stored_key"]["fits"], moved["stored_key"]["last4"]) == (False, "6789")
            told = await api.ask("POST", "providers/acme/test")
            assert (told["result"], "give it anew" in told["hint"], server.asked) == ("key_unusable", True, [])


async def test_nobody_there_and_nobody_saved(settings: Settings) -> None:
    async with admin_api(settings) as api:
        await add(api, f"http://127.0.0.1:{free_port()}")
        assert (await api.ask("POST", "providers/acme/test"))["result"] == "refused"
        await api.ask("POST", "providers/other/test", status=404)
        await api.ask("POST", "providers/acme/models/sync", status=502)


async def test_a_list_is_taken_in_and_nothing_is_taken_away(settings: Settings) -> None:
    with serving(LIST) as server:
        async with admin_api(settings) as api:
            await add(api, server.root)
            own = {"provider": "acme", "name": "m-1", "context_window": 5}
            await api.ask("POST", "models", own, status=201)
            told = await api.ask("POST", "providers/acme/models/sync")
            assert (told["listed"], told["added"]) == (2, ["org/m-2"])
            assert (await api.ask("GET", "models/acme/m-1"))["context_window"] == 5
            assert (await api.ask("POST", "providers/acme/models/sync"))["added"] == []


async def test_of_a_list_what_no_address_could_name_is_left_out(settings: Settings) -> None:
    with serving({"/v1/models": listed("./models/a", "m-1", "*", owner="acme")}) as server:
        async with admin_api(settings) as api:
            await add(api, server.root)
            told = await api.ask("POST", "providers/acme/models/sync")
            assert (told["listed"], told["added"]) == (1, ["m-1"])


async def test_a_price_file_is_looked_at_and_taken_in(settings: Settings) -> None:
    prices = {
        "gpt-x": {
            "litellm_provider": "openai",
            "mode": "chat",
            "input_cost_per_token": 1e-6,
            "output_cost_per_token": 2e-6,
        }
    }
    async with admin_api(settings) as api:
        data = orjson.dumps(prices)
        looked = await api.ask("POST", "prices/import?dry_run=true", content=data)
        assert (looked["prices"], (await api.ask("GET", "prices"))["data"]) == (1, [])
        await api.ask("POST", "prices/import?since=2026-11-01", content=data)
        (price,) = (await api.ask("GET", "prices"))["data"]
        assert (price["model"], price["rates"], price["valid_from"]) == (
            "gpt-x",
            {"input_mtok": "1", "output_mtok": "2"},
            "2026-11-01",
        )
        assert (await api.ask("POST", "prices/import?since=2026-11-01", content=data))["changed"] == 0
        await api.ask("POST", "prices/import", content=b"{", status=422)
        await api.ask("POST", "prices/import?since=soon", content=data, status=400)


async def test_newer_prices_are_looked_at_and_then_count(settings: Settings) -> None:
    with serving({"/data.json": price_data("2.5")}) as server:
        refreshed = replace(settings, prices=PriceSettings(url=f"{server.root}/data.json"))
        async with admin_api(refreshed) as api:
            looked = await api.ask("POST", "prices/refresh?dry_run=true")
            assert (looked["dry_run"], looked["is_new"], looked["models"]) == (True, True, 1)
            assert looked["removed"]["count"] > 100
            assert release.active(refreshed.prices_dir) is None
            told = await api.ask("POST", "prices/refresh")
            assert (told["live"], release.applied(refreshed.prices_dir)) == (True, told["revision"])
            found = release.active(refreshed.prices_dir)
            assert found is not None
            assert found.version == told["version"]
            again = await api.ask("POST", "prices/refresh")
            assert (again["is_new"], again["revision"], again["changed"]["count"]) == (False, told["revision"], 0)
            (deed, _) = (await api.ask("GET", "audit?action=refresh"))["data"]
            assert (deed["noun"], deed["object"]) == ("prices", told["version"])


@pytest.mark.parametrize(("answers", "status"), [({}, 502), ({"/data.json": ["no", "prices"]}, 422)])
async def test_prices_that_are_none_change_nothing(settings: Settings, answers: dict[str, Any], status: int) -> None:
    with serving(answers) as server:
        refreshed = replace(settings, prices=PriceSettings(url=f"{server.root}/data.json"))
        async with admin_api(refreshed) as api:
            told = await api.ask("POST", "prices/refresh", status=status)
            assert told["hint"]
            assert release.active(refreshed.prices_dir) is None

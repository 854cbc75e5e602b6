"""Who did what and when: pages in both directions, filters, revisions of every kind, readings of what a call said."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from proxy.settings.database import DatabaseSettings
from proxy.settings.values import Settings
from proxy.store.writing.batches import WriteBatch
from tests.support.admin_api import AdminApi, admin_api
from tests.support.entries import an_entry

ACME = {"name": "acme", "kind": "custom", "base_url": "https://api.acme.example/v1"}
CONTENT = {"messages": [{"role": "user", "content": "{{ text }}"}], "variables": {"text": "string"}}


@pytest.fixture
def settings(tmp_path: Path, store: DatabaseSettings) -> Settings:
    return Settings(data_dir=str(tmp_path), run_dir=str(tmp_path / "run"), database=store)


async def numbers(api: AdminApi, path: str) -> list[int]:
    return [item["number"] for item in (await api.ask("GET", path))["data"]]


@pytest.mark.parametrize("noun", ["revisions", "audit"])
async def test_pages_go_both_ways(settings: Settings, noun: str) -> None:
    async with admin_api(settings) as api:
        for number in range(6):
            await api.ask("POST", "providers", {**ACME, "name": f"p{number}"}, status=201)
        newest = await numbers(api, noun)
        assert len(newest) == 6
        assert newest == sorted(newest, reverse=True)
        assert await numbers(api, f"{noun}?order=asc") == newest[::-1]
        first = await api.ask("GET", f"{noun}?limit=2")
        assert (first["has_more"], first["last_id"]) == (True, str(newest[1]))
        assert await numbers(api, f"{noun}?limit=2&after={newest[1]}") == newest[2:4]
        assert await numbers(api, f"{noun}?limit=2&before={newest[4]}") == newest[2:4]
        assert await numbers(api, f"{noun}?limit=2&before={newest[1]}&order=asc") == [newest[3], newest[2]]
        assert await numbers(api, f"{noun}?after={newest[1]}&before={newest[4]}") == newest[2:4]
        assert (await api.ask("GET", f"{noun}?limit=2&before={newest[2]}"))["has_more"] is False
        told = (await api.ask("GET", f"{noun}?fields=number&limit=1"))["data"]
        assert told == [{"id": str(newest[0]), "number": newest[0]}]


async def test_the_page_before_a_row_ends_right_before_it(settings: Settings) -> None:
    async with admin_api(settings) as api:
        for number in range(5):
            await api.ask("POST", "providers", {**ACME, "name": f"p{number}"}, status=201)
        told = await api.ask("GET", "providers?limit=2&before=p3")
        assert ([item["id"] for item in told["data"]], told["has_more"]) == (["p1", "p2"], True)


async def test_the_audit_log_is_filtered(settings: Settings) -> None:
    async with admin_api(settings) as api:
        await api.ask("POST", "providers", ACME, status=201)
        key = await api.ask("POST", "keys", {"owner": "eu"}, status=201)
        (made,) = (await api.ask("GET", "audit?noun=keys&action=create&actor=loopback"))["data"]
        assert made["object"] == key["id"]
        at = made["at"].replace("+", "%2B")
        assert (await api.ask("GET", f"audit?since={at}"))["data"][0]["noun"] == "keys"
        assert "keys" not in [item["noun"] for item in (await api.ask("GET", f"audit?until={at}"))["data"]]
        assert (await api.ask("GET", "audit?since=2090-01-01"))["data"] == []


async def test_who_takes_the_catalogue_along_is_noted(settings: Settings) -> None:
    async with admin_api(settings) as api:
        await api.ask("GET", "export")
        await api.ask("GET", "export?only=prompts,routes&whole=true")
        deeds = (await api.ask("GET", "audit?action=export&order=asc"))["data"]
        assert [(deed["noun"], deed["object"]) for deed in deeds] == [
            ("catalogue", ""),
            ("catalogue", "prompts,routes"),
        ]


async def test_revisions_of_access_are_listed_where_they_are_asked_for(settings: Settings) -> None:
    async with admin_api(settings) as api:
        await api.ask("POST", "providers", ACME, status=201)
        key = await api.ask("POST", "keys", {"owner": "eu"}, status=201)
        assert key["revision"] not in await numbers(api, "revisions")
        (item,) = (await api.ask("GET", "revisions?kind=access"))["data"]
        assert (item["number"], item["kind"], item["reason"]) == (key["revision"], "access", "keys")
        assert len(await numbers(api, "revisions?kind=access,catalogue")) == 2


async def test_what_a_call_answered_is_shown_where_it_is_asked_for_and_noted(settings: Settings) -> None:
    entry = an_entry()
    said = replace(entry.interaction, prompt_name="short", prompt_version=1)
    async with admin_api(settings) as api:
        await api.ask("POST", "prompts", {"name": "short", "content": CONTENT}, status=201)
        batch = WriteBatch(entries=[("s", replace(entry, interaction=said, output_text="for her eyes"))])
        api.turns.take(lambda writer: writer.write(batch, lambda _: {}))
        shown = await api.ask("GET", "prompts/short")
        assert (shown["calls"], shown["last_call"]) == (1, said.id)
        assert "for her eyes" not in str(shown)
        assert (await api.ask("GET", "audit?action=read_body"))["data"] == []
        assert (await api.ask("GET", "prompts/short?include=last_output"))["last_output"] == "for her eyes"
        (deed,) = (await api.ask("GET", "audit?action=read_body"))["data"]
        assert (deed["noun"], deed["object"], deed["detail"]) == ("interactions", said.id, {"prompt": "short"})

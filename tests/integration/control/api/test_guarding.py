"""What guards a change is looked at where the change is made, also when this host has not heard of the last one yet."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from proxy.settings.credentials import digest
from proxy.settings.database import DatabaseSettings
from proxy.settings.values import Settings
from tests.support.admin_api import PEER, AdminApi, admin_api

ACME = {"name": "acme", "kind": "custom", "base_url": "https://api.acme.example/v1"}
CONTENT = {"messages": [{"role": "user", "content": "{{ text }}"}], "variables": {"text": "string"}}
PROMPT = {"name": "short", "content": CONTENT, "labels": ["production"]}
TOKEN = "dashcam_adm_" + "k3v9" * 8


def host(folder: Path, database: DatabaseSettings, name: str) -> Settings:
    return Settings(data_dir=str(folder / name), run_dir=str(folder / name / "run"), database=database)


@contextlib.asynccontextmanager
async def two_hosts(folder: Path, database: DatabaseSettings) -> AsyncIterator[tuple[AdminApi, AdminApi]]:
    """Two hosts of one database after the first has made something; the second hears of nothing that comes later."""
    async with admin_api(host(folder, database, "a")) as first:
        await first.ask("POST", "providers", ACME, status=201)
        await first.ask("POST", "prompts", PROMPT, status=201)
        async with admin_api(host(folder, database, "b"), beside=first) as second:
            yield first, second


@pytest.mark.parametrize("path", ["providers/acme", "prompts/short"])
async def test_an_old_document_is_neither_changed_nor_deleted(
    tmp_path: Path, store: DatabaseSettings, path: str
) -> None:
    async with two_hosts(tmp_path, store) as (first, second):
        old = {**PEER, "if-match": await second.tag(path)}
        await first.ask("PATCH", path, {"description": "by another host"})
        for method, body in (("PATCH", {"description": "of old"}), ("DELETE", None)):
            told = await second.ask(method, path, body, headers=old, status=412)
            assert told["code"] == "precondition_failed"
        assert (await first.ask("GET", path))["description"] == "by another host"
        await second.ask("DELETE", path, headers={**PEER, "if-match": await first.tag(path)})


async def test_a_change_is_merged_into_what_there_is_now(tmp_path: Path, store: DatabaseSettings) -> None:
    async with two_hosts(tmp_path, store) as (first, second):
        await first.ask("PATCH", "providers/acme", {"description": "by another host"})
        changed = await second.ask("PATCH", "providers/acme", {"max_tokens": 5})
        assert (changed["description"], changed["max_tokens"]) == ("by another host", 5)
        await first.ask("DELETE", "providers/acme")
        await second.ask("PATCH", "providers/acme", {"max_tokens": 6}, status=404)


async def test_a_label_that_was_protected_meanwhile_is_for_an_admin(tmp_path: Path, store: DatabaseSettings) -> None:
    async with two_hosts(tmp_path, store) as (first, second):
        token = (await second.ask("POST", "tokens", {"scope": "write"}, status=201))["token"]
        writer = {**PEER, "authorization": f"Bearer {token}"}
        await second.ask("POST", "tokens", {"scope": "admin"}, status=201)
        await first.ask("PATCH", "prompts/short", {"protected_labels": ["production"]})
        await second.ask("DELETE", "prompts/short", headers=writer, status=422)
        await second.ask("PATCH", "prompts/short", {"protected_labels": []}, headers=writer, status=422)


async def test_of_many_at_once_one_changes_what_all_have_read(tmp_path: Path, store: DatabaseSettings) -> None:
    async with admin_api(host(tmp_path, store, "a")) as api:
        await api.ask("POST", "providers", ACME, status=201)
        tagged = {**PEER, "if-match": await api.tag("providers/acme")}
        asked = [
            api.status("PATCH", "providers/acme", {"description": str(number)}, headers=tagged) for number in range(6)
        ]
        statuses = await asyncio.gather(*asked, api.status("DELETE", "providers/acme", headers=tagged))
        assert sorted(set(statuses)) in ([200, 412], [200, 404])
        assert statuses.count(200) == 1


async def test_two_changes_of_a_key_are_both_kept(tmp_path: Path, store: DatabaseSettings) -> None:
    async with admin_api(host(tmp_path, store, "a")) as api:
        key = (await api.ask("POST", "keys", {"owner": "eu"}, status=201))["id"]
        changes = [{"owner": "us"}, {"note": "ours"}, {"limits": {"requests_per_minute": 5}}]
        await asyncio.gather(*(api.ask("PATCH", f"keys/{key}", body) for body in changes))
        found = await api.ask("GET", f"keys/{key}")
        assert (found["owner"], found["note"], found["limits"]["requests_per_minute"]) == ("us", "ours", 5)


async def test_a_key_is_changed_as_it_was_read_or_not_at_all(tmp_path: Path, store: DatabaseSettings) -> None:
    async with admin_api(host(tmp_path, store, "a")) as api:
        path = f"keys/{(await api.ask('POST', 'keys', {'owner': 'eu'}, status=201))['id']}"
        old = {**PEER, "if-match": await api.tag(path)}
        await api.ask("PATCH", path, {"note": "ours"}, headers=old)
        await api.ask("PATCH", path, {"note": "theirs"}, headers=old, status=412)
        assert (await api.ask("GET", path))["note"] == "ours"


async def test_a_provider_takes_its_sealed_key_along(
    tmp_path: Path, store: DatabaseSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DASHCAM_MASTER_KEY", "k3Y9" * 10)
    async with admin_api(host(tmp_path, store, "a")) as api:
        await api.ask("POST", "providers", ACME, status=201)
        await api.ask("PUT", "providers/acme/key", {"key": "sk-acme-0123456789"})
        await api.ask("DELETE", "providers/acme")
        await api.ask("POST", "providers", ACME, status=201)
        assert (await api.ask("GET", "providers/acme"))["stored_key"] is None
        assert api.publisher.keys() == {}
        deeds = [(item["action"], item["object"]) for item in (await api.ask("GET", "audit?noun=providers"))["data"]]
        assert deeds[1:3] == [("forget_key", "acme"), ("delete", "acme")]


@pytest.mark.parametrize(
    ("path", "headers", "field"),
    [
        ("providers?limit=1&limit=2", {}, "limit"),
        ("providers?colour=1", {}, "colour"),
        ("providers?limit=many", {}, "limit"),
        ("providers?order=up", {}, "order"),
        ("providers?after=nobody", {}, "after"),
        ("audit?since=soon", {}, "since"),
        ("audit?after=x", {}, "after"),
        ("audit?fields=colour", {}, "fields"),
        ("revisions?kind=colour", {}, "kind"),
        ("prompts/short?include=secrets", {}, "include"),
    ],
)
async def test_what_is_wrong_with_a_query_is_named(
    tmp_path: Path, store: DatabaseSettings, path: str, headers: dict[str, str], field: str
) -> None:
    async with admin_api(host(tmp_path, store, "a")) as api:
        await api.ask("POST", "prompts", PROMPT, status=201)
        told = await api.ask("GET", path, headers={**PEER, **headers}, status=400)
        assert [item["field"] for item in told["errors"]] == [field]


async def test_a_length_that_is_no_number_is_refused(tmp_path: Path, store: DatabaseSettings) -> None:
    async with admin_api(host(tmp_path, store, "a")) as api:
        told = await api.ask("POST", "keys", {}, headers={**PEER, "content-length": "many"}, status=400)
        assert told["errors"][0]["field"] == "content-length"


async def test_a_name_that_is_there_twice_is_a_mistake(tmp_path: Path, store: DatabaseSettings) -> None:
    async with admin_api(host(tmp_path, store, "a")) as api:
        kind = {**PEER, "content-type": "application/json"}
        twice = b'{"owner": "eu", "limits": {"concurrent": 1, "concurrent": 2}}'
        told = await api.ask("POST", "keys", content=twice, headers=kind, status=422)
        assert told["errors"] == [{"field": "concurrent", "reason": "is there twice in one object; say it once"}]
        await api.ask("POST", "keys", content=b"[" * 100_000, headers=kind, status=422)


async def test_a_problem_has_the_number_of_its_request(tmp_path: Path, store: DatabaseSettings) -> None:
    async with admin_api(host(tmp_path, store, "a"), digest(TOKEN)) as api:
        for path in ("providers", "nothing/here"):
            answer = await api.answer("GET", path, headers={**PEER, "x-request-id": "mine"})
            assert answer.json()["request_id"] == answer.headers["x-request-id"] != "mine"

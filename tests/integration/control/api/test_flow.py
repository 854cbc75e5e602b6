"""What an administrator does in a day, on each engine: every noun, going back, out and into an empty instance."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from proxy.domain.provider import Provider
from proxy.domain.route import Route, Target
from proxy.settings.database import DatabaseSettings, sqlite_at
from proxy.settings.values import Settings
from proxy.store.migrating.migration import upgrade
from tests.support.admin_api import PEER, AdminApi, admin_api

MASTER = "k3Y9" * 10
ACME = {"name": "acme", "kind": "custom", "base_url": "https://api.acme.example/v1"}
CONTENT = {
    "messages": [{"role": "system", "content": "Be {{ tone }}."}, {"role": "user", "content": "{{ text }}"}],
    "parameters": {"temperature": 0.2},
    "variables": {"tone": {"default": "brief"}, "text": "string"},
}
PRICE = {"model": "m-1", "provider": "acme", "rates": {"input_mtok": "0.1", "output_mtok": "0.2"}}
LIMITS = {"requests_per_minute": 5}
INWARD = {**ACME, "name": "b", "base_url": "http://169.254.169.254/v1"}
BAD = {"messages": [{"role": "user", "content": "{{ a ~ b }}"}]}
LOUD = {**CONTENT, "parameters": {"temperature": 0.9}}


@pytest.fixture
def settings(tmp_path: Path, store: DatabaseSettings) -> Settings:
    return Settings(data_dir=str(tmp_path), run_dir=str(tmp_path / "run"), database=store)


async def names(api: AdminApi, path: str) -> list[str]:
    return [item["id"] for item in (await api.ask("GET", path))["data"]]


async def fill(api: AdminApi) -> None:
    """Make something of everything."""
    await api.ask("POST", "providers", ACME, status=201)
    await api.ask("POST", "models", {"provider": "acme", "name": "org/m-1", "defaults": {"top_p": 0.9}}, status=201)
    await api.ask(
        "POST",
        "prompts",
        {"name": "short", "goal": "Be brief.", "content": CONTENT, "labels": ["production"]},
        status=201,
    )
    await api.ask(
        "POST", "routes", {"name": "summarise", "targets": ["acme/org/m-1"], "prompt": "short@production"}, status=201
    )
    await api.ask("POST", "prices", PRICE, status=201)


async def test_a_day_of_an_administrator(settings: Settings) -> None:
    async with admin_api(settings) as api:
        await fill(api)
        changed = await api.ask("PATCH", "providers/acme", {"first_byte_timeout": 5, "description": "ours"})
        assert (changed["first_byte_timeout"], changed["live"], changed["origin"]) == (5, True, "catalogue")
        assert [item.name for item in api.publisher.snapshot.providers][-1] == "acme"
        first = changed["revision"]
        saved = await api.ask("POST", "prompts/short/versions", {"content": LOUD, "note": "louder"}, status=201)
        assert (saved["version"], saved["is_new"]) == (2, True)
        again = await api.ask("POST", "prompts/short/versions", {"content": LOUD})
        assert (again["version"], again["is_new"]) == (2, False)
        await api.ask("PUT", "prompts/short/labels/production", {"version": 2})
        assert dict(api.publisher.snapshot.prompts[0].labels) == {"production": 2}
        await api.ask("POST", f"revisions/{first}/rollback")
        assert dict(api.publisher.snapshot.prompts[0].labels) == {"production": 1}
        assert (await api.ask("GET", "prompts/short"))["versions"][-1]["number"] == 2
        deeds = [(item["action"], item["noun"]) for item in (await api.ask("GET", "audit?limit=3"))["data"]]
        assert deeds == [("rollback", "revisions"), ("label", "prompts"), ("save", "prompts")]


async def test_out_and_into_an_empty_instance(settings: Settings, tmp_path: Path) -> None:
    async with admin_api(settings) as api:
        await fill(api)
        text = await api.ask("GET", "export")
    other = Settings(
        data_dir=str(tmp_path / "b"), run_dir=str(tmp_path / "b"), database=sqlite_at(tmp_path / "b" / "x.db")
    )
    upgrade(other.database)
    async with admin_api(other) as api:
        looked = await api.ask("POST", "import?dry_run=true", content=text.encode())
        assert (looked["dry_run"], len(looked["changes"])) == (True, 5)
        assert await names(api, "providers") == []
        await api.ask("POST", "import", content=text.encode())
        assert (await api.ask("GET", "providers/acme"))["active"] is False
        await api.ask("PATCH", "providers/acme", {"active": True})
        assert await api.ask("GET", "export") == text


async def test_rendering_shows_what_a_call_would_get(settings: Settings) -> None:
    async with admin_api(settings) as api:
        await fill(api)
        made = await api.ask("POST", "prompts/short/render", {"variables": {"text": "Hi", "x": 1}})
        assert made == {
            "prompt": "short@1",
            "body": {
                "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi"}],
                "temperature": 0.2,
            },
            "unused": ["x"],
        }
        refused = await api.ask("POST", "prompts/short/render", {"variables": {}}, status=422)
        assert refused["errors"][0]["field"] == "variables.text"
        draft = await api.ask("POST", "prompts/short/render", {"content": LOUD, "variables": {"text": "Hi"}})
        assert draft["body"]["temperature"] == 0.9
        # Nothing else is shown in place of a label that stands for nothing: no call would get it.
        unlabelled = {"version": "canary", "variables": {"text": "Hi"}}
        assert "'canary'" in (await api.ask("POST", "prompts/short/render", unlabelled, status=404))["detail"]
        await api.ask("GET", "prompts/short/versions/canary", status=404)


async def test_drafts_copies_and_protected_labels(settings: Settings) -> None:
    async with admin_api(settings) as api:
        await fill(api)
        await api.ask("PUT", "prompts/short/draft", {"content": LOUD})
        assert (await api.ask("GET", "prompts/short/draft"))["content"]["parameters"] == {"temperature": 0.9}
        assert (await api.ask("GET", "prompts/short"))["versions"][-1]["number"] == 1
        await api.ask("DELETE", "prompts/short/draft")
        await api.ask("GET", "prompts/short/draft", status=404)
        await api.ask("POST", "prompts/short/copy", {"name": "shorter", "version": "1"}, status=201)
        assert (await api.ask("GET", "prompts/shorter/versions/1"))["copied_from"] == "short@1"
        await api.ask("PATCH", "prompts/short", {"protected_labels": ["production"]})
        await api.ask("PUT", "prompts/short/labels/production", {"version": "latest"})
        await api.ask("PUT", "prompts/short/labels/latest", {"version": 1}, status=422)


async def test_keys_are_shown_once_replaced_and_revoked(settings: Settings) -> None:
    async with admin_api(settings) as api:
        made = await api.ask(
            "POST", "keys", {"owner": "eu", "limits": LIMITS, "expires_at": "2090-01-01T00:00:00Z"}, status=201
        )
        assert made["key"].startswith("dc_")
        assert made["key"] not in str(await api.ask("GET", "keys"))
        new = await api.ask("POST", f"keys/{made['id']}/rotate", {"overlap_hours": 1}, status=201)
        assert (new["replaces"], new["owner"], new["expires_at"]) == (made["id"], "eu", made["expires_at"])
        assert (await api.ask("GET", f"keys/{made['id']}"))["expires_at"] is not None
        await api.ask("POST", f"keys/{new['id']}/revoke")
        assert [key.id for key in api.publisher.snapshot.keys] == [made["id"]]
        await api.ask("PATCH", f"keys/{made['id']}", {"owner": "us", "limits": None})
        assert (await api.ask("GET", "keys?owner=us"))["data"][0]["limits"] is None


async def test_the_log_names_the_key_or_token_that_was_made(settings: Settings) -> None:
    async with admin_api(settings) as api:
        for noun in ("keys", "tokens"):
            made = await api.ask("POST", noun, {"owner": "eu"}, status=201)
            (deed,) = (await api.ask("GET", f"audit?noun={noun}"))["data"]
            assert (deed["object"], deed["detail"]) == (made["id"], {"owner": "eu"})
            assert deed["at"].endswith("Z")


async def test_what_the_settings_say_is_shown_whole_and_cannot_be_changed(settings: Settings) -> None:
    here = "http://127.0.0.1:9"
    given = Provider(name="given", base_url=f"{here}/v1", root_url=here, kind="custom")
    found = replace(given, name="local", source="found")
    route = Route(model="big", targets=(Target(provider="given", model="m-9"),))
    around = replace(settings, providers=(given,), routes=(route,))
    async with admin_api(around) as api:
        api.publisher.found((found,))
        assert await names(api, "providers?fields=name,active,kind") == ["given", "local"]
        assert await names(api, "providers?active=true&origin=file") == ["given"]
        shown = await api.ask("GET", "providers/given")
        assert (shown["origin"], shown["active"], shown["stored_key"]) == ("file", True, None)
        await api.ask("PATCH", "providers/given", {"active": False}, status=409)
        (target,) = (await api.ask("GET", "routes/big"))["targets"]
        assert (target["provider"], target["model"]) == ("given", "m-9")
        await api.ask("PATCH", "providers/local", {"active": False}, status=404)
        await api.ask("POST", "providers", {**ACME, "name": "local"}, status=201)
        assert await names(api, "providers") == ["local", "given"]
        assert (await api.ask("GET", "providers/local"))["origin"] == "catalogue"


async def test_a_providers_key_is_sealed_and_never_shown(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    async with admin_api(settings) as api:
        await fill(api)
        refused = await api.ask("PUT", "providers/acme/key", {"key": "sk-acme-0123456789"}, status=422)
        assert "DASHCAM_MASTER_KEY" in refused["hint"]
        monkeypatch.setenv("DASHCAM_MASTER_KEY", MASTER)
        for text in ("sk-ü", "sk a", "sk-a\r\nX-B: c", "", "x" * 4097, 5, None):
            told = await api.ask("PUT", "providers/acme/key", {"key": text}, status=422)
            assert ([item["field"] for item in told["errors"]], api.publisher.keys()) == (["key"], {})
        await api.ask("PUT", "providers/acme/key", {"key": "sk-acme-0123456789"})
        shown = await api.ask("GET", "providers/acme")
        assert shown["stored_key"]["last4"] == "6789"
        assert "sk-acme" not in str(shown)
        assert api.publisher.keys() == {"acme": b"sk-acme-0123456789"}
        monkeypatch.setenv("DASHCAM_MASTER_KEY", f"{MASTER[::-1]},{MASTER}")
        assert (await api.ask("POST", "secrets/rotate"))["providers"] == ["acme"]
        monkeypatch.setenv("DASHCAM_MASTER_KEY", MASTER[::-1])
        assert api.publisher.keys() == {"acme": b"sk-acme-0123456789"}
        await api.ask("DELETE", "providers/acme/key")
        assert api.publisher.keys() == {}


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "field"),
    [
        ("POST", "providers", {**ACME, "name": "b", "colour": 1}, 422, "colour"),
        ("POST", "providers", {**ACME, "name": "b", "connect_timeout": "soon"}, 422, "connect_timeout"),
        ("POST", "providers", INWARD, 422, "providers.b.base_url"),
        ("POST", "providers", {**ACME, "name": "b", "headers": {"Authorization": "x"}}, 422, "headers"),
        ("POST", "providers", ACME, 409, None),
        ("POST", "routes", {"name": "x", "targets": ["nobody/m"]}, 422, "routes.x.targets.0.provider"),
        ("POST", "routes", {"name": "x", "targets": ["acme"], "prompt": "none"}, 422, "routes.x.prompt"),
        ("POST", "prices", {**PRICE, "valid_from": "2026-01-01"}, 422, None),
        ("POST", "prompts/short/versions", {"content": BAD}, 422, "content.messages[0].content"),
        ("POST", "prompts/short/copy", {"name": "other", "label": "x"}, 422, "label"),
        ("PUT", "prompts/short/draft", {"content": LOUD, "note": "x"}, 422, "note"),
        ("POST", "prompts/short/render", {"values": {}}, 422, "values"),
        ("PATCH", "prompts/short", {"versions": []}, 422, "versions"),
        ("POST", "prompts/short/versions", {"content": CONTENT, "colour": 1}, 422, "colour"),
        ("DELETE", "prompts/short", None, 422, None),
        ("DELETE", "providers/acme", None, 422, None),
        ("GET", "providers/none", None, 404, None),
        ("GET", "providers?colour=1", None, 400, None),
        ("GET", "providers?limit=0", None, 400, None),
        ("GET", "revisions/99999", None, 404, None),
        ("POST", "keys", {"expires_at": "tomorrow"}, 422, "expires_at"),
        ("POST", "keys", {"expires_at": "2020-01-01T00:00:00Z"}, 422, "expires_at"),
        ("PATCH", "providers/acme", {"name": "other"}, 422, "name"),
    ],
)  # fmt: skip
async def test_bad_input_names_the_field_and_changes_nothing(
    settings: Settings, method: str, path: str, body: Any, status: int, field: str | None
) -> None:
    async with admin_api(settings) as api:
        await fill(api)
        before = api.publisher.snapshot
        told = await api.ask(method, path, body, status=status)
        assert (told["status"], told["title"]) == (status, told["code"].replace("_", " "))
        if field is not None:
            assert field in [item["field"] for item in told["errors"]], told
        assert api.publisher.snapshot == before


@pytest.mark.parametrize(
    ("content", "status"),
    [
        (b"a: &a [*a, *a]\n", 422),
        (b"format: 1\nproviders: {}\n", 422),
        (b"{", 422),
        (b"x" * (10 * 1024 * 1024 + 1), 413),
    ],
)
async def test_a_hostile_bundle_is_refused(settings: Settings, content: bytes, status: int) -> None:
    async with admin_api(settings) as api:
        await api.ask("POST", "import", content=content, status=status)


async def test_who_changes_an_old_document_is_told(settings: Settings) -> None:
    async with admin_api(settings) as api:
        await fill(api)
        tag = await api.tag("providers/acme")
        await api.ask("PATCH", "providers/acme", {"description": "a"}, headers={**PEER, "if-match": tag})
        gone = await api.ask(
            "PATCH", "providers/acme", {"description": "b"}, headers={**PEER, "if-match": tag}, status=412
        )
        assert gone["code"] == "precondition_failed"


async def test_lists_come_in_pages_with_the_fields_that_are_wanted(settings: Settings) -> None:
    async with admin_api(settings) as api:
        for number in range(5):
            await api.ask("POST", "providers", {**ACME, "name": f"p{number}"}, status=201)
        first = await api.ask("GET", "providers?limit=2&fields=kind")
        assert first["data"] == [{"id": "p0", "kind": "custom"}, {"id": "p1", "kind": "custom"}]
        assert (first["has_more"], first["last_id"]) == (True, "p1")
        rest = await api.ask("GET", "providers?after=p1&order=asc")
        assert [item["id"] for item in rest["data"]] == ["p2", "p3", "p4"]
        assert await names(api, "providers?order=desc&limit=1") == ["p4"]
        assert await names(api, "providers?kind=openai") == []

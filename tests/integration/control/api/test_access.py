"""Who may do what: scopes, expiry, throttling, pages of other origins; nothing is open by mistake."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from proxy.control.api.table import ENDPOINTS
from proxy.settings.credentials import digest
from proxy.settings.values import AdminSettings, SecretSettings, Settings
from tests.support.admin_api import PEER, admin_api
from tests.support.fresh_sqlite import fresh_sqlite

TOKEN = "dashcam_adm_" + "k3v9" * 8
AWAY = {"x-dashcam-peer": "10.0.0.1:1;http;public"}


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(data_dir=str(tmp_path), run_dir=str(tmp_path), database=fresh_sqlite(tmp_path / "dashcam.db"))


def bearer(token: str, **more: str) -> dict[str, str]:
    return {**AWAY, "authorization": f"Bearer {token}", **more}


async def test_without_any_token_only_loopback_may_ask(settings: Settings) -> None:
    async with admin_api(settings) as api:
        await api.ask("GET", "providers")
        await api.ask("GET", "providers", headers=AWAY, status=403)


async def test_a_scope_allows_so_much_and_no_more(settings: Settings) -> None:
    provider = {"name": "acme", "kind": "custom", "base_url": "https://api.acme.example/v1"}
    async with admin_api(settings, digest(TOKEN)) as api:
        made = {
            scope: (await api.ask("POST", "tokens", {"scope": scope}, headers=bearer(TOKEN), status=201))["token"]
            for scope in ("read", "write", "admin")
        }
        await api.ask("GET", "providers", headers=bearer(made["read"]))
        told = await api.ask("POST", "providers", provider, headers=bearer(made["read"]), status=403)
        assert told["code"] == "scope_too_narrow"
        await api.ask("POST", "providers", provider, headers=bearer(made["write"]), status=201)
        await api.ask("POST", "keys", {}, headers=bearer(made["write"]), status=403)
        await api.ask("POST", "keys", {}, headers=bearer(made["admin"]), status=201)
        (listed,) = [
            item for item in (await api.ask("GET", "tokens", headers=bearer(TOKEN)))["data"] if item["scope"] == "read"
        ]
        await api.ask("POST", f"tokens/{listed['id']}/revoke", headers=bearer(TOKEN))
        await api.ask("GET", "providers", headers=bearer(made["read"]), status=401)


async def test_nobody_is_locked_out_by_a_token_that_makes_no_administrator(settings: Settings) -> None:
    async with admin_api(settings) as api:
        reading = (await api.ask("POST", "tokens", {"scope": "read"}, status=201))["token"]
        await api.ask("POST", "tokens", {"scope": "admin", "expires_at": "2020-01-01T00:00:00Z"}, status=201)
        await api.ask("GET", "providers", headers=bearer(reading))
        await api.ask("POST", "keys", {}, headers=bearer(reading), status=403)
        await api.ask("GET", "providers", headers=AWAY, status=403)
        await api.ask("POST", "tokens", {"scope": "admin"}, status=201)
        await api.ask("GET", "providers", status=401)


async def test_a_token_that_has_ended_opens_nothing(settings: Settings) -> None:
    async with admin_api(settings, digest(TOKEN)) as api:
        body = {"scope": "read", "expires_at": "2020-01-01T00:00:00Z"}
        token = (await api.ask("POST", "tokens", body, headers=bearer(TOKEN), status=201))["token"]
        await api.ask("GET", "providers", headers=bearer(token), status=401)


async def test_who_guesses_waits_and_who_holds_a_token_never_does(settings: Settings) -> None:
    async with admin_api(settings, digest(TOKEN)) as api:
        for _ in range(10):
            await api.ask("GET", "providers", headers=bearer("x" * 40), status=401)
        told = await api.ask("GET", "providers", headers=bearer("x" * 40), status=429)
        assert told["code"] == "too_many_attempts"
        await api.ask(
            "GET", "providers", headers=bearer("x" * 40, **{"x-dashcam-peer": "10.0.0.2:1;http;p"}), status=401
        )
        await api.ask("GET", "providers", headers=bearer(TOKEN))


async def test_no_number_of_guessers_locks_an_administrator_out(settings: Settings) -> None:
    async with admin_api(settings, digest(TOKEN)) as api:
        for number in range(300):
            peer = {"x-dashcam-peer": f"10.1.{number // 250}.{number % 250}:1;http;public"}
            await api.ask("GET", "providers", headers=bearer("x" * 40, **peer), status=401)
        await api.ask("GET", "providers", headers=bearer(TOKEN))


async def test_failed_logins_are_in_the_audit_log_as_one_row_of_a_place(settings: Settings) -> None:
    async with admin_api(settings, digest(TOKEN)) as api:
        guess = "dashcam_adm_" + "b" * 40
        for number in range(30):
            peer = {"x-dashcam-peer": f"2001:db8:0:1::{number:x}:1;http;public"}
            await api.ask("GET", "providers", headers=bearer(guess, **peer), status=401 if number < 10 else 429)
        api.logins.flush()
        (row,) = (await api.ask("GET", "audit?action=login&outcome=refused", headers=bearer(TOKEN)))["data"]
        assert (row["actor"], row["outcome"], row["source"]) == ("unknown", "refused", "2001:db8:0:1::1d")
        assert row["detail"] == {"failures": 30, "reason": "wrong_token", "token": "dashcam_adm_bbbb…"}


async def test_a_known_token_that_opens_too_little_is_in_the_audit_log_by_its_id(settings: Settings) -> None:
    async with admin_api(settings, digest(TOKEN)) as api:
        made = await api.ask("POST", "tokens", {"scope": "read"}, headers=bearer(TOKEN), status=201)
        await api.ask("POST", "keys", {}, headers=bearer(made["token"]), status=403)
        api.logins.flush()
        told = (await api.ask("GET", "audit?action=login", headers=bearer(TOKEN)))["data"]
        assert sorted((item["actor"], item["outcome"]) for item in told) == [("admin", "done"), (made["id"], "refused")]
        (row,) = (item for item in told if item["outcome"] == "refused")
        assert (row["actor"], row["detail"]["reason"]) == (made["id"], "scope_too_narrow")
        assert made["token"] not in str(row)


@pytest.mark.parametrize(
    "headers", [{"origin": "https://evil.example"}, {"sec-fetch-site": "cross-site"}, {"origin": "http://[x"}]
)
async def test_a_web_page_of_another_origin_changes_nothing(settings: Settings, headers: dict[str, str]) -> None:
    async with admin_api(settings) as api:
        told = await api.ask("POST", "keys", {}, headers={**PEER, **headers}, status=403)
        assert told["code"] == "cross_site"


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""])
async def test_what_a_page_may_send_without_asking_is_no_json(settings: Settings, kind: str) -> None:
    async with admin_api(settings) as api:
        headers = {**PEER, **({"content-type": kind} if kind else {})}
        told = await api.ask("POST", "keys", content=b'{"owner":"kim"}', headers=headers, status=400)
        assert "application/json" in told["detail"]
        assert (await api.ask("GET", "keys"))["data"] == []


@pytest.mark.parametrize(("origin", "status"), [("http://box.example:8484", 201), ("http://box.example:3000", 403)])
async def test_a_page_of_ours_may_change_what_its_reader_may(settings: Settings, origin: str, status: int) -> None:
    async with admin_api(settings) as api:
        led_to = {"x-forwarded-host": "Box.example:8484", "origin": origin, "sec-fetch-site": "same-origin"}
        await api.ask("POST", "keys", {}, headers={**PEER, **led_to}, status=status)


def test_what_changes_something_needs_more_than_reading() -> None:
    trying = {"prompts/{name}/render", "redaction/test"}
    open_changes = {item.path for item in ENDPOINTS if item.method != "GET" and item.scope == "read"}
    assert open_changes == trying
    assert len({(item.method, item.path) for item in ENDPOINTS}) == len(ENDPOINTS)


def test_what_opens_or_erases_is_for_administrators() -> None:
    """Exactly these: whoever moves one of them says so here."""
    found = {f"{item.method} {item.path}" for item in ENDPOINTS if item.scope == "admin"}
    access = {
        "GET audit", "GET tokens", "GET tokens/{name}", "POST tokens", "POST tokens/{name}/revoke", "POST keys",
        "PATCH keys/{name}", "POST keys/{name}/revoke", "POST keys/{name}/rotate", "PUT providers/{name}/key",
        "DELETE providers/{name}/key", "POST secrets/rotate",
    }  # fmt: skip
    erasing = {
        "POST purge", "POST anonymise", "GET purges/{number:int}", "POST purges/{number:int}", "POST prune",
        "POST interactions/delete", "POST interactions/redact", "POST interactions/{name}/redact",
        "DELETE interactions/{name}",
    }  # fmt: skip
    assert found == access | erasing | {"POST import", "POST revisions/{number:int}/rollback"}


async def test_where_keys_may_not_lie_in_the_database_none_is_taken(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DASHCAM_MASTER_KEY", "k3Y9" * 10)
    provider = {"name": "acme", "kind": "custom", "base_url": "https://api.acme.example/v1"}
    async with admin_api(replace(settings, secrets=SecretSettings(sealed=False))) as api:
        await api.ask("POST", "providers", provider, status=201)
        told = await api.ask("PUT", "providers/acme/key", {"key": "sk-acme-0123456789"}, status=422)
        assert "secrets.sealed is off" in told["errors"][0]["reason"]
        assert "0123456789" not in str(told)
        assert api.publisher.state is not None
        assert api.publisher.state.secrets == {}
        (noted,) = (await api.ask("GET", "audit?action=store_key"))["data"]
        assert (noted["object"], noted["outcome"], noted["detail"]) == ("acme", "refused", {"code": "invalid"})
        monkeypatch.delenv("DASHCAM_MASTER_KEY")
        await api.ask("POST", "secrets/rotate", status=422)
        assert [row["outcome"] for row in (await api.ask("GET", "audit?action=rotate"))["data"]] == ["refused"]


async def test_a_key_that_was_replaced_gives_its_own_end_on_and_not_that_of_the_overlap(settings: Settings) -> None:
    async with admin_api(settings) as api:
        for end in (None, "2090-01-01T00:00:00Z"):
            first = (await api.ask("POST", "keys", {"expires_at": end}, status=201))["id"]
            second = await api.ask("POST", f"keys/{first}/rotate", {"overlap_hours": 1}, status=201)
            assert (await api.ask("GET", f"keys/{first}"))["expires_at"] not in (None, end)
            again = await api.ask("POST", f"keys/{first}/rotate", {"overlap_hours": 1}, status=201)
            assert (second["expires_at"], again["expires_at"]) == (end, end)


async def test_where_a_token_is_required_loopback_needs_one_too(settings: Settings) -> None:
    async with admin_api(replace(settings, admin=AdminSettings(require_token=True))) as api:
        told = await api.ask("GET", "providers", status=401)
        assert told["code"] == "unauthorised"


async def test_a_key_says_how_much_is_kept_of_its_calls_and_what_is_taken_out(settings: Settings) -> None:
    async with admin_api(settings) as api:
        body = {"owner": "kim", "recording": "meta", "redaction": ["email"]}
        made = await api.ask("POST", "keys", body, status=201)
        found = await api.ask("GET", f"keys/{made['id']}")
        assert (found["recording"], found["redaction"]) == ("meta", ["email"])
        changed = await api.ask("PATCH", f"keys/{made['id']}", {"recording": None, "redaction": ["phone"]})
        assert (changed["recording"], changed["redaction"], changed["owner"]) == (None, ["phone"], "kim")
        rotated = await api.ask("POST", f"keys/{made['id']}/rotate", {}, status=201)
        assert rotated["redaction"] == ["phone"]
        told = await api.ask("POST", "keys", {"redaction": ["email", "ticket"]}, status=422)
        assert told["errors"][0]["field"] == "redaction.1"
        await api.ask("PATCH", f"keys/{made['id']}", {"recording": "some"}, status=422)

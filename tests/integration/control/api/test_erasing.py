"""Erasing over the API: what was meant goes, and nothing before somebody has said so twice."""

from __future__ import annotations

import secrets
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from proxy.control.api import erasing
from proxy.settings.database import DatabaseSettings
from proxy.settings.values import Settings
from proxy.store.writing.batches import WriteBatch
from tests.support.admin_api import AdminApi, admin_api
from tests.support.entries import an_entry
from tests.support.rollups import assert_rollups_equal_the_rows

NOBODY = "00000000-0000-7000-8000-000000000000"


@pytest.fixture
def settings(tmp_path: Path, store: DatabaseSettings) -> Settings:
    return Settings(data_dir=str(tmp_path), run_dir=str(tmp_path / "run"), database=store)


@pytest.fixture(autouse=True)
def _time_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    """A request works until all is done, however busy the machine is that it is tried on."""
    monkeypatch.setattr(erasing, "SECONDS", 60.0)


def record(api: AdminApi, **changes: Any) -> str:
    entry = an_entry(**changes)
    api.turns.take(lambda writer: writer.write(WriteBatch(entries=[("s", entry)]), lambda _: {}))
    return entry.interaction.id


async def ids(api: AdminApi) -> set[str]:
    return {row["id"] for row in (await api.ask("GET", "interactions"))["data"]}


async def test_a_purge_counts_first_and_is_audited(settings: Settings, store: DatabaseSettings) -> None:
    async with admin_api(settings) as api:
        kims, other = record(api, user_id="kim"), record(api, user_id="lee")
        told = await api.ask("POST", "purge", {"user": "kim"})
        assert told == {"dry_run": True, "number": None, "kind": "purge", "calls": 1, "is_finished": False}
        assert await ids(api) == {kims, other}
        told = await api.ask("POST", "purge", {"user": "kim", "dry_run": False})
        assert (told["calls"], told["is_finished"]) == (1, True)
        assert await ids(api) == {other}
        late = record(api, user_id="kim")
        assert late not in await ids(api)
        assert (await api.ask("GET", f"purges/{told['number']}"))["calls"] == 2
        deeds = (await api.ask("GET", "audit?noun=interactions"))["data"]
        assert [(deed["action"], deed["object"]) for deed in deeds] == [("purge", str(told["number"]))]
        assert "kim" not in str(deeds), "who was erased is not written down anew"
        assert_rollups_equal_the_rows(store)


async def test_nothing_is_erased_by_words_of_a_sealed_record(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DASHCAM_MASTER_KEY", secrets.token_hex(32))
    sealing = replace(settings, database=replace(settings.database, seal=True))
    async with admin_api(sealing) as api:
        for dry_run in (True, False):
            told = await api.ask("POST", "purge", {"q": "refund", "dry_run": dry_run}, status=400)
            assert "the record is sealed" in told["detail"]
        assert (await api.ask("POST", "purge", {"q": "model:x", "dry_run": False}))["is_finished"]


async def test_one_that_takes_long_goes_on_by_its_number(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(erasing, "SECONDS", 0.0)
    async with admin_api(settings) as api:
        record(api, user_id="kim")
        told = await api.ask("POST", "purge", {"everything": True, "dry_run": False})
        assert (told["calls"], told["is_finished"]) == (0, False)
        monkeypatch.setattr(erasing, "SECONDS", 60.0)
        told = await api.ask("POST", f"purges/{told['number']}")
        assert (told["calls"], told["is_finished"]) == (1, True)
        assert await ids(api) == set()
        assert await api.status("POST", "purges/999999") == 404
        assert await api.status("GET", f"purges/{2**70}") == 404


async def test_single_calls_are_audited_by_one_row_whatever_their_number(settings: Settings) -> None:
    async with admin_api(settings) as api:
        calls = [record(api) for _ in range(4)]
        await api.ask("DELETE", f"interactions/{calls[0]}")
        await api.ask("POST", "interactions/redact", {"ids": calls[1:3]})
        await api.ask("POST", "interactions/delete", {"ids": [*calls[1:], NOBODY]})
        await api.ask("POST", "interactions/delete", {"ids": [NOBODY]})
        deeds = (await api.ask("GET", "audit?noun=interactions"))["data"]
        told = [(deed["action"], deed["object"], deed["detail"]) for deed in reversed(deeds)]
        assert told == [
            ("delete", calls[0], {"calls": "1"}), ("redact", "", {"calls": "2"}), ("delete", "", {"calls": "3"}),
        ]  # fmt: skip


@pytest.mark.parametrize("asked", ["purge", "interactions/delete", "interactions/redact"])
async def test_what_was_said_is_in_no_file_once_it_is_answered(settings: Settings, tmp_path: Path, asked: str) -> None:
    """Of a file: neither in it nor in its log, though nobody looks after it meanwhile."""
    secret = b"the canary sings at dawn"
    async with admin_api(settings) as api:
        call = record(api, input_preview=secret.decode(), user_id="kim")
        said = {"user": "kim", "dry_run": False} if asked == "purge" else {"ids": [call]}
        await api.ask("POST", asked, said)
        assert files_with(tmp_path, secret) == []


def files_with(folder: Path, text: bytes) -> list[str]:
    return [path.name for path in folder.rglob("*.db*") if path.is_file() and text in path.read_bytes()]


async def test_one_call_and_many(settings: Settings, store: DatabaseSettings) -> None:
    async with admin_api(settings) as api:
        calls = [record(api, input_preview="said") for _ in range(4)]
        assert await api.ask("DELETE", f"interactions/{calls[0]}") == {"deleted": [calls[0]], "missing": []}
        assert await api.status("DELETE", f"interactions/{calls[0]}") == 404
        told = await api.ask("POST", "interactions/delete", {"ids": [calls[1].upper(), NOBODY]})
        assert told == {"deleted": [calls[1]], "missing": [NOBODY]}
        assert await api.ask("POST", f"interactions/{calls[2]}/redact") == {"redacted": [calls[2]], "missing": []}
        await api.ask("POST", "interactions/redact", {"ids": [calls[2], calls[3]]})
        for call in calls[2:]:
            row = await api.ask("GET", f"interactions/{call}")
            assert (row["input_preview"], row["cost_pico_usd"]) == (None, 2_500_000)
        assert await api.status("POST", "interactions/delete", {"ids": [NOBODY] * 1001}) == 422
        assert await api.status("POST", "interactions/delete", {"ids": ["last"]}) == 422
        assert_rollups_equal_the_rows(store)


async def test_users_become_pseudonyms(settings: Settings) -> None:
    async with admin_api(settings) as api:
        calls = [record(api, user_id=user, session_id="s") for user in ("kim", "kim", "lee")]
        await api.ask("POST", "anonymise", {"everything": True, "pseudonyms": True, "dry_run": False})
        rows = [await api.ask("GET", f"interactions/{call}") for call in calls]
        names = [row["user_id"] for row in rows]
        assert names[0] == names[1] != names[2]
        assert all(name.startswith("anonymous-") for name in names)
        assert [row["session_id"] for row in rows] == [None] * 3


@pytest.mark.parametrize(
    ("body", "status", "field"),
    [
        ({}, 422, "q"),
        ({"dry_run": False}, 422, "q"),
        ({"everything": True, "user": "kim"}, 422, "everything"),
        ({"user": ""}, 422, "user"),
        ({"q": "nonsense:x"}, 400, "q"),
        ({"since": "whenever"}, 400, "since"),
        ({"all": True}, 422, "all"),
    ],
)
async def test_what_says_nothing_erases_nothing(
    settings: Settings, body: dict[str, Any], status: int, field: str
) -> None:
    async with admin_api(settings) as api:
        call = record(api, user_id="kim")
        told = await api.ask("POST", "purge", body, status=status)
        assert told["errors"][0]["field"] == field
        assert await ids(api) == {call}

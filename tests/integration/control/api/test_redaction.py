"""Redaction as the admin API shows it: which patterns there are, and a text to try them on."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from proxy.domain.redaction import OwnPattern, RedactionRules
from proxy.settings.values import Settings
from tests.support.admin_api import admin_api
from tests.support.fresh_sqlite import fresh_sqlite
from tests.support.redacting import CANARIES, events

RULES = RedactionRules(patterns=("email",), own=(OwnPattern(name="ticket", pattern="T-[0-9]+"),), max_bytes=5000)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    made = Settings(data_dir=str(tmp_path), run_dir=str(tmp_path), database=fresh_sqlite(tmp_path / "dashcam.db"))
    return replace(made, redaction=RULES)


async def test_patterns_are_listed_with_what_they_mean(settings: Settings) -> None:
    async with admin_api(settings) as api:
        found = await api.ask("GET", "redaction")
        assert found["max_bytes"] == 5000
        rows = {row["name"]: row for row in found["patterns"]}
        assert rows.keys() == {*CANARIES, "ticket"}
        assert [name for name, row in rows.items() if row["is_on"]] == ["email"]
        assert [name for name, row in rows.items() if row["is_own"]] == ["ticket"]


async def test_a_text_is_tried_and_leaves_nothing_behind(settings: Settings) -> None:
    text = f"{CANARIES['email']} {CANARIES['phone']} T-12 X-9"
    async with admin_api(settings) as api:
        found = await api.ask("POST", "redaction/test", {"text": text})
        assert found["text"] == text.replace(CANARIES["email"], "[redacted:email]")
        assert found["taken"] == [{"pattern": "email", "text": CANARIES["email"]}]
        assert found["milliseconds"] > 0
        body = {"text": text, "patterns": ["phone", "ticket"], "own": {"other": "X-[0-9]"}}
        found = await api.ask("POST", "redaction/test", body)
        assert found["text"] == f"{CANARIES['email']} [redacted:phone] [redacted:ticket] [redacted:other]"
        assert set(found["patterns"]) == {"other", "phone", "ticket"}
        found = await api.ask("POST", "redaction/test", {"text": "x" * 5001})
        assert found["text"] is None
    assert CANARIES["email"].encode() not in everything_in(Path(settings.data_dir))


def everything_in(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())


async def test_json_and_events_are_read_as_they_are_meant(settings: Settings) -> None:
    async with admin_api(settings) as api:
        said = json.dumps({"a": CANARIES["email"]}).replace("@", "\\u0040")
        found = await api.ask("POST", "redaction/test", {"text": said})
        assert json.loads(found["text"]) == {"a": "[redacted:email]"}
        halves = events([CANARIES["email"][:5], CANARIES["email"][5:]]).decode()
        found = await api.ask("POST", "redaction/test", {"text": halves})
        assert found["text"] == events(["[redacted:email]", ""]).decode()


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"text": "x", "own": {"bad": "("}}, "own"),
        ({"text": "x", "own": {"email": "x"}}, "own"),
        ({"text": "x", "patterns": ["nothing"]}, "patterns"),
        ({"text": "x" * (1024 * 1024 + 1)}, "text"),
        ({}, "text"),
    ],
)
async def test_what_cannot_be_tried_is_refused_with_its_place(
    settings: Settings, body: dict[str, object], field: str
) -> None:
    async with admin_api(settings) as api:
        told = await api.ask("POST", "redaction/test", body, status=422)
        assert told["errors"][0]["field"].startswith(field)

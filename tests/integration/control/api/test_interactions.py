"""Calls over the API: pages both ways, every filter, one call with what was asked for, and readings that are noted."""

from __future__ import annotations

import base64
import contextlib
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from proxy.control.api import interaction_replies as replies
from proxy.control.api import interactions
from proxy.control.api.interactions import LISTED
from proxy.domain.cost import Price
from proxy.domain.interaction import Entry
from proxy.domain.outcome import Outcome
from proxy.query.fields import FIELDS
from proxy.settings.database import DatabaseSettings, sqlite_at
from proxy.settings.values import Settings
from proxy.store.migrating.migration import upgrade
from proxy.store.schema.rows import COLUMNS
from proxy.store.writing.batches import WriteBatch
from tests.support.admin_api import AdminApi, admin_api
from tests.support.entries import STARTED_AT, an_entry

ENTRIES = [
    an_entry(model=f"m{number}", started_at=STARTED_AT + number // 2 * 1000, user_id="kim", metadata={"team": "eu"})
    for number in range(6)
]
IDS = [
    entry.interaction.id for entry in sorted(ENTRIES, key=lambda one: (one.interaction.started_at, one.interaction.id))
]
"""Two calls of each instant, the oldest first."""
NEWEST = IDS[::-1]
MISTAKES = [
    ("nope=1", "nope", "limit, after, before, order, fields, count, q, status"),
    ("nope=1", "nope", "metadata[KEY]"),
    ("metadata=1", "metadata", "metadata[KEY]"),
    ("metadata[]=1", "metadata[]", "metadata[KEY]"),
    ("outcome=compelted", "outcome", "did you mean completed?"),
    ("outcome=compelted", "outcome", "upstream_unreachable"),
    ("latency=2", "latency", "200ms"),
    ("q=modle:x", "q", "did you mean model?"),
    ("q=modle:x", "q", "cost_status"),
    ('q="', "q", "not closed"),
    ("fields=body", "fields", "input_preview"),
    ("limit=0", "limit", "1 to 500"),
    ("order=newest", "order", "asc or desc"),
    ("after=last", "after", "no call on record"),
    (f"after={STARTED_AT}", "after", "no call on record"),
    ("count=maybe", "count", "true or false"),
    ("model=a&model=b", "model", "twice"),
    (f"q={'a' * 2001}", "q", "more than 2000 characters"),
    (f"q={'a ' * 31}", "q", "more than 30"),
    (f"metadata[{'k' * 101}]=a", "metadata", "100 characters"),
]


@pytest.fixture
def settings(tmp_path: Path, store: DatabaseSettings) -> Settings:
    return Settings(data_dir=str(tmp_path), run_dir=str(tmp_path / "run"), database=store)


@contextlib.asynccontextmanager
async def filled(settings: Settings, *entries: Entry) -> AsyncIterator[AdminApi]:
    async with admin_api(settings) as api:
        batch = WriteBatch(entries=[("s", entry) for entry in entries or ENTRIES])
        api.turns.take(lambda writer: writer.write(batch, lambda _: {}))
        yield api


async def ids(api: AdminApi, query: str) -> list[str]:
    return [item["id"] for item in (await api.ask("GET", f"interactions?{query}"))["data"]]


def test_the_description_has_every_column() -> None:
    assert set(replies.InteractionRow.model_fields) == set(LISTED)
    assert set(COLUMNS) <= set(replies.Interaction.model_fields)


async def test_pages_go_both_ways(settings: Settings) -> None:
    async with filled(settings) as api:
        first = await api.ask("GET", "interactions?limit=2")
        assert ([item["id"] for item in first["data"]], first["has_more"]) == (NEWEST[:2], True)
        assert (first["first_id"], first["last_id"]) == (NEWEST[0], NEWEST[1])
        assert await ids(api, f"limit=3&after={NEWEST[1]}") == NEWEST[2:5]
        assert await ids(api, f"limit=2&before={NEWEST[4]}") == NEWEST[2:4]
        assert await ids(api, f"after={NEWEST[0]}&before={NEWEST[4]}") == NEWEST[1:4]
        assert await ids(api, "order=asc") == IDS
        assert await ids(api, f"order=asc&limit=2&after={IDS[0]}") == IDS[1:3]
        assert await ids(api, f"order=asc&limit=2&before={IDS[4]}") == IDS[2:4]
        last = await api.ask("GET", f"interactions?after={NEWEST[5].upper()}")
        assert (last["data"], last["has_more"], last["last_id"]) == ([], False, None)


async def test_fields_and_counts_come_where_they_are_asked_for(settings: Settings) -> None:
    async with filled(settings) as api:
        told = await api.ask("GET", "interactions?fields=model,success&limit=1&count=true")
        assert told["data"] == [{"id": NEWEST[0], "model": told["data"][0]["model"], "success": True}]
        assert (told["count"], told["count_is_whole"]) == (6, True)
        assert "count" not in await api.ask("GET", "interactions?limit=1")
        assert (await api.ask("GET", "interactions?model=m3&count=true"))["count"] == 1


async def test_counting_ends_at_a_bound(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(interactions, "_MOST_COUNTED", 4)
    async with filled(settings) as api:
        told = await api.ask("GET", "interactions?count=true&limit=1")
        assert (told["count"], told["count_is_whole"]) == (4, False)


async def test_every_filter_is_a_key_of_its_own_and_part_of_a_query(settings: Settings) -> None:
    samples = {"has": "user", "since": "7d", "until": "7d", "status": ">=400", "id": "0199aaaa", "stream": "yes"}
    async with filled(settings) as api:
        for name, field in FIELDS.items():
            value = samples.get(name) or (
                field.words[0] if field.words else "1s" if field.kind.name == "DURATION" else "1"
            )
            await api.ask("GET", f"interactions?{name}={value}")
            await api.ask("GET", f"interactions?q={name}:{value}")
        assert await ids(api, "q=model:m1,m2 user:kim&metadata[team]=eu&provider=openai") == [
            item for item in NEWEST if item in await ids(api, "model=m1,m2")
        ]
        assert await ids(api, "metadata[team]=us") == []
        assert len(await ids(api, "q=asked")) == 6


async def test_what_is_not_understood_is_told_with_what_there_is(settings: Settings) -> None:
    async with filled(settings) as api:
        for query, field, words in MISTAKES:
            told = await api.ask("GET", f"interactions?{query}", status=400)
            assert told["errors"][0]["field"] == field
            assert words in f"{told['detail']} {told.get('hint')}"


async def test_a_question_that_takes_too_long_is_cut_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    database = sqlite_at(tmp_path / "dashcam.db")
    upgrade(database)
    monkeypatch.setattr("proxy.store.engines.sqlite.BOUND_STEPS", 1)
    async with filled(Settings(data_dir=str(tmp_path), run_dir=str(tmp_path), database=database)) as api:
        # The time that there was is over before the first step.
        monkeypatch.setattr(interactions, "_COUNT_SECONDS", -1.0)
        told = await api.ask("GET", "interactions?count=true")
        assert (len(told["data"]), told["count"], told["count_is_whole"]) == (6, None, False)
        monkeypatch.setattr(interactions, "SECONDS", -1.0)
        told = await api.ask("GET", "interactions?q=asked", status=400)
        assert told["code"] == "query_too_slow"
        assert "since" in told["hint"]


async def test_one_call_has_what_is_asked_for_and_each_reading_is_noted(settings: Settings) -> None:
    price = Price(id="p1", provider="openai", model="gpt-5", tier="standard", rates={"input": "1"}, source="x",
                  source_version="1", valid_from=None)  # fmt: skip
    entry = replace(an_entry(b'{"for":"her eyes"}', b"\xff\x00", price_id="p1"), price=price)
    identity = entry.interaction.id
    async with filled(settings, entry) as api:
        plain = await api.ask("GET", f"interactions/{identity}")
        assert (plain["id"], plain["price"]["rates"], plain["attempts_made"]) == (identity, {"input": "1"}, [])
        assert "eyes" not in str(plain)
        assert (await api.ask("GET", "audit?action=read_body"))["data"] == []
        whole = await api.ask("GET", f"interactions/{identity}?include=request_body,response_body,texts")
        assert (whole["request_body"]["content"], whole["request_body"]["encoding"]) == ('{"for":"her eyes"}', "utf-8")
        assert base64.b64decode(whole["response_body"]["content"]) == b"\xff\x00"
        assert (whole["input_text"], whole["output_text"]) == ("asked", "answered")
        (deed,) = (await api.ask("GET", "audit?action=read_body"))["data"]
        assert (deed["object"], deed["detail"]) == (identity, {"parts": "request_body,response_body,texts"})
        assert (await api.ask("GET", "interactions/last"))["id"] == identity
        assert (await api.ask("GET", f"interactions/{identity[:13]}"))["id"] == identity


async def test_of_a_call_without_bodies_no_reading_is_noted(settings: Settings) -> None:
    entry = replace(an_entry(outcome=Outcome.REJECTED), request=None, response=None, input_text=None, output_text=None)
    async with filled(settings, entry) as api:
        told = await api.ask("GET", f"interactions/{entry.interaction.id}?include=request_body,texts")
        assert (told["request_body"], told["input_text"]) == (None, None)
        assert (await api.ask("GET", "audit?action=read_body"))["data"] == []


async def test_one_that_is_not_there(settings: Settings) -> None:
    async with filled(settings) as api:
        for path, status in (("0" * 8, 404), ("zzz", 404), ("last?include=all", 400), ("last-9", 404)):
            told: Any = await api.ask("GET", f"interactions/{path}", status=status)
            assert told.get("hint") or told["errors"]


async def test_a_reader_may_read_and_nobody_else(settings: Settings) -> None:
    async with filled(settings) as api:
        away = {"x-dashcam-peer": "192.0.2.7:5000;http;public"}
        assert await api.status("GET", "interactions", headers=away) in (401, 403)
        token = (await api.ask("POST", "tokens", {"scope": "read"}, status=201))["token"]
        assert await api.status("GET", "interactions/last", headers={**away, "authorization": f"Bearer {token}"}) == 200

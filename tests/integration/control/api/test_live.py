"""The live API: events in the form of server-sent events, refusals before they begin, readings that are noted."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest

from proxy.control.api.live import USUAL
from proxy.control.live import feed as feeding
from proxy.control.live.feed import Feed
from proxy.settings.database import DatabaseSettings
from proxy.settings.values import Settings
from proxy.store.writing.batches import WriteBatch
from proxy.store.writing.writer import StoreWriter
from tests.support.admin_api import PEER, AdminApi, admin_api
from tests.support.entries import an_entry

ENTRIES = [an_entry(user_id="kim"), an_entry(user_id="kim", input_preview="asked"), an_entry(user_id="lee")]
IDS = [entry.interaction.id for entry in ENTRIES]
MISTAKES = [
    ("live?q=modle:x", "q"),
    ("live?nope=1", "nope"),
    ("live?seconds=0", "seconds"),
    ("live?after=last", "after"),
    ("live?fields=body", "fields"),
    ("live?include=bodies", "include"),
    ("live?limit=2", "limit"),
]


@pytest.fixture
def settings(tmp_path: Path, store: DatabaseSettings) -> Settings:
    return Settings(data_dir=str(tmp_path), run_dir=str(tmp_path / "run"), database=store)


def fill(api: AdminApi) -> None:
    for batch in [WriteBatch(entries=[("s", entry)]) for entry in ENTRIES]:
        api.turns.take(partial(StoreWriter.write, batch=batch, totals_of=lambda _: {}))


async def test_ends_are_told_from_the_one_that_was_told_last(settings: Settings) -> None:
    async with admin_api(settings, feed=Feed(settings.database)) as api:
        fill(api)
        answer = await api.answer("GET", "live?seconds=1&user=kim", headers={**PEER, "last-event-id": IDS[0]})
        assert answer.headers["content-type"].startswith("text/event-stream")
        assert answer.headers["cache-control"] == "no-store"
        names = [line for line in answer.text.split("\n") if line.startswith(("event: ", "id: "))]
        assert names == ["event: hello", "event: end", f"id: {IDS[1]}", "event: closing"]
        assert '"user_id":"kim"' in answer.text
        assert "_preview" not in answer.text
        assert [deed["action"] for deed in (await api.ask("GET", "audit"))["data"]] == []


async def test_texts_are_told_where_they_are_asked_for_and_noted(settings: Settings) -> None:
    async with admin_api(settings, feed=Feed(settings.database)) as api:
        fill(api)
        answer = await api.answer("GET", f"live?seconds=1&include=texts&fields=model,input_preview&after={IDS[0]}")
        assert answer.text.count('"input_text":"asked"') == 2
        assert '"input_preview":"asked"' in answer.text
        (deed,) = (await api.ask("GET", "audit?action=read_body"))["data"]
        assert (deed["noun"], deed["detail"]) == ("live", {"calls": "2"})


@pytest.mark.parametrize(("path", "field"), MISTAKES)
async def test_mistakes_are_told_before_anything_is_sent(settings: Settings, path: str, field: str) -> None:
    async with admin_api(settings, feed=Feed(settings.database)) as api:
        told = await api.ask("GET", path, status=400)
        assert told["errors"][0]["field"] == field


async def test_too_many_are_refused_and_without_a_dashcam_nothing_is_live(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feeding, "MOST_LISTENERS", 0)
    async with admin_api(settings, feed=Feed(settings.database)) as api:
        assert (await api.ask("GET", "live", status=503))["code"] == "too_many_listeners"
    async with admin_api(settings) as api:
        assert (await api.ask("GET", "live", status=502))["code"] == "unreachable"


async def test_who_may_not_read_may_not_listen(settings: Settings) -> None:
    async with admin_api(settings, feed=Feed(settings.database)) as api:
        assert await api.status("GET", "live", headers={"x-dashcam-peer": "203.0.113.5:1;http;public"}) == 403


def test_no_text_is_told_unasked() -> None:
    assert not {"input_preview", "output_preview", "prompt_variables"} & set(USUAL)

"""Feedback over the API: on calls that are there, that will be, and on sessions; scores follow whatever happens."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from proxy.domain.redaction import RedactionRules
from proxy.domain.route import Route, Target
from proxy.settings.database import DatabaseSettings
from proxy.settings.values import Settings
from proxy.store.changes import feedback
from proxy.store.writing.batches import WriteBatch
from tests.support.admin_api import AdminApi, admin_api
from tests.support.entries import an_entry
from tests.support.redacting import CANARIES

OWN = "5f1d7a52-0f7e-4d55-9d5b-3b1f0c2a7e11"


@pytest.fixture
def settings(tmp_path: Path, store: DatabaseSettings) -> Settings:
    return Settings(data_dir=str(tmp_path), run_dir=str(tmp_path / "run"), database=store)


@contextlib.asynccontextmanager
async def serving(settings: Settings) -> AsyncIterator[AdminApi]:
    async with admin_api(settings) as api:
        yield api


def record(api: AdminApi, **changes: Any) -> str:
    entry = an_entry(**changes)
    api.turns.take(lambda writer: writer.write(WriteBatch(entries=[("s", entry)]), lambda _: {}))
    return entry.interaction.id


async def score(api: AdminApi, call: str) -> tuple[float | None, int]:
    found = await api.ask("GET", f"interactions/{call}")
    return found["score"], found["score_count"]


async def give(api: AdminApi, **values: Any) -> Any:
    return await api.ask("POST", "feedback", values, status=201)


async def test_a_call_has_the_mean_of_its_scores(settings: Settings) -> None:
    async with serving(settings) as api:
        call = record(api)
        first = await give(api, interaction_id=call, value=True, id="thumb")
        assert (first["is_pending"], first["score"], first["value"], first["author"]) == (False, 1.0, True, "loopback")
        await give(api, interaction_id=call, value=3, type="1-5", source="judge", name="tone")
        assert await score(api, call) == (0.75, 2)
        again = await give(api, interaction_id=call, value=False, id="thumb")
        assert (again["value"], again["created_at"]) == (False, first["created_at"])
        assert await score(api, call) == (0.25, 2)
        await give(api, interaction_id=call, value="polite", type="category")
        assert await score(api, call) == (0.25, 2)
        assert (await api.ask("DELETE", "feedback/thumb"))["deleted"] == "thumb"
        assert await score(api, call) == (0.5, 1)
        assert [item["object"] for item in (await api.ask("GET", "audit?noun=feedback"))["data"]] == ["thumb"]
        assert [row["id"] for row in (await api.ask("GET", "interactions?score=>0.4"))["data"]] == [call]


async def ids_of(api: AdminApi, reference: str) -> list[str]:
    """Return the feedback on a call, the newest first."""
    return [row["id"] for row in (await api.ask("GET", f"feedback?interaction_id={reference}"))["data"]]


async def test_what_comes_before_its_call_waits_for_it(settings: Settings) -> None:
    async with serving(settings) as api:
        early = await give(api, interaction_id=OWN.upper(), value=True)
        assert (early["is_pending"], early["interaction_id"]) == (True, OWN)
        assert await ids_of(api, OWN) == [early["id"]]
        other = record(api)
        call = record(api, client_request_id=OWN)
        assert await score(api, call) == (1.0, 1)
        assert await score(api, other) == (None, 0)
        found = await api.ask("GET", f"feedback/{early['id']}")
        assert (found["is_pending"], found["interaction_id"]) == (False, call)
        late = await give(api, interaction_id=OWN, value=0.5)
        assert late["interaction_id"] == call
        assert await ids_of(api, OWN) == await ids_of(api, call) == [late["id"], early["id"]]
        assert await ids_of(api, other) == []
        assert await score(api, call) == (0.75, 2)
        ours = an_entry()
        await give(api, interaction_id=ours.interaction.id, value=False)
        api.turns.take(lambda writer: writer.write(WriteBatch(entries=[("s", ours)]), lambda _: {}))
        assert await score(api, ours.interaction.id) == (0.0, 1)


async def test_what_has_missed_its_call_is_given_to_it_later(settings: Settings) -> None:
    async with serving(settings) as api:
        call = record(api, client_request_id=OWN)
        made = await give(api, interaction_id=OWN, value=True)

        def miss(writer: Any) -> None:
            with writer.transaction() as connection:
                connection.exec_driver_sql("UPDATE feedback SET interaction_id = NULL")

        def settle(writer: Any) -> str | None:
            with writer.transaction() as connection:
                return feedback.settle_missed(connection, writer.backend.now(connection))

        api.turns.take(miss)
        assert (await api.ask("GET", f"feedback/{made['id']}"))["is_pending"] is True
        assert api.turns.take(settle) == "found the calls of 1 that waited"
        assert api.turns.take(settle) is None
        assert await score(api, call) == (1.0, 1)


async def test_what_was_given_to_its_call_stays_with_it(settings: Settings) -> None:
    async with serving(settings) as api:
        call = record(api, client_request_id=OWN)
        await give(api, interaction_id=OWN, value=True, id="mine")

        def hide(writer: Any) -> None:
            with writer.transaction() as connection:
                connection.exec_driver_sql("UPDATE interaction SET client_request_id = NULL")

        api.turns.take(hide)
        again = await give(api, interaction_id=OWN, value=False, id="mine")
        assert (again["interaction_id"], again["is_pending"]) == (call, False)
        assert await score(api, call) == (0.0, 1)


async def test_lists_go_both_ways_and_are_filtered(settings: Settings) -> None:
    async with serving(settings) as api:
        call = record(api)
        for number in range(4):
            await give(api, interaction_id=call, value=number / 4, id=f"f{number}", name=f"n{number % 2}")
        await give(api, session_id="s/1", value="long", source="code")

        async def ids(query: str) -> list[str]:
            return [row["id"] for row in (await api.ask("GET", f"feedback?{query}"))["data"]]

        assert await ids("name=n0") == ["f2", "f0"]
        assert await ids(f"interaction_id={call}&limit=2") == ["f3", "f2"]
        assert await ids("order=asc&limit=2&after=f0") == ["f1", "f2"]
        assert await ids("limit=1&before=f1") == ["f2"]
        (said,) = (await api.ask("GET", "feedback?type=text&source=code"))["data"]
        assert (said["session_id"], said["interaction_id"], said["is_pending"]) == ("s/1", None, False)
        for query, field in (("interaction_id=x", "interaction_id"), ("after=none", "after"), ("nope=1", "nope")):
            assert (await api.ask("GET", f"feedback?{query}", status=400))["errors"][0]["field"] == field
        await api.ask("GET", "feedback/none", status=404)
        await api.ask("DELETE", "feedback/none", status=404)


async def test_tags_come_and_go(settings: Settings) -> None:
    async with serving(settings) as api:
        call = record(api, tags=("eu", "beta"))
        told = await api.ask("POST", f"interactions/{call}/tags", {"add": ["vip", "eu"], "remove": ["beta"]})
        assert told == {"id": call, "tags": ["eu", "vip"]}
        assert (await api.ask("GET", f"interactions/{call}"))["tags"] == ["eu", "vip"]
        assert [row["id"] for row in (await api.ask("GET", "interactions?tag=vip"))["data"]] == [call]
        assert (await api.ask("GET", "interactions?tag=beta"))["data"] == []
        (deed,) = (await api.ask("GET", "audit?action=tag"))["data"]
        assert (deed["object"], deed["detail"]) == (call, {"added": "2", "removed": "1"})
        assert (await api.ask("POST", "interactions/last/tags", {"remove": ["eu", "vip"]}))["tags"] == []
        for body, field in (({}, "add"), ({"add": [""]}, "add.0"), ({"add": [f"t{n}" for n in range(33)]}, "add")):
            told = await api.ask("POST", f"interactions/{call}/tags", body, status=422)
            assert told["errors"][0]["field"] == field
        await api.ask("POST", f"interactions/{'0' * 8}/tags", {"add": ["a"]}, status=404)
        await api.ask("POST", f"interactions/{call}/tags", {"add": [f"t{n}" for n in range(32)]})
        await api.ask("POST", f"interactions/{call}/tags", {"add": ["more"]}, status=422)


async def test_an_id_is_of_one_thing(settings: Settings) -> None:
    async with serving(settings) as api:
        await give(api, session_id="s1", value=1, id="mine")
        told = await api.ask("POST", "feedback", {"session_id": "s2", "value": 1, "id": "mine"}, status=422)
        assert told["errors"][0]["field"] == "id"


async def test_who_may_only_read_gives_none(settings: Settings) -> None:
    async with serving(settings) as api:
        token = (await api.ask("POST", "tokens", {"scope": "read"}, status=201))["token"]
        reader = {"x-dashcam-peer": "192.0.2.7:5000;http;public", "authorization": f"Bearer {token}"}
        assert await api.status("POST", "feedback", {"session_id": "s", "value": 1}, headers=reader) == 403


async def test_what_is_redacted_of_calls_is_redacted_of_what_is_thought_of_them(settings: Settings) -> None:
    rules = RedactionRules(patterns=("email", "phone"))
    async with serving(replace(settings, redaction=rules)) as api:
        call = record(api)
        said = f"ask {CANARIES['email']} or {CANARIES['phone']}"
        told = await give(api, interaction_id=call, name="why", value=said, type="text", comment=said)
        assert told["value"] == told["comment"] == "ask [redacted:email] or [redacted:phone]"
        told = await give(api, session_id=CANARIES["email"], name="ok", value=True, comment=said)
        assert (told["session_id"], told["comment"]) == ("[redacted:email]", "ask [redacted:email] or [redacted:phone]")
        tagged = await api.ask("POST", f"interactions/{call}/tags", {"add": [CANARIES["email"], "team"]})
        assert tagged["tags"] == ["[redacted:email]", "team"]
        kept = await api.ask("GET", "audit")
        assert CANARIES["email"] not in str(kept)
        # The audit log stays when the call is erased: how many tags there were is enough.
        assert kept["data"][0]["detail"] == {"added": "2", "removed": "0"}


async def test_routes_and_keys_redact_what_is_thought_of_their_calls(settings: Settings) -> None:
    """Of a call that is not there yet nobody knows whose it is: what any of them takes out is taken out."""
    route = Route(model="secret", targets=(Target(provider="p"),), redaction=("phone",))
    said = f"{CANARIES['email']} {CANARIES['phone']}"
    async with serving(replace(settings, routes=(route,))) as api:
        key = await api.ask("POST", "keys", {"redaction": ["email"]}, status=201)
        calls = {
            f"{CANARIES['email']} {CANARIES['phone']}": record(api),
            f"{CANARIES['email']} [redacted:phone]": record(api, route="secret"),
            f"[redacted:email] {CANARIES['phone']}": record(api, key_id=key["id"]),
            "[redacted:email] [redacted:phone]": record(api, route="secret", key_id=key["id"]),
        }
        for kept, call in calls.items():
            told = await give(api, interaction_id=call, value=said, type="text")
            tagged = await api.ask("POST", f"interactions/{call}/tags", {"add": [said]})
            assert (told["value"], tagged["tags"]) == (kept, [kept])
        for about in ({"interaction_id": OWN}, {"session_id": "s"}):
            told = await give(api, **about, value=said, type="text")
            assert told["value"] == "[redacted:email] [redacted:phone]"
        await api.ask("POST", f"keys/{key['id']}/revoke")
        told = await give(api, interaction_id=calls[f"[redacted:email] {CANARIES['phone']}"], value=said, type="text")
        assert told["value"] == f"[redacted:email] {CANARIES['phone']}"


async def test_no_id_and_no_tag_that_goes_brings_a_secret_into_the_record(settings: Settings) -> None:
    secret = CANARIES["email"]
    async with serving(settings) as api:
        call = record(api)
        await give(api, id=secret, interaction_id=call, value=True)
        await api.ask("POST", f"interactions/{call}/tags", {"add": [secret]})
    async with serving(replace(settings, redaction=RedactionRules(patterns=("email",)))) as api:
        told = await api.ask("POST", "feedback", {"id": f"of {secret}", "interaction_id": call, "value": 1}, status=422)
        assert (told["errors"][0]["field"], secret in str(told)) == ("id", False)
        # What was kept before goes all the same, and is in no new row of the audit log.
        tagged = await api.ask("POST", f"interactions/{call}/tags", {"remove": [secret]})
        assert tagged["tags"] == []
        await api.ask("DELETE", f"feedback/{secret}")
        kept = await api.ask("GET", "audit")
        of_removal = [deed for deed in kept["data"] if deed["noun"] in ("feedback", "interactions")][:2]
        assert len(of_removal) == 2
        assert secret not in str(of_removal)

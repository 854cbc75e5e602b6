"""Calls that were made elsewhere, told to the API: on record as those are that went through the proxy, each once."""

from __future__ import annotations

import json
import uuid
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from proxy.domain.identity import IdentityMint, id_text
from proxy.domain.redaction import OwnPattern, RedactionRules
from proxy.settings.database import DatabaseSettings
from proxy.settings.values import RecordingSettings, Settings
from tests.support.admin_api import AdminApi, admin_api
from tests.support.redacting import CANARIES
from tests.support.rollups import assert_rollups_equal_the_rows

WHEN = "2026-11-20T12:00:00.000Z"
REQUEST = {"model": "gpt-5-mini", "messages": [{"role": "user", "content": "Hi"}], "temperature": 0.5, "user": "kim"}
ANSWER = {
    "id": "chatcmpl-1", "model": "gpt-5-mini-2025-08-07", "object": "chat.completion",
    "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "Hello"}}],
    "usage": {"prompt_tokens": 1000, "completion_tokens": 500, "total_tokens": 1500},
}  # fmt: skip
STREAM = (
    'data: {"id":"1","model":"m","choices":[{"index":0,"delta":{"content":"Hey"},"finish_reason":"stop"}]}\n\n'
    'data: {"id":"1","model":"m","choices":[],"usage":{"prompt_tokens":3,"completion_tokens":2}}\n\n'
    "data: [DONE]\n\n"
)


@pytest.fixture
def settings(tmp_path: Path, store: DatabaseSettings) -> Settings:
    return Settings(data_dir=str(tmp_path), run_dir=str(tmp_path / "run"), database=store)


async def tell(api: AdminApi, *calls: dict[str, Any], status: int = 201) -> Any:
    return await api.ask("POST", "interactions", {"interactions": list(calls)}, status=status)


async def told(api: AdminApi, **call: Any) -> dict[str, Any]:
    """Tell one call, and return it as it is on record."""
    ((made,),) = ((await tell(api, call))["interactions"],)
    assert made["is_new"]
    found = await api.ask("GET", f"interactions/{made['id']}?include=request_body,response_body,texts")
    assert isinstance(found, dict)
    return found


async def test_what_is_kept_off_the_record_is_kept_off_it_here_too(settings: Settings) -> None:
    rules = RedactionRules(patterns=tuple(CANARIES))
    async with admin_api(replace(settings, redaction=rules)) as api:
        found = await told(
            api, started_at=WHEN, user_id=CANARIES["email"], metadata={"card": CANARIES["payment_card"]},
            request={**REQUEST, "messages": [{"role": "user", "content": f"key: {CANARIES['api_key']}"}]},
            response=STREAM.replace("Hey", CANARIES["phone"]), error_message=f"no {CANARIES['iban']}",
        )  # fmt: skip
        assert found["content_state"] == "redacted"
        assert found["metadata"]["dashcam_redacted"] == "api_key=1 email=1 iban=1 payment_card=1 phone=1"
        assert found["metadata"]["card"] == "[redacted:payment_card]"
        assert (found["user_id"], found["output_preview"]) == ("[redacted:email]", "[redacted:phone]")
        assert not [name for name, canary in CANARIES.items() if canary in str(found)]


async def test_every_word_that_is_told_is_looked_through(settings: Settings) -> None:
    mail = CANARIES["email"]
    words = ("client_request_id", "session_id", "user_id", "trace_id", "app", "environment", "error_type", "error_code")
    async with admin_api(replace(settings, redaction=RedactionRules(patterns=("email",)))) as api:
        found = await told(
            api, started_at=WHEN, model=mail, error_message=mail, endpoint="/v1/x/canary.user%40canary-example.org",
            **dict.fromkeys(words, mail),
        )  # fmt: skip
    assert {found[name] for name in (*words, "model_requested", "error_message")} == {"[redacted:email]"}
    assert found["endpoint"] == "/v1/x/[redacted:email]"


@pytest.mark.parametrize(
    "rules",
    [
        RedactionRules(patterns=("email",), max_bytes=20),
        RedactionRules(patterns=("ticket",), own=(OwnPattern(name="ticket", pattern="("),)),
        RedactionRules(patterns=("nobody knows it",)),
    ],
)
async def test_what_cannot_be_looked_through_is_not_kept(settings: Settings, rules: RedactionRules) -> None:
    async with admin_api(replace(settings, redaction=rules)) as api:
        found = await told(api, started_at=WHEN, request=json.dumps(REQUEST), response=json.dumps(ANSWER))
    assert "Hello" not in str(found)
    assert "unreadable=" in found["metadata"]["dashcam_redacted"]


async def test_request_and_answer_are_read_as_of_any_call(settings: Settings) -> None:
    async with admin_api(settings) as api:
        found = await told(
            api, started_at=WHEN, duration_ms=1500, ttft_ms=200, provider="openai", request=REQUEST, response=ANSWER,
            session_id="s-1", tags=["eu"], metadata={"team": "blue"}, prompt_name="reply", prompt_version=3,
        )  # fmt: skip
        assert (found["model"], found["input_tokens"], found["output_tokens"]) == (ANSWER["model"], 1000, 500)
        assert (found["usage_source"], found["cost_status"], found["cost_usd"]) == ("reported", "computed", 0.00125)
        assert (found["outcome"], found["finish_reason"], found["temperature"]) == ("completed", "stop", 0.5)
        assert (found["started_at"], found["completed_at"], found["duration_ms"], found["ttft_ms"]) == (
            WHEN, "2026-11-20T12:00:01.500Z", 1500.0, 200.0,
        )  # fmt: skip
        assert (found["user_id"], found["session_id"], found["tags"]) == ("kim", "s-1", ["eu"])
        assert found["metadata"] == {"team": "blue", "dashcam_told_by": "loopback"}
        assert (found["prompt_name"], found["prompt_version"]) == ("reply", 3)
        assert (found["input_text"], found["output_text"]) == ("Hi", "Hello")
        assert (found["overhead_ms"], found["upstream_ms"], found["attempts"]) == (None, None, 0)
        assert '"content":"Hello"' in found["response_body"]["content"]
        assert found["price"]["model"]
        assert (await api.ask("GET", "interactions?q=tag:eu&count=true"))["count"] == 1
    assert_rollups_equal_the_rows(settings.database)


async def test_a_stream_is_kept_byte_for_byte(settings: Settings) -> None:
    async with admin_api(settings) as api:
        found = await told(api, provider="ollama", is_stream=True, request='{"model": "m"}', response=STREAM)
        assert (found["response_body"]["content"], found["request_body"]["content"]) == (STREAM, '{"model": "m"}')
        assert (found["input_tokens"], found["output_text"], found["cost_status"]) == (3, "Hey", "local")
        assert found["is_stream"]
        assert (found["duration_ms"], found["completed_at"]) == (None, None)


async def test_facts_alone_are_enough(settings: Settings) -> None:
    async with admin_api(settings) as api:
        priced = await told(api, provider="openai", model="gpt-5-mini", input_tokens=1000, output_tokens=500)
        assert (priced["cost_usd"], priced["total_tokens"], priced["usage_source"]) == (0.00125, 1500, "reported")
        paid = await told(api, provider="mine", model="x", cost_usd=0.5, outcome="timed_out", http_status=504)
        assert (paid["cost_usd"], paid["cost_status"], paid["outcome"]) == (0.5, "reported", "timed_out")
        failed = await told(api, http_status=429, error_type="rate_limit", error_message="slow down")
        assert (failed["outcome"], failed["success"], failed["error_message"]) == ("upstream_error", False, "slow down")
        nothing = await told(api)
        assert (nothing["outcome"], nothing["cost_status"], nothing["request_body"]) == ("completed", "unpriced", None)
        embedding = await told(api, endpoint="/v1/embeddings", request={"input": "x"}, response={"data": []})
        assert embedding["operation"] == "embeddings"


async def test_the_same_id_is_recorded_once(settings: Settings) -> None:
    identity = id_text(IdentityMint().mint())
    async with admin_api(settings) as api:
        first = await tell(api, {"id": identity.upper()}, {}, {"id": identity})
        assert [item["is_new"] for item in first["interactions"]] == [True, True, True]
        assert first["stored"] == 2
        again = await tell(api, {"id": identity, "model": "other"})
        assert again == {"interactions": [{"id": identity, "is_new": False}], "stored": 0}
        assert (await api.ask("GET", f"interactions/{identity}"))["model"] is None


@pytest.mark.parametrize("store", ["sqlite"], indirect=True)
@pytest.mark.parametrize(
    ("call", "field"),
    [
        ({"id": str(uuid.UUID(int=5))}, "interactions.1.id"),
        ({"id": "018f0000-0000-7000-8000-000000000000", "started_at": WHEN}, "interactions.1.id"),
        ({"started_at": "2099-01-01T00:00:00Z"}, "interactions.1.started_at"),
        ({"started_at": "2026-11-20T12:00:00"}, "interactions.1.started_at"),
        ({"input_tokens": -1}, "interactions.1.input_tokens"),
        ({"input_tokens": 1.5}, "interactions.1.input_tokens"),
        ({"outcome": "fine"}, "interactions.1.outcome"),
        ({"endpoint": "v1"}, "interactions.1.endpoint"),
        ({"http_status": 99}, "interactions.1.http_status"),
        ({"tags": ["a\nb"]}, "interactions.1.tags.0"),
        ({"metadata": {"a": 5}}, "interactions.1.metadata.a"),
        ({"request": {"a": "\0"}}, "interactions.1.request.a"),
        ({"cost": 1}, "interactions.1.cost"),
        ({"duration_ms": -1}, "interactions.1.duration_ms"),
    ],
)
async def test_what_is_wrong_is_named_and_nothing_is_stored(
    settings: Settings, call: dict[str, Any], field: str
) -> None:
    async with admin_api(settings) as api:
        said = await tell(api, {}, call, status=422)
        assert said["errors"][0]["field"].startswith(field), said
        assert (await api.ask("GET", "interactions"))["data"] == []


@pytest.mark.parametrize("store", ["sqlite"], indirect=True)
async def test_too_much_at_once_is_refused(settings: Settings) -> None:
    async with admin_api(settings) as api:
        assert (await tell(api, *[{}] * 1000))["stored"] == 1000
        bodies: list[Any] = [{"interactions": []}, {"interactions": [{}] * 1001}, {}, []]
        for body in bodies:
            assert await api.status("POST", "interactions", body) == 422
        large = {"interactions": [{"request": "x" * (17 * 1024 * 1024)}]}
        assert await api.status("POST", "interactions", large) == 413


@pytest.mark.parametrize("store", ["sqlite"], indirect=True)
async def test_what_is_not_to_be_kept_is_not(settings: Settings, tmp_path: Path) -> None:
    async with admin_api(settings) as api:
        for call in ({"record": "meta"}, {"endpoint": "/v1/realtime/client_secrets"}):
            found = await told(
                api, request=REQUEST, response=ANSWER, prompt_name="p", prompt_variables={"a": "b"}, **call
            )
            assert (found["content_state"], found["request_body"], found["output_text"]) == ("off", None, None)
            assert (found["prompt_name"], found["prompt_version"], found["prompt_variables"]) == ("p", None, None)
    none = Settings(
        data_dir=str(tmp_path), run_dir=str(tmp_path / "run"), database=settings.database,
        recording=RecordingSettings(bodies=False),
    )  # fmt: skip
    async with admin_api(none) as api:
        found = await told(api, request=REQUEST, response=ANSWER)
        assert (found["content_state"], found["input_tokens"]) == ("off", 1000)


@pytest.mark.parametrize("store", ["sqlite"], indirect=True)
async def test_what_must_not_be_on_record_is_taken_out_of_all_of_it(settings: Settings, tmp_path: Path) -> None:
    mail = "kim@example.com"
    rules = RedactionRules(patterns=("email",))
    strict = Settings(
        data_dir=str(tmp_path), run_dir=str(tmp_path / "run"), database=settings.database, redaction=rules
    )
    async with admin_api(strict) as api:
        found = await told(
            api, request={"messages": [{"role": "user", "content": f"I am {mail}"}]}, response=STREAM + f": {mail}\n",
            user_id=mail, tags=[mail], metadata={"mail": mail}, prompt_name="p", prompt_variables={"to": mail},
            error_message=mail, is_stream=True, endpoint=f"/v1/chat/completions?user={mail}",
        )  # fmt: skip
        assert mail not in str(found)
        assert (found["content_state"], found["output_text"]) == ("redacted", "Hey")
        clean = await told(api, request={"messages": []}, response=ANSWER)
        assert (clean["content_state"], clean["input_tokens"]) == ("stored", 1000)
    on_disk = b"".join(path.read_bytes() for path in tmp_path.glob("dashcam.db*"))  # noqa: ASYNC240 - of a few pages
    assert mail.encode() not in on_disk

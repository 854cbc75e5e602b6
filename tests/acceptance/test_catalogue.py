"""What an administrator does with the running program, by commands, while an application calls with the OpenAI SDK."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import openai
import pytest

from tests.acceptance.conftest import Starter
from tests.support.administrator import INWARD, OPENAI, do, set_up
from tests.support.dashcam import RunningDashcam
from tests.support.postgres import Databases
from tests.support.scripted_upstream import ScriptedUpstream
from tests.support.waiting import wait_until


def asked(
    dashcam: RunningDashcam, key: str, upstream: ScriptedUpstream, **variables: str
) -> tuple[str, dict[str, Any]]:
    """Ask for the route as an application does; return which prompt the reply names, and what the provider got."""
    with openai.OpenAI(base_url=f"{dashcam.url}/v1", api_key=key, max_retries=0) as client:
        raw = client.chat.completions.with_raw_response.create(
            model="summarise",
            messages=[{"role": "user", "content": "Hi"}],
            extra_body={"prompt": {"variables": variables}} if variables else None,
        )
    return raw.headers["x-dashcam-prompt"], json.loads(upstream.requests[-1].body)


FIRST = {"model": "m-1", "temperature": 0.2, "top_p": 0.5}


@pytest.mark.parametrize("engine", ["sqlite", "postgres"])
def test_a_day_of_an_administrator(
    engine: str, start_dashcam: Starter, upstream: ScriptedUpstream, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    environment = dict(INWARD)
    if engine == "postgres":
        databases: Databases = request.getfixturevalue("postgres")
        environment["DASHCAM_DATABASE_URL"] = databases.migrated().url
    dashcam = start_dashcam("--workers", "2", *OPENAI, environment=environment)
    wait_until(dashcam.is_settled, "the database is open")
    key = set_up(dashcam, tmp_path, upstream.port)

    prompt, sent = asked(dashcam, key, upstream)
    assert (prompt, sent["messages"][0]["content"]) == ("short@1", "Be brief.")
    assert {name: sent[name] for name in FIRST} == FIRST
    assert asked(dashcam, key, upstream, tone="kind")[1]["messages"][0]["content"] == "Be kind."

    do(dashcam, "prompts", "create", "short", str(tmp_path / "two.yaml"), "--note", "always")
    assert asked(dashcam, key, upstream)[0] == "short@1"
    before = json.loads(do(dashcam, "config", "revisions", "--json"))[0]["number"]
    do(dashcam, "prompts", "label", "short", "production", "2")
    assert asked(dashcam, key, upstream)[1]["messages"][0]["content"] == "Always be brief."
    do(dashcam, "config", "rollback", str(before), "--yes")
    assert asked(dashcam, key, upstream)[0] == "short@1"

    rows = dashcam.rows()
    assert {(row["prompt_name"], row["route"], row["outcome"]) for row in rows} == {("short", "summarise", "completed")}
    assert [row["prompt_version"] for row in rows] == [1, 1, 1, 2, 1]
    listed = json.loads(do(dashcam, "keys", "list", "--json"))
    assert {row["key_id"] for row in rows} == {listed[0]["id"]}

    exported = do(dashcam, "config", "export")
    do(dashcam, "keys", "revoke", listed[0]["id"])
    with pytest.raises(openai.AuthenticationError):
        asked(dashcam, key, upstream)

    (tmp_path / "all.yaml").write_text(exported)
    other = start_dashcam(*OPENAI, environment=INWARD)
    wait_until(other.is_settled, "the other database is open")
    do(other, "config", "import", str(tmp_path / "all.yaml"), "--yes")
    do(other, "providers", "add", "acme", "--url", f"http://127.0.0.1:{upstream.port}/v1", "--set", "active=true")
    assert do(other, "config", "export") == exported
    prompt, sent = asked(other, "unused", upstream)
    assert (prompt, sent["messages"][0]["content"]) == ("short@1", "Be brief.")


def test_a_key_may_ask_for_its_routes_only_and_so_often(
    start_dashcam: Starter, upstream: ScriptedUpstream, tmp_path: Path
) -> None:
    dashcam = start_dashcam("--upstream", f"main=http://127.0.0.1:{upstream.port}/v1", environment=INWARD)
    wait_until(dashcam.is_settled, "the database is open")
    key = set_up(dashcam, tmp_path, upstream.port)
    with openai.OpenAI(base_url=f"{dashcam.url}/v1", api_key=key, max_retries=0) as client:
        with pytest.raises(openai.APIStatusError) as refused:
            client.chat.completions.create(model="gpt-4o", messages=[{"role": "user", "content": "Hi"}])
        assert refused.value.status_code in (403, 404)
    slow = do(dashcam, "keys", "create", "--owner", "slow", "--rpm", "1").strip()
    assert asked(dashcam, slow, upstream)[0] == "short@1"
    with pytest.raises(openai.RateLimitError) as limited:
        asked(dashcam, slow, upstream)
    assert int(limited.value.response.headers["retry-after"]) >= 1

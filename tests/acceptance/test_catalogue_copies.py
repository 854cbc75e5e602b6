"""What is edited while Dashcam runs comes along when the database is copied, brought back or moved: all of it, as it is
at the end, with keys that still open and sealed keys that still reach their provider.
"""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import openai
import pytest

from proxy.settings.database import DatabaseSettings
from tests.acceptance.conftest import Starter
from tests.support.administrator import INWARD, ONE, OPENAI, TWO, Application, do
from tests.support.dashcam import RunningDashcam
from tests.support.model_server import ModelServer, listed, serving
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from tests.support.postgres import Databases

MASTER = "4fa09b8c7d6e5f1a2b3c" * 3
SEALED = "sk-of-acme-5c1f0a"
ANSWER = {
    "id": "c", "object": "chat.completion", "created": 1, "model": "m-1",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "Yes."}, "finish_reason": "stop"}],
}  # fmt: skip
TOLD = ("providers", "models", "prices", "routes", "keys", "tokens", "prompts", "prompts/short", "revisions", "audit")


def told(dashcam: RunningDashcam) -> dict[str, Any]:
    """Return all that the admin API lists; when a prompt was used is of the calls, not of the catalogue."""
    found = {path: json.loads(dashcam.get(f"/api/v1/{path}?limit=500" if "/" not in path else f"/api/v1/{path}")[1])
             for path in TOLD}  # fmt: skip
    found["audit"] = [{**row, "id": None} for row in found["audit"]["data"]]
    return {**found, "export": dashcam.get("/api/v1/export")[1]}


def fill(dashcam: RunningDashcam, acme: ModelServer) -> list[str]:
    """Make one of everything; return two keys, of which the second one is revoked."""
    files = {name: dashcam.folder / f"{name}.yaml" for name in ("one", "two")}
    files["one"].write_text(ONE)
    files["two"].write_text(TWO)
    added = ("providers", "add", "acme", "--kind", "openai", "--url", f"{acme.root}/v1", "--key")
    assert dashcam.cli(*added, stdin=SEALED.encode()).returncode == 0
    do(dashcam, "models", "sync", "acme")
    do(dashcam, "prompts", "create", "short", str(files["one"]), "--label", "production")
    do(dashcam, "prompts", "create", "short", str(files["two"]), "--label", "staging")
    do(dashcam, "routes", "set", "summarise", "--target", "acme/m-1", "--prompt", "short@production")
    return [do(dashcam, "keys", "create", "--owner", name, "--rpm", "1000").strip() for name in ("eu", "us")]


def change(dashcam: RunningDashcam) -> None:
    """Change what is there, as happens while a long copy goes on."""
    do(dashcam, "prompts", "label", "short", "production", "2")
    ids = {item["owner"]: item["id"] for item in json.loads(do(dashcam, "keys", "list", "--json"))}
    do(dashcam, "keys", "revoke", ids["us"])
    do(dashcam, "models", "remove", "acme/m-2")


def assert_serves(dashcam: RunningDashcam, acme: ModelServer, keys: list[str]) -> None:
    """Check that the catalogue is in use: keys, sealed key, prompt, and the way back."""
    with Application(dashcam, keys[0]) as application:
        wait_until(partial(is_let_in, application), "a gateway that never had the catalogue has it")
        assert application.ask().prompt == "short@2"
        assert acme.credentials[-1] == f"Bearer {SEALED}"
    with Application(dashcam, keys[1]) as application, pytest.raises(openai.AuthenticationError):
        application.ask()


def is_let_in(application: Application) -> bool:
    try:
        return bool(application.ask().prompt)
    except openai.AuthenticationError:
        return False


def start(
    start_dashcam: Starter, database: DatabaseSettings | None = None, folder: Path | None = None
) -> RunningDashcam:
    environment = {**INWARD, "DASHCAM_MASTER_KEY": MASTER, "DASHCAM_SERVER__REQUIRE_KEY": "always"}
    more = {} if database is None else {"DASHCAM_DATABASE_URL": database.url}
    dashcam = start_dashcam(*OPENAI, environment={**environment, **more})
    wait_until(dashcam.is_settled, "the database is open")
    return dashcam


def test_a_catalogue_moves_and_is_brought_back_whole(
    start_dashcam: Starter, postgres: Databases, tmp_path: Path
) -> None:
    target = postgres.empty()
    with serving({"/v1/models": listed("m-1", "m-2"), "/v1/chat/completions": ANSWER}) as acme:
        dashcam = start(start_dashcam)
        keys = fill(dashcam, acme)
        early = dashcam.cli("db", "copy", "--to", target.url, "--stay")
        assert early.returncode == 0, early.stderr.decode()
        change(dashcam)
        assert_serves(dashcam, acme, keys)
        assert "no problems" in do(dashcam, "db", "check")
        do(dashcam, "db", "backup", str(tmp_path / "copy.db"))
        before = told(dashcam)
        dashcam.settle()
        moved = dashcam.cli("db", "copy", "--to", target.url)
        assert moved.returncode == 0, moved.stderr.decode()

        other = start(start_dashcam, target)
        assert told(other) == before
        assert_serves(other, acme, keys)
        assert "no problems" in do(other, "db", "check")
        number = json.loads(do(other, "config", "revisions", "--json"))[-1]["number"]
        do(other, "config", "rollback", str(number), "--yes")

        third = start(start_dashcam)
        third.stop()
        do(third, "db", "restore", str(tmp_path / "copy.db"), "--yes")
        third.start()
        wait_until(third.is_settled, "the database is open")
        assert told(third) == before
        assert_serves(third, acme, keys)

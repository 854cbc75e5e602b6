"""What is edited while Dashcam runs comes along when the database is copied, brought back or moved: all of it, as it is
at the end, with keys that still open and sealed keys that still reach their provider.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import openai
import pytest

from proxy.catalogue.yaml_text import read_yaml
from proxy.settings.database import DatabaseSettings
from tests.acceptance.conftest import Starter
from tests.support.administrator import INWARD, ONE, OPENAI, TWO, Application, do, tell
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
    """Return all that the admin API lists; when a prompt was used is of the calls, not of the catalogue.

    That somebody has taken the catalogue out, as we do here, is in the audit log afterwards.
    """
    found = {path: json.loads(dashcam.get(f"/api/v1/{path}")[1]) for path in TOLD}
    for prompt in (*found["prompts"]["data"], found["prompts/short"]):
        for name in ("calls", "calls_by_version", "last_used", "last_call"):
            prompt.pop(name, None)
    found["audit"] = [{**row, "id": None} for row in found["audit"]["data"] if row["action"] != "export"]
    return {**found, "export": dashcam.get("/api/v1/export")[1]}


def fill(dashcam: RunningDashcam, acme: ModelServer) -> list[str]:
    """Make one of everything; return two keys, of which the second one is revoked later."""

    def make(path: str, body: object, method: str = "POST") -> dict[str, Any]:
        status, said = tell(dashcam, method, path, body)
        assert status in (200, 201), said
        return said

    make("providers", {"name": "acme", "kind": "openai", "base_url": f"{acme.root}/v1"})
    make("providers/acme/key", {"key": SEALED}, "PUT")
    make("providers/acme/models/sync", None)
    make("prices", {"provider": "acme", "model": "m-1", "rates": {"input_mtok": "0.15"}})
    make("prompts", {"name": "short", "content": read_yaml(ONE), "labels": ["production"]})
    make("prompts/short/versions", {"content": read_yaml(TWO), "labels": ["staging"], "version_name": "1.1"})
    make("prompts/short/draft", {"content": read_yaml(TWO.replace("brief", "short"))}, "PUT")
    make("routes", {"name": "summarise", "targets": ["acme/m-1"], "prompt": "short@production"})
    make("tokens", {"owner": "who looks", "scope": "read"})
    return [make("keys", {"owner": name, "limits": {"requests_per_minute": 1000}})["key"] for name in ("eu", "us")]


def change(dashcam: RunningDashcam) -> None:
    """Change what is there, as happens while a long copy goes on."""
    listed = json.loads(dashcam.get("/api/v1/keys")[1])["data"]
    (key,) = (item["id"] for item in listed if item["owner"] == "us")
    for method, path, body in (
        ("PUT", "prompts/short/labels/production", {"version": "2"}),
        ("POST", f"keys/{key}/revoke", None),
        ("DELETE", "models/acme/m-2", None),
    ):
        assert tell(dashcam, method, path, body)[0] == 200


def assert_serves(dashcam: RunningDashcam, acme: ModelServer, keys: list[str]) -> None:
    """Check that the catalogue is in use: keys, sealed key, prompt, and the way back."""
    with Application(dashcam, keys[0]) as application:
        assert application.ask().prompt == "short@2"
        assert acme.credentials[-1] == f"Bearer {SEALED}"
    with Application(dashcam, keys[1]) as application, pytest.raises(openai.AuthenticationError):
        application.ask()


def start(
    start_dashcam: Starter, database: DatabaseSettings | None = None, folder: Path | None = None
) -> RunningDashcam:
    environment = {**INWARD, "DASHCAM_MASTER_KEY": MASTER, "DASHCAM_SERVER__REQUIRE_KEY": "always"}
    more = {} if database is None else {"DASHCAM_DATABASE_URL": database.url}
    return start_dashcam(*OPENAI, environment={**environment, **more})


def test_a_catalogue_moves_and_is_brought_back_whole(
    start_dashcam: Starter, postgres: Databases, tmp_path: Path
) -> None:
    target = postgres.empty()
    with serving({"/v1/models": listed("m-1", "m-2"), "/v1/chat/completions": ANSWER}) as acme:
        dashcam = start(start_dashcam)
        wait_until(dashcam.is_settled, "the database is open")
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
        assert_serves(other, acme, keys)
        wait_until(other.is_settled, "the database is open")
        assert told(other) == before
        assert "no problems" in do(other, "db", "check")
        first = json.loads(other.get("/api/v1/revisions?limit=500")[1])["data"][-1]["number"]
        assert tell(other, "POST", f"revisions/{first}/rollback")[0] == 200

        third = start(start_dashcam)
        third.stop()
        (third.data_dir / "snapshot.json").unlink()
        do(third, "db", "restore", str(tmp_path / "copy.db"), "--yes")
        third.start()
        assert_serves(third, acme, keys)
        wait_until(third.is_settled, "the database is open")
        assert told(third) == before

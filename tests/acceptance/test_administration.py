"""The rest of an administrator's day, on the running program: ask a provider, take its models and prices in, edit a
prompt in an editor, replace a key while an application goes on with the old one.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import openai
import pytest

from tests.acceptance.conftest import Starter
from tests.support.administrator import INWARD, ONE, OPENAI, Application, do
from tests.support.dashcam import RunningDashcam
from tests.support.model_server import ModelServer, listed, serving
from tests.support.waiting import wait_until

SEALED = "sk-of-acme-5c1f0a"
ANSWER = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "created": 1,
    "model": "m-1",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "Yes."}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 10, "completion_tokens": 3, "total_tokens": 13},
}
PRICES = {
    name: {"litellm_provider": "openai", "mode": "chat", "input_cost_per_token": 2e-6, "output_cost_per_token": 5e-6}
    for name in ("m-1", "m-2")
}
EDITOR = """
import pathlib, sys
path = pathlib.Path(sys.argv[1])
text = path.read_text()
assert "Be {{ tone }}." in text
path.write_text(text.replace("Be {{ tone }}.", "Be very {{ tone }}."))
"""


@pytest.fixture
def acme() -> Iterator[ModelServer]:
    """A provider that lists two models and answers."""
    with serving({"/v1/models": listed("m-1", "m-2"), "/v1/chat/completions": ANSWER}) as server:
        yield server


def start(start_dashcam: Starter, tmp_path: Path) -> RunningDashcam:
    """Start two gateways with a master key, and an editor that changes one sentence."""
    editor = tmp_path / "editor.py"
    editor.write_text(EDITOR)
    environment = {
        **INWARD,
        "DASHCAM_MASTER_KEY": "4f" * 8 + "a09b8c7d6e5f" * 3,
        "EDITOR": f"{sys.executable} {editor}",
    }
    dashcam = start_dashcam("--workers", "2", *OPENAI, environment=environment)
    wait_until(dashcam.is_settled, "the database is open")
    return dashcam


def test_a_provider_is_tried_priced_edited_for_and_asked_with_a_new_key(
    start_dashcam: Starter, acme: ModelServer, tmp_path: Path
) -> None:
    dashcam = start(start_dashcam, tmp_path)
    added = dashcam.cli(
        "providers", "add", "acme", "--kind", "openai", "--url", f"{acme.root}/v1", "--key", stdin=SEALED.encode()
    )
    assert added.returncode == 0, added.stderr.decode()
    _ask_it(dashcam, acme)
    _take_prices_in(dashcam, tmp_path)
    (tmp_path / "short.yaml").write_text(ONE)
    do(dashcam, "prompts", "create", "short", str(tmp_path / "short.yaml"), "--label", "production")
    do(dashcam, "routes", "set", "summarise", "--target", "acme/m-1", "--prompt", "short@production")
    key = do(dashcam, "keys", "create", "--owner", "eu", "--route", "summarise").strip()
    with Application(dashcam, key) as application:
        assert application.ask() == ("short@1", "Yes.")
        assert acme.credentials[-1] == f"Bearer {SEALED}"
        assert json.loads(acme.bodies[-1])["messages"][0]["content"] == "Be brief."

        assert "short@2" in do(dashcam, "prompts", "edit", "short", "--note", "by hand")
        assert application.ask().prompt == "short@1"
        do(dashcam, "prompts", "label", "short", "production", "2")
        assert application.ask(tone="kind").prompt == "short@2"
        assert json.loads(acme.bodies[-1])["messages"][0]["content"] == "Be very kind."
        _replace_key(dashcam, application)
    rows = dashcam.rows()
    assert [row["prompt_version"] for row in rows if row["success"]] == [1, 1, 2, 2, 2, 2]
    assert {row["cost_pico_usd"] for row in rows if row["success"]} == {10 * 2_000_000 + 3 * 5_000_000}
    assert len({row["key_id"] for row in rows if row["success"]} & set(_ids(dashcam))) == 2


def _ask_it(dashcam: RunningDashcam, acme: ModelServer) -> None:
    assert "lists 2 models" in do(dashcam, "providers", "test", "acme")
    assert acme.credentials[-1] == f"Bearer {SEALED}"
    assert "2 of 2 models are new" in do(dashcam, "models", "sync", "acme")
    assert "0 of 2 models are new" in do(dashcam, "models", "sync", "acme")
    assert [item["name"] for item in json.loads(do(dashcam, "models", "list", "--json"))] == ["m-1", "m-2"]
    dead = dashcam.cli("providers", "add", "gone", "--url", "http://127.0.0.1:9/v1")
    assert dead.returncode == 0
    said = dashcam.cli("providers", "test", "gone")
    assert (said.returncode, b"nothing listens" in said.stderr) == (7, True)


def _take_prices_in(dashcam: RunningDashcam, tmp_path: Path) -> None:
    file = tmp_path / "prices.json"
    file.write_text(json.dumps(PRICES))
    assert "2 prices" in do(dashcam, "prices", "import", str(file))
    assert "2 changed" in do(dashcam, "prices", "import", str(file), "--yes")


def _ids(dashcam: RunningDashcam) -> list[str]:
    return [item["id"] for item in json.loads(do(dashcam, "keys", "list", "--json"))]


def _replace_key(dashcam: RunningDashcam, application: Application) -> None:
    """The old key goes on until its overlap is over; the new one may do the same."""
    (old,) = _ids(dashcam)
    new = do(dashcam, "keys", "rotate", old, "--overlap", "1").strip()
    with Application(dashcam, new) as renewed:
        assert application.ask().prompt == renewed.ask().prompt == "short@2"
        do(dashcam, "keys", "rotate", next(name for name in _ids(dashcam) if name != old), "--overlap", "0")
        with pytest.raises(openai.AuthenticationError):
            renewed.ask()
    assert application.ask().prompt == "short@2"

"""Prompts in version control, beside the running program: out, a case that fails, a look, in, and what calls get."""

from __future__ import annotations

import json
from pathlib import Path

import openai

from tests.acceptance.conftest import Starter
from tests.support.administrator import INWARD, OPENAI, do
from tests.support.dashcam import RunningDashcam
from tests.support.scripted_upstream import ScriptedUpstream
from tests.support.waiting import wait_until

CASES = """format: dashcam-cases/1
cases:
- name: what is served
  variables: {text: Hello, target: German}
- name: the first one
  version: 1
  variables: {text: Hello, target: German}
"""


def started(start_dashcam: Starter, upstream: ScriptedUpstream) -> RunningDashcam:
    """Start one whose route asks for the prompt, and whose provider is scripted."""
    dashcam = start_dashcam(*OPENAI, environment=INWARD)
    wait_until(dashcam.is_settled, "the database is open")
    do(dashcam, "providers", "add", "acme", "--url", f"http://127.0.0.1:{upstream.port}/v1")
    return dashcam


def called(dashcam: RunningDashcam, upstream: ScriptedUpstream) -> tuple[str, str]:
    """Return which prompt a call gets by its model's name, and the first words of it that the provider gets."""
    with openai.OpenAI(base_url=f"{dashcam.url}/v1", api_key="unused", max_retries=0) as client:
        raw = client.chat.completions.with_raw_response.create(
            model="translate",
            messages=[{"role": "user", "content": "Hi"}],
            extra_body={"prompt": {"variables": {"text": "Hello", "target": "German"}}},
        )
    sent = json.loads(upstream.requests[-1].body)
    return raw.headers["x-dashcam-prompt"], sent["messages"][0]["content"].partition(" into")[0]


def route(dashcam: RunningDashcam) -> None:
    do(dashcam, "routes", "set", "translate", "--target", "acme/m-1", "--prompt", "mine")


def test_prompts_go_out_to_files_are_tried_there_and_come_into_another_instance(
    start_dashcam: Starter, upstream: ScriptedUpstream, tmp_path: Path
) -> None:
    dashcam, folder = started(start_dashcam, upstream), tmp_path / "prompts"
    do(dashcam, "prompts", "starters", "translate", "--create", "mine")
    do(dashcam, "prompts", "label", "mine", "production", "1")
    route(dashcam)
    assert called(dashcam, upstream) == ("mine@1", "You translate")
    do(dashcam, "prompts", "export", str(folder))
    (folder / "mine/cases.yaml").write_text(CASES)
    do(dashcam, "prompts", "test", str(folder), "--update")
    do(dashcam, "prompts", "test", str(folder))

    text = (folder / "mine/0001.yaml").read_text().replace("You translate", "Please translate")
    (folder / "mine/0002.yaml").write_text("\n".join(line for line in text.split("\n") if "sha256:" not in line))
    head = folder / "mine/prompt.yaml"
    head.write_text(head.read_text().replace("production: 1", "production: 2"))
    reviewed = dashcam.cli("prompts", "test", str(folder), "--from-folder")
    assert (reviewed.returncode, b"+    Please translate" in reviewed.stdout) == (7, True), reviewed
    assert "labels.production: 1 → 2" in do(dashcam, "prompts", "import", str(folder))
    assert called(dashcam, upstream) == ("mine@1", "You translate")
    do(dashcam, "prompts", "import", str(folder), "--yes")
    assert called(dashcam, upstream) == ("mine@2", "Please translate")
    assert "is 1 again" in do(dashcam, "prompts", "rollback", "mine")
    assert called(dashcam, upstream) == ("mine@1", "You translate")

    do(dashcam, "prompts", "export", str(folder))
    other = started(start_dashcam, upstream)
    do(other, "prompts", "import", str(folder), "--yes")
    route(other)
    assert called(other, upstream) == ("mine@1", "You translate")
    do(other, "prompts", "export", str(tmp_path / "again"))
    (folder / "mine/cases.yaml").unlink()
    assert contents(tmp_path / "again") == contents(folder)


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}

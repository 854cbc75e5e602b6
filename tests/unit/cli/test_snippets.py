"""``dashcam env``: what is pasted does what it says, in the shells and languages that are here."""

from __future__ import annotations

import ast
import json
import shutil
import subprocess
from pathlib import Path

import pytest

from proxy.cli.snippets import KINDS, shell_of, snippet
from tests.unit.cli.conftest import Command
from tests.unit.cli.test_instance import answering, running

URL = "http://127.0.0.1:8484"


@pytest.mark.parametrize("kind", [*KINDS, "zsh", "pwsh", "js"])
def test_every_snippet_has_the_address(kind: str) -> None:
    text = snippet(kind, URL)
    assert f"{URL}/v1" in text
    assert "{{" not in text


def test_what_sh_evaluates_is_the_address(dashcam: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    said = dashcam("env", "sh")
    assert "not running yet" in said.err
    assert "any word will do" in said.err
    command = f'{said.out}\nprintf %s "$OPENAI_BASE_URL"'
    assert subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=True).stdout == f"{URL}/v1"


def test_python_is_python_and_curl_asks_for_what_it_shows(tmp_path: Path) -> None:
    ast.parse(snippet("python", URL))
    fake = tmp_path / "curl"
    fake.write_text('#!/bin/sh\nfor word in "$@"; do printf "%s\\n" "$word"; done\n')
    fake.chmod(0o755)
    shell = shutil.which("sh")
    assert shell is not None
    ran = subprocess.run(
        [shell, "-c", snippet("curl", URL)], env={"PATH": str(tmp_path)}, capture_output=True, text=True, check=True
    )
    words = ran.stdout.splitlines()
    assert f"{URL}/v1/chat/completions" in words
    assert "authorization: Bearer none" in words
    assert json.loads(words[-1])["model"] == "dashcam/echo"


def test_the_running_instance_is_pointed_at_and_keys_are_asked_for(
    dashcam: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DASHCAM_PROXY_KEYS", "dashcam_key_" + "k3v9" * 8)
    (tmp_path / "data").mkdir()
    with answering((200, b"")) as server, running(tmp_path / "data", url=server.url):
        said = dashcam("env", "dotenv")
    assert said.lines == [f"OPENAI_BASE_URL={server.url}/v1"]
    assert "show one of the proxy keys" in said.err
    assert "k3v9" not in said.err


def test_the_shell_is_the_one_that_is_used() -> None:
    assert [shell_of(path) for path in (None, "", "/bin/bash", "/usr/bin/fish")] == ["sh", "sh", "sh", "fish"]

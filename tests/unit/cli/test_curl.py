"""``dashcam curl``: a command that makes a call once more, as a shell reads it."""

from __future__ import annotations

import json
import os
import shlex
import stat
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from proxy.domain.interaction import Attempt
from proxy.domain.outcome import ContentState
from tests.support.entries import STARTED_AT, an_entry
from tests.unit.cli.conftest import Command, Record

REQUEST = b'{"model":"m","messages":[{"role":"user","content":"it\'s $HOME\\n`x`"}]}'
ANSWER = json.dumps({"choices": [{"message": {"content": "Hello"}}]}).encode()
HEADERS = (("content-type", "application/json"), ("x-dashcam-user", "kim"), ("user-agent", "OpenAI/1"))


def with_headers(request: bytes, headers: tuple[tuple[str, str], ...], **changes: Any) -> Any:
    entry = an_entry(request, ANSWER, endpoint="/v1/chat/completions", **changes)
    assert entry.request is not None
    return replace(entry, request=replace(entry.request, headers=headers))


def run_by_shell(command: str, tmp_path: Path) -> tuple[list[str], bytes]:
    """Return the arguments that curl would get, and its standard input."""
    curl = tmp_path / "bin" / "curl"
    curl.parent.mkdir(exist_ok=True)
    curl.write_text('#!/bin/sh\nfor one in "$@"; do printf "%s\\0" "$one"; done > args; cat > input\n')
    curl.chmod(curl.stat().st_mode | stat.S_IXUSR)
    environment = {"PATH": f"{curl.parent}:{os.environ['PATH']}", "OPENAI_API_KEY": "sk-mine"}
    subprocess.run(["sh", "-c", command], check=True, cwd=tmp_path, env=environment, stdin=subprocess.DEVNULL)
    return (tmp_path / "args").read_bytes().decode().split("\0")[:-1], (tmp_path / "input").read_bytes()


def test_a_command_makes_the_call_once_more(dashcam: Command, record: Record, tmp_path: Path) -> None:
    record(with_headers(REQUEST, HEADERS))
    said = dashcam("curl", "last")
    assert said.code == 0
    arguments, _ = run_by_shell(said.out, tmp_path)
    assert arguments == [
        "-sS", "-X", "POST", "http://127.0.0.1:8484/v1/chat/completions", "-H", "authorization: Bearer sk-mine",
        "-H", "content-type: application/json", "-H", "x-dashcam-user: kim", "--data-raw", REQUEST.decode(),
    ]  # fmt: skip


def test_it_goes_to_the_provider_as_it_was_sent(dashcam: Command, record: Record, tmp_path: Path) -> None:
    entry = with_headers(REQUEST, HEADERS)
    attempt = Attempt(
        interaction_id=entry.interaction.id, number=1, provider="acme", upstream="https://api.acme.example/v1",
        started_at=STARTED_AT,
    )  # fmt: skip
    edited = replace(entry.request, edits=((10, 1, "n"),))
    record(replace(entry, request=edited, attempts=(attempt,)))
    arguments, _ = run_by_shell(dashcam("curl", "--upstream").out, tmp_path)
    assert arguments[3] == "https://api.acme.example/v1/chat/completions"
    assert arguments[-1] == REQUEST.decode().replace('"m"', '"n"')
    assert "x-dashcam-user: kim" not in arguments


@pytest.mark.parametrize("body", [b"\xff\xfe", b"x" * 70_000, b"a\0b"])
def test_what_fits_into_no_command_is_piped(dashcam: Command, record: Record, body: bytes) -> None:
    record(with_headers(body, HEADERS))
    words = shlex.split(dashcam("curl").out)
    assert words[:2] == ["dashcam", "show"]
    assert words[3:6] == ["--raw", "--request", "|"]
    assert words[-1] == "@-"


def test_what_is_not_on_record_cannot_be_made_again(dashcam: Command, record: Record) -> None:
    record(replace(an_entry(content_state=ContentState.OFF, request_bytes=7), request=None))
    assert (dashcam("curl").code, "keep facts only" in dashcam("curl").err) == (3, True)
    assert dashcam("curl", "--upstream").code == 2


def test_a_call_without_a_body_is_short(dashcam: Command, record: Record) -> None:
    record(replace(an_entry(method="GET", endpoint="/v1/models", request_bytes=0), request=None))
    assert shlex.split(dashcam("curl").out)[:4] == ["curl", "-sS", "-X", "GET"]


def test_what_redaction_took_out_is_told_and_the_files_of_a_form_are_missed(dashcam: Command, record: Record) -> None:
    request = b'{"messages":[{"role":"user","content":"[redacted:email]"}]}'
    record(with_headers(request, HEADERS, content_state=ContentState.REDACTED))
    said = dashcam("curl", "last")
    assert (said.code, "[redacted:email]" in said.out) == (0, True)
    assert "what redaction took out" in said.err
    form = b'--b\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n--b--\r\n'
    entry = with_headers(form, HEADERS, content_state=ContentState.REDACTED)
    record(replace(entry, request=replace(entry.request, media_type="multipart/form-data; boundary=b")))
    said = dashcam("curl", "last")
    assert (said.code, said.out) == (3, "")
    assert "files" in said.err
